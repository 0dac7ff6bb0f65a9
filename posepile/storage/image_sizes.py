"""Sizes of millions of images, by path, shared by processes through a file.

Paths are known by 64-bit digests: 17 bytes per image, and no two of 10 million paths have the same
but for a chance of one in 300,000.
"""

import hashlib
import os

import numpy as np

_ENTRY = np.dtype([('digest', 'u8'), ('width', 'i4'), ('height', 'i4')])


def path_digest(image_path: str) -> int:
    """64-bit digest of a path."""
    return int.from_bytes(hashlib.blake2b(image_path.encode(), digest_size=8).digest(), 'little')


def size_entries(sizes: dict) -> np.ndarray:
    """Entries for :func:`write_sizes`: from path to (width, height), or None if it is damaged."""
    rows = [(path_digest(path), *(size or (0, 0))) for path, size in sizes.items()]
    return np.array(rows, _ENTRY)


def write_sizes(path, entries: list[np.ndarray]):
    """Write the file that :class:`ImageSizes` reads."""
    joined = np.concatenate([np.zeros(0, _ENTRY), *entries])
    np.save(path, joined[np.argsort(joined['digest'])])


class ImageSizes:
    """Sizes by path, and which images have been asked for."""

    def __init__(self, path: str | os.PathLike):
        self._entries = np.load(path, mmap_mode='r')
        self._digests = self._entries['digest']
        self.is_used = np.zeros(len(self._entries), bool)

    def find(self, image_path: str) -> tuple[bool, tuple[int, int] | None]:
        """Whether there is such an image, and its (width, height), None if it is damaged."""
        i = self._row(path_digest(image_path))
        if i is None:
            return False, None
        width, height = (int(self._entries[name][i]) for name in ('width', 'height'))
        return True, (width, height) if width > 0 else None

    def mark_used(self, digests: np.ndarray):
        """Note that records refer to the images with these digests of their paths."""
        if len(self._digests) == 0:
            return
        rows = np.minimum(np.searchsorted(self._digests, digests), len(self._digests) - 1)
        self.is_used[rows[self._digests[rows] == digests]] = True

    def was_used(self, image_path: str) -> bool:
        i = self._row(path_digest(image_path))
        return i is not None and bool(self.is_used[i])

    def _row(self, digest):
        i = int(np.searchsorted(self._digests, np.uint64(digest)))
        return i if i < len(self._digests) and self._digests[i] == digest else None
