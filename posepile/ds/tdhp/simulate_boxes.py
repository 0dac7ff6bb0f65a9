"""Boxes of people in the simulated MPI-INF-3DHP release, and what a detector found there."""

import numpy as np

_N_CASES = 6


def around(pixels) -> np.ndarray:
    """(4,) box [left, top, width, height] around (J, 2) points, larger by a twentieth."""
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    middle, size = (low + high) / 2, 1.05 * (high - low)
    return np.concatenate([middle - size / 2, size])


class Detections:
    """Makes detections for frames, one case after the other, and says which box must come out.

    Attributes:
        of_images: path below ``3dhp`` -> rows [left, top, width, height, confidence].
        of_videos: path of a video without ending -> rows of each frame.
    """

    def __init__(self, rng):
        self._rng = rng
        self._n_made = 0
        self.of_images = {}
        self.of_videos = {}

    def box_in_image(self, path, own):
        """The box of a person in an image; of some images, nothing is in the file."""
        rows, box = self._next(own)
        if rows is not None:
            self.of_images[path] = rows
        return box

    def box_in_video(self, path, i_frame, own, n_frames):
        """The box of a person in a frame of a video."""
        rows, box = self._next(own)
        self.of_videos.setdefault(path, [[] for _ in range(n_frames)])
        self.of_videos[path][i_frame] = [] if rows is None else rows
        return box

    def _next(self, own):
        """(Detections or None, the box that the rule makes of them and of the person's own)."""
        case = self._n_made % _N_CASES
        self._n_made += 1
        left, top, width, height = own
        shift = self._rng.uniform(-0.06, 0.06, 4)
        near = own + shift * [width, height, width, height]
        far = np.array([left + 3 * width, top, width, height])
        if case == 0:  # with shoes and hair
            return np.float32([[*near, 0.9]]), _hull_or_own(np.float32(near), own)
        if case == 1:  # the surest counts, not the one that fits best
            looser = own + np.array([-0.1, -0.1, 0.2, 0.2]) * [width, height, width, height]
            rows = [[*own, 0.6], [*looser, 0.8]]
            return rows, _hull_or_own(looser, own)
        if case == 2:  # the surest is something else
            return [[*far, 0.95], [*near, 0.7]], own
        if case == 3:
            return [], own
        if case == 4:
            return np.zeros((0, 5), np.float32), own
        return None, own


def _hull_or_own(found, own):
    """The box around both, unless the person's own is less than half of it."""
    low = np.minimum(own[:2], found[:2])
    size = np.maximum(own[:2] + own[2:], found[:2] + found[2:]) - low
    return np.concatenate([low, size]) if own[2] * own[3] > 0.5 * size[0] * size[1] else own
