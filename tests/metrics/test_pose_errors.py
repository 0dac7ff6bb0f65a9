import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from posepile.metrics import errors, rates
from posepile.metrics.alignment import (
    rigid_aligned,
    root_relative,
    scale_aligned,
    similarity_aligned,
)

seeds = st.integers(0, 2**32 - 1)


def random_poses(seed, n=6, n_joints=17):
    rng = np.random.default_rng(seed)
    return rng, rng.normal(0, 400, (n, n_joints, 3)) + rng.normal(0, 3000, (n, 1, 3))


def test_unit_vectors():
    pred = np.array([[1, 1, 1], [0, 0, 2]])
    true = np.array([[1, 1, 1], [3, 4, 2]])
    assert errors.mpjpe(pred, true) == 2.5
    assert rates.pck(pred, true, threshold=4) == 0.5
    assert rates.pck(pred, true, threshold=5) == 1
    assert rates.pck(pred, true, threshold=5, inclusive=False) == 0.5


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_translation_counts_in_absolute_errors_only(seed):
    rng, true = random_poses(seed)
    pred = true + np.array([100.0, -200.0, 200.0])
    np.testing.assert_allclose(errors.mpjpe(pred, true), 300)
    np.testing.assert_allclose(errors.root_relative_mpjpe(pred, true, 16), 0, atol=1e-9)
    np.testing.assert_allclose(errors.pa_mpjpe(pred, true), 0, atol=1e-9)
    np.testing.assert_allclose(errors.mpjpe(rigid_aligned(pred, true), true), 0, atol=1e-9)
    assert rates.pck(pred, true, 299.999).max() == 0 and rates.pck(pred, true, 300.001).min() == 1


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_scale_about_the_root_is_removed_by_scaling_alignments_only(seed):
    _, true = random_poses(seed)
    relative = root_relative(true, 16)
    pred = true + 0.25 * relative
    expected = 0.25 * np.linalg.norm(relative, axis=-1).mean(axis=-1)
    np.testing.assert_allclose(errors.mpjpe(pred, true), expected)
    np.testing.assert_allclose(errors.root_relative_mpjpe(pred, true, 16), expected)
    np.testing.assert_allclose(errors.pa_mpjpe(pred, true), 0, atol=1e-6)
    np.testing.assert_allclose(scale_aligned(1.25 * relative, relative), relative, atol=1e-9)
    # Without scaling, the best fit brings the centroids together and nothing else.
    centred = true - true.mean(axis=1, keepdims=True)
    expected = 0.25 * np.linalg.norm(centred, axis=-1).mean(axis=-1)
    np.testing.assert_allclose(errors.mpjpe(rigid_aligned(pred, true), true), expected)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_rotation_about_the_root_is_removed_by_procrustes_only(seed):
    rng, true = random_poses(seed)
    rotation = Rotation.random(rng=rng).as_matrix()
    relative = root_relative(true, 16)
    pred = relative @ rotation + true[:, 16:]
    expected = np.linalg.norm(relative @ rotation - relative, axis=-1).mean(axis=-1)
    np.testing.assert_allclose(errors.mpjpe(pred, true), expected)
    np.testing.assert_allclose(errors.root_relative_mpjpe(pred, true, 16), expected)
    np.testing.assert_allclose(errors.pa_mpjpe(pred, true), 0, atol=1e-6)


def test_root_error_spreads_to_all_other_joints():
    _, true = random_poses(0)
    pred = true.copy()
    pred[:, 16, 0] += 170
    np.testing.assert_allclose(errors.mpjpe(pred, true), 10)
    np.testing.assert_allclose(errors.root_relative_mpjpe(pred, true, 16), 160)
    np.testing.assert_allclose(rates.pck(pred, true), 16 / 17)


def test_mirrored_pose_is_not_aligned_by_a_reflection():
    _, true = random_poses(3)
    assert errors.pa_mpjpe(true * [-1, 1, 1], true).min() > 100


