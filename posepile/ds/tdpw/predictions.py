"""Predictions for 3DPW: a folder with a file for each sequence.

``<phase>/<sequence>.pkl`` are pickled dictionaries of arrays (people, frames, ...), of which only
plain data is read, and ``<phase>/<sequence>.xz`` streams of a dictionary for each frame.
"""

import logging
import os
import os.path as osp

import numpy as np

from posepile.errors import BadFileError
from posepile.metrics.predictions import some_of
from posepile.raw.unpickle import restricted_load

logger = logging.getLogger(__name__)

_COMPLETE = 'Predict all people of the ground truth in all frames that count.'
# By what is in the first file.
_PROTOCOL_OF_KEY = (
    ('pose', 'smpl'),
    ('vertices', 'points'),
    ('orientations', 'official'),
    ('jointPositions', 'simple'),
)


def find_files(folder, sequences, extension, only_test=False) -> dict[str, str]:
    """Name of each sequence -> path of its predictions.

    Args:
        folder: where they are; in folders of any name.
        sequences: names of those that are evaluated.
        extension: ``'.pkl'`` or ``'.xz'``.
        only_test: look into the folder ``test`` only.

    Raises:
        BadFileError: if some are missing, or there are several of one. It names them.
    """
    found, others = {}, []
    for parent, folders, files in os.walk(osp.join(folder, 'test') if only_test else folder):
        folders.sort()
        for file in sorted(files):
            stem, ending = osp.splitext(file)
            if ending != extension:
                continue
            path = osp.join(parent, file)
            if stem in found:
                raise BadFileError(path, f'is a second file of {stem}', 'Remove one of them.')
            if stem in sequences:
                found[stem] = path
            else:
                others.append(file)
    missing = [name for name in sequences if name not in found]
    if missing:
        problem = (
            f'has no predictions ({extension}) for {len(missing)} of {len(sequences)} sequences '
            f'({some_of(missing)})'
        )
        raise BadFileError(folder, problem, 'Predict all sequences, or use --testset-only.')
    if others:
        logger.warning('%s: not evaluated: %s', folder, some_of(others))
    return found


def guess_protocol(folder, sequences) -> str:
    """The evaluation that the first file of a sequence is made for; see ``eval.py``.

    Raises:
        BadFileError: if there is no file of predictions.
    """
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            stem, extension = osp.splitext(file)
            if stem in sequences and extension == '.xz':
                return 'stream'
            if stem in sequences and extension == '.pkl':
                return _protocol_of(osp.join(parent, file))
    raise BadFileError(
        folder, 'has no predictions: files <phase>/<sequence>.pkl or .xz', 'Check the path.'
    )


def _protocol_of(path):
    content = _read_pickle(path)
    for key, protocol in _PROTOCOL_OF_KEY:
        if key in content:
            return protocol
    known = ', '.join(key for key, _ in _PROTOCOL_OF_KEY)
    raise BadFileError(path, f'has none of {known}', 'Store predictions under these names.')


def read_tracks(path, sequence, items, needed) -> list[dict[str, np.ndarray]]:
    """Predictions of each person of a sequence.

    Args:
        path: pickle of a dictionary with arrays (people, frames, ...).
        sequence: :class:`~posepile.ds.tdpw.sequences.Sequence` that they are of.
        items: dict of keys to the shape of one item, with the least and the largest size of an
            axis in place of a size that may vary.
        needed: (person) -> the numbers of the frames that must be there.

    Returns:
        For each person of the sequence, arrays (frames, ...) by key.

    Raises:
        BadFileError: if it is damaged, lacks a key, or people or frames, or has other shapes, or
            numbers that are not finite where they count.
    """
    content = _read_pickle(path)
    tracks = []
    for person in range(len(sequence.tracks)):
        frames = needed(person)
        track = {}
        for key, shape in items.items():
            if key not in content:
                raise BadFileError(path, f'has no {key}', 'Store all that this evaluation reads.')
            n_people = len(content[key])
            if person >= n_people:
                problem = f'{key} has {n_people} of the {len(sequence.tracks)} people'
                raise BadFileError(path, problem, _COMPLETE)
            track[key] = _checked(path, key, content[key][person], shape)
        check_complete(path, sequence, person, frames, track)
        tracks.append(track)
    return tracks


def _read_pickle(path):
    content = restricted_load(path)
    if not isinstance(content, dict):
        problem = f'holds no dictionary, but {type(content).__name__}'
        raise BadFileError(path, problem, 'Store arrays by name.')
    return content


def _checked(path, key, values, shape):
    try:
        array = np.asarray(values)
        if array.dtype.kind not in 'fiu':
            raise ValueError(f'is an array of {array.dtype}')
    except ValueError as e:
        raise BadFileError(path, f'{key}: {e}', 'Store arrays of numbers.') from e
    ranges = [s if isinstance(s, tuple) else (s, s) for s in shape]
    fits = array.ndim == 1 + len(ranges) and all(
        low <= n <= high for n, (low, high) in zip(array.shape[1:], ranges, strict=True)
    )
    if not fits:
        wanted = ', '.join(str(low) if low == high else f'{low} or more' for low, high in ranges)
        problem = f'{key} of a person has the shape {array.shape}, not (frames, {wanted})'
        raise BadFileError(path, problem, 'Convert it.')
    return array


def check_complete(path, sequence, person, frames, track):
    """Refuse arrays (by key) of a person that lack some frames, or are not finite in them.

    Raises:
        BadFileError: it names the first few.
    """
    n_frames = min(map(len, track.values()))
    missing = [i for i in frames if i >= n_frames]
    if missing:
        raise incomplete(path, sequence, person, missing, 'is missing')
    is_bad = np.zeros(len(frames), bool)
    for array in track.values():
        for k, i in enumerate(frames):
            is_bad[k] |= not np.all(np.isfinite(array[i]))
    if is_bad.any():
        raise incomplete(path, sequence, person, frames[is_bad], 'is not finite')


def incomplete(path, sequence, person, frames, what) -> BadFileError:
    """The error that predictions of a person in some frames are missing or cannot be used."""
    names = [f'{sequence.image_path(i)} person {person}' for i in frames]
    return BadFileError(path, f'{what} for {len(names)} poses ({some_of(names)})', _COMPLETE)
