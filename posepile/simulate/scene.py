"""Scenes: people, surroundings and things in front, rendered with exact truth.

The image is drawn with two samples per pixel side and averaged; instance ids and depth are those
at the pixel centres, which lie at integer coordinates.
"""

import collections
import dataclasses

import cv2
import numpy as np

from posepile.errors import OptionError
from posepile.simulate import mesh, raster
from posepile.simulate.background import Background
from posepile.simulate.occluders import random_occluder
from posepile.simulate.performer import Performer
from posepile.simulate.visibility import depth_tolerances

__all__ = ['Performer', 'RenderedFrame', 'Scene', 'random_occluder']

_SUPERSAMPLED_PIXELS = 2_200_000  # larger images are drawn with one sample per pixel
_CACHED_CAMERAS = 6


@dataclasses.dataclass(frozen=True, eq=False)
class RenderedFrame:
    """A picture and its truth.

    Attributes:
        image: (h, w, 3) uint8 RGB.
        instance_ids: (h, w) uint8; 0 = nobody, k + 1 = person k of the scene.
        depth: (h, w) float32 distance of people and things along the optical axis in mm,
            infinite where only ground, sky or walls are.
    """

    image: np.ndarray
    instance_ids: np.ndarray
    depth: np.ndarray

    def mask(self, k):
        """(h, w) bool: where person k is visible."""
        return self.instance_ids == k + 1

    def box(self, k):
        """Tight box [left, top, width, height] of the visible pixels of person k; NaN if none."""
        return mask_box(self.mask(k))


