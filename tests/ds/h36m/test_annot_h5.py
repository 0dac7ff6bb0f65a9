"""annot.h5 and images, read again as the description of h36m-fetch's layout has them."""

import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from deltacamera import Camera

from posepile.ds.h36m.annot_h5 import choose_rows, fit_intrinsics, main
from posepile.raw.images import read_image
from posepile.raw.video import VideoFrames
from posepile.simulate.writers import write_video
from tests.ds.h36m.small_files import CAMERAS, random_poses, write_metadata, write_pose_cdf

# (subject, action, subaction, base name, frames of the video beyond the poses)
TAKES = [
    (1, 12, 1, 'TakingPhoto 1', 2),
    (1, 12, 2, 'TakingPhoto', 0),
    (5, 2, 2, 'Directions', 1),
    (9, 5, 2, 'Greeting', 90),
    (11, 16, 1, 'WalkTogether 1', 3),
]
N_ROWS = 70
KINDS = dict(D2_Positions=2, D3_Positions_mono=3, D3_Positions_mono_universal=3)


def true_view(subject, action, subaction, i_camera, dtype=np.float32):
    """(pixels, mono, universal) of a view, and the pinhole camera that projects mono to pixels."""
    rng = np.random.default_rng([subject, action, subaction, i_camera])
    mono = random_poses(rng, N_ROWS) + [0, 0, 4000]
    K = np.array([[1145.0 + i_camera, 0, 512.5], [0, 1143.5, 515.25 - i_camera], [0, 0, 1]])
    pixels = Camera(intrinsic_matrix=K).camera_to_image(mono.reshape(-1, 3)).reshape(-1, 32, 2)
    universal = mono * [0.9, 0.8, 1]  # so that focal lengths are 1 / 0.9 and 1 / 0.8 times these
    return pixels.astype(dtype), mono.astype(dtype), universal.astype(dtype), K


def grey_level(i_frame):
    """Brightness that tells the frames of a video apart."""
    return 20 + (i_frame * 7) % 211


@pytest.fixture(scope='module')
def release(tmp_path_factory):
    """A folder in the release's own layout."""
    root = tmp_path_factory.mktemp('h36m')
    write_metadata(str(root / 'Release-v1.2/metadata.xml'))
    for subject, action, subaction, base, n_more in TAKES:
        for i_camera, camera in enumerate(CAMERAS):
            arrays = true_view(subject, action, subaction, i_camera)
            for kind, poses in zip(KINDS, arrays[:3], strict=True):
                folder = root / f'S{subject}/MyPoseFeatures/{kind}'
                write_pose_cdf(str(folder / f'{base}.{camera}.cdf'), poses)
            n_frames = N_ROWS + n_more
            images = (np.full((34, 32, 3), grey_level(i), np.uint8) for i in range(n_frames))
            (root / f'S{subject}/Videos').mkdir(exist_ok=True)
            write_video(root / f'S{subject}/Videos/{base}.{camera}.mp4', images, fps=50)
    return root


@pytest.fixture
def copy(release, tmp_path):
    """A release that a test may damage."""
    return shutil.copytree(release, tmp_path / 'h36m')


def run(folder, *options):
    assert main(['--source', str(folder), *options]) == 0


def slow_choice(universal, subject):
    if subject in (9, 11):
        return [i for i in range(len(universal)) if i % 64 == 0]
    chosen = []
    for i, pose in enumerate(universal.tolist()):
        last = universal[chosen[-1]].tolist() if chosen else None
        if last is None or any(
            sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) >= 1600
            for p, q in zip(pose, last, strict=True)
        ):
            chosen.append(i)
    return chosen


