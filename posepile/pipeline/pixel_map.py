"""Where the pixels of a crop lie in the source image."""

from dataclasses import dataclass

import numpy as np

#: Pixels between two nodes of the map.
STEP = 8
#: Coordinate of what is not in the source at all; the inner loop takes finite numbers only.
_FAR = np.float32(1e6)


@dataclass(frozen=True)
class PixelMap:
    """Source coordinates at every ``STEP``-th pixel of a crop; between them they are interpolated.

    With lenses as they occur, interpolation errs by less than 0.01 source pixels.

    Attributes:
        nodes: (2, rows, columns) float32 source coordinates x and y of crop pixel
            (STEP * column, STEP * row), reaching beyond the crop's last pixel.
    """

    nodes: np.ndarray

    @classmethod
    def of(cls, geometry):
        """For a :class:`~posepile.pipeline.crop_geometry.CropGeometry`."""
        rows, columns = (-(-side // STEP) + 1 for side in geometry.imshape)
        intrinsics = geometry.intrinsics.copy()
        intrinsics[:2] /= STEP  # nodes are the pixels of a view that much smaller
        to_source = geometry.lens.intrinsics @ geometry.rotation.T @ np.linalg.inv(intrinsics)
        i, j = np.arange(columns), np.arange(rows)[:, np.newaxis]
        across, down, depth = (row[0] * i + row[1] * j + row[2] for row in to_source)
        is_ahead = depth > 1e-6  # very wide views reach behind the source camera
        if geometry.lens.distortion is not None:
            nodes = geometry.lens.maps(geometry.rotation, intrinsics, (columns, rows))
        else:
            nodes = (c / np.where(is_ahead, depth, 1) for c in (across, down))
        behind = np.copysign(_FAR, np.stack([across, down]))
        nodes = np.stack(list(nodes))
        nodes = np.where(is_ahead & np.isfinite(nodes), nodes, behind)
        return cls(np.clip(nodes, -_FAR, _FAR).astype(np.float32))

    def largest_step(self, imshape) -> float:
        """The longest way in the source from a pixel of the crop to the next, along x or y.

        Only what lies in the image of this (height, width) counts; 0 if nothing does.
        """
        x, y = self.nodes
        inside = (x >= 0) & (y >= 0) & (x < imshape[1]) & (y < imshape[0])
        inside = inside[:-1, :-1] & inside[1:, :-1] & inside[:-1, 1:]
        across, down = np.diff(self.nodes, axis=2)[:, :-1], np.diff(self.nodes, axis=1)[:, :, :-1]
        steps = np.hypot(across, down)
        return float(steps.max(where=inside[np.newaxis], initial=0)) / STEP

    def shrunk(self, factor) -> 'PixelMap':
        """The same places in a source that is smaller by a whole factor."""
        return PixelMap((self.nodes + np.float32(0.5)) / np.float32(factor) - np.float32(0.5))
