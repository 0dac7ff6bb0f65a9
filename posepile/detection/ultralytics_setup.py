"""Import this before anything of Ultralytics: it keeps the package from acting on its own."""

import os

os.environ.setdefault('YOLO_AUTOINSTALL', 'false')  # no installing of packages behind the back
os.environ.setdefault('YOLO_VERBOSE', 'false')
