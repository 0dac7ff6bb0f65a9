import os
import struct

import ezc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posepile.errors import RawDataError
from posepile.raw.c3d import read_c3d, write_c3d

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=False, allow_subnormal=False)
SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 9), st.just(3))


def example_points(n_frames=30, n_points=17, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 3000, (n_frames, n_points, 3)).astype(np.float32)
    points[rng.random(points.shape[:2]) < 0.1] = np.nan
    return points


def write_example(path, points=None):
    points = example_points() if points is None else points
    labels = [f'p{i}' for i in range(points.shape[1])]
    write_c3d(path, points, labels, 50, parameters={'POINT': {'SKEL': 'aspset_17j'}})
    return points, labels


@settings(max_examples=60, deadline=None)
@given(points=SHAPES.flatmap(lambda s: arrays(np.float32, s, elements=FLOATS)))
def test_round_trip_is_exact(tmp_path_factory, points):
    path = tmp_path_factory.mktemp('c3d') / 'a.c3d'
    _, labels = write_example(path, points)
    motion = read_c3d(path)
    expected = np.where(np.isnan(points).any(-1, keepdims=True), np.nan, points)
    np.testing.assert_array_equal(motion.points, expected)
    assert motion.points.dtype == np.float32
    assert motion.labels == labels


def test_parameters(tmp_path):
    extra = {
        'POINT': {'SKEL': 'aspset_17j'},
        'MINE': {'IDS': [3, -4], 'SIZE': 1.5, 'NAMES': ['a', 'bcd']},
    }
    path = tmp_path / 'new' / 'a.c3d'
    write_c3d(path, example_points(), [f'p{i}' for i in range(17)], 59.94, 'm', extra)
    motion = read_c3d(path)
    assert motion.rate == pytest.approx(59.94) and motion.units == 'm'
    assert motion.parameters['POINT']['SKEL'] == ['aspset_17j']
    mine = motion.parameters['MINE']
    assert mine['IDS'].tolist() == [3, -4] and mine['NAMES'] == ['a', 'bcd']
    assert mine['SIZE'] == 1.5
    assert os.listdir(path.parent) == ['a.c3d']
    # the same as others see it
    other = ezc3d.c3d(str(path))['parameters']
    assert other['POINT']['SKEL']['value'] == ['aspset_17j']
    assert other['POINT']['UNITS']['value'] == ['m']


def test_missing_points_are_marked_for_others(tmp_path):
    points, _ = write_example(tmp_path / 'a.c3d')
    other = ezc3d.c3d(str(tmp_path / 'a.c3d'))['data']
    np.testing.assert_array_equal(other['points'][:3].transpose(2, 1, 0), points)
    residuals = other['meta_points']['residuals'][0].T
    np.testing.assert_array_equal(residuals < 0, np.isnan(points[..., 0]))


@pytest.mark.parametrize(
    'n_frames, n_points', [(65534, 1), (65535, 1), (65536, 1), (70000, 2), (3, 300)]
)
def test_more_than_small_fields_can_count(tmp_path, n_frames, n_points):
    points = np.arange(n_frames * n_points * 3, dtype=np.float32).reshape(n_frames, n_points, 3)
    _, labels = write_example(tmp_path / 'a.c3d', points)
    motion = read_c3d(tmp_path / 'a.c3d')
    np.testing.assert_array_equal(motion.points, points)
    assert motion.labels == labels


def test_wrong_arguments(tmp_path):
    for shape, labels in [((5, 2, 4), 'ab'), ((0, 2, 3), 'ab'), ((5, 2, 3), 'abc')]:
        with pytest.raises(ValueError):
            write_c3d(tmp_path / 'a.c3d', np.zeros(shape), list(labels), 50)


