"""The evaluations of 3DPW once more: one body after the other, formula by formula."""

import os

import numpy as np
from scipy.spatial.transform import Rotation

from posepile.bodymodels import load, load_regressor
from posepile.raw.unpickle import restricted_load

MAJOR_24 = [1, 2, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21]
ORIENTED = [0, 1, 2, 4, 5, 16, 17, 18, 19]
H36M_ROWS = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]
SMPL_14 = [1, 2, 4, 5, 7, 8, 12, 15, 16, 17, 18, 19, 20, 21]
PHASES = ('train', 'validation', 'test')


class Truth:
    """Of a sequence, in the axes of the camera: joints etc. of (person, frame) in mm."""

    def __init__(self, raw, phase, name):
        self.phase, self.name = phase, name
        content = restricted_load(f'{raw}/sequenceFiles/{phase}/{name}.pkl')
        self.content = content
        self.n_people, self.n_frames = len(content['poses']), len(content['poses'][0])
        self.bodies, self.parameters, self.simple = {}, {}, {}
        for p in range(self.n_people):
            gender = 'male' if content['genders'][p].startswith('m') else 'female'
            model = load('smpl', gender, f'{raw}/body_models')
            betas = content['betas'][p][:10]
            body = model(content['poses'][p], betas, content['trans'][p])
            pelvis = model(np.zeros(72), betas, vertices=False).joints[0] / 1000
            for i in range(self.n_frames):
                R = content['cam_poses'][i][:3, :3]
                T = content['cam_poses'][i][:3, 3]
                self.bodies[p, i] = dict(
                    joints=body.joints[i] @ R.T + 1000 * T,
                    vertices=body.vertices[i] @ R.T + 1000 * T,
                    orientations=R @ body.orientations[i],
                )
                world = content['jointPositions'][p][i].reshape(24, 3)
                self.simple[p, i] = 1000 * (world @ R.T + T)
                pose = content['poses'][p][i].copy()
                pose[:3] = Rotation.from_matrix(
                    R @ Rotation.from_rotvec(pose[:3]).as_matrix()
                ).as_rotvec()
                trans = R @ (pelvis + content['trans'][p][i]) + T - pelvis
                self.parameters[p, i] = dict(pose=pose, betas=betas, trans=trans)

    def counts(self, p, i):
        found = np.any(self.content['poses2d'][p][i] != 0)
        return bool(found and self.content['campose_valid'][p][i] != 0)

    @property
    def keys(self):
        return [(p, i) for p in range(self.n_people) for i in range(self.n_frames)]

    def stacked(self, make):
        """(people, frames, ...) array of what ``make`` returns for (person, frame)."""
        return np.array(
            [[make((p, i)) for i in range(self.n_frames)] for p in range(self.n_people)]
        )


def read_truth(raw, only_test=False):
    found = []
    for phase in PHASES[2:] if only_test else PHASES:
        for file in sorted(os.listdir(f'{raw}/sequenceFiles/{phase}')):
            found.append(Truth(raw, phase, file[:-4]))
    return found


def aligned(points, pred, true):
    """Points moved, turned and scaled as fits pred to true best; and the rotation."""
    p0, t0 = pred - pred.mean(axis=0), true - true.mean(axis=0)
    rotation, _ = Rotation.align_vectors(t0, p0)
    turned = rotation.apply(p0)
    scale = np.sum(turned * t0) / np.sum(p0 * p0)
    moved = scale * rotation.apply(points - pred.mean(axis=0)) + true.mean(axis=0)
    return moved, rotation.as_matrix()


def joints_root_major(body, mode, hips, raw):
    joints, vertices = body['joints'], body.get('vertices')
    if mode == '24':
        root = (joints[1] + joints[2]) / 2 if hips else joints[0]
        return joints, root, MAJOR_24
    if mode == 'regressor':
        all17 = load_regressor('h36m', f'{raw}/body_models').matrix @ vertices
        chosen = all17[H36M_ROWS]
        return chosen, (chosen[2] + chosen[3]) / 2 if hips else all17[0], list(range(12))
    chosen = joints[SMPL_14]
    if mode == '14 as published':
        return chosen, (chosen[2] + chosen[3]) / 2 if hips else chosen[0], list(range(12))
    assert mode == '14'
    major = [k for k, j in enumerate(SMPL_14) if j in MAJOR_24]
    return chosen, (chosen[0] + chosen[1]) / 2 if hips else joints[0], major


def distance(a, b):
    return np.sqrt(((a - b) ** 2).sum(axis=-1))


def evaluate_pairs(pairs, mode='24', hips=False, raw=None):
    """Means over all pairs of a predicted and a true body (dictionaries)."""
    values = {}

    def note(name, numbers):
        values.setdefault(name, []).extend(np.ravel(numbers).tolist())

    for pred, true in pairs:
        p, p_root, major = joints_root_major(pred, mode, hips, raw)
        t, t_root, _ = joints_root_major(true, mode, hips, raw)
        minor = [k for k in range(len(p)) if k not in major]
        d = distance(p - p_root, t - t_root)
        d_abs = distance(p, t)
        moved, turn = aligned(p, p, t)
        d_pa = distance(moved, t)
        note('MPJPE', d)
        note('AMPJPE', d_abs)
        note('MPJPE_PA', d_pa)
        for limit in (50, 51, 52, 53, 54, 55, 60, 70, 80, 90, 100, 150, 200, 250, 300):
            note(f'PCK@{limit}', 100 * (d[major] / limit <= 1))
        for limit in (50, 100, 150):
            for k, j in enumerate(major):
                note(f'PCK@{limit} of {k}', 100 * (d[j] / limit <= 1))
        note('MinorPCK', 100 * (d[minor] / 50 <= 1))
        note('APCK', 100 * (d_abs[major] / 150 <= 1))
        note('AUC', [100 * max(0, 1 - (np.floor(50 * x / 199) + 0.5) / 50) for x in d[major]])
        curve = [np.mean(d[major] <= limit) for limit in range(200)]
        note('AUC trapezoid', 100 * (sum(curve) - (curve[0] + curve[-1]) / 2) / 199)
        m = d_pa[major].max()
        for limit in (50, 75, 100, 125, 150):
            note(f'NCPS@{limit}', 100 * (m <= limit))
        note('NCPS-AUC', 100 * max(0, 1 - m / 300))
        if 'vertices' in pred and 'vertices' in true:
            d_v = distance(pred['vertices'] - p_root, true['vertices'] - t_root)
            note('MVE', d_v)
            note('MVE_PA', distance(aligned(pred['vertices'], p, t)[0], true['vertices']))
        if 'orientations' in pred:
            for j in ORIENTED:
                a, b = pred['orientations'][j], true['orientations'][j]
                for name, rotated in (('MPJAE', a), ('MPJAE_PA', turn @ a)):
                    sine = min(1, np.sqrt(np.sum((rotated - b) ** 2) / 8))
                    note(name, np.degrees(2 * np.arcsin(sine)))
        if 'joint_uncertainties' in pred:
            note('MJU', pred['joint_uncertainties'])
            note('MVU', pred['vertex_uncertainties'])
    means = {name: float(np.mean(numbers)) for name, numbers in values.items()}
    means['PCK'], means['NCPS'] = means['PCK@50'], means['NCPS@125']
    return means, {name: np.array(numbers) for name, numbers in values.items()}
