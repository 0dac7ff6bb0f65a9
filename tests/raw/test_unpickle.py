import collections
import datetime
import io
import os
import pickle
import types

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from posepile.errors import RawDataError
from posepile.raw.npyfile import load_npy, load_npz
from posepile.raw.unpickle import restricted_load

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class Joints:
    def __init__(self, names):
        raise AssertionError('unpickling does not call __init__')

    @classmethod
    def make(cls, names):
        made = cls.__new__(cls)
        made.names = names
        return made


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_plain_data(protocol):
    data = {
        'array': np.arange(12, dtype='>f4').reshape(3, 4),
        'fortran': np.asfortranarray(np.ones((2, 3), np.uint8)),
        'strided': np.arange(10)[::2],
        'objects': np.array([{'a': 1}, None, 'x'], dtype=object),
        'text': np.array(['ab', 'c']),
        'structured': np.zeros(2, [('a', 'f4'), ('b', 'i2', 3)]),
        'scalar': np.float32(1.5),
        'type': np.float64,
        'dtype': np.dtype('int16'),
        'containers': [(1, 2.5, 3j), {4, 5}, frozenset('a'), b'bytes', bytearray(b'x'), None, True],
        'ordered': collections.OrderedDict(a=1),
        'default': collections.defaultdict(list, a=[1]),
        'when': datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
    }
    loaded = restricted_load(pickle.dumps(data, protocol))
    assert loaded.keys() == data.keys()
    for key, value in data.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(loaded[key], value)
            # NumPy may turn byte order to that of the machine.
            assert loaded[key].dtype.newbyteorder('=') == value.dtype.newbyteorder('=')
        else:
            assert loaded[key] == value and type(loaded[key]) is type(value)
    loaded['array'][0, 0] = 7  # arrays are writable


@pytest.mark.parametrize('protocol', PROTOCOLS)
@pytest.mark.parametrize('numpy_core', [b'numpy.core', b'numpy._core'])
def test_arrays_of_all_numpy_versions(protocol, numpy_core):
    data = pickle.dumps([np.arange(3), np.float64(2)], protocol)
    if protocol < 4:  # text lines, without lengths
        data = data.replace(b'numpy._core', b'numpy.core').replace(b'numpy.core', numpy_core)
    array, scalar = restricted_load(data)
    assert array.tolist() == [0, 1, 2] and scalar == 2


def test_sparse_matrices_of_all_scipy_versions():
    matrix = scipy.sparse.csc_matrix(np.eye(3))
    data = pickle.dumps(matrix, 2)
    for module in (b'scipy.sparse._csc', b'scipy.sparse.csc'):
        loaded = restricted_load(data.replace(b'scipy.sparse._csc', module))
        assert (loaded != matrix).nnz == 0


def test_python2_pickle():
    # {'name': 'caf\xe9', 'pose': numpy.arange(2.)} written by Python 2.7 with NumPy 1.16
    data = (
        b'\x80\x02}q\x00(U\x04nameq\x01U\x04caf\xe9q\x02U\x04poseq\x03cnumpy.core.multiarray\n'
        b'_reconstruct\nq\x04cnumpy\nndarray\nq\x05K\x00\x85q\x06U\x01bq\x07\x87q\x08Rq\t(K\x01K'
        b'\x02\x85q\ncnumpy\ndtype\nq\x0bU\x02f8q\x0cK\x00K\x01\x87q\rRq\x0e(K\x03U\x01<q\x0fNNN'
        b'J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x10b\x89U\x10\x00\x00\x00\x00\x00\x00\x00\x00'
        b'\x00\x00\x00\x00\x00\x00\xf0?q\x11tq\x12bu.'
    )
    loaded = restricted_load(data)
    assert loaded['name'] == 'caf\xe9' and loaded['pose'].tolist() == [0, 1]
    assert restricted_load(b'c__builtin__\nset\n((lp0\nI1\natR.') == {1}


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_harmful_calls_are_refused_before_they_happen(tmp_path, protocol):
    victim = tmp_path / 'victim'
    victim.write_text('precious')
    flag = tmp_path / 'flag'
    attacks = [
        Calls(os.system, f'touch {flag}'),
        Calls(eval, f'open({str(flag)!r}, "w")'),
        Calls(exec, f'open({str(flag)!r}, "w")'),
        Calls(open, str(flag), 'w'),
        Calls(getattr, 'text', 'upper'),
        Calls(np.memmap, str(victim), 'uint8', 'w+', 0, (1,)),
        Calls(np.load, str(victim)),
        Calls(np.fromfile, str(victim)),
        Calls(np.array, [1]),
        Calls(io.FileIO, str(flag), 'w'),
        Calls(types.SimpleNamespace),
        Calls(collections.namedtuple, 'T', 'a'),
        Calls(restricted_load, b''),
    ]
    for attack in attacks:
        for where in (attack, [1, {'deep': (attack,)}], np.array([attack], dtype=object)):
            path = tmp_path / 'x.pkl'
            path.write_bytes(pickle.dumps(where, protocol))
            with pytest.raises(RawDataError, match=r'x\.pkl: names .*not loaded') as e:
                restricted_load(path)
            name = getattr(attack.call[0], '__name__', '')
            assert name in str(e.value)
    assert not flag.exists() and victim.read_text() == 'precious'


