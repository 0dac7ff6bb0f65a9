"""The surroundings of a scene: ground, sky or walls, furniture, and the light.

Pixels look along rays: rays that meet the ground plane read a ground texture, the others a
panorama of all directions (outdoors) or the walls of a room (indoors). Textures are painted once
from a seed.
"""

import dataclasses

import numpy as np

from posepile.errors import OptionError
from posepile.simulate import mesh, textures
from posepile.simulate.mesh import CHECK, MOTTLED, STRIPES_ACROSS, Material

KINDS = ('field', 'street', 'room', 'clutter')
"""What :meth:`Background.random` accepts as ``kind``."""


@dataclasses.dataclass(frozen=True, eq=False)
class Background:
    """Surroundings of a scene.

    Attributes:
        kind: one of ``KINDS``.
        ground: the floor's :class:`~posepile.simulate.textures.Texture`.
        panorama: (rows, columns, 3) uint8 over all azimuths and elevations -15 to 75 degrees, or
            None in a room.
        walls: (rows, columns, 3) uint8: the four walls beside one another, or None outdoors.
        room: (x, y) half sizes and height of the room in mm.
        props: furniture, as static meshes.
        sun: (3,) unit vector towards the light.
        sunlight, ambient: (3,) factors on colours lit by the sun, and lit by everything.
        shadow: darkness of shadows, 0..1.
    """

    kind: str
    ground: textures.Texture
    panorama: np.ndarray | None
    walls: np.ndarray | None
    room: tuple
    props: list
    sun: np.ndarray
    sunlight: np.ndarray
    ambient: np.ndarray
    shadow: float

    @classmethod
    def random(cls, rng, kind=None):
        """Random surroundings, of a random kind if none is given.

        Raises:
            OptionError: if the kind is unknown.
        """
        if kind is None:
            kind = KINDS[rng.integers(len(KINDS))]
        if kind not in KINDS:
            raise OptionError(f'No background is called {kind!r}. There are: {", ".join(KINDS)}.')
        azimuth = rng.uniform(0, 2 * np.pi)
        elevation = np.radians(rng.uniform(60, 80) if kind == 'room' else rng.uniform(28, 60))
        sun = np.array(
            [
                np.cos(azimuth) * np.cos(elevation),
                np.sin(azimuth) * np.cos(elevation),
                np.sin(elevation),
            ]
        )
        outdoors = kind in ('field', 'street')
        half = (rng.uniform(4500, 7000), rng.uniform(4500, 7000), rng.uniform(2700, 3600))
        return cls(
            kind=kind,
            ground=textures.random_ground(rng, kind),
            panorama=None if kind == 'room' else textures.random_panorama(rng, kind),
            walls=textures.random_walls(rng) if kind == 'room' else None,
            room=half,
            props=_furniture(rng, half) if kind == 'room' else [],
            sun=sun,
            sunlight=np.array([0.62, 0.6, 0.55]) if outdoors else np.array([0.42, 0.41, 0.38]),
            ambient=np.array([0.56, 0.58, 0.62]) if outdoors else np.array([0.66, 0.65, 0.64]),
            shadow=rng.uniform(0.4, 0.55) if outdoors else rng.uniform(0.2, 0.35),
        )

    def light(self, normals):
        """(V, 3) factors on the colours of surfaces with the given (V, 3) normals."""
        lambert = np.maximum(normals @ self.sun, 0)[:, None]
        fill = 0.78 + 0.22 * normals[:, 2:]  # the sky is brighter than the ground
        return self.ambient * fill + self.sunlight * lambert

    def render(self, camera):
        """Empty scene as the camera sees it.

        Returns:
            (h, w, 3) uint8 RGB, and where the ground is seen, as bool. The textures are filtered
            to the size of a pixel, so that one sample per pixel is enough.
        """
        rays = camera.pixel_rays()
        eye = camera.t.astype(np.float32)
        with np.errstate(divide='ignore', invalid='ignore'):
            to_ground = np.where(rays[..., 2] < -1e-6, -eye[2] / rays[..., 2], np.inf)
        if self.kind == 'room':
            distant, is_ground = self._room(rays, eye, to_ground)
        else:
            is_ground = (to_ground > 0) & (to_ground < 400000)
            distant = textures.sample_panorama(self.panorama, rays)
        image = distant
        if is_ground.any():
            reach = np.where(is_ground, to_ground, 0)
            x, y = eye[0] + reach * rays[..., 0], eye[1] + reach * rays[..., 1]
            # One pixel covers this many mm of the ground, seen at a flat angle.
            footprint = reach / camera.K[0, 0] * np.sqrt(np.maximum(reach / max(eye[2], 1.0), 1))
            ground = self.ground.sample(x, y, footprint)
            if self.kind != 'room':
                haze = np.clip(reach / 150000, 0, 0.85)[..., None]
                ground = ground * (1 - haze) + distant * haze
            image = np.where(is_ground[..., None], ground, image)
        return np.clip(image + 0.5, 0, 255).astype(np.uint8), is_ground

    def _room(self, rays, eye, to_ground):
        """Colours of walls and ceiling, and where the floor is nearer than they are."""
        half_x, half_y, height = self.room
        with np.errstate(divide='ignore', invalid='ignore'):
            to_x = (np.where(rays[..., 0] > 0, half_x, -half_x) - eye[0]) / rays[..., 0]
            to_y = (np.where(rays[..., 1] > 0, half_y, -half_y) - eye[1]) / rays[..., 1]
            to_z = np.where(rays[..., 2] > 1e-6, (height - eye[2]) / rays[..., 2], np.inf)
        # A camera outside the room looks through the near wall at the far one.
        to_x = np.where(to_x > 0, to_x, np.inf)
        to_y = np.where(to_y > 0, to_y, np.inf)
        to_wall = np.where(np.isfinite(to_x) & (to_x < to_y), to_x, to_y)
        floor = (to_ground > 0) & (to_ground < to_wall)
        ceiling = (to_z > 0) & (to_z < to_wall)
        hits_x = to_wall == to_x
        reach = np.minimum(np.where(np.isfinite(to_wall), to_wall, 0), 1e6)
        x, y = eye[0] + reach * rays[..., 0], eye[1] + reach * rays[..., 1]
        z = eye[2] + reach * rays[..., 2]
        across = np.where(hits_x, y / half_y, x / half_x) * 0.5 + 0.5
        which = np.where(hits_x, np.where(rays[..., 0] > 0, 0, 1), np.where(rays[..., 1] > 0, 2, 3))
        colours = textures.sample_walls(self.walls, across, z / height, which)
        shade = np.array([1.0, 0.92, 0.97, 0.88], np.float32)[which][..., None]
        return np.where(ceiling[..., None], np.float32(228), colours * shade), floor


