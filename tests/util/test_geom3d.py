import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.joint_info import JointInfo, get_joint2bone_mat
from posepile.util import geom3d
from posepile.util.bones import MeanBoneLengths, compute_mean_bones

TWO_POSES = np.array([[[0, 0, 0], [2, 0, 0]], [[0, 0, 0], [4, 0, 0]]], float)
N = np.nan


def test_golden_scale_and_spread():
    np.testing.assert_allclose(geom3d.get_scale(TWO_POSES), [0.81649658, 1.63299316], rtol=1e-6)
    aligned = geom3d.scale_align(TWO_POSES)
    np.testing.assert_allclose(aligned, [[[0, 0, 0], [3.16227766, 0, 0]]] * 2, rtol=1e-6)
    np.testing.assert_allclose(geom3d.point_stdev(TWO_POSES), [0, 0.81649658], rtol=1e-6)


def test_golden_confidence_and_auc():
    np.testing.assert_allclose(
        geom3d.confidence([0, 50, 100]), [1, 0.50004547, 0.06252274], rtol=1e-6
    )
    np.testing.assert_allclose(geom3d.auc([0, 50, 100, 150], 0, 100), [1, 0.5, 0, 0])


@pytest.mark.parametrize(
    ('eps', 'expected', 'atol'),
    [(1e-6, (5, 5, 0), 1e-4), (5, (5.70094503, 5.70094503, 0), 1e-6)],
)
def test_golden_geometric_median(eps, expected, atol):
    points = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [100, 100, 0]], float)
    np.testing.assert_allclose(geom3d.geometric_median(points, eps), expected, atol=atol)
    with_missing = np.concatenate([points, [[N, 0, 0]]])
    np.testing.assert_allclose(geom3d.geometric_median(with_missing, eps), expected, atol=atol)


def test_geometric_median_special_cases():
    assert geom3d.geometric_median([[7, 8, 9]]).tolist() == [7, 8, 9]
    assert geom3d.geometric_median([[7, 8]] * 3).tolist() == [7, 8]
    # The mean, where the iteration starts, is itself one of the points.
    cross = np.array([[0, 0], [9, 0], [-9, 0], [0, 9], [0, -9]], float)
    assert geom3d.geometric_median(cross).tolist() == [0, 0]
    # There, two coinciding points outweigh the pull of the others, of which more lie to the left.
    line = np.array([[0, 0], [0, 0], [9, 0], [-6, 0], [-3, 0]], float) + [100, 50]
    assert geom3d.geometric_median(line).tolist() == [100, 50]
    assert np.isnan(geom3d.geometric_median(np.full((2, 3), N))).all()
    assert geom3d.geometric_median(np.empty((4, 0, 3))).shape == (4, 3)
    with pytest.raises(ValueError, match='eps'):
        geom3d.geometric_median(cross, 0)


def test_geometric_median_leaves_a_point_that_is_not_the_median():
    # The mean (0, 0) is a point of the set, but the median is at the heap of points at (3, 0).
    points = np.array([[0, 0], [3, 0], [3, 0], [3, 0], [-9, 0]], float)
    np.testing.assert_allclose(geom3d.geometric_median(points, 1e-9), [3, 0], atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 9))
def test_geometric_median_minimises_the_summed_distance_and_batches(seed, n):
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 100, (2, 3, n, 3))
    medians = geom3d.geometric_median(points, 1e-7)
    assert medians.shape == (2, 3, 3)
    single = geom3d.geometric_median(points[1, 2], 1e-7)
    np.testing.assert_allclose(medians[1, 2], single, atol=1e-5)

    def cost(x):
        return np.linalg.norm(points[1, 2] - x, axis=-1).sum()

    for offset in rng.normal(0, 1, (20, 3)):
        assert cost(single) <= cost(single + offset) + 1e-6


def test_nan_joints_are_left_out():
    pose = np.array([[3.0, 4.0, 0.0], [N, 1.0, 1.0], [0.0, 0.0, 0.0]])
    assert geom3d.are_joints_valid(pose).tolist() == [True, False, True]
    assert math.isclose(geom3d.get_scale(pose), math.sqrt(25 / 6))
    assert geom3d.get_scale(np.stack([pose] * 2), keepdims=True).shape == (2, 1, 1)
    scaled = geom3d.scale_align_to_true(pose, 2 * np.nan_to_num(pose))
    np.testing.assert_allclose(scaled, 2 * pose)

    versions = np.array([[[0.0, 0, 0]], [[6.0, 0, 0]], [[N, N, N]]])
    expected = np.sqrt(2 * (9 + 9) / (2 * 3))
    np.testing.assert_allclose(geom3d.point_stdev(versions), [expected])
    assert geom3d.point_stdev(versions[:1]).tolist() == [0]
    assert np.isnan(geom3d.point_stdev(versions[2:])).all()


