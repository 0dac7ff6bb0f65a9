import copy

import deltacamera
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posepile.datasets2d import Pose2DDataset, Pose2DExample
from posepile.datasets3d import Pose3DDataset, Pose3DExample, get_compressed_dataset
from posepile.joint_filtering import (
    convert_coords,
    convert_dataset,
    convert_example,
    convert_sparse_dataset,
    converted_dataset,
    filter_dataset_by_plausibility,
    get_coord_mapping,
)
from posepile.joint_info import JointInfo
from posepile.util import TEST, TRAIN, VALID
from posepile.util.sparse_coords import SparseCoords, compress_dataset
from tests.storage.packed_samples import JOINT_INFO as WALKERS
from tests.storage.packed_samples import write_dataset

N = np.nan
SRC = JointInfo('pelv,spin,neck,lhip,rhip', 'pelv-spin-neck,pelv-lhip')
DST = JointInfo('neck,htop,rhip,lhip,tors,spin', 'neck-tors,tors-rhip')


def names_of_sources(src, dst, suffix=''):
    mapping = get_coord_mapping(JointInfo(src), JointInfo(dst), suffix)
    src = src.split(',')
    return [None if np.isnan(row).all() else src[int(row.argmax())] for row in mapping]


def test_mapping_is_one_hot_with_nan_rows():
    mapping = get_coord_mapping(SRC, DST)
    expected = np.zeros((6, 5))
    expected[[0, 2, 3, 4, 5], [2, 4, 3, 1, 1]] = 1
    expected[1] = N
    np.testing.assert_array_equal(mapping, expected)


def test_suffixed_name_goes_first():
    assert names_of_sources('neck,neck_a', 'neck', '_a') == ['neck_a']
    assert names_of_sources('neck,neck_b', 'neck', '_a') == ['neck']


def test_tors_goes_before_spin_for_both():
    assert names_of_sources('spin,tors', 'tors,spin') == ['tors', 'tors']
    assert names_of_sources('spin', 'tors,spin') == ['spin', 'spin']
    assert names_of_sources('tors,spin_a', 'spin', '_a') == ['spin_a']
    assert names_of_sources('neck', 'tors,spin') == [None, None]


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_coords_keep_type_and_nans_stay_per_coordinate(dtype):
    coords = np.arange(30, dtype=dtype).reshape(2, 5, 3)
    coords[0, 2, 1] = N
    before = coords.copy()
    converted = convert_coords(coords, get_coord_mapping(SRC, DST))
    assert converted.shape == (2, 6, 3) and converted.dtype == dtype
    np.testing.assert_array_equal(converted[0, 0], coords[0, 2])
    np.testing.assert_array_equal(converted[:, 3], coords[:, 3])
    assert np.isnan(converted[:, 1]).all()
    np.testing.assert_array_equal(coords, before)


def test_integer_coords_can_become_missing():
    converted = convert_coords(np.ones((5, 2), int), get_coord_mapping(SRC, DST))
    assert np.isnan(converted[1]).all() and converted[0].tolist() == [1, 1]


def test_skeleton_without_joints():
    mapping = get_coord_mapping(JointInfo(''), DST)
    assert np.isnan(convert_coords(np.zeros((0, 3)), mapping)).all()
    assert convert_coords(SparseCoords(np.zeros((0, 3))), mapping).to_array().shape == (6, 3)


@given(
    st.lists(st.sampled_from('abcdefgh'), unique=True, max_size=8),
    st.lists(st.sampled_from(['tors', 'spin', *'abcdefgh']), unique=True, max_size=8),
    st.lists(st.booleans(), min_size=9, max_size=9),
)
def test_sparse_conversion_is_dense_conversion(src, dst, valid):
    # 'spin' may serve two destinations, some joints are dropped, some missing, some reordered.
    src = JointInfo([*src, 'spin'])
    coords = np.arange(3.0 * src.n_joints).reshape(-1, 3)
    coords[~np.array(valid[: src.n_joints])] = N
    sparse = SparseCoords(coords)
    mapping = get_coord_mapping(src, JointInfo(dst))
    converted = convert_coords(sparse, mapping)
    np.testing.assert_array_equal(converted.to_array(), convert_coords(coords, mapping))
    assert np.all(np.diff(converted.valid_coords[:, 0]) >= 0)  # rows stay in their order
    assert converted.i_valid_joints.dtype == np.uint16


def example(coords, path='x/frame.jpg', box=(0, 0, 1000, 1000)):
    camera = deltacamera.Camera(
        intrinsic_matrix=np.array([[1000, 0, 500], [0, 1000, 500], [0, 0, 1]], np.float32),
        world_up=(0, -1, 0),
    )
    return Pose3DExample(path, np.array(coords, np.float32), np.array(box), camera)


def pose(neck_height=500):
    return [[0, 0, 3000], [0, -200, 3000], [0, -neck_height, 3000], [100, 0, 3000], [-100, 0, 3000]]


def test_convert_example_touches_what_there_is():
    mapping = get_coord_mapping(SRC, DST)
    ex3d = example(pose())
    ex3d.univ_coords = ex3d.world_coords * 2
    convert_example(ex3d, mapping)
    assert ex3d.world_coords.shape == ex3d.univ_coords.shape == (6, 3)
    ex2d = convert_example(Pose2DExample('a.jpg', np.ones((5, 2), np.float32)), mapping)
    assert ex2d.coords.shape == (6, 2) and not hasattr(ex2d, 'world_coords')
    parametric = example(pose())
    parametric.world_coords = None
    assert convert_example(parametric, mapping).world_coords is None


