"""The codec against the package whose layout it follows."""

import msgpack
import msgpack_numpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from posepile.storage import codec

PLAIN_DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness='?'),
    hnp.unsigned_integer_dtypes(endianness='?'),
    hnp.floating_dtypes(endianness='?', sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(endianness='?', sizes=(64, 128)),
    hnp.byte_string_dtypes(min_len=1, max_len=4),
    hnp.unicode_string_dtypes(min_len=1, max_len=4),
)
ARRAYS = hnp.arrays(PLAIN_DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
RECORDS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text() | ARRAYS
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


def assert_same(a, b):
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, (np.ndarray, np.generic)):
        assert type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape
        assert a.tobytes() == b.tobytes()
    else:
        assert type(a) is type(b) and (a == b or (a != a and b != b))


@given(RECORDS)
@settings(max_examples=200, deadline=None)
def test_round_trip_and_same_bytes_as_msgpack_numpy(record):
    data = codec.pack(record)
    assert_same(record, codec.unpack(data))
    assert_same(record, msgpack.unpackb(data, object_hook=msgpack_numpy.decode))
    assert data == msgpack.packb(record, default=msgpack_numpy.encode)


@given(st.sampled_from('?bBhHiIlLqQefdFD'), st.integers(0, 100))
def test_scalars_of_numpy(code, value):
    scalar = np.dtype(code).type(value)
    data = codec.pack({'x': scalar})
    assert data == msgpack.packb({'x': scalar}, default=msgpack_numpy.encode)
    assert codec.unpack(data)['x'] == scalar


@pytest.mark.parametrize('order', ['C', 'F'])
def test_memory_layout_does_not_matter(order):
    array = np.arange(24.0).reshape(2, 3, 4)
    data = codec.pack(np.array(array, order=order)[:, ::2])
    np.testing.assert_array_equal(codec.unpack(data), array[:, ::2])


def test_decoded_arrays_are_writable_and_independent():
    data = codec.pack([np.zeros(3), np.zeros(3)])
    first, second = codec.unpack(data)
    first += 1
    assert second.sum() == 0
    assert codec.unpack(data)[0].sum() == 0


class Mischief:
    def __reduce__(self):
        return exec, ('raise SystemExit("code of an archive was run")',)


def test_arrays_of_objects_are_refused():
    array = np.array([Mischief()], dtype=object)
    # The other package would unpickle it, and so run the code.
    data = msgpack.packb({'rows': array}, default=msgpack_numpy.encode)
    with pytest.raises(ValueError, match='refused'):
        codec.unpack(data)
    with pytest.raises(TypeError, match='cannot be stored'):
        codec.pack(array)


@pytest.mark.parametrize('dtype', ['<f4,<f4', '(2,)<f4', '<f4\n', 'f4', 'float32', '<f4[ns]'])
def test_only_plainly_written_dtypes_are_read(dtype):
    fields = {b'nd': True, b'type': dtype, b'kind': b'', b'shape': [1], b'data': bytes(8)}
    with pytest.raises(ValueError, match='refused'):
        codec.unpack(msgpack.packb(fields))


def test_disguised_object_arrays_are_refused():
    for kind, dtype in ((b'', '|O'), (b'O', '<f8'), (b'V', '<f8'), (b'', 'V8'), (b'', 'O,O')):
        fields = {b'nd': True, b'type': dtype, b'kind': kind, b'shape': [1], b'data': bytes(8)}
        with pytest.raises(ValueError):
            codec.unpack(msgpack.packb(fields))


@given(st.binary(max_size=60))
def test_damaged_records_raise_value_error(garbage):
    data = codec.pack({'rows': np.arange(6.0).reshape(2, 3), 'name': 'x'})
    for damaged in (garbage, data[: len(garbage)], garbage + data[len(garbage) :]):
        try:
            codec.unpack(damaged)
        except ValueError:
            pass  # it may also happen to be a record


GOOD = codec.pack({'a': np.eye(3), 'b': [1, 'x', np.float32(3)], 'c': np.arange(5, dtype='u2')})


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=5))
def test_changed_bytes_are_read_or_refused(changes):
    data = bytearray(GOOD)
    for place, byte in changes:
        data[place] = byte
    try:
        codec.unpack(bytes(data))
    except ValueError:
        assert changes


@pytest.mark.parametrize('dtype', ['f4,f4', '{"names": ["a"]}', 'O', '|O8', '<M8[s]', '(2,)f4', ''])
def test_dtypes_that_are_more_than_a_number_are_refused(dtype):
    array = {b'nd': True, b'type': dtype, b'kind': b'', b'shape': [1], b'data': b'12345678'}
    with pytest.raises(ValueError, match='refused'):
        codec.unpack(msgpack.packb(array))


def test_shape_must_fit_the_data():
    fields = {b'nd': True, b'type': '<f8', b'kind': b'', b'shape': [3, 3], b'data': bytes(8)}
    with pytest.raises(ValueError):
        codec.unpack(msgpack.packb(fields))


def test_what_cannot_be_stored_is_refused():
    with pytest.raises(TypeError, match='cannot be stored'):
        codec.pack({'x': object()})
