"""``posepile eval tdpw --protocol points`` by an older name: joints and vertices."""

import sys

from posepile.ds.tdpw.eval import main

if __name__ == '__main__':
    sys.exit(main(['--protocol=points', *sys.argv[1:]]))
