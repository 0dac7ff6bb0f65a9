"""What shape, expression and pose do to a made-up person, and which vertices make its joints."""

import numpy as np

from posepile.simulate.skinning import smoothstep

#: Joints that move the head.
HEAD = ('head', 'jaw', 'leyehf', 'reyehf')


def shape_directions(surface, n_betas, rng):
    """(V, 3, S): stature, girth, then ever smaller random deformations that are smooth in space."""
    vertices = surface.vertices
    angles = vertices @ rng.uniform(-4, 4, (3, 12)) + rng.uniform(0, 2 * np.pi, 12)
    smooth = np.tensordot(np.cos(angles), rng.normal(size=(12, 3, n_betas)), axes=1)
    directions = smooth * 0.005 / np.sqrt(1 + np.arange(n_betas))
    directions[..., 0] = 0.03 * vertices
    directions[..., 1] = 0.12 * surface.spokes
    return directions


def expression_directions(surface, names, n, rng):
    """(V, 3, E): ever smaller random deformations of the face."""
    head = surface.weights[:, [i for i, name in enumerate(names) if name in HEAD]].sum(axis=1)
    depth = surface.vertices[:, 2] - surface.vertices[head > 0.5, 2].mean()
    share = head * smoothstep(depth / 0.04 - 0.5)
    angles = surface.vertices @ rng.uniform(-40, 40, (3, 12)) + rng.uniform(0, 2 * np.pi, 12)
    smooth = np.tensordot(np.cos(angles), rng.normal(size=(12, 3, n)), axes=1)
    return smooth * share[:, np.newaxis, np.newaxis] * 0.002 / np.sqrt(1 + np.arange(n))


def pose_directions(surface, joints, rng):
    """(V, 3, 9 (J - 1)): bulges around the bent joint."""
    distance = np.linalg.norm(surface.vertices[:, np.newaxis] - joints[1:], axis=2)
    bulge = np.exp(-0.5 * (distance / 0.06) ** 2)
    effects = 0.006 * rng.normal(size=(len(joints) - 1, 3, 9))
    return np.einsum('vj,jce->vcje', bulge, effects).reshape(len(bulge), 3, -1)


def regressor(vertices, targets):
    """(J, V) sparse weights of sum 1, not negative, with which vertices make the targets."""
    from scipy.optimize import nnls

    matrix = np.zeros((len(targets), len(vertices)))
    for row, target in zip(matrix, targets, strict=True):
        near = np.argsort(np.linalg.norm(vertices - target, axis=1), kind='stable')[:1000]
        equations = np.concatenate([vertices[near].T, np.ones((1, len(near)))])
        row[near], error = nnls(equations, np.append(target, 1))
        if error > 1e-9:
            raise ValueError(f'{target} lies outside of the body.')
    return matrix


def infant(surface, names):
    """(V, 3) a small body with a large head."""
    head = surface.weights[:, [i for i, name in enumerate(names) if name in HEAD]].sum(axis=1)
    joint = surface.vertices[head > 0.5].mean(axis=0)
    return 0.45 * (surface.vertices + 0.5 * head[:, np.newaxis] * (surface.vertices - joint))