def test_unflipped_scale_matters_for_reflections_only():
    _, true = random_poses(3)
    noisy = true + np.random.default_rng(1).normal(0, 30, true.shape)
    np.testing.assert_array_equal(
        similarity_aligned(noisy, true), similarity_aligned(noisy, true, unflipped_scale=True)
    )
    mirrored = noisy * [-1, 1, 1]
    quirky = errors.mpjpe(similarity_aligned(mirrored, true, unflipped_scale=True), true)
    assert np.all(quirky != errors.pa_mpjpe(mirrored, true))


@pytest.mark.parametrize('how', ['mask', 'nan in truth', 'nan in prediction'])
def test_missing_joints_do_not_count(how):
    rng, true = random_poses(7)
    pred = true + rng.normal(0, 60, true.shape)
    metrics = {
        'mpjpe': lambda p, t, m: errors.mpjpe(p, t, m),
        'relative': lambda p, t, m: errors.root_relative_mpjpe(p, t, 16, m),
        'pa': errors.pa_mpjpe,
        'pck': lambda p, t, m: rates.pck(p, t, 100, m),
        'auc': lambda p, t, m: rates.auc(p, t, mask=m),
    }
    expected = {
        name: f(pred[:, 4:], true[:, 4:], None) for name, f in metrics.items() if name != 'relative'
    }
    expected['relative'] = errors.root_relative_mpjpe(pred[:, 4:], true[:, 4:], 12)
    mask = None
    if how == 'mask':
        mask = np.broadcast_to(np.arange(17) >= 4, (6, 17))
        pred[:, :4] += 1e4
    elif how == 'nan in truth':
        true[:, 1, 2] = true[:, [0, 2, 3]] = np.nan
        true[:, 1, 2] = np.nan
    else:
        pred[:, :4] = np.nan
    for name, f in metrics.items():
        np.testing.assert_allclose(f(pred, true, mask), expected[name], err_msg=name)


def test_pose_without_joints_is_nan_and_infinity_is_an_error():
    pose = np.zeros((2, 5, 3))
    assert np.isnan(errors.mpjpe(pose, pose, np.zeros((2, 5), bool))).all()
    assert np.isnan(rates.pck(pose, np.full_like(pose, np.nan))).all()
    broken = pose.copy()
    broken[:, 0, 0] = np.inf
    assert np.isinf(errors.mpjpe(broken, pose)).all()
    np.testing.assert_allclose(rates.pck(broken, pose), 0.8)


def test_auc_is_the_mean_pck_over_thresholds():
    true = np.zeros((1, 2, 3))
    pred = true.copy()
    pred[0, 0, 0], pred[0, 1, 0] = 75, 1000
    assert len(rates.AUC_THRESHOLDS) == 31 and rates.AUC_THRESHOLDS[1] == 5
    np.testing.assert_allclose(rates.auc(pred, true), 0.5 * 16 / 31)


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(10, 500))
def test_exact_auc_is_the_limit_of_many_thresholds(seed, threshold):
    rng, true = random_poses(seed)
    pred = true + rng.normal(0, 0.4 * threshold, true.shape)
    pred[0, :3] = np.nan
    many = (np.arange(2000) + 0.5) * threshold / 2000
    exact = rates.exact_auc(pred, true, threshold)
    np.testing.assert_allclose(exact, rates.auc(pred, true, many), atol=1 / 2000)
    assert np.all((exact > 0) & (exact < rates.pck(pred, true, threshold)))


def test_exact_auc_of_known_distances():
    true = np.zeros((1, 4, 3))
    pred = np.zeros((1, 4, 3))
    pred[0, :, 1] = [0, 30, 100, 7000]
    np.testing.assert_allclose(rates.exact_auc(pred, true, 100), (1 + 0.7) / 4)
    mask = np.array([[False, True, True, False]])
    np.testing.assert_allclose(rates.exact_auc(pred, true, 100, mask), 0.35)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(0, 16), st.floats(201, 1e5))