def _furniture(rng, room):
    """Shelves, tables, sofas and boxes along the walls."""
    pieces = []
    for _ in range(rng.integers(4, 8)):
        along_x = rng.random() < 0.5
        half, other = (room[1], room[0]) if along_x else (room[0], room[1])
        wall, place = rng.choice([-1, 1]), rng.uniform(-0.8, 0.8)
        wood = tuple(np.array([150, 108, 70]) * rng.uniform(0.5, 1.35) + rng.normal(0, 8, 3))
        cloth = tuple(rng.uniform(40, 210, 3))
        kind = rng.choice(['shelf', 'table', 'sofa', 'boxes'])
        blocks = []  # (centre along the wall, away from it, up), size, material
        if kind == 'shelf':
            books = Material(wood, STRIPES_ACROSS, cloth, 60.0)
            blocks = [((0, 200, 950), (900, 400, 1900), books)]
        elif kind == 'table':
            top = Material(wood)
            blocks = [((0, 450, 735), (1500, 800, 40), top)]
            blocks += [((a, b, 360), (60, 60, 720), top) for a in (-690, 690) for b in (110, 790)]
        elif kind == 'sofa':
            cover = Material(cloth, MOTTLED, tuple(0.85 * c for c in cloth), 25.0)
            blocks = [
                ((0, 480, 220), (1900, 900, 440), cover),
                ((0, 120, 450), (1900, 220, 850), cover),
            ]
        else:
            for k in range(rng.integers(1, 4)):
                size = rng.uniform(300, 600)
                paper = Material(tuple(rng.uniform(60, 220, 3)), CHECK, wood, 120.0)
                blocks.append(((k * 620 - 500, 350, size / 2), (size, size, size), paper))
        for (a, b, z), (length, depth, height), material in blocks:
            if along_x:
                centre, size = (place * other + a, wall * (half - b), z), (length, depth, height)
            else:
                centre, size = (wall * (half - b), place * other + a, z), (depth, length, height)
            pieces.append(mesh.box(centre, size, material, n_split=4))
    return pieces
