"""Videos as a source of frames, decoded by FFmpeg through PyAV.

Frames are counted in the order in which they are shown, from 0, and no frame is repeated or
dropped to keep a constant rate: frame i is the i-th one that the file contains, also if some
before it are damaged.

Colour: FFmpeg converts to RGB by what the stream says of itself, limited or full range, BT.601,
BT.709 or BT.2020. What a stream does not say is taken to be limited range and BT.601, at any
resolution, as FFmpeg and OpenCV do. Its fast integer conversion is within 2 grey levels of the
exact one. A rotation noted in the file, as phones do, is applied.
"""

import heapq
import os
import os.path as osp
import threading
from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import numpy as np

from posepile.errors import RawDataError
from posepile.raw.frames import OnBadFrame, increasing, warner

_REMEDY = 'Delete it and get it again from the raw release.'
#: Containers that cameras and datasets use. The others include playlists, which FFmpeg would
#: follow to whatever file or address they name.
_FORMATS = 'asf,avi,dv,flv,h264,hevc,ivf,m4v,matroska,mov,mpeg,mpegts,mpegvideo,mxf,ogg'

#: Titles in unknown encodings are no reason to refuse a video. PyAV 19 needs not be told.
_LENIENT_METADATA = {'metadata_errors': 'replace'} if int(av.__version__.split('.')[0]) < 19 else {}


