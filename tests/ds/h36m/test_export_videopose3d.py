"""The files for VideoPose3D, read as its loader does, and projected by a second program."""

import os
import pickletools
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from posepile.ds.h36m.export_videopose3d import main, project
from posepile.ds.h36m.object_npz import save_objects
from posepile.raw.npyfile import load_npz
from tests.ds.h36m.small_files import (
    EXTRINSICS,
    INTRINSICS,
    random_poses,
    take_name,
    write_metadata,
    write_pose_cdf,
)

SUBJECTS = (1, 5, 6, 7, 8, 9, 11)
PARENTS = [-1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14, 12, 16, 17, 18, 19, 20, 19, 22, 12]
PARENTS += [24, 25, 26, 27, 28, 27, 30]
REMOVED = {4, 5, 9, 10, 11, 16, 20, 21, 22, 23, 24, 28, 29, 30, 31}
KEPT = [i for i in range(32) if i not in REMOVED]

# The tables of VideoPose3D for S1: camera-to-world quaternions w, x, y, z and optical centres (mm).
QUATERNIONS = [
    [0.1407056450843811, -0.1500701755285263, -0.755240797996521, 0.6223280429840088],
    [0.6157187819480896, -0.764836311340332, -0.14833825826644897, 0.11794740706682205],
    [0.14651472866535187, -0.14647851884365082, 0.7653023600578308, -0.6094175577163696],
    [0.5834008455276489, -0.7853162288665771, 0.14548823237419128, -0.14749594032764435],
]
CENTRES = [
    [1841.1070556640625, 4955.28466796875, 1563.4454345703125],
    [1761.278564453125, -5078.0068359375, 1606.2650146484375],
    [-1846.7777099609375, 5215.04638671875, 1491.972412109375],
    [-1794.7896728515625, -3722.698974609375, 1574.8927001953125],
]
# Centre, focal lengths, k1 k2 k3, and p1 p2 in the order of VideoPose3D, which is the other one.
CENTRE_FOCAL = [
    [512.54150390625, 515.4514770507812, 1145.0494384765625, 1143.7811279296875],
    [508.8486328125, 508.0649108886719, 1149.6756591796875, 1147.5916748046875],
    [519.8158569335938, 501.40264892578125, 1149.1407470703125, 1148.7989501953125],
    [514.9682006835938, 501.88201904296875, 1145.5113525390625, 1144.77392578125],
]
DISTORTION = [
    [-0.20709891617298126, 0.24777518212795258, -0.0030751503072679043]
    + [-0.0009756988729350269, -0.00142447161488235],
    [-0.1942136287689209, 0.2404085397720337, 0.006819975562393665]
    + [-0.0016190266469493508, -0.0027408944442868233],
    [-0.2083381861448288, 0.25548800826072693, -0.0024604974314570427]
    + [0.0014843869721516967, -0.0007599993259645998],
    [-0.198384091258049, 0.21832367777824402, -0.008947807364165783]
    + [-0.0005872055771760643, -0.0018133620033040643],
]
HEIGHTS = [1002, 1000, 1000, 1002]


def rotate_back(quaternion, v):
    """v turned by the inverse of a unit quaternion."""
    w, u = quaternion[0], -np.array(quaternion[1:])
    return v + 2 * (w * np.cross(u, v) + np.cross(u, np.cross(u, v)))


def slow_projection(world, i_camera):
    """Pixels of (..., 3) points in metres, by way of the normalised screen, as in VideoPose3D."""
    width, height = 1000, HEIGHTS[i_camera]
    camera = rotate_back(QUATERNIONS[i_camera], world - np.array(CENTRES[i_camera]) / 1000)
    cx, cy, fx, fy = CENTRE_FOCAL[i_camera]
    focal = np.array([fx, fy]) / width * 2
    centre = np.array([cx, cy]) / width * 2 - [1, height / width]
    k1, k2, k3, p1, p2 = DISTORTION[i_camera]
    xx = np.clip(camera[..., :2] / camera[..., 2:], -1, 1)
    r2 = (xx**2).sum(-1, keepdims=True)
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    tangential = (np.array([p1, p2]) * xx).sum(-1, keepdims=True)
    normalised = focal * (xx * (radial + tangential) + np.array([p1, p2]) * r2) + centre
    return (normalised + [1, height / width]) * width / 2


