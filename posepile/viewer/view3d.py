"""A small picture of a 3D pose: seen from the side of the camera, upright, on a floor."""

import numpy as np

from posepile.viewer.draw import draw_line, draw_skeleton

BACKGROUND = (30, 32, 38)
_FLOOR = (58, 62, 72)
_SHADOW = (14, 15, 18)
_AZIMUTH = np.deg2rad(38)  # how far the view is turned around the person
_ELEVATION = np.deg2rad(14)
_DISTANCE = 5.0  # of the viewer, in units of the person's radius
_GRID_STEP = 500.0  # mm
_FILL = 0.8  # share of the picture that the person takes
_SMALLEST_RADIUS = 200.0  # mm; a few close joints are not blown up further


def draw_pose3d(size, coords, joint_info, camera, thickness=2.0):
    """Draw a three-quarter view of a pose, to the same scale along all axes.

    Args:
        size: (width, height) of the picture.
        coords: (J, 3) world coordinates, mm; NaN where missing.
        camera: of the image. The view is turned from its direction, and upright by its
            ``world_up``.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    width, height = size
    picture = np.full((height, width, 3), BACKGROUND, np.uint8)
    coords = np.asarray(coords, np.float64)
    valid = coords[np.all(np.isfinite(coords), axis=1)]
    if len(valid) == 0:
        return picture
    axes = _view_axes(camera)
    up = _upright(camera)
    center = (valid.min(axis=0) + valid.max(axis=0)) / 2
    radius = max(_SMALLEST_RADIUS, np.max(np.linalg.norm(valid - center, axis=1)))
    floor = np.min(valid @ up) - 0.02 * radius

    def project_unscaled(points):
        local = (points - center) @ axes.T
        depth = 1 + local[:, 2] / (_DISTANCE * radius)
        return local[:, :2] / depth[:, np.newaxis], depth

    outline, _ = project_unscaled(valid)
    middle = (outline.min(axis=0) + outline.max(axis=0)) / 2
    extent = np.maximum(np.ptp(outline, axis=0), _SMALLEST_RADIUS)
    scale = _FILL * np.min([width, height] / extent)

    def project(points):
        plane, depth = project_unscaled(points)
        return (plane - middle) * scale + [(width - 1) / 2, (height - 1) / 2], depth

    for start, end in _floor_grid(center, up, floor, radius):
        (a, b), _ = project(np.stack([start, end]))
        draw_line(picture, a, b, _FLOOR, thickness / 3)
    shadow, _ = project(coords + (floor - coords @ up)[:, np.newaxis] * up)
    for i, j in joint_info.stick_figure_edges:
        if np.all(np.isfinite(shadow[[i, j]])):
            draw_line(picture, shadow[i], shadow[j], _SHADOW, thickness)
    points, depths = project(coords)
    draw_skeleton(picture, points, joint_info, thickness, depths)
    return picture


def _upright(camera):
    up = np.asarray(camera.world_up, np.float64)
    return up / np.linalg.norm(up)


def _view_axes(camera):
    """World-to-view rotation: rows are right, down and forward of the turned view."""
    up = _upright(camera)
    rows = np.asarray(camera.R, np.float64)
    # A camera that looks straight down has no horizontal direction but that of its upper edge.
    ahead = rows[2] if np.linalg.norm(np.cross(rows[2], up)) > 0.1 else -rows[1]
    ahead = ahead - (ahead @ up) * up
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, up)
    cos, sin = np.cos(_AZIMUTH), np.sin(_AZIMUTH)
    ahead, right = cos * ahead - sin * right, cos * right + sin * ahead
    cos, sin = np.cos(_ELEVATION), np.sin(_ELEVATION)
    return np.stack([right, -cos * up - sin * ahead, cos * ahead - sin * up])


def _floor_grid(center, up, floor, radius):
    """Lines (start, end) of a square grid below the person, aligned with the world."""
    seed = np.eye(3)[np.argmin(np.abs(up))]
    x = np.cross(up, seed)
    x /= np.linalg.norm(x)
    y = np.cross(up, x)
    step = _GRID_STEP
    while step > radius:  # for close-ups of hands and faces
        step /= 5
    while 6 * step < radius:
        step *= 2
    foot = center - (center @ up) * up
    u0, v0 = (np.round(foot @ axis / step) for axis in (x, y))
    n_cells = int(np.clip(np.ceil(radius / step), 2, 6))
    for k in range(-n_cells, n_cells + 1):
        for along, across, a0, c0 in ((x, y, u0, v0), (y, x, v0, u0)):
            base = (c0 + k) * step * across + floor * up
            yield (
                base + (a0 - n_cells) * step * along,
                base + (a0 + n_cells) * step * along,
            )
