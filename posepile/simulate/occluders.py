"""Things that stand in front of people."""

import numpy as np

from posepile.errors import OptionError
from posepile.simulate import mesh
from posepile.simulate.mesh import CHECK, MOTTLED, STRIPES_ALONG, Material


def random_occluder(rng, position, kind=None):
    """A thing standing on the ground at ``position`` (x, y mm): 'box', 'post' or 'bush'.

    Raises:
        OptionError: if the kind is unknown.
    """
    kind = kind or ('box', 'post', 'bush')[rng.integers(3)]
    colour = tuple(rng.uniform(50, 220, 3))
    if kind == 'box':
        size = rng.uniform([400, 400, 450], [900, 700, 1000])
        material = Material(colour, CHECK, tuple(0.8 * c for c in colour), 150.0)
        return mesh.box((*position, size[2] / 2), size, material, rng.uniform(0, np.pi))
    if kind == 'post':
        material = Material(colour, STRIPES_ALONG, (230, 230, 225), 300.0)
        return mesh.post(position, rng.uniform(50, 130), rng.uniform(1500, 2600), material)
    if kind == 'bush':
        green = (rng.uniform(40, 75), rng.uniform(75, 115), rng.uniform(30, 50))
        material = Material(green, MOTTLED, tuple(0.55 * c for c in green), 14.0)
        return mesh.bush(position, rng.uniform(350, 600), rng.uniform(600, 1200), material, rng)
    raise OptionError(f'No occluder is called {kind!r}. There are: box, post, bush.')
