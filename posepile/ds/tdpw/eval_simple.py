"""``posepile eval tdpw --protocol simple`` by an older name: joints alone."""

import sys

from posepile.ds.tdpw.eval import main

if __name__ == '__main__':
    sys.exit(main(['--protocol=simple', *sys.argv[1:]]))
