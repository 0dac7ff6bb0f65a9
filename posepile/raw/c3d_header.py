"""The header and the parameter section of C3D files.

After https://www.c3d.org/docs/C3D_User_Guide.pdf: a file consists of blocks of 512 bytes. The
first one is the header, which points to the parameters (groups of named values), which tell the
byte order, and to the data.
"""

import dataclasses
import math

import numpy as np

_BLOCK = 512
_MAGIC = 0x50
_INTEL, _DEC, _MIPS = 84, 85, 86
#: Parameter types: characters, bytes, integers, floats, by their number of bytes.
_CHARS, _BYTES, _INTS, _FLOATS = -1, 1, 2, 4
_MAX_DIMS = 7
#: Texts without characters take no room in the file, so their number is not bounded by its size.
_MAX_EMPTY_TEXTS = 0xFFFF


class C3DFormatError(ValueError):
    """The content contradicts the format."""


@dataclasses.dataclass
class Header:
    """How to read the data section.

    Attributes:
        data_start: position of the first frame in bytes.
        n_analog_per_frame: number of analog values that follow the points of each frame.
        scale: of integer points.
        is_float: whether values are floats rather than 16-bit integers.
        processor: byte order and kind of floats.
        parameters: group name -> parameter name -> list of str, or array.
    """

    n_points: int
    n_frames: int
    n_analog_per_frame: int
    rate: float
    scale: float
    is_float: bool
    data_start: int
    processor: int
    parameters: dict[str, dict]

    def int16s(self, data):
        return _int16s(data, self.processor)

    def floats(self, data):
        return _floats(data, self.processor)


def read_header(data: bytes) -> Header:
    """Parse the first two sections of a file.

    Raises:
        C3DFormatError: they are incomplete or not as they should be.
    """
    if len(data) < _BLOCK or data[1] != _MAGIC:
        raise C3DFormatError('it does not start with a C3D header')
    start = (data[0] - 1) * _BLOCK
    if start < _BLOCK or len(data) < start + 4:
        raise C3DFormatError('the header does not lead to the parameters')
    processor = data[start + 3]
    if processor not in (_INTEL, _DEC, _MIPS):
        raise C3DFormatError(f'the byte order {processor} is unknown')
    n_points, n_analog, first, last = _int16s(data[2:10], processor).view(np.uint16).tolist()
    (data_block,) = _int16s(data[16:18], processor).view(np.uint16).tolist()
    data_start = (data_block - 1) * _BLOCK
    if data_start < _BLOCK:
        raise C3DFormatError('the header does not lead to the data')
    # Not all writers count the blocks of the parameters right.
    end = max(start + data[start + 2] * _BLOCK, data_start)
    parameters = _Parameters(data[start + 4 : end], processor).read()
    scale, rate = _floats(data[12:16] + data[20:24], processor).tolist()
    point = parameters.get('POINT', {})
    if _number(point, 'USED', n_points) != n_points:
        raise C3DFormatError(f'header and parameters disagree on {n_points} points')
    rate = float(_number(point, 'RATE', rate))
    scale = float(_number(point, 'SCALE', scale))
    if not (np.isfinite(scale) and np.isfinite(rate) and scale != 0 and rate >= 0):
        raise C3DFormatError(f'a scale of {scale} and a rate of {rate} make no sense')
    return Header(
        n_points=n_points,
        n_frames=_n_frames(first, last, parameters),
        n_analog_per_frame=n_analog,
        rate=rate,
        scale=scale,
        is_float=scale < 0,
        data_start=data_start,
        processor=processor,
        parameters=parameters,
    )


def _n_frames(first, last, parameters):
    """Number of frames, which the header's fields of 16 bits cannot count beyond 65535."""
    trial = parameters.get('TRIAL', {})
    ends = [trial.get(f'ACTUAL_{e}_FIELD') for e in ('START', 'END')]
    if all(isinstance(e, np.ndarray) and e.size == 2 for e in ends):
        low_high = [np.asarray(e).ravel().astype(np.int64) & 0xFFFF for e in ends]
        first, last = (int(low + (high << 16)) for low, high in low_high)
    elif last == 0xFFFF:
        last = (
            first - 1 + int(_number(parameters.get('POINT', {}), 'LONG_FRAMES', last - first + 1))
        )
    if last < first - 1:
        raise C3DFormatError(f'the frames from {first} to {last} make no sense')
    return last - first + 1


def _number(group, name, default):
    value = group.get(name)
    if not isinstance(value, np.ndarray) or value.size != 1:
        return default
    value = value.item()
    # Counts are written as unsigned numbers of 16 bits.
    return value & 0xFFFF if isinstance(value, int) else value


class _Parameters:
    """The records of a parameter section: groups and, in any order, their parameters."""

    def __init__(self, section, processor):
        self._section = section
        self._processor = processor
        self._at = 0

    def read(self):
        names, values = {}, {}
        while self._at < len(self._section):
            n_chars, group_id = _int8s(self._take(2))
            if n_chars == 0:
                break
            name = _text(self._take(abs(n_chars))).upper()  # negative: locked
            offset_at = self._at
            (offset,) = _int16s(self._take(2), self._processor).tolist()
            if group_id < 0:
                names[-group_id] = name
            else:
                values.setdefault(group_id, {})[name] = self._value(name)
            if offset == 0:
                break
            if offset_at + offset < self._at:
                raise C3DFormatError(f'the parameter {name} overlaps the next one')
            self._at = offset_at + offset
        return {name: values.get(group_id, {}) for group_id, name in names.items()}

    def _value(self, name):
        kind, n_dims = _int8s(self._take(2))
        if kind not in (_CHARS, _BYTES, _INTS, _FLOATS) or not 0 <= n_dims <= _MAX_DIMS:
            raise C3DFormatError(f'the type of the parameter {name} is unknown')
        shape = list(self._take(n_dims))
        content = self._take(math.prod(shape) * abs(kind))
        if kind == _CHARS:
            n_chars, n_texts = (shape or [1])[0], math.prod(shape[1:])
            if n_chars == 0:
                return [''] * min(n_texts, _MAX_EMPTY_TEXTS)
            return [_text(content[i * n_chars : (i + 1) * n_chars]) for i in range(n_texts)]
        if kind == _BYTES:
            values = np.frombuffer(content, np.int8)
        else:
            read = _int16s if kind == _INTS else _floats
            values = read(content, self._processor)
        return values.reshape(shape, order='F')

    def _take(self, n):
        if self._at + n > len(self._section):
            raise C3DFormatError('it ends within a parameter')
        self._at += n
        return self._section[self._at - n : self._at]


def _text(data):
    return data.decode('utf-8', 'replace').rstrip(' \0')


def _int8s(data):
    return np.frombuffer(data, np.int8).tolist()


def _int16s(data, processor):
    return np.frombuffer(data, '>i2' if processor == _MIPS else '<i2').astype(np.int16)


def _floats(data, processor):
    if processor == _DEC:
        # VAX F: the 16-bit halves are swapped, and the exponent is larger by 2.
        halves = np.frombuffer(data, '<u2').reshape(-1, 2)[:, ::-1]
        return np.ascontiguousarray(halves).view('<f4').ravel() / np.float32(4)
    return np.frombuffer(data, '>f4' if processor == _MIPS else '<f4').astype(np.float32)