@pytest.fixture(scope='module')
def release(tmp_path_factory):
    """The raw folder, and {(subject, file's name): (F, 32, 3) in mm}."""
    root = tmp_path_factory.mktemp('h36m')
    write_metadata(str(root / 'Release-v1.2/metadata.xml'))
    rng = np.random.default_rng(0)
    truth = {}
    for subject in SUBJECTS:
        for action in range(2, 17):
            for sub in (1, 2):
                name = take_name(subject, action, sub)
                dtype = np.float64 if subject == 5 else np.float32
                poses = random_poses(rng, int(rng.integers(3, 9)), dtype)
                write_pose_cdf(f'{root}/S{subject}/MyPoseFeatures/D3_Positions/{name}.cdf', poses)
                truth[f'S{subject}', name] = poses
    return root, truth


@pytest.fixture(scope='module')
def exported(release, tmp_path_factory):
    out = tmp_path_factory.mktemp('data')
    assert main(['--source', str(release[0]), '--out', str(out)]) == 0
    return out


def load(folder, name, key):
    return np.load(folder / name, allow_pickle=True)[key].item()


def test_3d_positions(release, exported):
    positions = load(exported, 'data_3d_h36m.npz', 'positions_3d')
    assert list(positions) == [f'S{i}' for i in SUBJECTS]
    assert [len(actions) for actions in positions.values()] == [30] * 6 + [29]
    assert 'Directions' not in positions['S11'] and 'Directions 1' in positions['S11']
    for actions in positions.values():
        assert {name.split()[0] for name in actions} >= {'Photo', 'WalkDog', 'WalkTogether'}
        assert not {'TakingPhoto', 'WalkingDog'} & {name.split()[0] for name in actions}
        assert list(actions) == sorted(actions)
    for (subject, name), poses in release[1].items():
        if (subject, name) == ('S11', 'Directions'):
            continue
        name = name.replace('TakingPhoto', 'Photo').replace('WalkingDog', 'WalkDog')
        stored = positions[subject][name]
        assert stored.dtype == np.float32 and stored.shape == poses.shape
        np.testing.assert_allclose(stored, poses / 1000, rtol=0, atol=2e-7)
        assert stored.flags.writeable


def test_2d_positions_of_s1_equal_those_of_the_tables(release, exported):
    positions = load(exported, 'data_2d_h36m_gt.npz', 'positions_2d')
    truth_3d = load(exported, 'data_3d_h36m.npz', 'positions_3d')
    assert list(positions) == list(truth_3d)
    for subject, actions in truth_3d.items():
        assert list(positions[subject]) == list(actions)
        for name, world in actions.items():
            views = positions[subject][name]
            assert isinstance(views, list) and len(views) == 4
            for i_camera, pixels in enumerate(views):
                assert pixels.dtype == np.float32 and pixels.shape == (len(world), 17, 2)
                expected = slow_projection(np.float64(world[:, KEPT]), i_camera)
                if subject == 'S1':
                    np.testing.assert_allclose(pixels, expected, atol=1e-3)
                else:  # with cameras in other places
                    assert np.abs(pixels - expected).max() > 1


def test_metadata_of_2d_positions(exported):
    assert load(exported, 'data_2d_h36m_gt.npz', 'metadata') == {
        'layout_name': 'h36m',
        'num_joints': 17,
        'keypoints_symmetry': [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]],
    }


@pytest.mark.parametrize(
    'world, pixels',
    [((0, 0, 0.9), (442.97136, 442.9065)), ((0.3, -0.2, 1.5), (369.4735, 311.13934))],
)
def test_known_projections(world, pixels):
    np.testing.assert_allclose(project(world, EXTRINSICS[0], INTRINSICS[0]), pixels, atol=1e-3)


def test_projection_from_camera_space_stops_at_45_degrees():
    extrinsics = np.zeros(6)
    pixels = project((0.6, 0.5, 2), extrinsics, INTRINSICS[0])
    np.testing.assert_allclose(pixels, (846.78969, 793.57649), atol=1e-3)
    far, farther = project([(2, 0.5, 2), (5, 0.5, 2)], extrinsics, INTRINSICS[0])
    np.testing.assert_array_equal(far, farther)


def test_same_bytes_from_either_layout_and_in_any_order(release, exported, tmp_path):
    for subject in reversed(SUBJECTS):
        target = tmp_path / f'extracted/S{subject}/Poses_D3_Positions'
        target.mkdir(parents=True)
        folder = release[0] / f'S{subject}/MyPoseFeatures/D3_Positions'
        for path in sorted(folder.iterdir(), reverse=True):
            shutil.copy(path, target)
        (target / '_ALL.cdf').write_bytes(b'')
    shutil.copy(release[0] / 'Release-v1.2/metadata.xml', tmp_path)
    assert main(['--source', str(tmp_path), '--out', str(tmp_path / 'new')]) == 0
    for name in 'data_3d_h36m.npz', 'data_2d_h36m_gt.npz':
        assert (tmp_path / 'new' / name).read_bytes() == (exported / name).read_bytes()


