"""Where images come from: files, archives and videos, as a list of things that load themselves.

Listing reads names only. An image is loaded by calling its loader, in any thread, and only then
does it turn out whether it can be read.
"""

import fnmatch
import itertools
import os
import os.path as osp
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from posepile.detection.letterbox import Letterbox
from posepile.errors import BadFileError, OptionError, RawDataError
from posepile.storage.results import frame_key

VIDEO_EXTENSIONS = ('.mp4', '.avi', '.mkv', '.mov', '.m4v', '.webm', '.mpg', '.mpeg', '.wmv')
IMAGE_EXTENSIONS = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
ARCHIVE_EXTENSIONS = ('.barecat',)


class Loaded(NamedTuple):
    """A network input, and how the image was fitted into it.

    Attributes:
        letterbox: where the image is in the input.
        pixels: uint8 (rows, columns, 3) RGB.
        boxes: (k, 4) boxes of the people that are looked for in the image; None: all people are.
    """

    letterbox: Letterbox
    pixels: np.ndarray
    boxes: np.ndarray | None = None


#: (image size, stride) -> Loaded. Raises BadFileError if it cannot be read.
Loader = Callable[[int, int], Loaded]


@dataclass(frozen=True)
class ImageFile:
    """An image in a file of its own."""

    key: str
    path: str

    @property
    def first_keys(self) -> tuple[str, ...]:
        """Keys of the first images: where one of them is unknown, there is work left."""
        return (self.key,)

    def images(self, is_known) -> Iterator[tuple[str, Loader]]:
        """(key, loader) of each image, here of one, but for those that ``is_known(key)``."""
        if not is_known(self.key):
            yield self.key, self._load

    def _load(self, image_size, stride):
        return load_encoded(_read(self.path), image_size, stride, self.path)


@dataclass(frozen=True)
class ArchiveImage:
    """An image in a Barecat archive."""

    key: str
    archive: str

    @property
    def first_keys(self):
        """See :attr:`ImageFile.first_keys`."""
        return (self.key,)

    def images(self, is_known):
        """See :meth:`ImageFile.images`."""
        if not is_known(self.key):
            yield self.key, self._load

    def _load(self, image_size, stride):
        from posepile.storage.archive import read_file

        try:
            data = read_file(self.archive, self.key)
        except KeyError as e:
            raise RawDataError(self.archive, f'there is no file {self.key} in it') from e
        return load_encoded(data, image_size, stride, f'{self.archive}: {self.key}')


@dataclass(frozen=True)
class Video:
    """Every ``step``-th frame of a video. The key of a frame is ``frame_key(video, index)``."""

    key: str
    path: str
    step: int = 1
    threads: int = 1

    @property
    def first_keys(self):
        """See :attr:`ImageFile.first_keys`."""
        return tuple(frame_key(self.key, i) for i in (0, self.step))

    def images(self, is_known):
        """See :meth:`ImageFile.images`. What cannot be decoded has a loader that raises."""
        from posepile.raw.video import VideoFrames

        bad = []
        indices = (i for i in itertools.count(0, self.step) if not is_known(frame_key(self.key, i)))
        video = VideoFrames(self.path, self.threads)
        try:
            if self._is_all_known(video, is_known):
                return
            for index, frame in video.raw_frames(indices, lambda i, why: bad.append((i, why))):
                yield from self._reported(bad, is_known)
                yield frame_key(self.key, index), _FrameLoader(frame)
        except RawDataError as e:
            yield self.key, _raiser(e)
        yield from self._reported(bad, is_known)

    def _is_all_known(self, video, is_known):
        """Whether a video is done, found out without decoding; False if that is not certain."""
        if not is_known(frame_key(self.key, 0)):
            return False
        n = video.count_frames()
        # Where it disagrees, the file may be damaged, which reading it tells better.
        return n == video.n_frames and all(
            is_known(frame_key(self.key, i)) for i in range(0, n, self.step)
        )

    def _reported(self, bad, is_known):
        for index, why in bad:
            if index is not None and index % self.step:
                continue
            key = self.key if index is None else frame_key(self.key, index)
            if not is_known(key):
                yield key, _raiser(RawDataError(self.path, why))
        bad.clear()


class _FrameLoader:
    """Converts a decoded frame; separate from decoding, so that other threads can do it."""

    def __init__(self, frame):
        self._frame = frame

    def __call__(self, image_size, stride):
        from posepile.raw.video import upright_rgb, upright_shape

        letterbox = Letterbox.of(upright_shape(self._frame), image_size, stride)
        return Loaded(letterbox, letterbox.place(upright_rgb(self._frame, letterbox.size)))


def _raiser(error):
    def load(image_size, stride):
        raise error

    return load


