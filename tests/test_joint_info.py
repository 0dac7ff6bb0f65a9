import pickle
import subprocess
import sys

import numpy as np
import pytest

from posepile.joint_info import JointInfo, get_joint2bone_mat

H36M_25 = (
    'rhip,rkne,rank,rfoo,rtoe,lhip,lkne,lank,lfoo,ltoe,spin,neck,head,htop,lsho,lelb,lwri,lthu,'
    'lfin,rsho,relb,rwri,rthu,rfin,pelv'
)
H36M_25_EDGES = (
    'htop-head-neck-spin-pelv-lhip-lkne-lank-lfoo-ltoe, '
    'lthu-lwri-lelb-lsho-neck-rsho-relb-rwri-rthu, rwri-rfin, lwri-lfin, '
    'pelv-rhip-rkne-rank-rfoo-rtoe'
)
COCO_19 = (
    'neck,nose,lsho,lelb,lwri,lhip,lkne,lank,rsho,relb,rwri,rhip,rkne,rank,leye,lear,reye,rear,pelv'
)
AIST_EDGES = (
    'nose-neck-pelv-lhip-lkne-lank,rwri-relb-rsho-neck-lsho-lelb-lwri,lear-leye-reye-rear,'
    'pelv-rhip-rkne-rank'
)


@pytest.mark.parametrize(
    ('joints', 'edges', 'n_entries', 'n_distinct'),
    [(H36M_25, H36M_25_EDGES, 44, 24), (COCO_19, AIST_EDGES, 31, 17)],
)
def test_edges_written_for_both_sides_count_twice(joints, edges, n_entries, n_distinct):
    edges = JointInfo(joints, edges).stick_figure_edges
    assert (len(edges), len(set(edges))) == (n_entries, n_distinct)


def test_path_is_walked_sorted_and_mirrored_in_order_of_writing():
    ji = JointInfo('pelv,rhip,lhip,rkne,lkne', 'rkne-rhip-pelv')
    assert ji.stick_figure_edges == [(1, 3), (2, 4), (0, 1), (0, 2)]


def test_edge_between_mirror_partners_is_added_once():
    assert JointInfo('lsho,rsho', 'rsho-lsho').stick_figure_edges == [(0, 1)]


def test_unknown_names_break_a_path_without_bridging_it():
    ji = JointInfo('htop,neck,pelv', 'htop-head-neck-pelv,head-pelv')
    assert ji.stick_figure_edges == [(1, 2)]


def test_single_name_path_adds_nothing():
    assert JointInfo('pelv,neck', 'pelv').stick_figure_edges == []


@pytest.mark.parametrize('edges', [[(2, 0), (0, 1)], np.array([[2, 0], [0, 1]], np.int32)])
def test_index_pairs_are_taken_as_they_are(edges):
    ji = JointInfo(['neck', 'lsho', 'rsho'], edges)
    assert ji.stick_figure_edges == [(2, 0), (0, 1)]
    assert all(type(i) is int for pair in ji.stick_figure_edges for i in pair)


def test_add_edges_later():
    ji = JointInfo('neck,lsho,rsho', [(2, 1)])
    ji.add_edges('neck-lsho')
    assert ji.stick_figure_edges == [(2, 1), (0, 1), (0, 2)]


@pytest.mark.parametrize(
    'joints',
    [
        ' neck, lsho ,rsho',
        ['neck', 'lsho', 'rsho'],
        ('neck', 'lsho', 'rsho'),
        np.array(['neck', 'lsho', 'rsho']),
        np.array(['neck', 'lsho', 'rsho'], 'S'),
        np.array(['neck', 'lsho', 'rsho'], object),
        {'rsho': 2, 'neck': 0, 'lsho': 1},
    ],
)
def test_all_forms_of_joint_lists_give_the_same_skeleton(joints):
    ji = JointInfo(joints)
    assert ji.names == ['neck', 'lsho', 'rsho']
    assert [type(name) for name in ji.names] == [str] * 3
    assert ji.ids == {'neck': 0, 'lsho': 1, 'rsho': 2}
    assert ji.mirror_mapping == [0, 2, 1]
    assert ji.n_joints == 3


