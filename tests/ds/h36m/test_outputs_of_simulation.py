"""annot.h5, the files for VideoPose3D and the evaluation, made from the simulated release."""

import h5py
import numpy as np
import pytest

from posepile.ds.h36m import annot_h5, export_videopose3d, extract
from posepile.ds.h36m.eval import AVERAGE, evaluate
from posepile.ds.h36m.simulate_cameras import CAMERA_IDS, project_as_released, studio_camera
from posepile.ds.h36m.simulate_takes import TINY, recorded_joints, with_universal_bones
from posepile.errors import BadFileError
from posepile.raw.images import image_size, read_image
from posepile.raw.video import VideoFrames
from posepile.simulate.truth import load_truth
from posepile.util import TEST

pytestmark = pytest.mark.slow

ACTIONS = {2: 'Directions', 5: 'Greeting', 6: 'Phoning', 10: 'SittingDown', 12: 'TakingPhoto'}
ACTIONS |= {13: 'Waiting', 14: 'Walking', 16: 'WalkingTogether'}
KEPT = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]


@pytest.fixture(scope='module')
def release(simulated_root):
    return simulated_root('h36m') / 'h36m'


@pytest.fixture(scope='module')
def processed(release, tmp_path_factory):
    out = tmp_path_factory.mktemp('processed')
    assert annot_h5.main(['--source', str(release), '--out', str(out)]) == 0
    return out


def folder_of(take):
    return f'S{take.subject}/{ACTIONS[take.action]}-{take.subaction}'


def linear_fit(pixels, points):
    """Focal length x, principal point x, focal length y, principal point y."""
    result = []
    x, y, z = points.reshape(-1, 3).T
    for values, along in zip(pixels.reshape(-1, 2).T, (x, y), strict=True):
        normal = np.array([[along @ along, along @ z], [along @ z, z @ z]])
        result.extend(np.linalg.solve(normal, [along @ (values * z), z @ (values * z)]))
    return result


def choice(universal, is_test):
    if is_test:
        return np.arange(0, len(universal), 64)
    rows = [0]
    for i in range(len(universal)):
        if np.linalg.norm(universal[i] - universal[rows[-1]], axis=-1).max() >= 40:
            rows.append(i)
    return np.array(rows)


def present_cameras(take):
    """Without the view whose video is not there, or too short for what is chosen of it."""
    lacking = [take.missing_video, take.short_video and take.short_video[0]]
    return [i for i in range(4) if i not in lacking]


@pytest.mark.parametrize('take', TINY, ids=folder_of)
def test_annotations_equal_the_truth(release, processed, take):
    recorded = recorded_joints(take)
    folder = processed / folder_of(take)
    with h5py.File(folder / 'annot.h5', 'r') as f:
        cameras = [CAMERA_IDS[i] for i in present_cameras(take)]
        assert list(f['intrinsics']) == list(f['intrinsics-univ']) == cameras
        start = 0
        for i_camera in present_cameras(take):
            name = CAMERA_IDS[i_camera]
            camera = studio_camera(take.subject, i_camera)
            mono = camera.world_to_camera(recorded)
            universal = with_universal_bones(mono)
            pixels = project_as_released(mono, i_camera)
            for key, points in ('intrinsics', mono), ('intrinsics-univ', universal):
                np.testing.assert_allclose(f[key][name], linear_fit(pixels, points), atol=0.1)
            rows = choice(universal, take.is_test)
            part = slice(start, start + len(rows))
            start += len(rows)
            np.testing.assert_array_equal(f['camera'][part], int(name))
            np.testing.assert_array_equal(f['frame'][part], rows + 1)
            np.testing.assert_allclose(f['pose/2d'][part], pixels[rows], atol=0.01)
            np.testing.assert_allclose(f['pose/3d'][part], mono[rows], atol=0.01)
            np.testing.assert_allclose(f['pose/3d-univ'][part], universal[rows], atol=0.01)
            images = [folder / f'imageSequence/{name}/img_{row + 1:06d}.jpg' for row in rows]
            assert sorted(images[0].parent.iterdir()) == images
            assert {image_size(path) for path in images} == {camera.imshape[::-1]}
            if i_camera == 0:
                video = VideoFrames(release / f'S{take.subject}/Videos/{take.name}.{name}.mp4')
                for (_, frame), path in zip(video.frames(rows.tolist()), images, strict=True):
                    assert np.abs(read_image(path).astype(int) - frame).mean() < 2
        assert len(f['frame']) == len(f['pose/2d']) == start


