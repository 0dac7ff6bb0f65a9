"""``posepile eval tdpw --protocol stream`` by an older name: streams of joints and vertices."""

import sys

from posepile.ds.tdpw.eval import main

if __name__ == '__main__':
    sys.exit(main(['--protocol=stream', *sys.argv[1:]]))