def test_worst_joint(seed, i_joint, offset):
    rng, true = random_poses(seed)
    pred = true + rng.uniform(-100, 100, true.shape)
    pred[:, i_joint] = true[:, i_joint] + [0, offset, 0]
    np.testing.assert_allclose(errors.worst_joint_error(pred, true), offset)
    others = np.arange(17) != i_joint
    worst = errors.worst_joint_error(pred, true, np.broadcast_to(others, (6, 17)))
    assert worst.max() < 200
    pred[:, i_joint] = np.nan
    np.testing.assert_array_equal(errors.worst_joint_error(pred, true), worst)
    assert np.isnan(errors.worst_joint_error(pred, true * np.nan)).all()


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0.1, 10))
def test_pa_mpjpe_does_not_see_similarity_transforms_of_the_prediction(seed, scale):
    rng, true = random_poses(seed)
    pred = true + rng.normal(0, 60, true.shape)
    rotation = Rotation.random(rng=rng).as_matrix()
    moved = scale * pred @ rotation + rng.normal(0, 2000, 3)
    np.testing.assert_allclose(errors.pa_mpjpe(moved, true), errors.pa_mpjpe(pred, true), rtol=1e-6)
    assert np.all(errors.pa_mpjpe(moved * [1, 1, -1], true) > errors.pa_mpjpe(pred, true))


def test_leading_axes_are_free():
    rng, true = random_poses(0)
    pred = true + rng.normal(0, 60, true.shape)
    for f in errors.mpjpe, errors.pa_mpjpe, rates.pck:
        flat = f(pred, true)
        nested = f(pred.reshape(2, 3, 17, 3), true.reshape(2, 3, 17, 3))
        np.testing.assert_allclose(nested, flat.reshape(2, 3))
        np.testing.assert_allclose(f(pred[0], true[0]), flat[0])


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_weights_count_like_repetitions_and_zero_like_absence(seed):
    rng, true = random_poses(seed)
    pred = true + rng.normal(0, 60, true.shape)
    repeats = rng.integers(0, 4, 17)
    repeats[:4] = 1, 2, 3, 1
    i = np.repeat(np.arange(17), repeats)
    pred[:, repeats == 0] += 1e4
    for f in (
        errors.mpjpe,
        errors.pa_mpjpe,
        lambda p, t, **kw: errors.pa_mpjpe(p, t, scaling=False, **kw),
        lambda p, t, **kw: errors.n_mpjpe(p, t, 0, **kw),
        lambda p, t, **kw: errors.root_relative_mpjpe(p, t, 0, **kw),
        rates.pck,
    ):
        np.testing.assert_allclose(f(pred, true, weights=repeats), f(pred[:, i], true[:, i]))


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0.2, 5))
def test_n_mpjpe_does_not_see_scale_and_place(seed, scale):
    rng, true = random_poses(seed)
    pred = true + rng.normal(0, 60, true.shape)
    expected = errors.n_mpjpe(pred, true, 16)
    moved = scale * pred + rng.normal(0, 1000, 3)
    np.testing.assert_allclose(errors.n_mpjpe(moved, true, 16), expected)
    np.testing.assert_allclose(errors.n_mpjpe(true * scale, true, 16), 0, atol=1e-9)
    relative = [root_relative(x, 16) for x in (pred, true)]
    for factor in 0.99, 1.01:  # in squares, no other scale is better
        best = np.sum((scale_aligned(*relative) - relative[1]) ** 2, axis=(1, 2))
        other = np.sum((factor * scale_aligned(*relative) - relative[1]) ** 2, axis=(1, 2))
        assert np.all(best <= other)


def test_n_mpjpe_worked_example():
    """Root at 0, prediction (2, 0, 0), (0, 4, 0) of (3, 0, 0), (0, 3, 0): the scale is 18 / 20."""
    pred = np.array([[0, 0, 0], [2, 0, 0], [0, 4, 0]])
    true = np.array([[0, 0, 0], [3, 0, 0], [0, 3, 0]])
    assert errors.n_mpjpe(pred + 7, true, 0) == pytest.approx((0 + 1.2 + 0.6) / 3, abs=1e-12)


