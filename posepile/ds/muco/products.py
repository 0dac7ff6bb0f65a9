"""What the products differ in."""

import os
from dataclasses import dataclass

from posepile.ds.muco.tree import CHUNK
from posepile.errors import UnknownDatasetError

_ALL = 10**6  # numbers have six digits


@dataclass(frozen=True)
class Product:
    """One of the products.

    Attributes:
        end: composites with smaller numbers (from 1) belong to it.
        is_full_skeleton: whether it has the 28 joints of MPI-INF-3DHP, or the 17 of MuPoTS.
        has_mupots: whether the MuPoTS test set is its validation and test data.
    """

    end: int = _ALL
    is_full_skeleton: bool = True
    has_mupots: bool = False


PRODUCTS = {
    'muco': Product(),
    'muco_3dhp_200k': Product(end=200_000),
    'muco_17_150k': Product(end=150_000, is_full_skeleton=False, has_mupots=True),
    'muco_full': Product(has_mupots=True),
}


def find_product(name) -> Product:
    """Description of a product.

    Raises:
        UnknownDatasetError: if there is none of this name.
    """
    if name not in PRODUCTS:
        raise UnknownDatasetError(f'{name!r} is none of {", ".join(PRODUCTS)}.')
    return PRODUCTS[name]


def n_composites() -> int:
    """How many the product needs that a pipeline makes (POSEPILE_DATASET): a number of chunks."""
    return -(-find_product(os.environ.get('POSEPILE_DATASET', 'muco')).end // CHUNK) * CHUNK
