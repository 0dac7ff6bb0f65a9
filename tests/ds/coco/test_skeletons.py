import warnings

import pytest

from posepile.ds.coco import skeletons
from posepile.joint_info import JointInfo
from posepile.simulate.face_hands import FACE_NAMES

BODY = 'nose,leye,reye,lear,rear,lsho,rsho,lelb,relb,lwri,rwri,lhip,rhip,lkne,rkne,lank,rank'
FACE_ENDS = {23: 'rface1', 31: 'chin', 32: 'lface8', 39: 'lface1', 40: 'rface9', 49: 'lface9',
             50: 'nose1', 58: 'lface14', 59: 'reye1', 65: 'leye4', 70: 'leye5', 71: 'rmouth1',
             77: 'lmouth1', 80: 'mouth2', 83: 'rmouth6', 85: 'mouth3', 88: 'lmouth8',
             90: 'rmouth8', 91: 'lhan1', 111: 'lhan21', 112: 'rhan1', 132: 'rhan21'}  # fmt: skip


def test_order_of_the_whole_body():
    names = skeletons.WHOLE_BODY.names
    assert len(names) == len(set(names)) == 133
    assert names[:17] == BODY.split(',') == skeletons.BODY.names
    assert names[17:23] == ['ltoe', 'ltoe2', 'lhee', 'rtoe', 'rtoe2', 'rhee']
    assert names[23:91] == list(FACE_NAMES)  # written out, where the reader's are abbreviated
    assert {i: names[i] for i in FACE_ENDS} == FACE_ENDS


def test_every_left_joint_has_a_right_one():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for info in (skeletons.WHOLE_BODY, skeletons.BODY, skeletons.LIMBS_AND_FACE):
            mirrored = JointInfo(info.names).mirror_mapping
            assert [mirrored[i] for i in mirrored] == list(range(info.n_joints))


@pytest.mark.parametrize('info', [skeletons.BODY, skeletons.WHOLE_BODY])
def test_edges(info):
    edges = {'-'.join(sorted((info.names[i], info.names[j]))) for i, j in info.stick_figure_edges}
    assert len(info.stick_figure_edges) == 12 == len(edges)
    assert {'relb-rsho', 'lelb-lwri', 'lhip-lkne', 'rank-rkne', 'nose-reye', 'lear-leye'} <= edges


def test_reduced():
    limbs = 'rank,rkne,rhip,lhip,lkne,lank,rwri,relb,lelb,lwri'.split(',')
    assert skeletons.LIMBS.names == limbs
    assert skeletons.LIMBS_AND_FACE.names == [*limbs, 'nose', 'leye', 'reye', 'lear', 'rear']
    assert skeletons.LIMBS.stick_figure_edges == skeletons.LIMBS_AND_FACE.stick_figure_edges
