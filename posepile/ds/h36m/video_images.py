"""Chosen frames of a video as JPEG files, encoded as the program ffmpeg does with -qscale:v 3."""

import os
import os.path as osp
import shutil
from fractions import Fraction

from posepile.ds.h36m.disk_errors import naming
from posepile.errors import RawDataError
from posepile.raw.video import VideoFrames

_QUANTISER = 3
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


def save_images(video_path, paths):
    """Write frames of a video, unless all files are there.

    They come to their places when all of them are made, so that a video that turns out to be bad
    or too short leaves none.

    Args:
        video_path: the video; it is decoded once, up to the last wanted frame.
        paths: frame number, from 0, in increasing order -> path of its file, all in one folder.

    Raises:
        RawDataError: the video is missing, or a wanted frame cannot be decoded or is beyond its
            end.
    """
    if all(map(osp.exists, paths.values())):
        return
    workplace = osp.dirname(next(iter(paths.values()))) + '.partial'
    shutil.rmtree(workplace, ignore_errors=True)  # of a process that was killed
    os.makedirs(workplace)
    try:
        made = []
        for index, frame in VideoFrames(video_path).raw_frames(paths):
            content = encode_jpeg(frame)
            path = osp.join(workplace, osp.basename(paths[index]))
            with naming(path), open(path, 'wb') as f:
                f.write(content)
            made.append(index)
        missing = sorted(set(paths) - set(made))
        if missing:
            problem = (
                f'lacks {len(missing)} of {len(paths)} wanted frames, the first is number '
                f'{missing[0]} (from 0)'
            )
            raise RawDataError(video_path, problem, 'Unpack its archive again.')
        for path in paths.values():
            os.replace(osp.join(workplace, osp.basename(path)), path)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def encode_jpeg(frame) -> bytes:
    """JPEG file of a decoded :class:`av.VideoFrame`, of the quality of ``-qscale:v 3``.

    Its chroma stays as it is in the video. The same frame gives the same bytes, with the same
    version of FFmpeg.
    """
    import av

    encoder = av.CodecContext.create('mjpeg', 'w')
    encoder.width, encoder.height = frame.width, frame.height
    encoder.pix_fmt, encoder.color_range = 'yuv420p', _FULL_RANGE
    encoder.time_base = Fraction(1, 50)
    encoder.qmin = encoder.qmax = _QUANTISER
    encoder.thread_count = 1
    encoder.options = {'flags': '+bitexact'}
    frame = frame.reformat(format='yuv420p', dst_color_range='JPEG')
    frame.pts = None
    return b''.join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
