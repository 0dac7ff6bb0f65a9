"""Reader of ``splits.csv``: which clips and cameras belong to which split."""

import csv
from typing import NamedTuple

from posepile.errors import RawDataError

SPLITS = 'train', 'val', 'test'
VIEWS = 'left', 'mid', 'right'


class SplitClip(NamedTuple):
    """A clip (one take of one subject), its split, and the views it counts with."""

    subject: str
    clip: str
    split: str
    views: tuple


def load_clips(csv_path) -> list:
    """The clips of ``splits.csv`` in the order of their first rows.

    The file has the columns subject, clip, split (train, val or test) and camera (left, mid,
    right, or all for these three in this order). A header row, which is none of these in both
    columns, is recognised and skipped. A clip with several rows gets the views of all of them.

    Raises:
        RawDataError: the file is missing, or a row has other columns or values than these.
    """
    views_by_clip = {}
    for i_row, row in _rows(csv_path):
        subject, clip, split, view = row
        if i_row == 1 and split not in SPLITS and view not in (*VIEWS, 'all'):
            continue
        if split not in SPLITS:
            raise _bad_row(csv_path, i_row, f'has the split {split!r} and not train, val or test')
        if view != 'all' and view not in VIEWS:
            raise _bad_row(
                csv_path, i_row, f'has the camera {view!r} and not all, left, mid or right'
            )
        views = views_by_clip.setdefault((subject, clip, split), [])
        views.extend(v for v in (VIEWS if view == 'all' else [view]) if v not in views)
    return [SplitClip(*key, tuple(views)) for key, views in views_by_clip.items()]


def load_split(csv_path) -> tuple:
    """The views of each split: three lists (train, val, test) of (subject, clip, view).

    Raises:
        RawDataError: as for :func:`load_clips`.
    """
    views = {split: [] for split in SPLITS}
    for clip in load_clips(csv_path):
        views[clip.split].extend((clip.subject, clip.clip, view) for view in clip.views)
    return tuple(views[split] for split in SPLITS)


def _rows(csv_path):
    try:
        with open(csv_path, newline='', encoding='utf-8-sig') as f:
            rows = list(csv.reader(f))
    except FileNotFoundError:
        raise RawDataError(
            csv_path,
            'the list of splits is missing',
            'Download aspset510_v1_common-splits.tar.gz and unpack it here.',
        ) from None
    except (UnicodeDecodeError, csv.Error) as e:
        raise RawDataError(csv_path, f'not a CSV text file ({e})', 'Download it again.') from e
    for i_row, row in enumerate(rows, 1):
        if not row:
            continue
        if len(row) != 4:
            raise _bad_row(csv_path, i_row, f'has {len(row)} columns instead of 4')
        yield i_row, [cell.strip() for cell in row]


def _bad_row(csv_path, i_row, problem):
    return RawDataError(
        csv_path,
        f'row {i_row} {problem} (expected: subject, clip, split, camera)',
        'Download aspset510_v1_common-splits.tar.gz again.',
    )
