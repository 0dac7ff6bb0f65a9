"""The skeleton of H3WB: that of COCO-WholeBody, and its parts."""

from posepile.ds.coco.skeletons import WHOLE_BODY
from posepile.joint_info import JointInfo

N_JOINTS = 133
#: Rows of the parts of the body, as the benchmark takes them together.
BODY = slice(0, 23)  # with the feet
FACE = slice(23, 91)
LEFT_HAND = slice(91, 112)
RIGHT_HAND = slice(112, 133)
HANDS = slice(91, 133)
NOSE = 0
HIPS = (11, 12)
N_BODY17 = 17


def _chain(side_and_part, *numbers):
    return '-'.join(f'{side_and_part}{i}' for i in numbers)


_FINGERS = [_chain('rhan', 1, *range(i, i + 4)) for i in range(2, 22, 4)]
# One side; the other one is its mirror image.
_EDGES = [
    'nose-reye-rear',
    f'rsho-relb-rwri-{_FINGERS[0]}',
    *_FINGERS[1:],
    'rsho-rhip-rkne-rank-rtoe,rank-rtoe2,rank-rhee',
    'lsho-rsho,lhip-rhip',
    _chain('rface', *range(1, 9)) + '-chin',
    _chain('rface', *range(9, 14)),  # brow
    _chain('nose', *range(1, 5)),
    _chain('rface', 14, 15) + '-nose5',
    _chain('reye', *range(1, 7), 1),
    _chain('rmouth', 1, 2, 3) + '-mouth1',
    'mouth2-' + _chain('rmouth', 5, 4, 1),
    _chain('rmouth', 6, 7) + '-mouth3',
    'mouth4-' + _chain('rmouth', 8, 6),
]
JOINT_INFO = JointInfo(WHOLE_BODY.names, ','.join(_EDGES))
BODY17_JOINT_INFO = JOINT_INFO.select_joints(range(N_BODY17))