def build(
    byte_order='<', processor=84, scale=-1.0, points=None, residuals=None, analog=0, dec=False
):
    """A C3D file put together by hand after the user guide."""
    e = byte_order

    def float_bytes(values):
        values = np.asarray(values, '<f4').ravel()
        if dec:
            return (values * 4).astype('<f4').view('<u2').reshape(-1, 2)[:, ::-1].tobytes()
        return values.astype(e + 'f4').tobytes()

    def record(group, name, body):
        return (
            struct.pack('bb', len(name), group) + name + struct.pack(e + 'h', len(body) + 2) + body
        )

    n_frames, n_points = points.shape[:2]
    section = record(-1, b'POINT', b'\x04desc')
    section += record(1, b'USED', b'\x02\x00' + struct.pack(e + 'h', n_points) + b'\x00')
    section += record(1, b'RATE', b'\x04\x00' + float_bytes([120]) + b'\x00')
    section += record(1, b'SCALE', b'\x04\x00' + float_bytes([scale]) + b'\x00')
    section += record(1, b'LABELS', b'\xff\x02\x04\x02HEADHAND\x00')
    section += record(1, b'UNITS', b'\xff\x01\x02mm\x00')
    section += b'\0\0'
    parameters = (b'\x01\x50\x01' + bytes([processor]) + section).ljust(512, b'\0')
    header = b'\x02\x50' + struct.pack(e + '5H', n_points, analog, 1, n_frames, 10)
    header += float_bytes([scale]) + struct.pack(e + '2H', 3, analog) + float_bytes([120])
    per_frame = np.concatenate([points, residuals[..., np.newaxis]], -1).reshape(n_frames, -1)
    per_frame = np.concatenate([per_frame, np.full((n_frames, analog), 7)], -1)
    data = per_frame.astype(e + 'i2').tobytes() if scale > 0 else float_bytes(per_frame)
    return header.ljust(512, b'\0') + parameters + data


KINDS = {
    'intel': {},
    'mips': {'byte_order': '>', 'processor': 86},
    'dec': {'processor': 85, 'dec': True},
}


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('scale', [-1.0, 0.25])
@pytest.mark.parametrize('analog', [0, 6])
def test_all_byte_orders_and_storages(tmp_path, kind, scale, analog):
    rng = np.random.default_rng(5)
    stored = rng.integers(-30000, 30000, (9, 2, 3))
    residuals = rng.integers(-1, 3, (9, 2))
    path = tmp_path / 'a.c3d'
    path.write_bytes(
        build(points=stored, residuals=residuals, scale=scale, analog=analog, **KINDS[kind])
    )
    motion = read_c3d(path)
    expected = stored * max(scale, 1.0) if scale < 0 else stored * scale
    expected = np.where(residuals[..., np.newaxis] < 0, np.nan, expected)
    np.testing.assert_array_equal(motion.points, expected)
    assert (motion.labels, motion.rate, motion.units) == (['HEAD', 'HAND'], 120, 'mm')


def test_integer_storage_agrees_with_ezc3d(tmp_path):
    stored = np.random.default_rng(5).integers(-30000, 30000, (9, 2, 3))
    path = tmp_path / 'a.c3d'
    path.write_bytes(build(points=stored, residuals=np.zeros((9, 2)), scale=0.1))
    theirs = ezc3d.c3d(str(path), ignore_bad_formatting=True)['data']['points']
    np.testing.assert_allclose(read_c3d(path).points, theirs[:3].transpose(2, 1, 0), rtol=1e-6)


def test_truncated_anywhere(tmp_path):
    path = tmp_path / 'a.c3d'
    points, _ = write_example(path, example_points(3, 4))
    whole = path.read_bytes()
    n_needed = 512 * (whole[16] + 256 * whole[17] - 1) + points.size // 3 * 16
    assert n_needed <= len(whole)
    for n in [*range(0, n_needed, 13), n_needed - 1]:
        path.write_bytes(whole[:n])
        with pytest.raises(RawDataError, match=r'a\.c3d: is no C3D file or a damaged one'):
            read_c3d(path)
    path.write_bytes(whole[:n_needed])
    np.testing.assert_array_equal(read_c3d(path).points, points)


def test_changed_bytes_give_a_motion_or_the_one_error(tmp_path):
    path = tmp_path / 'a.c3d'
    write_example(path, example_points(3, 4))
    whole = path.read_bytes()
    rng = np.random.default_rng(11)
    n_refused = 0
    for _ in range(400):
        damaged = bytearray(whole)
        for at in rng.integers(0, 1200, rng.integers(1, 5)):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            assert read_c3d(path).points.shape[2] == 3
        except RawDataError:
            n_refused += 1
    assert n_refused > 40


@given(st.binary(max_size=2000))
def test_any_bytes_behind_the_magic(tmp_path_factory, data):
    path = tmp_path_factory.mktemp('c3d') / 'a.c3d'
    path.write_bytes(b'\x02\x50' + data)
    with pytest.raises(RawDataError):
        read_c3d(path)


@pytest.mark.parametrize('content', [b'', b'\x02\x50', b'<html>' * 200, bytes(5000)])
def test_not_a_c3d_file(tmp_path, content):
    (tmp_path / 'a.c3d').write_bytes(content)
    with pytest.raises(RawDataError, match='does not start with a C3D header'):
        read_c3d(tmp_path / 'a.c3d')
    with pytest.raises(RawDataError, match='no such C3D file'):
        read_c3d(tmp_path / 'b.c3d')