def test_pa_mpjpe_worked_example():
    """A square of side 2 whose corner is 1 too far, along the diagonal of the plane.

    Centred: pred (-1-a, -1-a), (1-a, -1-a), (-1-a, 1-a), (1+3a, 1+3a) with a = 1/4 for a corner
    moved by (1, 1). By symmetry nothing is turned; the scale is sum(p t) / sum(p p).
    """
    true = np.array([[-1, -1, 0], [1, -1, 0], [-1, 1, 0], [1, 1, 0]], float)
    pred = true.copy()
    pred[3] = 2, 2, 0
    p = pred - [0.25, 0.25, 0]
    scale = (2.5 + 2 + 2 + 3.5) / (2 * 1.25**2 + 2 * (0.75**2 + 1.25**2) + 2 * 1.75**2)
    expected = np.mean(np.sqrt(np.sum((scale * p - true) ** 2, axis=1)))
    assert errors.pa_mpjpe(pred, true) == pytest.approx(expected, abs=1e-12)
    expected = np.mean(np.sqrt(np.sum((p - true) ** 2, axis=1)))
    assert errors.pa_mpjpe(pred, true, scaling=False) == pytest.approx(expected, abs=1e-12)


def test_root_may_be_the_middle_of_several_joints():
    _, true = random_poses(1)
    hips = root_relative(true, [3, 5])
    np.testing.assert_allclose(hips[:, 3], -hips[:, 5])
    np.testing.assert_allclose(errors.root_relative_mpjpe(true + 5, true, (3, 5)), 0, atol=1e-9)


def test_vertices_follow_the_joints():
    rng, true = random_poses(2)
    vertices = rng.normal(0, 400, (6, 50, 3))
    rotation = Rotation.random(rng=rng).as_matrix()
    moved = [2 * x @ rotation + [0, 0, 3000] for x in (vertices, true)]
    moved[0][:, 0] += [0, 0, 100]  # scaled down to 50
    errors_of_vertices = errors.pa_vertex_error(moved[0], vertices, moved[1], true)
    np.testing.assert_allclose(errors_of_vertices, 1)
    others = np.arange(50) > 0
    np.testing.assert_allclose(
        errors.pa_vertex_error(moved[0], vertices, moved[1], true, vertex_mask=others), 0, atol=1e-9
    )


def test_infinite_joints_are_infinitely_wrong_after_alignment():
    _, true = random_poses(4)
    pred = true.copy()
    pred[0, 3, 1] = np.inf
    found = errors.pa_mpjpe(pred, true)
    assert np.isinf(found[0]) and np.allclose(found[1:], 0, atol=1e-9)


def test_many_poses_are_what_each_is_alone():
    """More than fit into one block, with axes that are broadcast."""
    rng = np.random.default_rng(0)
    pred = rng.normal(0, 300, (3, 8000, 5, 3))
    true = rng.normal(0, 300, (8000, 5, 3))
    mask = np.array([True, True, True, True, False])
    for f in errors.mpjpe, errors.pa_mpjpe, rates.pck, rates.auc:
        many = f(pred, true, mask=mask)
        assert many.shape == (3, 8000)
        for i, j in (0, 0), (2, 1475), (2, 1476), (2, 7999):
            assert many[i, j] == pytest.approx(f(pred[i, j, :4], true[j, :4]))
    assert errors.pa_mpjpe(pred[:, :0], true[:0]).shape == (3, 0)


def test_many_meshes_are_what_each_is_alone():
    rng = np.random.default_rng(1)
    pred, true = rng.normal(0, 300, (2, 150, 5000, 3))
    joints = rng.normal(0, 300, (2, 150, 9, 3))
    many = errors.pa_vertex_error(pred, true, *joints)
    np.testing.assert_allclose(errors.mpjpe(pred, true)[149], errors.mpjpe(pred[149], true[149]))
    for i in 0, 63, 64, 149:
        expected = errors.pa_vertex_error(pred[i], true[i], *joints[:, i])
        assert many[i] == pytest.approx(expected)
