"""The same numbers from tensors as from arrays."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.metrics import alignment, angles, errors, image_plane, motion, rates
from posepile.util.proper_svd import proper_svd, proper_svd_3x3

FUNCTIONS = {
    'mpjpe': errors.mpjpe,
    'root_relative_mpjpe': lambda p, t, m, **kw: errors.root_relative_mpjpe(p, t, 2, m, **kw),
    'hips': lambda p, t, m, **kw: errors.root_relative_mpjpe(p, t, [1, 2], m, **kw),
    'n_mpjpe': lambda p, t, m, **kw: errors.n_mpjpe(p, t, 2, m, **kw),
    'pa_mpjpe': errors.pa_mpjpe,
    'rigid': lambda p, t, m, **kw: errors.pa_mpjpe(p, t, m, scaling=False, **kw),
    'similarity_aligned': alignment.similarity_aligned,
    'rigid_aligned': alignment.rigid_aligned,
    'vertices': lambda p, t, m, **kw: errors.pa_vertex_error(p[..., 1:, :], t[..., 1:, :], p, t, m),
    'worst': lambda p, t, m, **kw: errors.worst_joint_error(p, t, m),
    'pck': lambda p, t, m, **kw: rates.pck(p, t, 100, m, **kw),
    'auc': lambda p, t, m, **kw: rates.auc(p, t, mask=m, trapezoid=True, **kw),
    'exact_auc': lambda p, t, m, **kw: rates.exact_auc(p, t, 150, m, **kw),
    'cps': lambda p, t, m, **kw: rates.cps(p, t, 200, m),
    'cps_auc': lambda p, t, m, **kw: rates.cps_auc(p, t, 300, m),
    'curve': lambda p, t, m, **kw: rates.pck_curve(errors.joint_errors(p, t, m), [50.0, 150.0]),
    'acceleration': lambda p, t, m, **kw: motion.acceleration_error(p, t, m),
    'velocity': lambda p, t, m, **kw: motion.velocity_error(p, t, m, fps=50),
    'pckh': lambda p, t, m, **kw: image_plane.pckh(
        p[..., :2], t[..., :2], abs(t[..., 0, 0]), m, **kw
    ),
    'oks': lambda p, t, m, **kw: image_plane.oks(
        p[..., :2], t[..., :2], t[..., 0, 0] ** 2, np.full(7, 0.1), m
    ),
}


def poses(seed):
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 300, (2, 5, 7, 3))
    pred = true + rng.normal(0, 80, true.shape)
    pred[rng.random(pred.shape[:-1]) < 0.05] = np.nan
    mask = rng.random(pred.shape[:-1]) < 0.9
    return pred, true, mask, rng.uniform(0, 2, pred.shape[:-1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason='there is no GPU here')
@pytest.mark.parametrize('name', FUNCTIONS)
def test_tensors_of_a_gpu(name):
    pred, true, mask, weights = poses(0)
    expected = FUNCTIONS[name](pred, true, mask, weights=weights)
    # What is not a tensor goes to the device of the others.
    actual = FUNCTIONS[name](
        torch.tensor(pred).cuda(), torch.tensor(true).cuda(), mask, weights=weights
    )
    assert actual.is_cuda
    np.testing.assert_allclose(actual.cpu().numpy(), expected, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize('name', FUNCTIONS)
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_tensors_give_what_arrays_give(name, seed):
    pred, true, mask, weights = poses(seed)
    for m, kwargs in ((None, {}), (mask, {}), (mask, {'weights': weights})):
        expected = FUNCTIONS[name](pred, true, m, **kwargs)
        tensors = [None if a is None else torch.tensor(a) for a in (pred, true, m)]
        actual = FUNCTIONS[name](*tensors, **{k: torch.tensor(w) for k, w in kwargs.items()})
        assert isinstance(actual, torch.Tensor) and actual.dtype == torch.float64
        np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-9, atol=1e-7)


def test_orientations():
    rng = np.random.default_rng(0)
    pred, true, mask, _ = poses(1)
    rotations = np.linalg.qr(rng.normal(size=(2, 2, 5, 7, 3, 3)))[0]
    expected = angles.pa_mpjae(*rotations, pred, true, mask)
    tensors = [torch.tensor(a) for a in (*rotations, pred, true, mask)]
    np.testing.assert_allclose(angles.pa_mpjae(*tensors).numpy(), expected, atol=1e-6)


def test_float32_tensors_and_arrays_may_be_mixed():
    pred, true, *_ = poses(0)
    actual = errors.pa_mpjpe(torch.tensor(pred, dtype=torch.float32), true)
    np.testing.assert_allclose(actual.numpy(), errors.pa_mpjpe(np.float32(pred), true), rtol=1e-9)


def test_decompositions():
    a = np.random.default_rng(0).normal(size=(3, 3, 40))
    a[:, :, 0] = 0
    for function in proper_svd, proper_svd_3x3:
        u, s, v = function(torch.tensor(a))
        np.testing.assert_allclose(torch.einsum('ain,in,bin->abn', u, s, v).numpy(), a, atol=1e-13)
        np.testing.assert_allclose(np.linalg.det(np.moveaxis(u.numpy(), -1, 0)), 1)


def test_torch_is_not_imported_for_arrays():
    code = (
        'import sys, numpy as np\n'
        'from posepile.metrics import angles, curves, errors, image_plane, motion, rates\n'
        'errors.pa_mpjpe(np.zeros((2, 5, 3)), np.ones((2, 5, 3)))\n'
        'sys.exit(any(m in sys.modules for m in ("torch", "matplotlib", "pycocotools")))'
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0
