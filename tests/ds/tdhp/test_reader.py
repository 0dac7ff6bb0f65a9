"""The reader: which views and frames, joints, masks, what is missing, and what clients import."""

import os
import pickle

import numpy as np
import pytest

from posepile.ds.tdhp import main, tree
from posepile.ds.tdhp.colours import adjust
from posepile.ds.tdhp.frames import extract_frames
from posepile.ds.tdhp.main import (
    get_test_camera_subj1_4,
    get_test_camera_subj5_6,
    make_recipe,
    read_clip,
    read_full_clip,
)
from posepile.ds.tdhp.simulate_takes import SOURCE_LANDMARKS, performer_of, release_joints
from posepile.errors import RawDataError, UnknownDatasetError
from posepile.pipeline.crops import crops_of
from posepile.pipeline.report import Report
from posepile.raw.images import read_image
from posepile.simulate.origin import MARKER
from posepile.util import TEST, TRAIN, VALID

from .conftest import TAKES


def kept(clip):
    [person] = clip.people
    return clip.select(person.joints).tolist()


def test_views_of_a_simulated_and_of_a_real_release(blank_release):
    names = [name for name, _ in make_recipe().list_clips()]
    assert names == [
        f'{s}/camera {c}'
        for s in ('S1/Seq2', 'S6/Seq2', 'S8/Seq2')
        for c in (0, 1, 2, 4, 5, 6, 7, 8)
    ]
    assert len(make_recipe('tdhp_full').list_clips()) == 3 * 14
    # Of a real release nothing may be missing without a word.
    os.remove(blank_release / '3dhp' / MARKER)
    clips = make_recipe().list_clips()
    assert len(clips) == 16 * 8 + 6 * 7
    assert clips[-1] == ('TS6/activity 7', ('test', 6, 7))
    assert len(make_recipe('tdhp_full').list_clips()) == 16 * 14
    with pytest.raises(RawDataError, match='camera.calibration'):
        read_clip((3, 1, 0))


def test_no_release_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    for name in ('tdhp', 'tdhp_full'):
        with pytest.raises(RawDataError, match='posepile run tdhp'):
            make_recipe(name).list_clips()
    with pytest.raises(UnknownDatasetError, match='tdhp_full'):
        make_recipe('tdhp_half')


def test_splits_paths_and_joints(blank_release):
    train, valid = read_clip((1, 2, 0)), read_clip((8, 2, 0))
    assert (train.split, valid.split, read_full_clip((8, 2, 0)).split) == (TRAIN, VALID, TRAIN)
    assert train.crop_path.format(frame=5, person=0) == (
        '3dhp_downscaled/S1/Seq2/imageSequence/img_0_000005.jpg'
    )
    full = read_full_clip((1, 2, 12))
    assert full.crop_path.format(frame=5, person=0) == (
        '3dhp_full_downscaled/S1/Seq2/imageSequence/video_12/000005.jpg'
    )
    true = release_joints(performer_of(TAKES[0]), SOURCE_LANDMARKS)[:22]
    [person] = train.people
    np.testing.assert_allclose(person.joints[:, 0], true[:, 7], atol=1e-2)  # top of the head
    np.testing.assert_allclose(person.joints[:, 16], true[:, 4], atol=1e-2)  # pelvis
    np.testing.assert_allclose(full.people[0].joints[:, 0], true[:, 0], atol=1e-2)
    # The universal skeleton is the same pose, scaled about the pelvis.
    stature = performer_of(TAKES[0]).body.stature
    np.testing.assert_allclose(
        person.univ_joints - true[:, [4]],
        (person.joints - true[:, [4]]) * (1600 / stature),
        atol=1e-2,
    )
    assert full.people[0].univ_joints is None
    assert train.adjust is full.adjust is adjust


def view_with(monkeypatch, joints, is_visible, joint_info):
    """A view of given poses."""
    n = len(joints)
    view = main._View(
        (1, 2, 0),
        main.read_calibrations(f'{tree.release_dir()}/S1/Seq2/camera.calibration')[0],
        joints,
        joints,
        np.random.default_rng(0).uniform(100, 900, (n, joint_info.n_joints, 2)),
        np.ones((n, joint_info.n_joints)),
        is_visible,
        None,
        [],
    )
    monkeypatch.setattr(main._View, 'read', classmethod(lambda cls, *args: view))


def test_main_selection_skips_who_is_not_whole_before_motion_counts(blank_release, monkeypatch):
    """Frames 0, 5, ..., 30; the pose moves 60 mm each; from 10 to 20 a joint is out of sight."""
    joints = np.zeros((31, 17, 3))
    joints[:, 3, 1] = 12.0 * np.arange(31)
    is_visible = np.ones((31, 17), bool)
    is_visible[10:20, 8] = False
    view_with(monkeypatch, joints, is_visible, main.JOINT_INFO)
    assert kept(read_clip((1, 2, 0))) == [0, 20, 30]
    view_with(monkeypatch, joints, np.zeros((31, 17), bool), main.JOINT_INFO)
    assert kept(read_clip((1, 2, 0))) == []
    joints[:, 3, 1] = 99.9 * (np.arange(31) > 2)
    view_with(monkeypatch, joints, np.ones((31, 17), bool), main.JOINT_INFO)
    assert kept(read_clip((1, 2, 0))) == [0]


