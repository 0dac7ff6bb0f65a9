"""TS7 alone: two people in three frames."""

import pickle

import numpy as np

from posepile.ds.mupots.simulate_files import write_annotations

K = np.array([[900, 0, 330], [0, 910, 240], [0, 0, 1.0]])
N_FRAMES, N_PEOPLE = 3, 2


def path_of(i_frame):
    return f'TS7/img_{i_frame:06d}.jpg'


def write(folder, joints, is_valid):
    write_annotations(folder / 'annot.mat', is_valid, project(joints), joints, 0.9 * joints)


def detect(root, found, name='yolov4_detections.pkl'):
    (root / 'mupots' / name).write_bytes(pickle.dumps(found))


def project(joints):
    return joints[..., :2] / joints[..., 2:] * [K[0, 0], K[1, 1]] + K[:2, 2]


def box_of(joints, factor=1.1):
    low, high = project(joints).min(axis=0), project(joints).max(axis=0)
    return [*((low + high) / 2 - factor * (high - low) / 2), *(factor * (high - low))]