@pytest.mark.parametrize(
    'data',
    [
        b'cos\nsystem\n(Vtrue\ntR.',
        b"(S'true'\nios\nsystem\n.",  # INST
        b'\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.',
        b'cnumpy\n__builtins__\n.',
        b'\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.',
        b'\x80\x04\x8c\x0bcollections\x8c\x1aOrderedDict.__subclasses__\x93.',
        b'c_codecs\nencode\n(Vx\nVzlib\ntR.',
        b'Pid\n.',
    ],
)
def test_harmful_instructions_are_refused(data):
    with pytest.raises(RawDataError, match='names'):
        restricted_load(data)


def test_functions_cannot_be_changed_from_within():
    """BUILD may set any attribute of what a pickle gets hold of."""
    array = pickle.dumps(np.ones(3), 5)
    from_buffer = np.zeros(1).__reduce_ex__(5)[0]
    before = from_buffer.__doc__
    attack = b'\x80\x04\x8c\x12numpy.core.numeric\x8c\x0b_frombuffer\x93'
    attack += b'N}\x8c\x07__doc__\x8c\x04evils\x86b.'
    with pytest.raises(RawDataError):
        restricted_load(attack)
    assert from_buffer.__doc__ == before
    assert restricted_load(array).tolist() == [1, 1, 1]


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_allowed_classes_and_renamed_modules(protocol):
    data = pickle.dumps({'joints': Joints.make(['pelv'])}, protocol)
    with pytest.raises(RawDataError, match='Joints'):
        restricted_load(data)
    assert restricted_load(data, [Joints])['joints'].names == ['pelv']

    here = Joints.__module__.encode()
    if protocol < 4:
        old = data.replace(b'c' + here + b'\n', b'cdata.joint_info\n')
        allow = {('posepile.joint_info', 'Joints'): Joints}
        with pytest.raises(RawDataError, match=r'data\.joint_info\.Joints'):
            restricted_load(old, allow)
        for aliases in (
            {'data': 'posepile'},
            {'data.joint_info': 'posepile.joint_info', 'data': 'x'},
        ):
            assert restricted_load(old, allow, aliases)['joints'].names == ['pelv']


def test_missing_truncated_and_garbage(tmp_path):
    with pytest.raises(RawDataError, match='no such pickle'):
        restricted_load(tmp_path / 'missing.pkl')
    whole = pickle.dumps({'a': np.arange(100), 'b': ['text'] * 10})
    for n in range(0, len(whole), 7):
        with pytest.raises(RawDataError, match='damaged'):
            restricted_load(whole[:n])


@given(st.binary(max_size=60))
def test_any_bytes_give_data_or_the_one_error(data):
    try:
        restricted_load(data)
    except RawDataError:
        pass


@pytest.mark.parametrize('version', [(1, 0), (2, 0)])
@pytest.mark.parametrize(
    'array',
    [np.arange(6.0).reshape(2, 3).T, np.array({'pose': np.ones(3)}), np.zeros((0, 3)), np.array(2)],
)
def test_npy(tmp_path, array, version):
    with open(tmp_path / 'a.npy', 'wb') as f:
        np.lib.format.write_array(f, array, version)
    loaded = load_npy(tmp_path / 'a.npy')
    assert loaded.dtype == array.dtype and loaded.shape == array.shape
    if array.dtype == object:
        np.testing.assert_array_equal(loaded.item()['pose'], np.ones(3))
    else:
        np.testing.assert_array_equal(loaded, array)
    whole = (tmp_path / 'a.npy').read_bytes()
    for n in range(0, len(whole) - (array.size > 0), 3):
        (tmp_path / 'a.npy').write_bytes(whole[:n])
        if n < len(whole) - len(array.tobytes()) or array.size:
            with pytest.raises(RawDataError, match=r'a\.npy'):
                load_npy(tmp_path / 'a.npy')


def test_harmful_npy_and_npz(tmp_path):
    flag = tmp_path / 'flag'
    harmful = np.array([Calls(os.system, f'touch {flag}')], dtype=object)
    np.save(tmp_path / 'a.npy', harmful)
    np.savez(tmp_path / 'a.npz', good=np.arange(3), bad=harmful)
    with pytest.raises(RawDataError, match='system'):
        load_npy(tmp_path / 'a.npy')
    with pytest.raises(RawDataError, match=r'a\.npz:bad: names .*system'):
        load_npz(tmp_path / 'a.npz')
    assert not flag.exists()


def test_npz(tmp_path):
    np.savez_compressed(tmp_path / 'a.npz', x=np.arange(1000), y=np.array({'k': 1}))
    loaded = load_npz(tmp_path / 'a.npz')
    assert loaded['x'].tolist() == list(range(1000)) and loaded['y'].item() == {'k': 1}
    whole = (tmp_path / 'a.npz').read_bytes()
    for n in (0, 10, len(whole) // 2, len(whole) - 1):
        (tmp_path / 'a.npz').write_bytes(whole[:n])
        with pytest.raises(RawDataError, match='npz'):
            load_npz(tmp_path / 'a.npz')
    with pytest.raises(RawDataError, match='no such npz'):
        load_npz(tmp_path / 'b.npz')
