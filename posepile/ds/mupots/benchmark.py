"""Ground truth of the MuPoTS-3D benchmark: the valid people of 20 sequences."""

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from posepile.ds.mupots import tree
from posepile.ds.mupots.annotations import read_occlusions, read_poses
from posepile.ds.mupots.intrinsics import read_intrinsics
from posepile.errors import RawDataError


class Image(NamedTuple):
    """An image of the release; sequences count from 1, frames from 0."""

    sequence: int
    frame: int

    @property
    def image_path(self) -> str:
        """Relative to DATA_ROOT."""
        return f'mupots/{tree.image_path(self.sequence, self.frame)}'


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """N annotated people, by image, and of each image in the order of the annotations.

    Joints are as in :data:`posepile.ds.tdhp.skeleton.TEST_JOINTS`, in camera space.

    Attributes:
        images: N of :class:`Image`, where each of them is.
        columns: (N,) int, where in the annotations.
        pixels: (N, 17, 2) px.
        joints, univ_joints: (N, 17, 3) mm; the second are of the height-normalised skeleton.
        shapes: (frames, columns) of the annotations of each sequence.
        intrinsics: (3, 3) matrix of each sequence.
    """

    images: list[Image]
    columns: np.ndarray
    pixels: np.ndarray
    joints: np.ndarray
    univ_joints: np.ndarray
    shapes: dict[int, tuple[int, int]]
    intrinsics: dict[int, np.ndarray]

    @property
    def sequences(self) -> np.ndarray:
        """(N,) int, from 1."""
        return np.array([image.sequence for image in self.images])

    def has_image(self, image) -> bool:
        """Whether it is one of the release, with people or without."""
        return image.sequence in self.shapes and image.frame < self.shapes[image.sequence][0]


_PATH = re.compile(r'(?:.*/)?TS([1-9]|1\d|20)/img_(\d{1,9})\.[a-z]+', re.ASCII)


def parse_image_path(path) -> Image | None:
    """The image that a path names, wherever its folders lie; None for others."""
    match = _PATH.fullmatch(path.replace('\\', '/'))
    return match and Image(int(match[1]), int(match[2]))


def read_ground_truth(raw_folder) -> GroundTruth:
    """The annotated people of the benchmark.

    Raises:
        RawDataError: if annotations are missing or damaged, or nobody is valid.
    """
    images, columns, arrays, shapes, intrinsics = [], [], [], {}, {}
    for sequence in tree.SEQUENCES:
        poses = read_poses(tree.annotation_path(raw_folder, sequence))
        shapes[sequence] = poses.is_valid.shape
        frames, of_people = np.nonzero(poses.is_valid)
        if not len(frames):
            continue
        intrinsics[sequence] = read_intrinsics(raw_folder, sequence)
        images += [Image(sequence, int(frame)) for frame in frames]
        columns.append(of_people)
        chosen = frames, of_people
        arrays.append((poses.pixels[chosen], poses.joints[chosen], poses.univ_joints[chosen]))
    if not images:
        raise RawDataError(raw_folder, 'has no valid people at all', 'Download it again.')
    pixels, joints, univ_joints = (np.concatenate(parts) for parts in zip(*arrays, strict=True))
    return GroundTruth(
        images, np.concatenate(columns), pixels, joints, univ_joints, shapes, intrinsics
    )


def read_occluded_joints(raw_folder, truth) -> np.ndarray:
    """(N, 17) bool, which joints of the people are said to be occluded.

    Raises:
        RawDataError: if labels are missing or damaged.
    """
    labels = {
        sequence: read_occlusions(tree.occlusion_path(raw_folder, sequence), truth.shapes[sequence])
        for sequence in truth.intrinsics
    }
    people = zip(truth.images, truth.columns, strict=True)
    return np.array([labels[i.sequence][i.frame, column] for i, column in people])
