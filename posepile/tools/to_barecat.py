"""Another name of :mod:`posepile.tools.dataset_pickle_to_barecat`, with the same options."""

from posepile.tools.dataset_pickle_to_barecat import main

if __name__ == '__main__':
    main()
