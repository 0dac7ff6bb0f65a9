"""PosePile: every 3D human pose dataset, turned into one.

Raw releases go in, person-centred crops with joints, calibrated camera, box, mask and
body-model parameters come out, packed in Barecat archives. See ``ARCHITECTURE.md``.
"""

__version__ = '0.1.0'