def test_release_extracted_for_h36m_fetch_gives_the_same_annotations(release, processed, tmp_path):
    options = ['--layout', 'h36m-fetch', '--root', str(tmp_path)]
    assert extract.main([*options, '--archives', str(release / 'archives')]) == 0
    metadata = str(release / 'Release-v1.2/metadata.xml')
    assert annot_h5.main(['--source', str(tmp_path), '--metadata', metadata]) == 0
    for path in processed.rglob('annot.h5'):
        same = tmp_path / 'processed' / path.relative_to(processed)
        assert same.read_bytes() == path.read_bytes()
    for folder in release, tmp_path:
        out = tmp_path / f'videopose3d of {folder.name}'
        options = ['--source', str(folder), '--metadata', metadata, '--out', str(out)]
        assert export_videopose3d.main(options) == 0
    files = [path.read_bytes() for path in sorted(tmp_path.glob('videopose3d*/*.npz'))]
    assert len(files) == 4 and sorted(files)[0] == sorted(files)[1] != sorted(files)[2]


def test_videopose3d(release, tmp_path):
    assert export_videopose3d.main(['--source', str(release), '--out', str(tmp_path)]) == 0
    positions = np.load(tmp_path / 'data_3d_h36m.npz', allow_pickle=True)['positions_3d'].item()
    pixels = np.load(tmp_path / 'data_2d_h36m_gt.npz', allow_pickle=True)['positions_2d'].item()
    expected = {
        (f'S{take.subject}', take.name.replace('TakingPhoto', 'Photo')): take
        for take in TINY
        if (take.subject, take.name) != (11, 'Directions')
    }
    assert {(s, a) for s in positions for a in positions[s]} == set(expected)
    for (subject, action), take in expected.items():
        recorded = recorded_joints(take)
        np.testing.assert_allclose(positions[subject][action], recorded / 1000, atol=1e-5)
        for i_camera, view in enumerate(pixels[subject][action]):
            in_camera = studio_camera(take.subject, i_camera).world_to_camera(recorded[:, KEPT])
            np.testing.assert_allclose(view, project_as_released(in_camera, i_camera), atol=0.01)


def test_evaluation_of_the_true_test_poses(release, tmp_path, simulated_root, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(simulated_root('h36m')))
    people = {p.crop_path: p.joints for p in load_truth('h36m') if p.split == TEST}
    path = str(tmp_path / 'p.npz')

    def errors(**options):
        np.savez(path, image_path=list(people), coords3d_pred_world=list(people.values()))
        return evaluate(release, path, root_last=True, **options).tables['metrics'][AVERAGE]

    # A frame without a box is no example, but it is evaluated.
    with pytest.raises(BadFileError, match='4 missing .*SittingDown 1.54138969/frame_000128'):
        errors()
    for name in CAMERA_IDS:
        before = f'h36m_downscaled/S9/Images/SittingDown 1.{name}/frame_000064.jpg'
        take = next(t for t in TINY if t.key == (9, 10, 2))
        joints = recorded_joints(take)[128, KEPT[1:] + KEPT[:1]] - [200, 0, 0]
        people[before.replace('000064', '000128')] = joints
    assert errors(corrected=True)['A-MPJPE'] < 1e-3
    n_shifted = sum('/S9/' in p and 'Greeting 1' not in p for p in people)
    assert errors()['A-MPJPE'] == pytest.approx(200 * n_shifted / len(people), abs=1e-3)
    assert errors()['MPJPE'] < 1e-3