def mask_box(mask):
    """Tight box [left, top, width, height] of a mask: first column and row, number of them."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return np.full(4, np.nan)
    left, top = columns[0], rows[0]
    return np.array([left, top, columns[-1] + 1 - left, rows[-1] + 1 - top], np.float64)


class Scene:
    """People in surroundings, to be looked at by any number of cameras.

    Args:
        performers: list of :class:`Performer`; at most 255.
        background: a :class:`~posepile.simulate.background.Background`, the name of a kind of
            one, or None for a random one.
        occluders: static meshes that stand in the scene, see :func:`random_occluder`.
        seed: decides what is random about the surroundings.
        supersample: samples per pixel side of the image, by default 2 up to 2.2 megapixels and 1
            above.
    """

    def __init__(self, performers, background=None, occluders=(), seed=0, supersample=None):
        if len(performers) > 255:
            raise OptionError(f'A scene holds at most 255 people, not {len(performers)}.')
        self.performers = list(performers)
        if not isinstance(background, Background):
            background = Background.random(np.random.default_rng(seed), background)
        self.background = background
        self.supersample = supersample
        self._occluders = tuple(occluders)
        things = [*background.props, *occluders, *(m for p in self.performers for m in p.props)]
        self._things = mesh.merge(things) if things else None
        # Materials as a table, once per person.
        self._materials = [_material_table(p.skin.mesh) for p in self.performers]
        self._still_layers = collections.OrderedDict()
        self._latest = (None, None)

    def with_performers(self, performers):
        """The same surroundings with other people in them.

        What never moves is not drawn again for the cameras that have seen it, unless something
        comes or goes with the people.
        """
        scene = Scene(performers, self.background, self._occluders, supersample=self.supersample)
        if not any(p.props for p in [*self.performers, *scene.performers]):
            scene._still_layers = self._still_layers
        return scene

    def render(self, camera, i_frame):
        """What the camera sees in a frame, as a :class:`RenderedFrame`.

        People whose clip is shorter than ``i_frame`` stay in their last pose.
        """
        still = self._still_layer(camera)
        surfaces = [self._view(camera, k, i_frame) for k in range(len(self.performers))]
        ids, zbuffer = self._draw_ids(still, surfaces)
        shadows = [_shadow(camera, s, self.background.sun) for s in surfaces]
        window = _window(surfaces + shadows, camera.imshape)
        image = still.image.copy()
        if window is not None:
            left, top, right, bottom = window
            part = self._draw_people(still, surfaces, shadows, window)
            image[top:bottom, left:right] = part
        with np.errstate(divide='ignore'):
            depth = 1 / zbuffer
        self._latest = ((camera.identity, i_frame), (ids, depth))
        return RenderedFrame(image, ids, depth)

    def amodal_mask(self, camera, i_frame, k):
        """(h, w) bool: all that person k would cover in the image if nothing stood in front."""
        view = self._view(camera, k, i_frame)
        ids = np.zeros(camera.imshape, np.uint8)
        zbuffer = np.zeros(camera.imshape, np.float32)
        raster.fill_ids(view.xy, view.inverse_z, view.mesh.triangles, 1, 0.0, 0.0, zbuffer, ids)
        return ids > 0

    def full_box(self, camera, i_frame, k):
        """Box [left, top, width, height] of the whole body of person k, beyond the image too.

        Its edges are the extreme points of the surface, with pixels from -0.5 to +0.5. NaN if
        no part of the body is in front of the camera.
        """
        xy = self._view(camera, k, i_frame).xy
        xy = xy[np.isfinite(xy[:, 0])]
        if len(xy) == 0:
            return np.full(4, np.nan)
        low, high = xy.min(axis=0), xy.max(axis=0)
        return np.concatenate([low, high - low])

    def visible_landmarks(self, camera, i_frame, k, names):
        """(J,) bool: which landmarks of person k the camera sees.

        A landmark counts as seen if it is in the image and nothing covers it except the skin and
        flesh around it (joints lie some centimetres inside of the body).
        """
        key = (camera.identity, i_frame)
        if self._latest[0] != key:
            still = self._still_layer(camera)
            surfaces = [self._view(camera, n, i_frame) for n in range(len(self.performers))]
            ids, zbuffer = self._draw_ids(still, surfaces)
            with np.errstate(divide='ignore'):
                self._latest = (key, (ids, 1 / zbuffer))
        ids, depth = self._latest[1]
        performer = self.performers[k]
        points = performer.joints(names, _frame_of(performer, i_frame))
        points_cam = camera.world_to_camera(points)
        drawable = camera.is_drawable(points_cam)
        pixels = np.where(drawable[:, None], camera.camera_to_image(points_cam), -1e6)
        pixels = np.rint(pixels).astype(int)
        h, w = camera.imshape
        inside = drawable & np.all((pixels >= 0) & (pixels < [w, h]), axis=1)
        columns, rows = np.where(inside[:, None], pixels, 0).T
        is_own = ids[rows, columns] == k + 1
        tolerance = np.where(is_own, depth_tolerances(names), 0.0)
        return inside & (depth[rows, columns] >= points_cam[:, 2] - tolerance)

    def _view(self, camera, k, i_frame):
        performer = self.performers[k]
        vertices, normals = performer.surface(_frame_of(performer, i_frame))
        return _View.of(camera, performer.skin.mesh, vertices, normals)

    def _draw_ids(self, still, surfaces):
        ids = np.zeros(still.zbuffer.shape, np.uint8)
        zbuffer = still.zbuffer.copy()
        for k, s in enumerate(surfaces):
            raster.fill_ids(s.xy, s.inverse_z, s.mesh.triangles, k + 1, 0.0, 0.0, zbuffer, ids)
        return ids, zbuffer

    def _draw_people(self, still, surfaces, shadows, window):
        """The part of the image inside the window, with people and their shadows."""
        left, top, right, bottom = window
        n = still.scale
        fine = (slice(n * top, n * bottom), slice(n * left, n * right))
        image, zbuffer = still.fine_image[fine].copy(), still.fine_zbuffer[fine].copy()
        self._shade(image, still.ground[fine], shadows, window)
        for s, materials in zip(surfaces, self._materials, strict=True):
            raster.fill_colours(
                n * s.xy + (n - 1) / 2, s.inverse_z, s.mesh.triangles, materials,
                s.mesh.triangle_material, s.mesh.uv, self.background.light(s.normals),
                float(n * left), float(n * top), zbuffer, image,
            )  # fmt: skip
        return _reduced(image, n)

    def _shade(self, image, ground, shadows, window):
        """Darkens the ground where something keeps the sun away; the edge is soft."""
        left, top, right, bottom = window
        shape = (bottom - top, right - left)
        covered = np.zeros(shape, np.uint8)
        scratch = np.zeros(shape, np.float32)
        for s in shadows:
            raster.fill_ids(
                s.xy, s.inverse_z, s.mesh.triangles, 255, float(left), float(top), scratch, covered
            )
        size = max(3, int(0.012 * shape[0]) * 2 + 1)
        shadow = cv2.GaussianBlur(covered, (size, size), 0)
        shadow = cv2.resize(shadow, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        factor = 255 - cv2.bitwise_and(
            cv2.convertScaleAbs(shadow, alpha=self.background.shadow), ground
        )
        cv2.multiply(image, cv2.merge([factor] * 3), image, 1 / 255)

    def _still_layer(self, camera):
        """What never moves, as this camera sees it; kept for the cameras used last."""
        key = camera.identity
        if key in self._still_layers:
            self._still_layers.move_to_end(key)
            return self._still_layers[key]
        layer = self._draw_still_layer(camera)
        self._still_layers[key] = layer
        while len(self._still_layers) > _CACHED_CAMERAS:
            self._still_layers.popitem(last=False)
        return layer

    def _draw_still_layer(self, camera):
        h, w = camera.imshape
        n = self.supersample or (2 if h * w <= _SUPERSAMPLED_PIXELS else 1)
        fine_image, is_ground = self.background.render(camera)
        ground = np.where(is_ground, np.uint8(255), np.uint8(0))
        if n > 1:
            size = (n * w, n * h)
            fine_image = cv2.resize(fine_image, size, interpolation=cv2.INTER_NEAREST)
            ground = cv2.resize(ground, size, interpolation=cv2.INTER_NEAREST)
        fine_zbuffer = np.zeros((n * h, n * w), np.float32)
        zbuffer = np.zeros((h, w), np.float32)
        if self._things is not None:
            things = self._things
            view = _View.of(camera, things, things.vertices, things.normals)
            shadow = _shadow(camera, view, self.background.sun)
            self._shade(fine_image, ground, [shadow], (0, 0, w, h))
            raster.fill_colours(
                n * view.xy + (n - 1) / 2, view.inverse_z, things.triangles,
                _material_table(things), things.triangle_material, things.uv,
                self.background.light(things.normals), 0.0, 0.0, fine_zbuffer, fine_image,
            )  # fmt: skip
            ids = np.zeros((h, w), np.uint8)
            raster.fill_ids(view.xy, view.inverse_z, things.triangles, 0, 0.0, 0.0, zbuffer, ids)
            ground[fine_zbuffer > 0] = 0
        image = _reduced(fine_image, n)
        return _StillLayer(n, fine_image, fine_zbuffer, ground, image, zbuffer)


@dataclasses.dataclass(frozen=True, eq=False)
class _StillLayer:
    scale: int
    fine_image: np.ndarray
    fine_zbuffer: np.ndarray
    ground: np.ndarray
    image: np.ndarray
    zbuffer: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class _View:
    """A surface in world space and in the image: (V, 2) pixels, NaN where not drawable."""

    mesh: mesh.Mesh
    vertices: np.ndarray
    normals: np.ndarray | None
    xy: np.ndarray
    inverse_z: np.ndarray

    @classmethod
    def of(cls, camera, surface, vertices, normals):
        points_cam = camera.world_to_camera(vertices)
        drawable = camera.is_drawable(points_cam)
        xy = np.where(drawable[:, None], camera.camera_to_image(points_cam), np.nan)
        inverse_z = 1 / np.where(drawable, points_cam[:, 2], 1.0)
        return cls(surface, vertices, normals, xy, inverse_z)


def _frame_of(performer, i_frame):
    return min(i_frame, performer.n_frames - 1)


def _material_table(surface):
    return np.array([m.row() for m in surface.materials], np.float64)


def _shadow(camera, surface, sun):
    """The view of a surface flattened onto the ground along the rays of the sun."""
    vertices = surface.vertices - surface.vertices[:, 2:] / sun[2] * sun
    return _View.of(camera, surface.mesh, vertices, None)


def _reduced(image, n):
    """The average of n x n samples per pixel."""
    if n == 1:
        return image
    size = (image.shape[1] // n, image.shape[0] // n)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _window(views, imshape):
    """Part of the image (left, top, right, bottom) that the surfaces can cover, or None."""
    xy = np.concatenate([v.xy for v in views]) if views else np.zeros((0, 2))
    xy = xy[np.isfinite(xy[:, 0])]
    if len(xy) == 0:
        return None
    h, w = imshape
    margin = 8 + h // 50  # the soft edge of the shadow
    left, top = np.clip(np.floor(xy.min(axis=0)) - margin, 0, [w, h]).astype(int)
    right, bottom = np.clip(np.ceil(xy.max(axis=0)) + margin, 0, [w, h]).astype(int)
    return None if left >= right or top >= bottom else (left, top, right, bottom)