def test_full_selection_asks_for_nine_joints_after_motion(blank_release, monkeypatch):
    joints = np.zeros((10, 28, 3))
    joints[:, 3, 1] = 50.0 * np.arange(10)
    is_visible = np.zeros((10, 28), bool)
    is_visible[:, :9] = True
    is_visible[4, 0] = False  # 8 are left
    view_with(monkeypatch, joints, is_visible, main.FULL_JOINT_INFO)
    assert kept(read_full_clip((1, 2, 0))) == [0, 2, 6, 8]


def test_the_shortest_of_table_video_and_annotations(blank_release, monkeypatch):
    # The annotations have one row more than the video, which is usual.
    assert len(read_full_clip((1, 2, 0)).people[0].joints) == 22
    assert read_full_clip((1, 2, 0)).notes == []
    short = read_clip((6, 2, 2))
    assert len(short.people[0].joints) == 9
    assert short.notes == ['the video has 9 frames, 13 are annotated']
    # What is known to be short is not worth a note.
    monkeypatch.setitem(tree.SHORT_VIDEOS, (6, 2, 2), 9)
    assert read_clip((6, 2, 2)).notes == []
    monkeypatch.setitem(tree.N_FRAMES, (1, 2), 7)
    assert len(read_clip((1, 2, 0)).people[0].joints) == 7


def test_a_missing_camera_or_video_is_told(blank_release):
    with pytest.raises(RawDataError, match='video_5.avi.*no such video'):
        read_clip((1, 2, 5))
    path = blank_release / '3dhp/S1/Seq2/camera.calibration'
    lines = path.read_text().splitlines()
    path.write_text('\n'.join(lines[:1] + lines[8:]) + '\n')
    with pytest.raises(RawDataError, match='no camera 0'):
        read_clip((1, 2, 0))
    assert len(read_full_clip((1, 2, 3)).people[0].joints) == 22


def crops(clip, name='tdhp'):
    report = Report()
    return list(crops_of('x', clip, make_recipe(name), report)), report


def test_masks_come_with_the_crops_or_a_note(blank_release):
    found, report = crops(read_full_clip((8, 2, 0)), 'tdhp_full')
    assert len(found) > 3 and all(crop.example.mask is not None for crop in found)
    os.remove(blank_release / '3dhp/S8/Seq2/FGmasks/video_0.avi')
    found, report = crops(read_full_clip((8, 2, 0)), 'tdhp_full')
    assert len(found) > 3 and all(crop.example.mask is None for crop in found)
    assert [n for n in report.notes if 'FGmasks/video_0.avi' in n]


def test_extracted_images_stand_for_videos(blank_release):
    expected = [crop.example.image_path for crop in crops(read_clip((8, 2, 0)))[0]]
    report = extract_frames(0, 1)
    assert report.clips == 3 * 5 and report.frames_kept == 9 * 5 + (2 + 3 + 2) + 3 * 5
    folder = blank_release / '3dhp/S8/Seq2'
    assert sorted(os.listdir(folder / 'FGmasks'))[0] == 'img_0_000000.jpg'
    assert read_image(folder / 'imageSequence/img_0_000020.jpg').shape == (1024, 1024, 3)
    assert extract_frames(0, 1).frames_kept == 0
    for kind in ('imageSequence', 'FGmasks'):
        os.remove(folder / kind / 'video_0.avi')
    found, report = crops(read_clip((8, 2, 0)))
    assert [crop.example.image_path for crop in found] == expected and report.skipped == []
    assert all(crop.example.mask is not None for crop in found)


def test_boxes_without_and_with_detections(blank_release):
    [before] = read_clip((8, 2, 0)).people
    place = blank_release / '3dhp/yolov3_person_detections.pkl'
    os.remove(place)
    clip = read_clip((8, 2, 0))
    assert clip.notes == ['no detections: boxes are made of the joints alone']
    frame = kept(clip)[0]
    left, top, width, height = clip.people[0].boxes[frame]
    key = f'S8/Seq2/imageSequence/img_0_{frame:06d}.jpg'
    with open(place, 'wb') as f:
        pickle.dump({key: [[left - 5, top - 7, width + 5, height + 7, 0.8]]}, f)
    [person] = read_clip((8, 2, 0)).people
    np.testing.assert_allclose(
        person.boxes[frame], [left - 5, top - 7, width + 5, height + 7], atol=1e-4
    )
    assert np.isnan(before.boxes).all(axis=1).sum() == len(before.boxes) - len(kept(clip))


def test_what_clients_import():
    assert get_test_camera_subj1_4().intrinsic_matrix.shape == (3, 3)
    assert get_test_camera_subj5_6().has_distortion()
    assert make_recipe().splits == (TRAIN, VALID, TEST)
    assert make_recipe('tdhp_full').splits == (TRAIN,)
