"""Videos and pictures in the formats that raw releases come in, with the same bytes each time."""

import fractions
import os

import numpy as np

from posepile.atomic import replacing
from posepile.errors import OptionError

# What makes an encoder keep the picture nearly as it is, and run in a reproducible way.
_ENCODER_OPTIONS = {
    'libx264': lambda quality, preset: {'crf': str(quality), 'preset': preset},
    'mpeg4': lambda quality, preset: _constant_quantiser(quality),
    'mjpeg': lambda quality, preset: _constant_quantiser(quality),
    'ffv1': lambda quality, preset: {},
}
_DEFAULT_QUALITY = {'libx264': 18, 'mpeg4': 2, 'mjpeg': 2, 'ffv1': 0}
_PIXEL_FORMATS = {'libx264': 'yuv420p', 'mpeg4': 'yuv420p', 'mjpeg': 'yuvj420p', 'ffv1': 'bgr0'}


def write_video(
    path, frames, fps, codec='libx264', quality=None, pixel_format=None, preset='veryfast'
):
    """Writes a video of constant frame rate with exactly one frame for each picture.

    Args:
        path: the file to write; its ending (.mkv, .mp4, .avi ...) decides the container.
        frames: iterable of (h, w, 3) uint8 RGB pictures of one size; read one at a time. None
            stands for the one before, which costs less than writing it again.
        fps: frames per second, a number or Fraction (30000/1001 is recognised as 29.97).
        codec: 'libx264', 'mpeg4', 'mjpeg' or 'ffv1' (lossless).
        quality: CRF of libx264 (0 lossless .. 51), quantiser 1..31 of mpeg4 and mjpeg.
        pixel_format: instead of the usual one of the codec, for instance 'yuv444p'.
        preset: of libx264: how much time it takes to keep files small.

    Returns:
        The number of frames written.

    Raises:
        OptionError: for an unknown codec, no frames at all, or frames of odd or different size.
    """
    import av

    path = os.fspath(path)
    if codec not in _ENCODER_OPTIONS:
        raise OptionError(f'Codec {codec!r} is not one of {", ".join(_ENCODER_OPTIONS)}.')
    quality = _DEFAULT_QUALITY[codec] if quality is None else quality
    pixel_format = pixel_format or _PIXEL_FORMATS[codec]
    rate = fractions.Fraction(fps).limit_denominator(1001)
    n_written, stream = 0, None
    reformatter = av.video.reformatter.VideoReformatter()  # setting one up takes its time
    # Otherwise the container would hold random identifiers and the version of the library.
    options = {'fflags': '+bitexact'}
    with (
        replacing(path) as partial,
        av.open(partial, 'w', container_options=options) as container,
    ):
        for picture in frames:
            if stream is None:
                h, w = picture.shape[:2]
                if '420' in pixel_format and (h % 2 or w % 2):
                    raise OptionError(
                        f'{path}: frames of {w}x{h} px cannot be stored as {pixel_format}, '
                        'which needs even sides. Choose another size or pixel_format=yuv444p.'
                    )
                stream = container.add_stream(
                    codec, rate=rate, options=_ENCODER_OPTIONS[codec](quality, preset)
                )
                stream.width, stream.height, stream.pix_fmt = w, h, pixel_format
                stream.codec_context.thread_count = 1
                stream.codec_context.flags |= av.codec.context.Flags.bitexact
            elif picture is not None and picture.shape[:2] != (h, w):
                raise OptionError(
                    f'{path}: frame {n_written} is {picture.shape[1]}x{picture.shape[0]} px, '
                    f'the ones before are {w}x{h} px.'
                )
            if picture is not None:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format='rgb24')
                frame = reformatter.reformat(frame, format=pixel_format)
            frame.pts, frame.time_base = n_written, 1 / rate
            container.mux(stream.encode(frame))
            n_written += 1
        if stream is None:
            raise OptionError(f'{path}: a video needs at least one frame.')
        container.mux(stream.encode(None))
    return n_written


def _constant_quantiser(quality):
    """Leaves the rate control of FFmpeg's own encoders a single quantiser to choose from."""
    return {'qmin': str(quality), 'qmax': str(quality)}


def write_jpeg(path, image, quality=95, grayscale=False):
    """Writes a (h, w, 3) uint8 RGB picture as JPEG; ``grayscale`` stores only its brightness."""
    import simplejpeg

    image = np.ascontiguousarray(image)
    if grayscale:
        data = simplejpeg.encode_jpeg(
            _luminance(image)[..., None], quality, colorspace='GRAY', colorsubsampling='Gray'
        )
    else:
        data = simplejpeg.encode_jpeg(image, quality, colorspace='RGB', colorsubsampling='420')
    _write_whole(path, data)


def write_png(path, image):
    """Writes a (h, w) or (h, w, 3) RGB uint8 or uint16 picture as PNG."""
    import cv2

    stored = image[..., ::-1] if image.ndim == 3 else image
    ok, data = cv2.imencode('.png', np.ascontiguousarray(stored))
    if not ok:
        raise OptionError(f'{os.fspath(path)}: a picture of type {image.dtype} cannot be a PNG.')
    _write_whole(path, data.tobytes())


def write_image(path, image):
    """Writes a picture as PNG or JPEG, whichever the ending of the path says.

    Raises:
        OptionError: for another ending.
    """
    ending = os.path.splitext(os.fspath(path))[1].lower()
    if ending == '.png':
        write_png(path, image)
    elif ending in ('.jpg', '.jpeg'):
        write_jpeg(path, image)
    else:
        raise OptionError(f'{os.fspath(path)}: the ending must be .png or .jpg.')


def _luminance(image):
    """Brightness as JPEG defines it (ITU-R BT.601), (h, w) uint8."""
    return (image @ np.array([0.299, 0.587, 0.114]) + 0.5).astype(np.uint8)


def _write_whole(path, data):
    with replacing(path) as partial, open(partial, 'wb') as f:
        f.write(data)