class VideoFrames:
    """A video file as a :class:`posepile.raw.frames.FrameSource`.

    Args:
        path: the file. It is opened at each use and not held open in between.
        threads: number of threads to decode with; 0 means as many as FFmpeg likes. The frames are
            the same. One is best for many tasks side by side; several shorten the wait for one.

    Raises:
        RawDataError: from any member, if the file is missing or no video.
    """

    def __init__(self, path, threads=1):
        self.path = os.fspath(path)
        self.threads = threads

    def frames(
        self, indices: Iterable[int], on_bad: OnBadFrame | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """See :meth:`posepile.raw.frames.FrameSource.frames`.

        Everything up to the last wanted frame is decoded, but only wanted frames are converted.
        ``on_bad`` hears of all frames on the way that cannot be decoded, wanted or not, and with
        index None of a file that ends well before the duration that it announces.
        """
        for index, frame in self.raw_frames(indices, on_bad):
            yield index, upright_rgb(frame)

    def raw_frames(
        self, indices: Iterable[int], on_bad: OnBadFrame | None = None
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        """Like :meth:`frames`, but as decoded, for :func:`upright_rgb` to convert elsewhere."""
        on_bad = warner(self.path) if on_bad is None else on_bad
        wanted = increasing(indices)
        target = next(wanted, None)
        if target is None:
            return
        with self._opened() as container:
            index = -1
            for index, frame in _presented(container, on_bad):
                if index < target:
                    continue
                if frame is not None:
                    yield index, frame
                target = next(wanted, None)
                if target is None:
                    return
            # The count in MP4 files includes frames that an edit list leaves out.
            is_edited = 'mp4' in container.format.name.split(',')
            announced = (_frames_by_duration if is_edited else _announced_frames)(container)
            # Durations are rounded, and often a bit longer for the sound.
            if index + 1 < 0.97 * announced - 2:
                on_bad(None, f'the file ends after {index + 1} of {announced} announced frames')

    @property
    def imshape(self) -> tuple[int, int]:
        """Height and width in pixels of the first frame that can be decoded, upright."""
        with self._opened() as container:
            for _, frame in _presented(container, lambda index, message: None):
                if frame is not None:
                    return upright_shape(frame)
        raise RawDataError(self.path, 'is a video without any frame that can be decoded', _REMEDY)

    @property
    def fps(self) -> float:
        """Average number of frames per second."""
        with self._opened() as container:
            return float(_rate(container))

    @property
    def n_frames(self) -> int:
        """Number of frames as the file announces it, else duration times rate: an estimate."""
        with self._opened() as container:
            return _announced_frames(container)

    def count_frames(self) -> int:
        """Number of frames in the file, from reading all of it, but without decoding.

        Frames that are there and cannot be decoded count as well.
        """
        with self._opened() as container:
            return sum(_is_frame(p) for p in _packets(container, lambda index, message: None))

    def _opened(self):
        if not osp.isfile(self.path):
            raise RawDataError(self.path, 'there is no such video file', 'Put it in place.')
        try:
            container = av.open(
                'file:' + osp.abspath(self.path),
                container_options={'protocol_whitelist': 'file', 'format_whitelist': _FORMATS},
                **_LENIENT_METADATA,
            )
        except av.FFmpegError as e:
            raise RawDataError(self.path, f'is no video, or a damaged one ({e})', _REMEDY) from e
        if not container.streams.video:
            container.close()
            raise RawDataError(self.path, 'holds no video', _REMEDY)
        context = container.streams.video[0].codec_context
        context.thread_count = self.threads
        context.thread_type = 'NONE' if self.threads == 1 else 'AUTO'
        return container


def _presented(container, on_bad):
    """Yield (index, frame) in order of presentation; frame None for one that does not decode.

    A damaged packet gives an error, possibly a late one, and no frame. Which one is missing shows
    when a frame with a later time stamp comes out.
    """
    index = 0
    in_the_works = []  # heap of time stamps of packets that have not come out as frames
    errors = []
    for packet in _packets(container, on_bad):
        if _is_frame(packet):
            heapq.heappush(in_the_works, _timestamp(packet))
        try:
            frames = packet.decode()
        except av.FFmpegError as e:
            errors.append(f'does not decode: {e}')
            continue
        for frame in frames:
            time = frame.pts if frame.pts is not None else min(in_the_works, default=0)
            while in_the_works and in_the_works[0] < time:
                heapq.heappop(in_the_works)
                if errors:  # without one, it was no frame, but for example a repetition
                    on_bad(index, errors.pop(0))
                    yield index, None
                    index += 1
            if in_the_works and in_the_works[0] == time:
                heapq.heappop(in_the_works)
            if frame.is_corrupt:
                on_bad(index, 'is damaged: decoded with errors')
            yield index, None if frame.is_corrupt else frame
            index += 1
    for error in errors:
        on_bad(index, error)
        yield index, None
        index += 1


def _packets(container, on_bad):
    """Packets of the video stream, with an empty one at the end that makes the decoder finish."""
    packets = container.demux(container.streams.video[0])
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError as e:
            on_bad(None, f'the file cannot be read on: {e}')
            return
        if packet is None:
            return
        # An empty packet in the midst stands for no change since the last frame.
        if packet.size > 0 or packet.dts is None:
            yield packet


def _is_frame(packet):
    return packet.size > 0 and not packet.is_discard


def _timestamp(packet):
    return packet.pts if packet.pts is not None else packet.dts if packet.dts is not None else 0


def _announced_frames(container):
    return container.streams.video[0].frames or _frames_by_duration(container)


def _frames_by_duration(container):
    stream = container.streams.video[0]
    if stream.duration is not None:
        duration = stream.duration * stream.time_base
    else:
        duration = Fraction(container.duration or 0, av.time_base)
    return int(duration * _rate(container))


def _rate(container):
    stream = container.streams.video[0]
    return stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(0)


def _quarter_turns(frame):
    """Number of quarter turns to the left that make the picture upright."""
    return round(frame.rotation / 90) % 4


def upright_shape(frame) -> tuple[int, int]:
    """Height and width of a decoded frame, upright."""
    shape = frame.height, frame.width
    return shape[::-1] if _quarter_turns(frame) % 2 == 1 else shape


def upright_rgb(frame, size=None) -> np.ndarray:
    """A decoded frame as uint8 (height, width, 3), upright, on request smaller or larger.

    Args:
        size: (width, height) wanted; scaled while converting, with a filter as wide as the scale
            asks for.
    """
    turns = _quarter_turns(frame)
    if size is None or size == upright_shape(frame)[::-1]:
        image = frame.to_ndarray(format='rgb24')
    else:
        width, height = size[::-1] if turns % 2 else size
        shrinks = width < frame.width
        image = (
            _reformatter()
            .reformat(
                frame, width, height, 'rgb24', interpolation='AREA' if shrinks else 'BILINEAR'
            )
            .to_ndarray()
        )
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


_local = threading.local()


def _reformatter():
    """The converter of this thread: setting one up takes longer than converting a frame."""
    if not hasattr(_local, 'reformatter'):
        _local.reformatter = av.video.reformatter.VideoReformatter()
    return _local.reformatter