def test_pickles_name_nothing_that_older_numpy_does_not_have(exported):
    for name in 'data_3d_h36m.npz', 'data_2d_h36m_gt.npz':
        with zipfile.ZipFile(exported / name) as z:
            for member in z.namelist():
                content = z.read(member)
                start = content.index(b'\n') + 1
                named = {
                    a for op, a, _ in pickletools.genops(content[start:]) if op.name == 'GLOBAL'
                }
                assert named <= {'numpy ndarray', 'numpy dtype'}
    # They are plain data for our own reader, too.
    positions = load_npz(exported / 'data_3d_h36m.npz')['positions_3d'].item()
    assert positions['S8']['Photo'].shape[1:] == (32, 3)


def test_objects_of_all_kinds_come_back(tmp_path):
    content = {
        'a': np.arange(6, dtype=np.int16).reshape(2, 3).T,
        'b': [np.zeros((0, 3)), np.array(['x', 'yz']), np.array(5.0)],
        'c': {'d': (1, None, 'ü')},
    }
    save_objects(tmp_path / 'x.npz', {'one': content, 'two': [1, 2]})
    with np.load(tmp_path / 'x.npz', allow_pickle=True) as z:
        assert sorted(z) == ['one', 'two'] and z['two'].item() == [1, 2]
        loaded = z['one'].item()
    np.testing.assert_equal(loaded, content)
    assert loaded['a'].dtype == np.int16 and loaded['c'] == content['c']


def test_existing_files_are_kept_unless_forced(release, tmp_path, capsys):
    path = tmp_path / 'data_3d_h36m.npz'
    path.write_bytes(b'mine')
    options = ['--source', str(release[0]), '--out', str(tmp_path)]
    assert main(options) == 1 and path.read_bytes() == b'mine'
    assert '--force' in capsys.readouterr().err and os.listdir(tmp_path) == [path.name]
    assert main([*options, '--force']) == 0
    assert sorted(os.listdir(tmp_path)) == ['data_2d_h36m_gt.npz', path.name]
    assert load(tmp_path, path.name, 'positions_3d')


def test_what_is_wrong_with_a_release(release, tmp_path, capsys):
    def fails_with(*words):
        assert main(['--source', str(root), '--out', str(tmp_path / 'out')]) == 1
        error = capsys.readouterr().err
        assert all(word in error for word in words) and error.count('\n') == 1, error
        assert not (tmp_path / 'out').exists() or not os.listdir(tmp_path / 'out')

    root = tmp_path / 'h36m'
    fails_with('metadata.xml')
    shutil.copytree(release[0], root)
    folder = root / 'S7/MyPoseFeatures/D3_Positions'
    (folder / 'Photo.cdf').rename(tmp_path / 'Photo.cdf')
    fails_with('29 takes of S7 where 30')
    (folder / 'Photo.cdf').write_bytes(b'no CDF')
    fails_with('Photo.cdf')
    poses = random_poses(np.random.default_rng(0), 4)
    poses[2, 3, 1] = np.nan
    write_pose_cdf(str(folder / 'Photo.cdf'), poses)
    fails_with('Photo.cdf', 'finite')
    shutil.rmtree(root / 'S7')
    fails_with('S7/MyPoseFeatures/D3_Positions', 'extracted/S7/Poses_D3_Positions')


def test_command_line_with_the_usual_place(release, exported, tmp_path):
    (tmp_path / 'h36m').symlink_to(release[0])
    (tmp_path / 'data').mkdir()
    command = [sys.executable, '-m', 'posepile.ds.h36m.export_videopose3d']
    env = dict(os.environ, DATA_ROOT=str(tmp_path))
    done = subprocess.run(
        command, env=env, cwd=tmp_path / 'data', capture_output=True, text=True, check=True
    )
    assert [os.path.basename(line) for line in done.stdout.splitlines()] == [
        'data_3d_h36m.npz',
        'data_2d_h36m_gt.npz',
    ]
    path = tmp_path / 'data/data_3d_h36m.npz'
    assert path.read_bytes() == (exported / path.name).read_bytes()
