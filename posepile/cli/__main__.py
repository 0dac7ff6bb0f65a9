"""``python -m posepile.cli``, the same as ``posepile``."""

import sys

from posepile.cli import main

sys.exit(main())
