"""The surface of a made-up person in T-pose: tubes around the bones, joined to one closed mesh.

Axes and units of the SMPL family: x to the person's left, y up, z forwards; metres.
"""

import dataclasses

import numpy as np

from posepile.simulate.skinning import smoothstep

# Facets around, and rings along trunk, legs and arms. A closed surface without handles has
# 2 V - 4 triangles: with these, 6890 vertices and 13776 triangles, as SMPL has; for SMPL-X 9370
# vertices, to which few are added, and eyeballs.
N_SIDES = 20
RINGS = {
    'smpl': {'trunk': 104, 'leg': 65, 'arm': 55},
    'smplx': {'trunk': 142, 'leg': 88, 'arm': 75},
}


@dataclasses.dataclass(frozen=True, eq=False)
class Surface:
    """A closed mesh.

    Attributes:
        vertices: (V, 3).
        spokes: (V, 3) from the axis of the body part to the vertex.
        faces: (F, 3), counter-clockwise seen from outside.
        weights: (V, J) share of each joint in the movement of the vertices.
    """

    vertices: np.ndarray
    spokes: np.ndarray
    faces: np.ndarray
    weights: np.ndarray

    def reordered(self, places):
        """The same surface, with vertex ``old`` at index ``new`` for each (old, new)."""
        order = np.arange(len(self.vertices))
        where = order.copy()
        for old, new in places:
            a, b = where[old], new
            order[[a, b]] = order[[b, a]]
            where[order[[a, b]]] = [a, b]
        return Surface(
            self.vertices[order],
            self.spokes[order],
            where[self.faces].astype(np.int32),
            self.weights[order],
        )


def tube(waypoints, radii, up, n_rings, chain, joints, blend):
    """A tube along a polyline.

    Args:
        waypoints: (K, 3) corners of its axis.
        radii: (K, 2) half widths there, along ``up`` and across.
        up: (3,) direction, not along the axis anywhere.
        n_rings: number of rings, evenly spaced.
        chain: indices of joints that move it, from its start to its end; the first one moves
            the start.
        joints: (J, 3) all joints.
        blend: length over which two joints share the vertices.
    """
    waypoints, radii = np.asarray(waypoints, np.float64), np.asarray(radii, np.float64)
    steps = np.linalg.norm(np.diff(waypoints, axis=0), axis=1)
    corner = np.concatenate([[0], np.cumsum(steps)])
    along = np.linspace(0, corner[-1], n_rings)
    axis = np.stack([np.interp(along, corner, w) for w in waypoints.T], axis=1)
    half = np.stack([np.interp(along, corner, r) for r in radii.T], axis=1)
    # Rounded ends.
    end = np.clip(np.minimum(along, corner[-1] - along) / half.mean(axis=1), 0, 1)
    half = half * np.sqrt(np.maximum(1 - (1 - end) ** 2, 0.05))[:, np.newaxis]
    tangent = np.gradient(axis, axis=0)
    kernel = np.ones(7) / 7
    padded = np.pad(tangent, ((3, 3), (0, 0)), mode='edge')
    tangent = np.stack([np.convolve(t, kernel, 'valid') for t in padded.T], axis=1)
    across = _unit(np.cross(tangent, up))
    up = _unit(np.cross(across, tangent))

    angle = np.arange(N_SIDES) * (2 * np.pi / N_SIDES)
    c, s = np.cos(angle)[:, np.newaxis], np.sin(angle)[:, np.newaxis]
    spokes = half[:, None, :1] * c * up[:, None] + half[:, None, 1:] * s * across[:, None]
    tips = 0.3 * half.mean(axis=1)[[0, -1], np.newaxis] * _unit(tangent[[0, -1]]) * [[-1], [1]]
    spokes = np.concatenate([spokes.reshape(-1, 3), tips])
    centres = np.concatenate([np.repeat(axis, N_SIDES, axis=0), axis[[0, -1]]])

    at = [along[np.argmin(np.linalg.norm(axis - joints[j], axis=1))] for j in chain[1:]]
    shares = [np.ones(n_rings), *(smoothstep((along - a) / blend + 0.5) for a in at)]
    weights = np.zeros((n_rings, len(joints)))
    for k, j in enumerate(chain):
        weights[:, j] = shares[k] - (shares[k + 1] if k + 1 < len(shares) else 0)
    weights = np.concatenate([np.repeat(weights, N_SIDES, axis=0), weights[[0, -1]]])
    # A limb's bends lie closer together than the blend where it is short: keep shares positive.
    weights = np.maximum(weights, 0)
    weights /= weights.sum(axis=1, keepdims=True)
    return Surface(centres + spokes, spokes, _tube_faces(n_rings), weights)


