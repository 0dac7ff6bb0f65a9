"""The skeletons of COCO and COCO-WholeBody; left and right are the person's own."""

import re

from posepile.joint_info import JointInfo

_EDGES = 'rsho-relb-rwri,rhip-rkne-rank,nose-reye-rear'
_BODY = 'nose leye reye lear rear lsho rsho lelb relb lwri rwri lhip rhip lkne rkne lank rank'
_FEET = 'ltoe ltoe2 lhee rtoe rtoe2 rhee'  # big toe, small toe, heel
_FACE = (
    'rface1..8 chin lface8..1 '  # jaw line, from the person's right ear to the left
    'rface9..13 lface13..9 '  # brows
    'nose1..4 rface14..15 nose5 lface15..14 '  # bridge and nostrils
    'reye1..6 leye4..1 leye6..5 '
    'rmouth1..3 mouth1 lmouth3..1 lmouth4..5 mouth2 rmouth5..4 '  # outer lips
    'rmouth6..7 mouth3 lmouth7..6 lmouth8 mouth4 rmouth8'  # inner lips
)
_HANDS = 'lhan1..21 rhan1..21'  # wrist, then thumb to little finger, each from base to tip


def _names(text):
    """The words of ``text``, where ``x3..1`` stands for ``x3 x2 x1``."""
    names = []
    for word in text.split():
        span = re.fullmatch(r'(\D+)(\d+)\.\.(\d+)', word)
        if span is None:
            names.append(word)
            continue
        first, last = int(span[2]), int(span[3])
        step = 1 if first <= last else -1
        names += [f'{span[1]}{i}' for i in range(first, last + step, step)]
    return names


BODY = JointInfo(_names(_BODY), _EDGES)
WHOLE_BODY = JointInfo(_names(f'{_BODY} {_FEET} {_FACE} {_HANDS}'), _EDGES)

# The joints that datasets annotate alike: conventions for shoulders differ too much.
_LIMBS = 'rank rkne rhip lhip lkne lank rwri relb lelb lwri'
_LIMB_EDGES = 'lelb-lwri,relb-rwri,lhip-lkne-lank,rhip-rkne-rank'
LIMBS = JointInfo(_names(_LIMBS), _LIMB_EDGES)
LIMBS_AND_FACE = JointInfo(_names(f'{_LIMBS} nose leye reye lear rear'), _LIMB_EDGES)