def test_ids_are_a_mapping_with_attributes():
    ids = JointInfo('neck,lsho,rsho').ids
    assert ids.rsho == ids['rsho'] == 2
    assert 'neck' in ids and 'head' not in ids
    assert list(ids.items()) == [('neck', 0), ('lsho', 1), ('rsho', 2)]
    assert not hasattr(ids, 'head')
    with pytest.raises(AttributeError, match='head'):
        _ = ids.head


def test_mirroring_is_textual_and_survives_suffixes():
    ji = JointInfo('lsho_coco,rsho_coco,nose_coco')
    assert ji.mirror_mapping == [1, 0, 2]
    assert JointInfo.other_side_joint_name('rwri_h36m') == 'lwri_h36m'
    assert JointInfo.other_side_joint_name('pelv') == 'pelv'


@pytest.mark.parametrize('joints', ['neck,lhan', {'neck': 0, 'lhan': 1}])
def test_missing_partner_mirrors_to_itself_and_warns_by_name(joints):
    with pytest.warns(UserWarning, match='lhan'):
        ji = JointInfo(joints)
    assert ji.mirror_mapping == [0, 1]
    assert np.arange(2)[ji.mirror_mapping].tolist() == [0, 1]


@pytest.mark.parametrize('joints', ['neck,neck', {'neck': 1, 'head': 2}, {'neck': 0, 'head': 0}])
def test_ambiguous_joints_are_refused(joints):
    with pytest.raises(ValueError):
        JointInfo(joints)


@pytest.mark.parametrize('joints', [3, None, [1, 2]])
def test_other_types_are_refused(joints):
    with pytest.raises(TypeError):
        JointInfo(joints)


def test_select_joints_keeps_order_and_ends_of_edges():
    ji = JointInfo('pelv,rhip,lhip,rkne,lkne', 'pelv-rhip-rkne')
    selected = ji.select_joints(np.array([3, 4, 1, 2]))
    assert selected.names == ['rkne', 'lkne', 'rhip', 'lhip']
    assert selected.stick_figure_edges == [(2, 0), (3, 1)]
    assert selected.mirror_mapping == [1, 0, 3, 2]


def test_update_names_leaves_edges_and_mirroring():
    ji = JointInfo('pelv,rhip,lhip', 'pelv-rhip')
    ji.update_names('a,b,c')
    assert ji.ids.b == 1 and 'pelv' not in ji.ids
    assert ji.stick_figure_edges == [(0, 1), (0, 2)]
    assert ji.mirror_mapping == [0, 2, 1]
    with pytest.raises(ValueError, match='3'):
        ji.update_names(['a'])


def test_str():
    assert str(JointInfo('pelv,rhip,lhip', 'pelv-rhip')) == (
        'Joints: pelv, rhip, lhip\nBones: pelv-rhip, pelv-lhip'
    )


def test_pickle_and_equality():
    ji = JointInfo(H36M_25, H36M_25_EDGES)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        copy = pickle.loads(pickle.dumps(ji, protocol))
        assert copy == ji
        assert copy.ids.rfin == 23 and copy.mirror_mapping == ji.mirror_mapping
    assert ji != JointInfo(H36M_25)
    assert ji != JointInfo(H36M_25.replace('htop', 'head2'), ji.stick_figure_edges)


def test_state_of_old_pickles_is_understood():
    ji = JointInfo.__new__(JointInfo)
    ji.__setstate__(
        dict(ids=object(), names=['a', 'b'], mirror_mapping=[0, 1], stick_figure_edges=[(0, 1)])
    )
    assert ji.ids.b == 1


def test_joint2bone_matrix():
    ji = JointInfo('pelv,rhip,lhip', [(0, 1), (2, 0), (0, 1)])
    matrix = get_joint2bone_mat(ji)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, [[1, -1, 0], [-1, 0, 1], [1, -1, 0]])
    assert get_joint2bone_mat(JointInfo('pelv,neck')).shape == (0, 2)


def test_import_is_light():
    code = (
        'import sys; import posepile.joint_info; '
        'print([m for m in ("numpy", "scipy", "cv2", "torch") if m in sys.modules])'
    )
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == '[]'