def joined(trunk, limbs):
    """One closed surface from a trunk and limbs that start inside or near it.

    A triangle of each is replaced by a three-sided tunnel between the two; the limbs are so far
    apart that each has another triangle of the trunk nearest to it.
    """
    surface = trunk
    for limb in limbs:
        n = len(surface.vertices)
        first = len(limb.faces) - 2 * N_SIDES  # triangles of the start cap
        b = limb.faces[first] + n
        centre = limb.vertices[limb.faces[first]].mean(axis=0)
        middles = trunk.vertices[trunk.faces].mean(axis=1)
        nearest = np.argmin(np.linalg.norm(middles - centre, axis=1))
        a, c = surface.faces[nearest], b[[0, 2, 1]]
        tunnel = []
        for i in range(3):
            k = (i + 1) % 3
            tunnel += [[a[i], a[k], c[k]], [a[i], c[k], c[i]]]
        own = limb.faces + n
        faces = surface.faces.copy()
        # The tunnel's first triangles take the places of the two that are opened.
        faces[nearest], own[first] = tunnel[0], tunnel[1]
        surface = Surface(
            np.concatenate([surface.vertices, limb.vertices]),
            np.concatenate([surface.spokes, limb.spokes]),
            np.concatenate([faces, own, tunnel[2:]]).astype(np.int32),
            np.concatenate([surface.weights, limb.weights]),
        )
    return surface


def sphere(centre, radius, n_rings, n_sides, joint, n_joints):
    """A ball that moves with one joint, its poles in front and behind."""
    polar = np.pi * np.arange(1, n_rings + 1) / (n_rings + 1)
    angle = 2 * np.pi * np.arange(n_sides) / n_sides
    across, z = np.sin(polar)[:, np.newaxis], np.repeat(-np.cos(polar), n_sides)
    x, y = -across * np.sin(angle), across * np.cos(angle)
    directions = np.stack([x.ravel(), y.ravel(), z], axis=1)
    spokes = radius * np.concatenate([directions, [[0, 0, -1], [0, 0, 1]]])
    weights = np.zeros((len(spokes), n_joints))
    weights[:, joint] = 1
    return Surface(centre + spokes, spokes, _tube_faces(n_rings, n_sides), weights)


def beside(*surfaces):
    """Several surfaces as one that is not connected."""
    starts = np.cumsum([0, *(len(s.vertices) for s in surfaces)])
    faces = [s.faces + start for s, start in zip(surfaces, starts, strict=False)]
    return Surface(
        np.concatenate([s.vertices for s in surfaces]),
        np.concatenate([s.spokes for s in surfaces]),
        np.concatenate(faces).astype(np.int32),
        np.concatenate([s.weights for s in surfaces]),
    )


def refined(surface, n_vertices):
    """The surface with vertices in the middle of some triangles, ``n_vertices`` in all.

    They are counted from the end, in the limb that was joined last, so that they are the same
    whatever was done to the trunk.
    """
    n_old = len(surface.vertices)
    split = len(surface.faces) - 1000 + np.arange(n_vertices - n_old)
    corners = surface.faces[split]
    new = np.arange(n_old, n_vertices)
    faces = surface.faces.copy()
    faces[split, 2] = new
    further = [np.stack([corners[:, i], corners[:, j], new], axis=1) for i, j in ((1, 2), (2, 0))]
    means = (
        np.concatenate([array, array[corners].mean(axis=1)])
        for array in (surface.vertices, surface.spokes, surface.weights)
    )
    vertices, spokes, weights = means
    return Surface(vertices, spokes, np.concatenate([faces, *further]).astype(np.int32), weights)


def opened(surface, slits, n_rings):
    """The surface with slits between two rings of the tube that it begins with.

    Args:
        slits: for each a point (3,) near its middle, and how many of the facets around it takes.
        n_rings: number of rings of the tube.
    """
    n_quads = (n_rings - 1) * N_SIDES
    ring_vertices = surface.vertices[: n_rings * N_SIDES].reshape(n_rings, N_SIDES, 3)
    middles = 0.5 * (ring_vertices[1:] + ring_vertices[:-1])
    middles = 0.5 * (middles + np.roll(middles, -1, axis=1))
    removed = []
    for point, n in slits:
        distance = np.linalg.norm(middles - point, axis=2)
        ring, side = np.unravel_index(np.argmin(distance), distance.shape)
        sides = (side - n // 2 + np.arange(n)) % N_SIDES
        removed += [*(ring * N_SIDES + sides), *(n_quads + ring * N_SIDES + sides)]
    if len(set(removed)) < len(removed):
        raise ValueError('Slits overlap.')
    faces = np.delete(surface.faces, removed, axis=0)
    return dataclasses.replace(surface, faces=faces)


def _tube_faces(n_rings, n_sides=N_SIDES):
    """Rings one after the other, then the two tips; the start cap's triangles come second last."""
    k = np.arange(n_sides)
    after = (k + 1) % n_sides
    rings = (np.arange(n_rings - 1) * n_sides)[:, np.newaxis]
    a, b = rings + k, rings + after
    c, d = a + n_sides, b + n_sides
    sides = np.concatenate(
        [np.stack([a, b, c], axis=-1).reshape(-1, 3), np.stack([b, d, c], axis=-1).reshape(-1, 3)]
    )
    tip = n_rings * n_sides
    last = tip - n_sides
    start = np.stack([after, k, np.full_like(k, tip)], axis=-1)
    end = np.stack([last + k, last + after, np.full_like(k, tip + 1)], axis=-1)
    return np.concatenate([sides, start, end])


def _unit(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)