def test_point_stdev_axes():
    poses = np.random.default_rng(0).normal(size=(4, 5, 6, 3))
    expected = np.sqrt(np.var(poses, axis=1, ddof=1).mean(axis=-1))
    np.testing.assert_allclose(geom3d.point_stdev(poses), expected)
    moved = np.moveaxis(poses, (1, 3), (2, 0))
    np.testing.assert_allclose(geom3d.point_stdev(moved, item_axis=2, coord_axis=0), expected)


def test_convert_pose_and_unit_vector():
    pose = np.arange(12.0).reshape(2, 2, 3)
    weights = np.array([[1, 0.5, 0], [0, 0.5, 1]])
    expected = np.stack([pose[:, 0], pose.mean(axis=1), pose[:, 1]], axis=1)
    np.testing.assert_allclose(geom3d.convert_pose(pose, weights), expected)
    assert geom3d.unit_vector([3.0, 4.0]).tolist() == [0.6, 0.8]
    assert geom3d.unit_vector([[3.0], [4.0]], axis=0).tolist() == [[0.6], [0.8]]


def test_bone_plausibility():
    ji = JointInfo('a,b', 'a-b')
    x = np.array([0.0, 9, 11, 100, 299, 301, 1000, N])
    poses = np.zeros((8, 2, 3))
    poses[:, 1, 0] = x
    # Against 100 mm no short bone is off by more than 150 mm, so only length can be at fault.
    expected = [True, True, True, True, True, False, False, True]
    assert geom3d.are_bones_plausible(poses, [100.0], ji)[:, 0].tolist() == expected
    matrix = get_joint2bone_mat(ji)
    from_matrix = geom3d.are_bones_plausible(poses, [100.0], joints2bones_matrix=matrix)
    assert from_matrix[:, 0].tolist() == expected
    too_short = geom3d.are_bones_plausible(poses[:3], [200.0], ji)
    assert too_short[:, 0].tolist() == [False, False, False]
    lenient = geom3d.are_bones_plausible(poses, [100.0], ji, relbig=20)
    assert lenient.all()
    with pytest.raises(TypeError):
        geom3d.are_bones_plausible(poses, [100.0])


class Example:
    def __init__(self, coords):
        self.coords = coords

    def get_world_coords(self):
        return self.coords


def random_poses(n, dtype=np.float32):
    rng = np.random.default_rng(3)
    poses = rng.normal(0, 500, (n, 5, 3)).astype(dtype)
    poses[rng.random((n, 5)) < 0.2] = np.nan
    poses[:, 4] = np.nan
    return poses


BONES_JI = JointInfo('a,b,c,d,e', 'a-b-c-d,c-e,a-b')


def test_mean_bones_are_means_over_the_valid_ones():
    poses = random_poses(700)
    bones = compute_mean_bones((Example(p) for p in poses), BONES_JI)
    edges = np.array(BONES_JI.stick_figure_edges)
    lengths = np.linalg.norm(poses[:, edges[:, 0]] - poses[:, edges[:, 1]], axis=-1)
    expected = [np.nanmean(column) if not np.isnan(column).all() else 0 for column in lengths.T]
    assert bones.dtype == np.float32 and expected[3] == 0
    np.testing.assert_allclose(bones, expected, rtol=1e-5)


def test_mean_bones_do_not_depend_on_portions_or_on_intermediate_results():
    poses = random_poses(700)
    whole = MeanBoneLengths(BONES_JI)
    whole.update(poses)
    portions = MeanBoneLengths(BONES_JI)
    for portion in np.split(poses, [1, 2, 255, 300, 650]):
        portions.update(portion)
        portions.result()
    one_by_one = MeanBoneLengths(BONES_JI)
    for pose in poses:
        one_by_one.update(pose)
    assert whole.result().tobytes() == one_by_one.result().tobytes()
    assert whole.result().tobytes() == portions.result().tobytes()
    from_examples = compute_mean_bones([Example(p) for p in poses], BONES_JI)
    assert whole.result().tobytes() == from_examples.tobytes()


def test_mean_bones_pass_over_examples_without_coordinates_and_float16_does_not_overflow():
    pose = np.array([[0, 0, 0], [2000, 0, 0], [N, 0, 0], [0, 0, 0], [0, 0, 0]], np.float16)
    bones = compute_mean_bones([Example(None), Example(pose)], BONES_JI)
    assert bones.tolist() == [2000, 0, 0, 0, 2000]
    assert compute_mean_bones([], BONES_JI).tolist() == [0] * 5
    assert compute_mean_bones([Example(pose)], JointInfo('a,b,c,d,e')).shape == (0,)


def test_half_precision_does_not_overflow():
    pose = np.array([[0, 0, 0], [2000, 0, 0]], np.float16)
    assert geom3d.are_bones_plausible(pose, [2000.0], JointInfo('a,b', 'a-b')).all()
    np.testing.assert_allclose(geom3d.get_scale(pose), 2000 / np.sqrt(6), rtol=1e-6)
    spread = geom3d.point_stdev(np.stack([pose, -pose]))
    np.testing.assert_allclose(spread, [0, 2000 * np.sqrt(2 / 3)], rtol=1e-6)
