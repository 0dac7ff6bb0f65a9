"""Files of predictions."""

import lzma
import os
import pickle

from posepile.storage import codec


def write_predictions(folder, truths, make):
    """A pickle of the dictionary ``make(truth)`` for each sequence."""
    for truth in truths:
        path = folder / truth.phase / f'{truth.name}.pkl'
        os.makedirs(path.parent, exist_ok=True)
        path.write_bytes(pickle.dumps(make(truth), 4))
    return folder


def write_streams(folder, truths, frames_of):
    """A stream of the dictionaries ``frames_of(truth)`` for each sequence."""
    for truth in truths:
        path = folder / truth.phase / f'{truth.name}.xz'
        os.makedirs(path.parent, exist_ok=True)
        path.write_bytes(lzma.compress(b''.join(map(codec.pack, frames_of(truth))), preset=0))
    return folder
