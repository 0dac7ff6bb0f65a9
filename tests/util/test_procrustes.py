import logging

import numpy as np
import pytest
import scipy.spatial
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from posepile.util.procrustes import (
    fit_similarity,
    procrustes,
    rigid_align,
    rigid_align_many,
)

seeds = st.integers(0, 2**32 - 1)


def random_case(seed, n=1, n_joints=8):
    rng = np.random.default_rng(seed)
    rotation = Rotation.random(n, rng=rng).as_matrix()
    scale = rng.uniform(0.3, 3, n)
    translation = rng.normal(0, 1000, (n, 3))
    source = rng.normal(0, 300, (n, n_joints, 3))
    target = scale[:, None, None] * source @ rotation + translation[:, None]
    return rng, rotation, scale, source, target


@settings(max_examples=50, deadline=None)
@given(seed=seeds)
def test_known_similarity_is_recovered_for_a_whole_batch(seed):
    _, rotation, scale, source, target = random_case(seed, n=5)
    fit = fit_similarity(source, target)
    np.testing.assert_allclose(fit.rotation, rotation, atol=1e-9)
    np.testing.assert_allclose(fit.scale, scale)
    np.testing.assert_allclose(fit.apply(source), target, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(seed=seeds, scaling=st.booleans())
def test_no_small_change_of_the_transform_fits_better(seed, scaling):
    rng, _, _, source, target = random_case(seed)
    target = target + rng.normal(0, 100, target.shape)
    fit = fit_similarity(source, target, scaling=scaling)
    best = np.sum((fit.apply(source) - target) ** 2)
    for _ in range(10):
        nudge = Rotation.from_rotvec(rng.normal(0, 0.05, 3)).as_matrix()
        scale = fit.scale * rng.uniform(0.95, 1.05) if scaling else fit.scale
        other = fit._replace(
            rotation=fit.rotation @ nudge,
            scale=scale,
            target_mean=fit.target_mean + rng.normal(0, 5, 3),
        )
        assert best <= np.sum((other.apply(source) - target) ** 2)


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_reflections_happen_only_where_allowed(seed):
    rng, *_, source, target = random_case(seed)
    mirrored = source * [-1, 1, 1]
    assert np.linalg.det(fit_similarity(mirrored, target).rotation[0]) > 0
    best = fit_similarity(mirrored, target, reflection='best')
    assert np.linalg.det(best.rotation[0]) < 0
    np.testing.assert_allclose(best.apply(mirrored), target, atol=1e-6)
    assert np.linalg.det(fit_similarity(source, target, reflection=True).rotation[0]) < 0
    # Only in the case of a removed reflection do the two scales differ.
    flat = dict(unflipped_scale=True)
    assert fit_similarity(mirrored, target, **flat).scale > fit_similarity(mirrored, target).scale
    assert fit_similarity(source, target, **flat).scale == fit_similarity(source, target).scale


def test_masked_and_missing_joints_take_no_part_but_are_moved():
    rng, *_, source, target = random_case(1, n=3, n_joints=10)
    mask = np.ones((3, 10), bool)
    mask[1, :3] = False
    spoilt = target.copy()
    spoilt[1, :3] += 1e5
    spoilt[2, 4] = np.nan
    aligned = fit_similarity(source, spoilt, mask).apply(source)
    np.testing.assert_allclose(aligned, target, atol=1e-6)


def test_single_points_and_coinciding_points_only_move():
    fit = fit_similarity(np.ones((1, 4, 3)), np.full((1, 4, 3), 5.0))
    np.testing.assert_allclose(fit.apply(np.ones((1, 4, 3))), 5)
    np.testing.assert_allclose(
        fit_similarity(np.zeros((1, 3)), np.ones((1, 3))).apply([[2, 0, 0]]).shape, (1, 3)
    )


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_procrustes_agrees_with_scipy_and_its_own_transform(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 300, (2, 9, 3))
    d, z, tform = procrustes(x, y)
    assert np.isclose(d, scipy.spatial.procrustes(x, y)[2])
    rebuilt = tform['scale'] * y @ tform['rotation'] + tform['translation']
    np.testing.assert_allclose(z, rebuilt, atol=1e-8)


def test_procrustes_formulas_of_the_distance():
    x, y = np.random.default_rng(2).normal(0, 300, (2, 9, 3))
    x0, y0 = x - x.mean(0), y - y.mean(0)
    norm_x, norm_y = np.linalg.norm(x0), np.linalg.norm(y0)
    trace = np.linalg.svd(x0.T @ y0 / (norm_x * norm_y))[1].sum()
    assert np.isclose(procrustes(x, y)[0], 1 - trace**2)
    expected = 1 + norm_y**2 / norm_x**2 - 2 * trace * norm_y / norm_x
    assert np.isclose(procrustes(x, y, scaling=False)[0], expected)
    assert procrustes(x, y, scaling=False)[2]['scale'] == 1


@pytest.mark.parametrize('reflection', [True, False])
def test_procrustes_reflection_flag(reflection):
    x, y = np.random.default_rng(4).normal(size=(2, 6, 3))
    rotation = procrustes(x, y, reflection=reflection)[2]['rotation']
    assert (np.linalg.det(rotation) < 0) == reflection


def test_procrustes_pads_missing_columns():
    x = np.random.default_rng(4).normal(size=(6, 3))
    x[:, 2] = 4
    d, z, tform = procrustes(x, x[:, :2] * 2)
    assert np.isclose(d, 0) and tform['rotation'].shape == (2, 3)
    np.testing.assert_allclose(z, x, atol=1e-9)
    np.testing.assert_allclose(
        tform['scale'] * (x[:, :2] * 2) @ tform['rotation'] + tform['translation'], x, atol=1e-9
    )
    with pytest.raises(ValueError, match='columns'):
        procrustes(x[:, :2], x)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, scale_align=st.booleans(), reflection_align=st.booleans())
