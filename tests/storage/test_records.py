"""Examples to records and back."""

import zlib

import numpy as np
import pytest
import rlemasklib
from deltacamera import BrownConradyEx, Camera, FisheyeKannalaBrandt
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from posepile.datasets2d import Pose2DExample
from posepile.datasets3d import Pose3DExample
from posepile.storage import codec, records, schema
from posepile.util.sparse_coords import SparseCoords

N_JOINTS = 17
SEEDS = st.integers(0, 2**32 - 1)
#: Share of joints that are missing; none and all are cases of their own.
MISSING = st.sampled_from([0.0, 0.3, 1.0])


def random_camera(rng, lens=None):
    return Camera(
        optical_center=rng.normal(0, 5000, 3),
        rot_world_to_cam=Rotation.random(random_state=int(rng.integers(2**31))).as_matrix(),
        intrinsic_matrix=[[1100 * rng.uniform(0.9, 1.1), 0.3, 310], [0, 1105, 250], [0, 0, 1]],
        distortion_model=lens,
        world_up=(0, -1, 0),
    )


def random_coords(rng, n_dims, missing, reach=3000.0):
    coords = rng.uniform(-reach, reach, (N_JOINTS, n_dims)).astype(np.float32)
    coords[rng.uniform(size=N_JOINTS) < missing] = np.nan
    return coords


def stored(example, kind='3d', compact=False):
    """The example after a round trip through bytes; the record is checked on the way."""
    record = codec.unpack(codec.pack(records.ENCODERS[kind](example, compact)))
    assert list(schema.record_problems(record, kind, N_JOINTS, example.image_path)) == []
    return record, records.DECODERS[kind](record, N_JOINTS)


def assert_same_camera(a, b):
    np.testing.assert_allclose(a.R, b.R, atol=3e-7)
    np.testing.assert_array_equal(a.t, np.float32(b.t))
    np.testing.assert_array_equal(a.intrinsic_matrix, np.float32(b.intrinsic_matrix))
    np.testing.assert_array_equal(a.world_up, b.world_up)
    assert type(a.distortion_model) is type(b.distortion_model)
    np.testing.assert_array_equal(a.get_distortion_coeffs(), b.get_distortion_coeffs())


@given(SEEDS, MISSING, st.booleans())
@settings(max_examples=60, deadline=None)
def test_3d_round_trip(seed, missing, has_extras):
    rng = np.random.default_rng(seed)
    coords = random_coords(rng, 3, missing)
    mask = rlemasklib.encode(np.uint8(rng.uniform(size=(40, 30)) < 0.5))
    extras = dict(
        activity_name='walking',
        scene_name='studio',
        mask=mask,
        univ_coords=random_coords(rng, 3, 0.2),
        parameters=dict(
            type='smpl', gender='male', pose=rng.normal(size=(24, 3)).astype(np.float32),
            shape=np.ones(10, np.float32), trans=np.zeros(3, np.float32), scale=1, kid_factor=0.5,
        ),
    )  # fmt: skip
    camera = random_camera(rng)
    box = rng.uniform(0, 300, 4)
    example = Pose3DExample('a/b c/ü.jpg', coords, box, camera, **(extras if has_extras else {}))
    record, loaded = stored(example)

    np.testing.assert_array_equal(loaded.get_world_coords(), coords)
    assert loaded.world_coords.dtype == np.float32 and loaded.world_coords.flags.writeable
    assert loaded.image_path == 'a/b c/ü.jpg'
    np.testing.assert_array_equal(loaded.bbox, np.float32(box))
    assert_same_camera(loaded.camera, camera)
    n_valid = np.sum(np.isfinite(coords[:, 0]))
    assert record['joints3d']['rows'].shape == (n_valid, 3)
    assert len(record['joints3d']['i_rows']) == (0 if n_valid == N_JOINTS else n_valid)
    if has_extras:
        np.testing.assert_array_equal(rlemasklib.decode(loaded.mask), rlemasklib.decode(mask))
        np.testing.assert_array_equal(loaded.univ_coords, extras['univ_coords'])
        assert (loaded.activity_name, loaded.scene_name) == ('walking', 'studio')
        assert loaded.parameters['pose'].shape == (72,)
        assert loaded.parameters['kid_factor'] == 0.5 and 'scale' not in loaded.parameters
    else:
        assert set(record) == {'impath', 'bbox', 'joints3d', 'cam'}
        assert loaded.mask is loaded.univ_coords is loaded.parameters is None
        assert loaded.activity_name == loaded.scene_name == 'unknown'


@pytest.mark.parametrize('n_dims', [3, 2])
def test_joint_with_one_missing_coordinate_is_missing(n_dims):
    rng = np.random.default_rng(0)
    coords = random_coords(rng, n_dims, missing=0)
    coords[4, 1] = np.nan
    make, kind = (Pose3DExample, '3d') if n_dims == 3 else (Pose2DExample, '2d')
    example = make('x.jpg', coords, [1, 2, 3, 4], camera=random_camera(rng))
    record, loaded = stored(example, kind)
    assert len(record[f'joints{kind}']['rows']) == N_JOINTS - 1
    coords[4] = np.nan
    read = loaded.get_world_coords() if n_dims == 3 else loaded.coords
    np.testing.assert_array_equal(read, coords)


