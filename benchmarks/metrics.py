"""How fast poses are aligned and compared, on one core.

    python benchmarks/metrics.py [--poses 1000000] [--json FILE]

PA-MPJPE of many poses of 17 joints, beside a loop over SciPy's orthogonal_procrustes (with the
centring, the scale and the forbidden reflection that the metric needs), a loop over SciPy's
procrustes (which allows reflections), and NumPy's batched SVD alone, without anything around it.
Times are those of the processor, so that other programs on the machine change them little.
"""

import argparse
import json
import time

import numpy as np
import scipy.linalg
import scipy.spatial

from posepile.metrics.errors import mpjpe, pa_mpjpe
from posepile.metrics.rates import auc, pck

_N_JOINTS = 17
_LEAST_POSES_OF_LOOPS = 2000


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--poses', type=int, default=1_000_000)
    parser.add_argument('--json', metavar='FILE', help='also write the figures to this file')
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    true = rng.normal(0, 400, (args.poses, _N_JOINTS, 3))
    pred = true + rng.normal(0, 60, true.shape)
    n_loop = min(args.poses, max(_LEAST_POSES_OF_LOOPS, args.poses // 100))
    few = pred[:n_loop], true[:n_loop]
    covariances = np.ascontiguousarray(pred.swapaxes(1, 2) @ true)

    rates = {
        'PA-MPJPE': rate(pa_mpjpe, pred, true),
        'SVD alone': rate(np.linalg.svd, covariances),
        'loop over orthogonal_procrustes': rate(loop_orthogonal, *few),
        'loop over spatial.procrustes': rate(loop_spatial, *few),
        'MPJPE': rate(mpjpe, pred, true),
        'PCK': rate(pck, pred, true),
        'AUC of 31 thresholds': rate(auc, pred, true),
    }
    deviation = np.abs(pa_mpjpe(*few) - loop_orthogonal(*few))
    figures = {
        'poses': args.poses,
        'poses_per_s': rates,
        'times_as_fast_as_loop': rates['PA-MPJPE'] / rates['loop over orthogonal_procrustes'],
        'times_as_fast_as_spatial': rates['PA-MPJPE'] / rates['loop over spatial.procrustes'],
        'time_relative_to_svd': rates['SVD alone'] / rates['PA-MPJPE'],
        'largest_deviation_mm': float(deviation.max()),
    }
    for name, value in rates.items():
        print(f'{name:34}{value:14,.0f} poses/s')
    print(
        f'PA-MPJPE: {figures["times_as_fast_as_loop"]:.1f} times as fast as the loop over '
        f'orthogonal_procrustes, {figures["times_as_fast_as_spatial"]:.1f} times as fast as that '
        f'over spatial.procrustes; {figures["time_relative_to_svd"]:.2f} times the time of the SVD '
        f'alone; differs from the loop by {figures["largest_deviation_mm"]:.1e} mm at most'
    )
    if args.json:
        with open(args.json, 'w') as f:
            json.dump(figures, f, indent=2)


def loop_orthogonal(pred, true):
    """PA-MPJPE pose by pose, as it is usually written around SciPy."""
    errors = []
    for p, t in zip(pred, true, strict=True):
        p = p - p.mean(axis=0)
        t = t - t.mean(axis=0)
        rotation, trace = scipy.linalg.orthogonal_procrustes(p, t)
        if np.linalg.det(rotation) < 0:
            u, s, vt = np.linalg.svd(p.T @ t)
            u[:, -1] *= -1
            rotation, trace = u @ vt, s[0] + s[1] - s[2]
        aligned = trace / np.square(p).sum() * (p @ rotation)
        errors.append(np.linalg.norm(aligned - t, axis=-1).mean())
    return np.array(errors)


def loop_spatial(pred, true):
    """The same with SciPy's whole procedure, which may reflect and has the truth at size 1."""
    errors = []
    for p, t in zip(pred, true, strict=True):
        size = np.linalg.norm(t - t.mean(axis=0))
        aligned_true, aligned_pred, _ = scipy.spatial.procrustes(t, p)
        errors.append(size * np.linalg.norm(aligned_pred - aligned_true, axis=-1).mean())
    return np.array(errors)


def rate(function, *args):
    """Poses per second of processor time."""
    function(*(a[:100] for a in args))
    start = time.process_time()
    function(*args)
    return len(args[0]) / (time.process_time() - start)


if __name__ == '__main__':
    main()
