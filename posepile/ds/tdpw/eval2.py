"""``posepile eval tdpw --protocol smpl`` by an older name: parameters of SMPL."""

import sys

from posepile.ds.tdpw.eval import main

if __name__ == '__main__':
    sys.exit(main(['--protocol=smpl', *sys.argv[1:]]))