def check_take(folder, subject, action, subaction, cameras=CAMERAS):
    """Everything in a folder of a take equals the truth; return the rows chosen by camera."""
    chosen = {}
    expected = {key: [] for key in ('2d', '3d', '3d-univ', 'frame', 'camera')}
    intrinsics = {}
    for i_camera, camera in enumerate(CAMERAS):
        if camera not in cameras:
            continue
        pixels, mono, universal, intrinsics[camera] = true_view(
            subject, action, subaction, i_camera
        )
        rows = chosen[camera] = slow_choice(universal, subject)
        expected['2d'].append(pixels[rows])
        expected['3d'].append(mono[rows])
        expected['3d-univ'].append(universal[rows])
        expected['frame'].append(np.array(rows) + 1)
        expected['camera'].append(np.full(len(rows), int(camera)))
        folder_of_images = folder / 'imageSequence' / camera
        names = [f'img_{row + 1:06d}.jpg' for row in rows]
        assert sorted(os.listdir(folder_of_images)) == names
        for row, name in zip(rows, names, strict=True):
            image = read_image(folder_of_images / name)
            assert image.shape == (34, 32, 3)
            assert abs(np.median(image) - grey_level(row)) <= 3
    expected = {key: np.concatenate(values) for key, values in expected.items()}
    with h5py.File(folder / 'annot.h5', 'r') as f:
        assert set(f) == {
            *('pose', 'intrinsics', 'intrinsics-univ', 'frame', 'camera'),
            *('subject', 'action', 'subaction'),
        }
        assert set(f['pose']) == {'2d', '3d', '3d-univ'}
        for key in '2d', '3d', '3d-univ':
            stored = f['pose'][key]
            assert stored.dtype == np.float32 and stored.chunks is None and not stored.compression
            np.testing.assert_array_equal(stored[()], expected[key])
        for key in 'frame', 'camera':
            np.testing.assert_array_equal(f[key][()], expected[key])
        for key, value in dict(subject=subject, action=action, subaction=subaction).items():
            np.testing.assert_array_equal(f[key][()], np.full(len(expected['frame']), value))
        assert {f[k].dtype for k in ('frame', 'camera', 'subject', 'action', 'subaction')} == {
            np.dtype(np.int64)
        }
        for key, fx, fy in ('intrinsics', 1, 1), ('intrinsics-univ', 0.9, 0.8):
            assert list(f[key]) == list(cameras)
            for camera in cameras:
                K = intrinsics[camera]
                values = f[key][camera]
                assert values.dtype == np.float32 and values.shape == (4,)
                true = [K[0, 0] / fx, K[0, 2], K[1, 1] / fy, K[1, 2]]
                np.testing.assert_allclose(values[()], true, atol=0.05)
    return chosen


FOLDERS = {
    (1, 12, 1): 'S1/TakingPhoto-1',
    (1, 12, 2): 'S1/TakingPhoto-2',
    (5, 2, 2): 'S5/Directions-2',
    (9, 5, 2): 'S9/Greeting-2',
    (11, 16, 1): 'S11/WalkingTogether-1',
}


def test_everything_equals_the_truth(release, tmp_path, capsys):
    run(release, '--out', str(tmp_path))
    for key, folder in FOLDERS.items():
        chosen = check_take(tmp_path / folder, *key)
        if key[0] < 9:
            # Motion chooses in each camera for itself, and leaves some out.
            assert len({tuple(rows) for rows in chosen.values()}) > 1
            assert all(1 < len(rows) < N_ROWS for rows in chosen.values())
        else:
            assert list(chosen.values()) == [[0, 64]] * 4
    assert sum(len(os.listdir(tmp_path / s)) for s in os.listdir(tmp_path)) == 210
    assert os.listdir(tmp_path / 'S8/SittingDown-2') == []
    out, err = capsys.readouterr()
    assert out.startswith('5 of 210 takes') and '205 are not in the release' in out
    assert 'left out' not in err


def test_layout_of_extracted_archives_gives_the_same_bytes(release, tmp_path):
    root = tmp_path / 'fetched'
    shutil.copytree(release / 'S5', root / 'S5')  # one subject in the other layout
    for subject in (1, 9, 11):
        for kind in KINDS:
            shutil.copytree(
                release / f'S{subject}/MyPoseFeatures/{kind}',
                root / f'extracted/S{subject}/Poses_{kind}',
            )
        shutil.copytree(release / f'S{subject}/Videos', root / f'extracted/S{subject}/Videos')
    shutil.copy(release / 'Release-v1.2/metadata.xml', root / 'metadata.xml')
    run(root)
    run(release, '--out', str(tmp_path / 'other'))
    assert contents(root / 'processed') == contents(tmp_path / 'other')


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def test_tasks_share_the_takes(release, tmp_path, monkeypatch):
    run(release, '--out', str(tmp_path / 'one'))
    monkeypatch.setenv('SLURM_ARRAY_TASK_COUNT', '3')
    for i in range(3):
        monkeypatch.setenv('SLURM_ARRAY_TASK_ID', str(i))
        run(release, '--out', str(tmp_path / 'three'))
        assert (i == 2) == (len(list((tmp_path / 'three').glob('S*/*'))) == 210)
    assert contents(tmp_path / 'one') == contents(tmp_path / 'three')