def test_rigid_align_many_is_rigid_align_for_each(seed, scale_align, reflection_align):
    rng = np.random.default_rng(seed)
    pred, true = rng.normal(0, 300, (2, 4, 7, 3))
    mask = rng.random((4, 7)) < 0.7
    mask[:, :3] = True
    options = dict(scale_align=scale_align, reflection_align=reflection_align)
    many = rigid_align_many(pred, true, joint_validity_mask=mask, **options)
    for i in range(4):
        one = rigid_align(pred[i], true[i], joint_validity_mask=mask[i], **options)
        np.testing.assert_allclose(many[i], one)
        reflection = 'best' if reflection_align else False
        tform = procrustes(true[i][mask[i]], pred[i][mask[i]], scale_align, reflection)[2]
        expected = tform['scale'] * pred[i] @ tform['rotation'] + tform['translation']
        np.testing.assert_allclose(one, expected, atol=1e-6)


def test_pose_that_cannot_be_aligned_is_returned_with_an_error(caplog):
    pred, true = np.random.default_rng(0).normal(size=(2, 2, 5, 3))
    true[0] = np.nan
    with caplog.at_level(logging.ERROR):
        aligned = rigid_align_many(pred, true)
    assert '1 of 2' in caplog.text
    np.testing.assert_array_equal(aligned[0], pred[0])
    assert not np.allclose(aligned[1], pred[1])


@pytest.mark.parametrize('scaling', [False, True])
@pytest.mark.parametrize('reflection', [False, True])
def test_torch_version_agrees(scaling, reflection):
    torch = pytest.importorskip('torch')
    from posepile.util.procrustes_torch import procrustes_torch, procrustes_torch_transf

    rng = np.random.default_rng(8)
    x, y = rng.normal(0, 300, (2, 12, 9, 3))
    y[::2] = x[::2] * [-1, 1, 1] + rng.normal(0, 10, (6, 9, 3))  # half of them ask for a reflection
    mask = rng.random((12, 9)) < 0.8
    x[~mask] = 1e6
    expected = fit_similarity(
        y, x, mask, scaling=scaling, reflection='best' if reflection else False
    ).apply(y)
    tensors = torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(mask)
    aligned = procrustes_torch(*tensors, scaling, reflection)
    np.testing.assert_allclose(aligned.numpy(), expected, atol=1e-6)
    mean_y, rotation, scale, mean_x = procrustes_torch_transf(*tensors, scaling, reflection)
    by_hand = ((tensors[1] - mean_y) @ rotation) * scale + mean_x
    np.testing.assert_allclose(by_hand.numpy(), expected, atol=1e-6)
    if not scaling:
        assert torch.all(scale == 1)
