import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from posepile.ds.h3wb import index as index_module
from posepile.ds.h3wb.index import load_index, reprojection_note
from posepile.ds.h3wb.main import list_clips, make_recipe, read_clip, select_annotated
from posepile.ds.h3wb.simulate import LANDMARKS, View, _undistorted
from posepile.ds.h36m.metadata import CAMERA_IDS
from posepile.ds.h36m.simulate_cameras import studio_camera
from posepile.ds.h36m.simulate_takes import performer_of
from posepile.errors import RawDataError, UnknownDatasetError
from posepile.pipeline.stages import make_crops
from posepile.simulate.truth import load_truth
from posepile.util import TEST, TRAIN, VALID
from tests.ds.h3wb.conftest import TAKES


def changed(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def clip_named(name):
    return read_clip(133, *dict(list_clips())[name])


def test_index_is_sorted_by_image(release):
    records = load_index()
    images = [
        (int(r['subject']), str(r['take']), int(r['i_camera']), int(r['frame'])) for r in records
    ]
    assert images == sorted(set(images))
    assert len(images) == 4 * sum(min(8, (t.n + 4) // 5) for t in TAKES)


def test_clips_are_the_views_and_cover_the_index(release):
    clips = list_clips()
    assert [name for name, _ in clips] == [
        f'S{t.subject}/Images/{t.name}.{camera}' for t in TAKES for camera in CAMERA_IDS
    ]
    ends = [0, *(end for _, (_, end) in clips)]
    assert [first for _, (first, _) in clips] == ends[:-1]
    assert ends[-1] == len(load_index())


def test_a_clip_has_what_the_studio_shows(release):
    take = TAKES[0]
    clip = clip_named(f'S1/Images/{take.name}.55011271')
    joints, boxes = clip.people[0].joints, clip.people[0].boxes
    frames = np.flatnonzero(np.isfinite(boxes[:, 0]))
    assert len(frames) == 8 and len(np.unique(np.diff(frames))) <= 2
    np.testing.assert_allclose(
        joints[frames], performer_of(take).joints(LANDMARKS)[frames], atol=2e-3
    )
    assert np.isnan(np.delete(joints, frames, axis=0)).all()
    camera = studio_camera(1, 1)
    np.testing.assert_allclose(clip.camera.R, camera.R, atol=1e-6)
    np.testing.assert_allclose(clip.camera.t, camera.t, rtol=1e-6)
    pixels = camera.project(performer_of(take).joints(LANDMARKS))[frames]
    margin = 15  # of the simulated boxes
    start, end = boxes[frames, :2], boxes[frames, :2] + boxes[frames, 2:]
    np.testing.assert_array_equal(start, np.floor(pixels.min(axis=1)) - margin)
    np.testing.assert_array_equal(end, np.ceil(pixels.max(axis=1)) + margin)
    assert (clip.split, clip.activity) == (TRAIN, 'Walking')
    assert clip.crop_path.format(frame=7) == (
        'h3wb_downscaled/S1/Images/Walking 1.55011271/frame_000007.jpg'
    )


def test_splits(release):
    splits = {name[:2]: read_clip(17, *rows).split for name, rows in list_clips()}
    assert splits == {'S1': TRAIN, 'S5': TRAIN, 'S6': TRAIN, 'S7': VALID, 'S8': TEST}


def test_selection_sees_the_body_of_annotated_frames_only():
    joints = np.full((60, 133, 3), np.nan)
    joints[[3, 10, 11, 40, 50]] = 0
    joints[10, 100] = 500  # a finger
    joints[11, 9] = 99, 0, 0
    joints[40, 9] = 100, 0, 0
    joints[50, 9] = 1, 0, 0
    assert select_annotated(joints).tolist() == [3, 40]
    joints[50, 9] = 0
    assert select_annotated(joints).tolist() == [3, 40, 50]


def test_body17(release):
    recipe = make_recipe('h3wb_body17')
    name, rows = recipe.list_clips()[0]
    body, whole = recipe.read_clip(rows), make_recipe().read_clip(rows)
    np.testing.assert_array_equal(body.people[0].joints, whole.people[0].joints[:, :17])
    assert recipe.joint_info.n_joints == 17
    with pytest.raises(UnknownDatasetError, match='none of h3wb, h3wb_body17'):
        make_recipe('h3wb_body18')


def test_examples_are_those_of_the_truth(release, pristine_release, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(pristine_release))
    truth = {p.crop_path for p in load_truth('h3wb')}
    monkeypatch.setenv('DATA_ROOT', str(release))
    report = make_crops(make_recipe())
    assert report.crops == len(truth)
    assert report.clips_failed == 1  # S8, whose fourth video is not in the release
    assert any('S8/Images' in line and 'no such video' in line for line in report.skipped)
    assert any('S5/Images' in line and 'not in its images' in line for line in report.skipped)
    assert len(report.skipped) == 2


def test_without_a_box_it_is_a_tenth_larger_than_that_of_the_joints(release):
    shutil.rmtree(release / 'h3wb/json')  # the npz file has none
    clip = clip_named('S1/Images/Walking 1.54138969')
    box = clip.people[0].boxes
    frame = int(np.flatnonzero(np.isfinite(box[:, 0]))[0])
    pixels = studio_camera(1, 0).project(performer_of(TAKES[0]).joints(LANDMARKS, frame))
    size = np.ptp(pixels, axis=0)
    expected = [*(pixels.min(axis=0) - 0.05 * size), *(1.1 * size)]
    np.testing.assert_allclose(box[frame], expected, atol=0.01)


def test_errors_of_both_hypotheses_are_reported(release):
    records = load_index()
    checked = np.isfinite(records['errors']).all(axis=1)
    assert np.count_nonzero(checked) == 100
    assert sorted(records['id'][checked & (records['subject'] < 8)]) == list(range(100))
    right = records[checked & (records['id'] != 5)]
    assert right['errors'][:, 1].max() < 0.01
    view_errors = []
    for r in right:
        take = next(t for t in TAKES if t.subject == r['subject'])
        joints = performer_of(take).joints(LANDMARKS, int(r['frame']))
        view = View(take, int(r['frame']), int(r['i_camera']), joints)
        apart = view.camera.project(joints) - _undistorted(view)
        view_errors.append(np.linalg.norm(apart, axis=1).mean())
    np.testing.assert_allclose(right['errors'][:, 0], view_errors, atol=0.01)
    note = reprojection_note(records)
    assert '2D joints of 100 samples are' in note
    assert note.endswith('are those of sample 5')
    assert reprojection_note(right).startswith('2D joints of 99 samples')
    assert 'more than' not in reprojection_note(right)
    assert reprojection_note(records[~checked]) is None


def test_what_was_checked_is_noted_with_the_clips(release):
    notes = {name: read_clip(133, *rows).notes for name, rows in list_clips()}
    assert sum('sample 5' in note for some in notes.values() for note in some) == 1
    assert all(notes[name] == [] for name in notes if name.startswith('S8'))


def test_no_2d_joints_no_note(release):
    os.remove(release / 'h3wb/json/2Dto3D_train.json')
    assert reprojection_note(load_index()) is None


def test_of_repeated_images_the_first_is_kept(release):
    def repeat(samples):
        samples['900'] = dict(samples['2'], bbox=dict(x_min=0, y_min=0, x_max=9, y_max=9))

    n = len(load_index())
    changed(release / 'h3wb/json/RGBto3D_train.json', repeat)
    records = load_index()
    assert len(records) == n
    assert 900 not in records['id']


def test_index_is_made_again_when_annotations_change(release):
    before = load_index()
    [made] = (release / 'h3wb/index').glob('*.npy')
    stamp = made.stat().st_mtime_ns
    index_module._open_index.cache_clear()
    assert np.array_equal(load_index()['id'], before['id'])
    assert made.stat().st_mtime_ns == stamp
    os.remove(release / 'h3wb/RGBto3D_test_3d.json')
    assert 8 not in load_index()['subject']
    [made_again] = (release / 'h3wb/index').glob('*.npy')
    assert made_again != made


def test_index_is_made_once_by_many(release):
    code = 'from posepile.ds.h3wb.index import load_index; print(load_index()["id"].sum())'

    def run(i):
        return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(run, range(3)))
    assert {r.stdout for r in results} == {f'{load_index()["id"].sum()}\n'}, results
    assert [p.suffix for p in (release / 'h3wb/index').iterdir() if p.name != '.lock'] == ['.npy']


def test_command_reports_the_check(release):
    report = release / 'report.json'
    result = subprocess.run(
        [sys.executable, '-m', 'posepile.ds.h3wb.index'],
        env={**os.environ, 'POSEPILE_TASK_REPORT': str(report)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    [note] = json.loads(report.read_text())['notes']
    assert note in result.stdout


def test_human36m_is_needed(release, tmp_path):
    (release / 'h36m').unlink()
    with pytest.raises(RawDataError, match='h36m/Release-v1.2/metadata.xml: there is no such file'):
        list_clips()


def test_asking_for_what_is_not_there_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    with pytest.raises(RawDataError, match='no training annotations'):
        list_clips()
    assert list(tmp_path.iterdir()) == []
