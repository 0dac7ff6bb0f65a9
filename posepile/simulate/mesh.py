"""Triangle meshes: lofts along limbs, boxes and bushes, and the materials that colour them."""

import dataclasses

import numpy as np

# Kinds of material; the second colour and the numbers mean something else for each.
PLAIN, STRIPES_ALONG, STRIPES_ACROSS, CHECK, LOGO, MOTTLED, SIDE_STRIPE = range(7)


@dataclasses.dataclass(frozen=True)
class Material:
    """How a surface is coloured, from its texture coordinates (u around, v along; mm).

    Attributes:
        kind: one of the constants of this module.
        colour, second: RGB in 0..255.
        scale: size of the pattern in mm.
        centre: (u, v) of a logo.
    """

    colour: tuple
    kind: int = PLAIN
    second: tuple = (0, 0, 0)
    scale: float = 50.0
    centre: tuple = (0.0, 0.0)

    def row(self):
        """The ten numbers that the rasteriser reads."""
        return [self.kind, *self.colour, *self.second, self.scale, *self.centre]


@dataclasses.dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles with a material each.

    Attributes:
        vertices: (V, 3) mm.
        normals: (V, 3) outward unit normals.
        uv: (V, 2) texture coordinates, mm.
        triangles: (N, 3) int32 vertex indices.
        triangle_material: (N,) int32 index into ``materials``.
        materials: list of :class:`Material`.
        weights: (V, S) share of each bone in the movement of each vertex, or None if static.
    """

    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    triangles: np.ndarray
    triangle_material: np.ndarray
    materials: list
    weights: np.ndarray | None = None

    def moved(self, rotation, translation):
        """The mesh rotated by (3, 3) and then shifted by (3,)."""
        return dataclasses.replace(
            self,
            vertices=self.vertices @ rotation.T + translation,
            normals=self.normals @ rotation.T,
        )


def merge(meshes):
    """One mesh from several; all or none of them have weights."""
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes])
    first_material = np.cumsum([0] + [len(m.materials) for m in meshes])
    return Mesh(
        vertices=np.concatenate([m.vertices for m in meshes]),
        normals=np.concatenate([m.normals for m in meshes]),
        uv=np.concatenate([m.uv for m in meshes]),
        triangles=np.concatenate(
            [m.triangles + s for m, s in zip(meshes, starts[:-1], strict=True)]
        ).astype(np.int32),
        triangle_material=np.concatenate(
            [m.triangle_material + s for m, s in zip(meshes, first_material[:-1], strict=True)]
        ).astype(np.int32),
        materials=[material for m in meshes for material in m.materials],
        weights=None if meshes[0].weights is None else np.concatenate([m.weights for m in meshes]),
    )


def loft(
    centres, side, front, half_side, half_front, material,
    weights=None, n_sides=12, exponent=2.0, arc=(-np.pi, np.pi), bulge=None, cap=True,
):  # fmt: skip
    """A tube through elliptical sections.

    Args:
        centres: (K, 3) centres of the sections.
        side, front: (3,) or (K, 3) unit vectors that span the sections.
        half_side, half_front: (K,) half axes along them, mm.
        material: a :class:`Material`.
        weights: (K, S) bone weights of the sections.
        n_sides: number of facets around.
        exponent: 2 for ellipses, more for boxier sections.
        arc: range of angles from ``front`` (0) over ``side`` (a quarter turn).
        bulge: (K, n_sides + 1) factors on the radius around each section.
        cap: whether to close both ends.
    """
    centres = np.asarray(centres, np.float64)
    n_rings = len(centres)
    side, front = (np.broadcast_to(a, centres.shape)[:, None] for a in (side, front))
    angles = np.linspace(*arc, n_sides + 1)
    c, s = np.cos(angles), np.sin(angles)
    radius = (np.abs(c) ** exponent + np.abs(s) ** exponent) ** (-1 / exponent)
    radius = radius * (1 if bulge is None else bulge) * np.ones((n_rings, 1))
    half_side, half_front = (
        np.asarray(a, np.float64)[:, None, None] for a in (half_side, half_front)
    )
    spokes = (radius * s)[..., None] * half_side * side + (radius * c)[
        ..., None
    ] * half_front * front
    grid = centres[:, None] + spokes
    steps = np.linalg.norm(np.diff(centres, axis=0), axis=-1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    mean_radius = float(np.mean([half_side.max(), half_front.max()]))
    uv = np.stack(np.broadcast_arrays((angles * mean_radius)[None], along[:, None]), axis=-1)

    row = np.arange(n_sides)
    first = (np.arange(n_rings - 1)[:, None] * (n_sides + 1) + row).ravel()
    quads = np.stack([first, first + 1, first + n_sides + 2, first + n_sides + 1], axis=-1)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    vertices, texture = grid.reshape(-1, 3), uv.reshape(-1, 2)
    closed = np.isclose(arc[1] - arc[0], 2 * np.pi)
    seam = (np.arange(n_rings) * (n_sides + 1), n_sides) if closed else None
    normals = _smooth_normals(vertices, triangles, seam)
    outwards = np.sum(normals * spokes.reshape(-1, 3), axis=-1)
    if np.sum(outwards) < 0:
        normals, triangles = -normals, triangles[:, ::-1]
    if weights is not None:
        weights = np.repeat(weights, n_sides + 1, axis=0)
    if cap:
        ends = np.array([0, n_rings - 1])
        tip_direction = np.array([centres[0] - centres[1], centres[-1] - centres[-2]])
        tip_direction /= np.maximum(np.linalg.norm(tip_direction, axis=-1, keepdims=True), 1e-9)
        for end, tip_normal in zip(ends, tip_direction, strict=True):
            rim = end * (n_sides + 1) + row
            tip = np.full_like(rim, len(vertices))
            triangles = np.concatenate([triangles, np.stack([rim, rim + 1, tip], axis=-1)])
            vertices = np.concatenate([vertices, centres[end : end + 1]])
            normals = np.concatenate([normals, tip_normal[None]])
            texture = np.concatenate([texture, [[0.0, along[end]]]])
            if weights is not None:
                weights = np.concatenate([weights, weights[end * (n_sides + 1)][None]])
    return Mesh(
        vertices,
        normals,
        texture,
        triangles.astype(np.int32),
        np.zeros(len(triangles), np.int32),
        [material],
        weights,
    )


def patch(points, triangles, normal, material, weights=None):
    """A flat little surface, such as an eye: (V, 3) points that share a normal."""
    points = np.asarray(points, np.float64)
    triangles = np.asarray(triangles, np.int32)
    if weights is not None:
        weights = np.repeat(np.asarray(weights)[None], len(points), axis=0)
    return Mesh(
        points,
        np.repeat(np.asarray(normal, np.float64)[None], len(points), axis=0),
        np.zeros((len(points), 2)),
        triangles,
        np.zeros(len(triangles), np.int32),
        [material],
        weights,
    )


def box(centre, size, material, yaw=0.0, n_split=6):
    """A block around ``centre`` with edge lengths ``size``, turned by ``yaw``; mm, radians.

    Its faces are split into ``n_split`` squares a side, so that lens distortion bends the edges.
    """
    grid = np.linspace(-0.5, 0.5, n_split + 1)
    a, b = (g.ravel() for g in np.meshgrid(grid, grid))
    k = (np.arange(n_split)[:, None] * (n_split + 1) + np.arange(n_split)).ravel()
    quad = np.stack([k, k + 1, k + n_split + 2, k + n_split + 1], axis=-1)
    face_triangles = np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])
    size = np.asarray(size, np.float64)
    faces = []
    for axis in range(3):
        for sign in (-1, 1):
            points = np.zeros((len(a), 3))
            points[:, axis] = 0.5 * sign
            points[:, (axis + 1) % 3], points[:, (axis + 2) % 3] = a, b
            uv = (
                points[:, [(axis + 1) % 3, (axis + 2) % 3]] * size[[(axis + 1) % 3, (axis + 2) % 3]]
            )
            normal = np.zeros(3)
            normal[axis] = sign
            face = patch(points * size, face_triangles, normal, material)
            faces.append(dataclasses.replace(face, uv=uv))
    c, s = np.cos(yaw), np.sin(yaw)
    turned = merge(faces).moved(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), np.asarray(centre))
    return turned


def post(position, radius, height, material):
    """An upright round pole standing on the ground at ``position`` (x, y)."""
    heights = np.linspace(0, height, 12)
    centres = np.stack([np.full(12, position[0]), np.full(12, position[1]), heights], axis=-1)
    half = np.full(12, float(radius))
    return loft(centres, (0, 1.0, 0), (1.0, 0, 0), half, half, material, n_sides=14)


def bush(position, radius, height, material, rng):
    """A leafy lump standing on the ground at ``position`` (x, y)."""
    lumps = []
    for _ in range(14):
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.6) * radius
        r = rng.uniform(0.4, 0.65) * min(radius, height / 1.6)
        z = 0.6 * r + rng.uniform(0, 1) * max(height - 1.6 * r, 0)
        centre = (position[0] + distance * np.cos(angle), position[1] + distance * np.sin(angle), z)
        t = np.linspace(-1, 1, 8)
        centres = np.asarray(centre) + np.stack([0 * t, 0 * t, r * t], axis=-1)
        half = r * np.sqrt(np.maximum(1 - t**2, 0.001))
        bulge = 1 + 0.14 * rng.normal(size=(8, 13)).clip(-2, 2)
        bulge[:, -1] = bulge[:, 0]
        lumps.append(
            loft(centres, (0, 1.0, 0), (1.0, 0, 0), half, half, material, n_sides=12, bulge=bulge)
        )
    return merge(lumps)


def _smooth_normals(vertices, triangles, seam):
    """Area-weighted vertex normals; ``seam`` = (first column, offset of its duplicate)."""
    corners = vertices[triangles]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, triangles[:, k], face)
    if seam is not None:
        first, offset = seam
        total = normals[first] + normals[first + offset]
        normals[first] = normals[first + offset] = total
    return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
