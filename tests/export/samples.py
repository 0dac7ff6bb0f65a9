"""Packed datasets with everything that an example can have, and the comparison of examples."""

import numpy as np
import rlemasklib
from deltacamera import BrownConradyEx, Camera, FisheyeKannalaBrandt

from posepile.joint_info import JointInfo
from posepile.storage.lazy import open_dataset
from posepile.util import TEST, TRAIN, VALID
from tests.storage.packed_samples import JOINT_INFO, make_example, write_dataset

COCO_INFO = JointInfo(
    'rank,rkne,rhip,lhip,lkne,lank,rwri,relb,lelb,lwri,nose,leye,reye',
    'relb-rwri,rhip-rkne-rank,nose-reye',
)


def with_lens(camera, model):
    return Camera(
        optical_center=np.array(camera.t),
        rot_world_to_cam=np.array(camera.R),
        intrinsic_matrix=np.array(camera.intrinsic_matrix),
        distortion_model=model,
        world_up=(0, -1, 0),
    )


def body(model, rng, gender='female', n_betas=10):
    n_joints = {'smpl': 24, 'smplh': 52, 'smplx': 55}[model]
    parameters = dict(
        type=model,
        gender=gender,
        pose=rng.normal(size=3 * n_joints).astype(np.float32),
        shape=rng.normal(size=n_betas).astype(np.float32),
        trans=rng.normal(size=3).astype(np.float32),
    )
    if model == 'smplx':
        parameters['expression'] = rng.normal(size=10).astype(np.float32)
    return parameters


def examples3d():
    """(split, example, image) of eight people with all kinds of annotation."""
    pairs = [make_example(i) for i in range(8)]
    rng = np.random.default_rng(0)
    (plain, lens, fisheye, smpl, kid, smplx, empty, far) = (example for example, _ in pairs)
    lens.camera = with_lens(lens.camera, BrownConradyEx(np.float32([-0.1, 0.02, 1e-3, 0, 0.01])))
    fisheye.camera = with_lens(fisheye.camera, FisheyeKannalaBrandt(np.float32([0.1, 0, 0.02, 0])))
    fisheye.mask = None
    smpl.parameters = body('smpl', rng)
    smpl.activity_name, smpl.scene_name = 'Gehen für Anfänger', 'park'
    kid.parameters = dict(body('smpl', rng, 'neutral', 4), kid_factor=0.25, scale=1.5)
    kid.univ_coords = rng.normal(size=(17, 3)).astype(np.float32)
    kid.univ_coords[3] = np.nan
    smplx.parameters = body('smplx', rng, 'male')
    empty.world_coords[:] = np.nan
    far.world_coords += 80000  # beyond float16
    far.camera = Camera(
        optical_center=np.array(far.camera.t) + 80000,
        rot_world_to_cam=np.array(far.camera.R),
        intrinsic_matrix=np.array(far.camera.intrinsic_matrix),
        world_up=(0, 0, 1),
    )
    far.bbox = far.bbox + np.float32(0.3)
    far.world_coords[4] = far.camera.t - 500 * np.array(far.camera.R)[2]  # behind the camera
    lens.image_path = plain.image_path  # two people in one image
    splits = [TRAIN] * 5 + [VALID] * 2 + [TEST]
    triples = [(s, ex, im) for s, (ex, im) in zip(splits, pairs, strict=True)]
    return [(s, ex, None if ex is lens else im) for s, ex, im in triples]


def examples2d():
    """The same in the image plane, with and without camera and DensePose."""
    pairs = [make_example(i, '2d') for i in range(4)]
    rng = np.random.default_rng(1)
    for i, (example, _) in enumerate(pairs):
        example.coords = example.coords[: COCO_INFO.n_joints]
        if i % 2:
            n = 5 + i
            example.camera = None
            example.densepose = (
                rng.uniform(0, 400, (n, 2)).astype(np.float32),
                rng.integers(0, 13776, n).astype(np.uint16),
                rng.dirichlet([1, 1, 1], n).astype(np.float32),
            )
    pairs[2][0].mask = None
    pairs[3][0].coords[0] = [-30, 40]  # outside of the image
    return [(TRAIN if i < 3 else VALID, *pair) for i, pair in enumerate(pairs)]


def rich_dataset(folder, kind):
    """A packed dataset of these examples."""
    if kind == '2d':
        path = write_dataset(folder, '2d', examples2d(), joint_info=COCO_INFO)
    else:
        bones = np.arange(len(JOINT_INFO.stick_figure_edges), dtype=np.float32)
        path = write_dataset(folder, '3d', examples3d(), {'train_bone_lengths': bones})
    return open_dataset(path, str(folder / 'images.barecat'))


def loaded(dataset, split):
    """{key: full example} of a split, without images."""
    examples = dataset.examples[split]
    return {light.path.removesuffix('.msgpack'): light.load(load_image=False) for light in examples}


def assert_same_example(actual, expected, coords_atol=0):
    """Everything that the two examples say is the same, to the bit unless told otherwise."""
    assert type(actual) is type(expected) and actual.image_path == expected.image_path
    for key in ('coords', 'world_coords', 'univ_coords', 'bbox'):
        pair = [getattr(ex, key, None) for ex in (actual, expected)]
        assert (pair[0] is None) == (pair[1] is None), key
        if pair[1] is not None:
            atol = 0 if key == 'bbox' else coords_atol
            np.testing.assert_allclose(*pair, rtol=0, atol=atol, err_msg=key)
    for key in ('activity_name', 'scene_name'):
        assert getattr(actual, key, None) == getattr(expected, key, None)
    assert_same_camera(actual.camera, expected.camera)
    assert_same_mask(actual.mask, expected.mask)
    assert_same_parameters(
        getattr(actual, 'parameters', None), getattr(expected, 'parameters', None)
    )
    pair = [getattr(ex, 'densepose', None) for ex in (actual, expected)]
    assert (pair[0] is None) == (pair[1] is None)
    if pair[1] is not None:
        for a, b in zip(*pair, strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.shape == b.shape


def assert_same_camera(actual, expected):
    assert (actual is None) == (expected is None)
    if expected is not None:
        for key in ('R', 't', 'intrinsic_matrix', 'world_up'):
            np.testing.assert_allclose(getattr(actual, key), getattr(expected, key), atol=1e-6)
        assert type(actual.distortion_model) is type(expected.distortion_model)
        np.testing.assert_array_equal(
            actual.get_distortion_coeffs(), expected.get_distortion_coeffs()
        )


def assert_same_mask(actual, expected):
    assert (actual is None) == (expected is None)
    if expected is not None:
        np.testing.assert_array_equal(rlemasklib.decode(actual), rlemasklib.decode(expected))


def assert_same_parameters(actual, expected):
    assert (actual is None) == (expected is None)
    if expected is not None:
        assert set(actual) == set(expected)
        for key in expected:
            np.testing.assert_array_equal(actual[key], expected[key])