@given(SEEDS, MISSING, st.booleans())
@settings(max_examples=40, deadline=None)
def test_2d_round_trip(seed, missing, has_extras):
    rng = np.random.default_rng(seed)
    coords = random_coords(rng, 2, missing, reach=800.0)
    extras = dict(
        camera=random_camera(rng),
        mask=rlemasklib.encode(np.ones((4, 5), np.uint8)),
        densepose=(
            rng.uniform(0, 500, (7, 2)).astype(np.float32),
            rng.integers(0, 13000, 7),
            rng.dirichlet(np.ones(3), 7).astype(np.float32),
        ),
    )
    box = np.float32([1.25, 2.5, 30.75, 40])
    example = Pose2DExample('x.jpg', coords, box, **(extras if has_extras else {}))
    record, loaded = stored(example, '2d')
    np.testing.assert_array_equal(loaded.coords, coords)
    np.testing.assert_array_equal(loaded.bbox, box)
    if has_extras:
        assert_same_camera(loaded.camera, extras['camera'])
        for a, b in zip(loaded.densepose, extras['densepose'], strict=True):
            np.testing.assert_array_equal(a, b)
    else:
        assert set(record) == {'impath', 'bbox', 'joints2d'}
        assert loaded.camera is loaded.mask is loaded.densepose is None


@given(SEEDS, st.sampled_from([500.0, 1500.0, 3000.0, 1e5]))
@settings(max_examples=60, deadline=None)
def test_compact_uses_float16_iff_that_is_precise_enough(seed, reach):
    rng = np.random.default_rng(seed)
    coords = random_coords(rng, 3, 0.2, reach)
    example = Pose3DExample('x.jpg', coords, rng.uniform(-9, 900, 4), random_camera(rng))
    record, loaded = stored(example, compact=True)
    rows = coords[np.isfinite(coords[:, 0])]
    with np.errstate(over='ignore'):
        error = np.abs(rows - rows.astype(np.float16).astype(np.float32)).max(initial=0)
    assert record['joints3d']['rows'].dtype == (np.float16 if error < 1 else np.float32)
    assert record['bbox'].dtype == np.int16
    np.testing.assert_array_equal(record['bbox'], np.round(np.float32(example.bbox)))
    assert np.nanmax(np.abs(loaded.world_coords - coords), initial=0) < 1
    assert loaded.world_coords.dtype == loaded.bbox.dtype == np.float32


def test_sparse_coords_are_stored_like_dense_ones():
    rng = np.random.default_rng(0)
    coords = random_coords(rng, 3, 0.4)
    camera = random_camera(rng)
    dense, sparse = (
        codec.pack(records.example3d_to_dict(Pose3DExample('x.jpg', c, np.ones(4), camera)))
        for c in (coords, SparseCoords(coords))
    )
    assert dense == sparse


@pytest.mark.parametrize(
    'lens',
    [
        None,
        BrownConradyEx(np.float32([0.1, -0.2, 1e-3, 2e-3, 0.05])),
        BrownConradyEx(np.float32([0.1, -0.2, 1e-3, 2e-3, 0.05, 0.01, 0.02, 0.03])),
        FisheyeKannalaBrandt(np.float32([0.01, -0.02, 0.003, 0.001])),
    ],
)
def test_lenses(lens):
    camera = random_camera(np.random.default_rng(1), lens)
    assert_same_camera(records.decode_camera(records.encode_camera(camera)), camera)


def test_short_coefficient_arrays_are_filled_up():
    model = records.distortion_model(np.float32([0.1, 0.2]))
    np.testing.assert_array_equal(model.coeffs, np.float32([0.1, 0.2, 0, 0, 0]))
    assert records.distortion_model(np.zeros(5)) is None


def test_half_turns_keep_their_rotation():
    # Where the Rodrigues vector is at its most delicate.
    for axis in np.eye(3):
        for angle in (np.pi, np.pi - 1e-6, np.pi - 1e-5, np.pi - 1e-4, 1e-6, 0):
            camera = Camera(rot_world_to_cam=Rotation.from_rotvec(angle * axis).as_matrix())
            decoded = records.decode_camera(records.encode_camera(camera))
            np.testing.assert_allclose(decoded.R, camera.R, atol=1e-6)


def test_parametric_example_without_joints():
    parameters = dict(type='smplx', gender='neutral', pose=np.zeros((55, 3)), shape=np.zeros(10))
    camera = random_camera(np.random.default_rng(2))
    example = Pose3DExample('x.jpg', None, np.ones(4), camera, parameters=parameters)
    record, loaded = stored(example)
    assert 'joints3d' not in record
    assert loaded.get_world_coords() is None
    assert loaded.parameters['type'] == 'smplx'
    assert record['parameters']['pose'].shape == (165,)  # flat, as readers expect


def test_layout_of_other_programs_is_read():
    # Whole-pixel boxes, half precision, no up vector, no optional keys.
    rows = np.float16([[1, 2, 3], [4, 5, 6]])
    cam = dict(
        rotvec_w2c=np.zeros(3, np.float64), loc=np.zeros(3, np.float32),
        intr=np.float32([[500, 0, 320], [0, 500, 240]]),
    )  # fmt: skip
    record = dict(
        impath='x.jpg', bbox=np.int16([1, 2, 3, 4]), cam=cam,
        joints3d=dict(rows=rows, i_rows=np.uint16([0, 5])),
    )  # fmt: skip
    loaded = records.dict_to_example3d(record, N_JOINTS)
    assert loaded.world_coords.shape == (N_JOINTS, 3) and loaded.world_coords.dtype == np.float32
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(loaded.world_coords[:, 0])), [0, 5])
    np.testing.assert_array_equal(loaded.camera.world_up, [0, 0, 1])


def test_mask_that_swells_is_refused():
    bomb = dict(size=[8, 9], zcounts=zlib.compress(b'1' * 10_000_000))
    with pytest.raises(ValueError, match='more runs than its 9 x 8 px'):
        records._decode_mask(bomb)
