"""Annotations of all 20 sequences, without images: few people, made of random numbers."""

import os

import numpy as np

from posepile.ds.mupots.simulate_files import write_annotations, write_occlusions

ROOT = 14
#: By sequence: (frames, columns); all others have (1, 1).
SHAPES = {1: (2, 2), 2: (2, 3), 3: (3, 1), 4: (1, 2), 5: (2, 2)}
#: (sequence, frame, column) of those who are not valid: a whole frame, and the rest of another.
INVALID = {(2, 1, 0), (2, 1, 1), (2, 1, 2), (1, 1, 0)}


class SmallRelease:
    """What was written: people by (sequence, frame, column), valid ones only, in order.

    Attributes:
        joints, univ: {key: (17, 3)} mm in camera space.
        pixels: {key: (17, 2)}.
        occluded: {key: (17,) bool}.
        matrices: {sequence: (3, 3)}.
    """

    def __init__(self, root, seed=0):
        self.root = os.fspath(root)
        self.joints, self.univ, self.pixels, self.occluded = {}, {}, {}, {}
        self.matrices = {}
        rng = np.random.default_rng(seed)
        for sequence in range(1, 21):
            n_frames, n_people = SHAPES.get(sequence, (1, 1))
            K = np.array([[900 + sequence, 0, 500 - sequence], [0, 910, 400], [0, 0, 1.0]])
            self.matrices[sequence] = K
            shape = n_frames, n_people, 17
            joints = rng.uniform(-450, 450, (*shape, 3)) + [0, 0, 3500]
            joints += np.arange(n_people)[:, None, None] * [900, 0, 0]  # apart from one another
            univ = joints[..., [ROOT], :] + 0.9 * (joints - joints[..., [ROOT], :])
            pixels = joints[..., :2] / joints[..., 2:] * [K[0, 0], K[1, 1]] + K[:2, 2]
            occluded = rng.random(shape) < 0.3
            is_valid = np.ones(shape[:2], bool)
            for place in np.ndindex(*is_valid.shape):
                key = sequence, *place
                if key in INVALID:
                    is_valid[place] = False
                    continue
                self.joints[key], self.univ[key] = joints[place], univ[place]
                self.pixels[key], self.occluded[key] = pixels[place], occluded[place]
            folder = os.path.join(self.root, f'TS{sequence}')
            os.makedirs(folder, exist_ok=True)
            write_annotations(f'{folder}/annot.mat', is_valid, pixels, joints, univ)
            write_occlusions(f'{folder}/occlusion.mat', occluded)

    def save(self, path, poses):
        """Write a prediction file of (key, pose) pairs, or of a dictionary; returns its path."""
        pairs = list(poses.items() if isinstance(poses, dict) else poses)
        names = [image_path(key) for key, _ in pairs]
        rows = np.array([pose for _, pose in pairs]).reshape(-1, 17, 3)
        np.savez(path, image_path=np.array(names, str), coords3d_pred_world=rows)
        return str(path)


def image_path(key):
    return f'mupots/TS{key[0]}/img_{key[1]:06d}.jpg'