def load_encoded(data: bytes, image_size, stride, name, boxes=None) -> Loaded:
    """Network input of an encoded image.

    JPEGs much larger than the input are decoded at the eighths of their size that suffice.
    """
    from posepile.raw import images

    size = images.jpeg_size(data)
    if size is None:
        image = images.decode_image(data, name=name)
        letterbox = Letterbox.of(image.shape[:2], image_size, stride)
    else:
        letterbox = Letterbox.of(size[::-1], image_size, stride)
        image = images.decode_jpeg_at_least(data, letterbox.size, name)
    return Loaded(letterbox, letterbox.place(image), boxes)


def _read(path):
    try:
        with open(path, 'rb') as f:
            return f.read()
    except OSError as e:
        raise RawDataError(path, f'cannot be read ({e.strerror})') from e


def list_sources(
    inputs, pattern=None, paths_file=None, ignore_file=None, every=1, threads=1
) -> list:
    """What is to be looked at, sorted by key, without opening images or videos.

    Args:
        inputs: folders, image files, videos and Barecat archives, or one of them. With several,
            keys are the paths as given; with one folder or archive, paths below or in it.
        pattern: comma-separated patterns of paths below a folder or in an archive; by default
            those of images and, in folders, of videos. ``*`` also stands for several folders, and
            ``**/`` for none.
        paths_file: text file with a path per line, which replaces searching the folder.
        ignore_file: text file with a path per line: these are left out.
        every: look at every n-th frame of videos.
        threads: to decode a video with.

    Raises:
        BadFileError: if an input or a text file does not exist, or a name is no Unicode text.
        OptionError: if there is nothing to look at, or an archive is one of several inputs.
    """
    inputs = [inputs] if isinstance(inputs, (str, os.PathLike)) else inputs
    inputs = [os.fspath(given) for given in inputs]
    is_only = len(inputs) == 1
    sources = []
    for given in inputs:
        prefix = '' if is_only else osp.join(given, '')
        sources += _sources_in(given, prefix, pattern, paths_file, every, threads)
    ignored = set(_lines(ignore_file)) if ignore_file else ()
    by_key = {source.key: source for source in sources if source.key not in ignored}
    if not by_key:
        raise OptionError(
            f'There are no images or videos in {", ".join(inputs)}'
            + (f' that match {pattern}' if pattern else '')
            + '. Name another folder, archive or file, or another --pattern.'
        )
    for key in by_key:
        if not _is_text(key):
            raise BadFileError(
                os.fsencode(key).decode('utf-8', 'backslashreplace'),
                'the name of the file is no Unicode text, so it cannot be the key of a result',
                'Rename the file.',
            )
    return [by_key[key] for key in sorted(by_key)]


def _sources_in(given, prefix, pattern, paths_file, every, threads):
    extension = osp.splitext(given)[1].lower()
    if extension in ARCHIVE_EXTENSIONS:
        from posepile.storage.archive import list_files

        if prefix:
            raise OptionError(f'{given} is an archive: give it alone, because keys are its paths.')
        names = _lines(paths_file) if paths_file else list_files(given)
        chosen = names if paths_file else _matching(names, pattern, IMAGE_EXTENSIONS)
        return [ArchiveImage(name, given) for name in chosen]
    if osp.isdir(given):
        if paths_file:
            chosen = _lines(paths_file)
        else:
            found = _files_below(given)
            chosen = _matching(found, pattern, IMAGE_EXTENSIONS + VIDEO_EXTENSIONS)
        return [
            _file_source(prefix + name, osp.join(given, name), every, threads) for name in chosen
        ]
    if osp.isfile(given):
        return [_file_source(given, given, every, threads)]
    raise BadFileError(given, 'there is no such folder, archive, image or video', 'Check the path.')


def _file_source(key, path, every, threads):
    if osp.splitext(path)[1].lower() in VIDEO_EXTENSIONS:
        return Video(key, path, every, threads)
    return ImageFile(key, path)


def _files_below(folder, relative='', above=frozenset()):
    """Paths of all files, relative to the folder. Links are followed, unless they lead back."""
    real = osp.realpath(osp.join(folder, relative))
    if real in above:
        return
    with os.scandir(real) as entries:
        for entry in entries:
            name = relative + entry.name
            is_link = entry.is_symlink()
            if osp.isdir(entry.path) if is_link else entry.is_dir():
                yield from _files_below(folder, f'{name}/', above | {real})
            else:
                yield name


def _is_text(key):
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def _matching(names, pattern, extensions):
    if pattern is None:
        return [name for name in names if osp.splitext(name)[1].lower() in extensions]
    texts = [text.strip() for text in pattern.split(',')]
    patterns = [p for text in texts for p in (text, text.replace('**/', ''))]
    return [name for name in names if any(fnmatch.fnmatchcase(name, p) for p in patterns)]


def _lines(path):
    try:
        with open(path, encoding='utf-8-sig') as f:
            lines = f.read().split('\n')
            return [line.removeprefix('./') for line in lines if line]  # as ``find .`` writes them
    except (OSError, UnicodeDecodeError) as e:
        raise BadFileError(path, f'a text file with a path per line was expected ({e})') from e