def test_several_processes_do_the_same(copy, tmp_path, capsys):
    (copy / f'S5/Videos/Directions.{CAMERAS[2]}.mp4').unlink()
    run(copy, '--out', str(tmp_path / 'one'))
    said = capsys.readouterr()
    run(copy, '--out', str(tmp_path / 'two'), '--processes', '2')
    assert contents(tmp_path / 'one') == contents(tmp_path / 'two')
    out, err = capsys.readouterr()
    assert out == said.out.replace('one', 'two') and 'camera 58860488' in err


def test_bad_views_are_left_out_and_named(copy, capsys):
    greeting = copy / 'S9/MyPoseFeatures'
    (copy / f'S1/Videos/TakingPhoto 1.{CAMERAS[1]}.mp4').unlink()
    images = [np.full((34, 32, 3), 99, np.uint8)] * 30
    write_video(copy / f'S1/Videos/TakingPhoto.{CAMERAS[0]}.mp4', images, fps=50)
    (copy / f'S5/Videos/Directions.{CAMERAS[2]}.mp4').write_bytes(b'no video')
    (greeting / f'D2_Positions/Greeting.{CAMERAS[3]}.cdf').write_bytes(b'no CDF')
    short = true_view(9, 5, 2, 0)[1][:-1]
    write_pose_cdf(str(greeting / f'D3_Positions_mono/Greeting.{CAMERAS[0]}.cdf'), short)
    broken = true_view(9, 5, 2, 1)[1]
    broken[7] = np.nan
    write_pose_cdf(str(greeting / f'D3_Positions_mono/Greeting.{CAMERAS[1]}.cdf'), broken)
    shutil.rmtree(copy / 'S11/Videos')
    run(copy)
    done = copy / 'processed'
    all_but = {c: [other for other in CAMERAS if other != c] for c in CAMERAS}
    check_take(done / 'S1/TakingPhoto-1', 1, 12, 1, all_but[CAMERAS[1]])
    check_take(done / 'S1/TakingPhoto-2', 1, 12, 2, all_but[CAMERAS[0]])
    check_take(done / 'S5/Directions-2', 5, 2, 2, all_but[CAMERAS[2]])
    check_take(done / 'S9/Greeting-2', 9, 5, 2, [CAMERAS[2]])
    # The folder of images of a view is there as soon as its poses are, and nothing is in it.
    assert os.listdir(done / 'S1/TakingPhoto-2/imageSequence' / CAMERAS[0]) == []
    assert not (done / 'S9/Greeting-2/imageSequence' / CAMERAS[3]).exists()
    together = done / 'S11/WalkingTogether-1'
    assert os.listdir(together) == ['imageSequence']
    assert sorted(os.listdir(together / 'imageSequence')) == list(CAMERAS)
    out, err = capsys.readouterr()
    assert '4 of 210 takes' in out and '1 have no view' in out and '10 views left out' in out
    problems = [line for line in err.splitlines() if line.startswith('left out: ')]
    assert len(problems) == 10
    for words in (
        f'S1/TakingPhoto-1, camera {CAMERAS[1]}',
        f'TakingPhoto.{CAMERAS[0]}.mp4: lacks',
        'the 2D poses 70',
        'not all coordinates are finite',
    ):
        assert any(words in line for line in problems), words


def test_second_run_leaves_images_alone_and_completes_what_is_missing(copy):
    video = copy / f'S1/Videos/TakingPhoto.{CAMERAS[0]}.mp4'
    good = video.read_bytes()
    video.write_bytes(b'')
    run(copy)
    done = copy / 'processed'
    check_take(done / 'S1/TakingPhoto-2', 1, 12, 2, CAMERAS[1:])
    before = {path: path.stat().st_mtime_ns for path in done.rglob('*.jpg')}
    video.write_bytes(good)
    image = done / f'S9/Greeting-2/imageSequence/{CAMERAS[0]}/img_000065.jpg'
    image.unlink()
    (image.parent.parent / f'{CAMERAS[0]}.partial').mkdir()
    (done / 'S9/Greeting-2/annot.partial.h5').write_bytes(b'of a process that was killed')
    for other in copy.glob('S11/Videos/*'):
        other.write_bytes(b'not to be opened')
    run(copy)
    for key, folder in FOLDERS.items():
        check_take(done / folder, *key)
    after = {path: path.stat().st_mtime_ns for path in done.rglob('*.jpg')}
    decoded_again = {path for path in before if before[path] != after[path]}
    assert decoded_again == {image, image.with_name('img_000001.jpg')}
    assert not [path for path in done.rglob('*') if 'partial' in path.name]


