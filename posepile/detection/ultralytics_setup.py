"""Import this before torch and Ultralytics: it makes them considerate."""

import os

os.environ.setdefault('YOLO_AUTOINSTALL', 'false')  # no installing of packages behind the back
os.environ.setdefault('YOLO_VERBOSE', 'false')
# Threads of the network that wait for one another must not keep cores from those that load images:
# on a busy machine, spinning makes a network five times slower.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