@pytest.mark.parametrize('sparse', [False, True])
def test_convert_dataset_in_place(sparse):
    ds = Pose3DDataset(SRC, [example(pose())], [example(pose())], [example(pose())])
    if sparse:
        compress_dataset(ds)
    assert convert_dataset(ds, DST) is ds
    assert ds.joint_info is DST
    for split in (TRAIN, VALID, TEST):
        assert ds.examples[split][0].get_world_coords()[0].tolist() == [0, -500, 3000]
    np.testing.assert_allclose(ds.train_bones[0], 300)  # neck-tors


def test_sparse_dataset_keeps_its_bones_unless_asked():
    ds = compress_dataset(Pose3DDataset(SRC, [example(pose())]))
    bones = ds.train_bones
    convert_sparse_dataset(ds, DST)
    assert ds.train_bones is bones
    assert isinstance(ds.examples[TRAIN][0].world_coords, SparseCoords)


def test_converted_dataset_leaves_the_original():
    ds = Pose2DDataset(SRC, [Pose2DExample('a.jpg', np.ones((5, 2), np.float32))])
    converted = converted_dataset(ds, DST)
    assert converted.examples[TRAIN][0].coords.shape == (6, 2)
    assert ds.examples[TRAIN][0].coords.shape == (5, 2)
    assert ds.joint_info is SRC and type(converted) is Pose2DDataset


def plausible_dataset(extra, **kwargs):
    return Pose3DDataset(SRC, [example(pose(), f'x/{i}.jpg') for i in range(40)] + extra)


def kept_extra(extra, **kwargs):
    ds = plausible_dataset(extra)
    n_removed = filter_dataset_by_plausibility(ds, **kwargs)
    kept = [ex for ex in ds.examples[TRAIN] if ex in extra]
    assert len(ds.examples[TRAIN]) == 40 + len(extra) - n_removed == 40 + len(kept)
    return kept


BROKEN = pose(neck_height=5000)


def test_implausible_bones_are_dropped_and_bones_recomputed(caplog):
    ds = plausible_dataset([example(BROKEN, 'x/bad.jpg')])
    mean_before = ds.train_bones[1]
    with caplog.at_level('INFO'):
        assert filter_dataset_by_plausibility(ds) == 1
    assert ds.train_bones[1] == 300 != mean_before
    assert 'x/bad.jpg' in caplog.text and '2.44' in caplog.text


def test_only_train_examples_are_filtered():
    ds = plausible_dataset([])
    ds.examples[VALID] = [example(BROKEN)]
    ds.examples[TEST] = [example(BROKEN)]
    filter_dataset_by_plausibility(ds)
    assert len(ds.examples[VALID]) == len(ds.examples[TEST]) == 1


def test_named_exceptions():
    surreal = example(BROKEN, 'surreal/bad.jpg')
    assert kept_extra([surreal]) == [surreal]
    assert kept_extra([surreal], surreal_always_plausible=False) == []
    piano = example(pose(), 'panoptic/161029_piano1/good.jpg')
    assert kept_extra([piano]) == []
    assert kept_extra([piano], piano1=True) == [piano]


def test_joints_in_box():
    # x of the joints in the image: 500 (three of them), 533, 467; the neck has y = 333.
    left_out = [example(pose(), box=(0, 0, 500, 1000)), example(pose(), box=(500, 0, 500, 400))]
    kept = example(pose(), box=(500, 0, 500, 1000))  # half-open: 500 is inside
    assert kept_extra([*left_out, kept]) == [kept]
    missing = pose()
    missing[0] = missing[1] = [N, N, N]
    missing = example(missing)
    assert kept_extra([missing]) == []
    assert kept_extra([missing], min_joints_in_box=3) == [missing]


@pytest.mark.parametrize('sparse', [False, True])
def test_ends_of_implausible_bones_can_be_removed_instead(sparse):
    ds = plausible_dataset([example(BROKEN, 'x/bad.jpg'), example(pose(), 'x/last.jpg')])
    if sparse:
        compress_dataset(ds)
    before = ds.examples[TRAIN][40].world_coords
    if not sparse:
        before.flags.writeable = False
    options = dict(set_to_nan_instead_of_removal=True)
    # Spine and neck go, and the neck was outside the box before.
    lenient = copy.deepcopy(ds)
    assert filter_dataset_by_plausibility(lenient, min_joints_in_box=3, **options) == 0
    coords = lenient.examples[TRAIN][40].get_world_coords()
    assert np.isnan(coords).all(axis=1).tolist() == [False, True, True, False, False]
    # Four joints are inside before, three after: the count has to be made anew.
    assert filter_dataset_by_plausibility(ds, min_joints_in_box=4, **options) == 1


def test_empty_dataset():
    assert filter_dataset_by_plausibility(Pose3DDataset(SRC)) == 0


def test_datasets_in_archives_are_left_alone(tmp_path):
    path = write_dataset(tmp_path)
    dataset = Pose3DDataset.open(path)
    for convert in (convert_dataset, converted_dataset):
        with pytest.raises(TypeError, match='in an archive'):
            convert(dataset, DST)
    assert dataset.joint_info == WALKERS
    in_memory = convert_dataset(get_compressed_dataset(path), DST)
    assert next(in_memory.iter_examples()).get_world_coords().shape == (6, 3)