def test_every_row(release, tmp_path):
    run(release, '--out', str(tmp_path), '--every-row')
    with h5py.File(tmp_path / 'S9/Greeting-2/annot.h5', 'r') as f:
        np.testing.assert_array_equal(f['frame'][()], np.tile(np.arange(1, N_ROWS + 1), 4))
    images = os.listdir(tmp_path / f'S9/Greeting-2/imageSequence/{CAMERAS[3]}')
    assert len(images) == N_ROWS


def test_motion_threshold_is_inclusive_and_of_any_joint():
    poses = np.zeros((6, 32, 3), np.float32)
    poses[1:, 31, 0] = 39
    poses[2:, 31, 0] = 40
    poses[3:, 5, 1] = 25
    poses[4:, 5, 2] = 31
    poses[5:, 5, 2] = 32
    assert choose_rows(poses, subject=1) == [0, 2, 5]
    assert choose_rows(poses, subject=11) == [0]
    assert choose_rows(poses, subject=11, every_row=True) == list(range(6))


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_intrinsics_are_the_best_linear_fit_to_distorted_points(dtype):
    pixels, mono, _, _ = true_view(1, 2, 1, 0, np.float64)
    pixels = pixels + 0.3 * np.sin(np.arange(pixels.size)).reshape(pixels.shape)
    fitted = fit_intrinsics(pixels.astype(dtype), mono.astype(dtype))
    assert fitted.dtype == dtype
    x, y, z = mono.reshape(-1, 3).T
    u, v = pixels.reshape(-1, 2).T
    # Normal equations, which the solution has to fulfil.
    ax, x0, ay, y0 = np.float64(fitted)
    for along, residual in (x, ax * x + x0 * z - u * z), (y, ay * y + y0 * z - v * z):
        scale = np.abs(residual).sum()
        assert abs(residual @ along) < 1e-3 * scale * np.abs(along).max()
        assert abs(residual @ z) < 1e-3 * scale * np.abs(z).max()


def test_images_are_as_bright_as_the_video_and_of_the_same_bytes(release, tmp_path):
    run(release, '--out', str(tmp_path / 'a'))
    run(release, '--out', str(tmp_path / 'b'))
    assert contents(tmp_path / 'a') == contents(tmp_path / 'b')
    path = release / f'S9/Videos/Greeting.{CAMERAS[0]}.mp4'
    for row, frame in VideoFrames(path).frames([0, 64]):
        image = tmp_path / f'a/S9/Greeting-2/imageSequence/{CAMERAS[0]}/img_{row + 1:06d}.jpg'
        assert np.abs(read_image(image).astype(int) - frame).max() <= 2


@pytest.mark.parametrize('limit, name', [(100, 'img_000001.jpg'), (8000, 'annot.h5')])
def test_full_disk_is_told_of_with_its_place(release, tmp_path, limit, name):
    """A limit on the size of files stands for the disk."""
    program = (
        'import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); '
        f'resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY)); '
        'from posepile.ds.h36m.annot_h5 import main; sys.exit(main())'
    )
    options = ['--source', str(release), '--out', str(tmp_path)]
    command = [sys.executable, '-c', program, *options]
    failed = subprocess.run(command, capture_output=True, text=True)
    assert failed.returncode == 1 and failed.stderr.count('\n') == 1
    assert name in failed.stderr and str(tmp_path) in failed.stderr
    assert not list(tmp_path.rglob('*partial*')) and not list(tmp_path.rglob('annot.h5'))


def test_command_line_says_what_is_wrong(tmp_path):
    command = [sys.executable, '-m', 'posepile.ds.h36m.annot_h5']
    env = dict(os.environ, DATA_ROOT=str(tmp_path))
    failed = subprocess.run(command, env=env, capture_output=True, text=True)
    assert failed.returncode == 1 and failed.stderr.count('\n') == 1
    assert 'extracted/S1/Poses_D2_Positions' in failed.stderr
    (tmp_path / 'h36m/S1/MyPoseFeatures/D2_Positions').mkdir(parents=True)
    failed = subprocess.run(command, env=env, capture_output=True, text=True)
    assert failed.returncode == 1 and failed.stderr.count('\n') == 1
    assert 'Release-v1.2/metadata.xml' in failed.stderr


def test_names_in_metadata_cannot_leave_the_folder(copy, capsys):
    path = copy / 'Release-v1.2/metadata.xml'
    path.write_text(path.read_text().replace('<item>Directions<', '<item>../../Directions<'))
    assert main(['--source', str(copy)]) == 1
    assert "'../../Directions'" in capsys.readouterr().err and not (copy / 'processed').exists()
