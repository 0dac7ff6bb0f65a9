"""The simulated release has what is known of the real one."""

import os
import pickle

import h5py
import numpy as np
import pytest
import scipy.io

from posepile.ds.tdhp import simulate_takes
from posepile.ds.tdhp.simulate import JOINTS_17, simulate
from posepile.ds.tdhp.simulate_boxes import Detections
from posepile.ds.tdhp.simulate_takes import TINY, Sequence
from posepile.raw.images import read_image
from posepile.raw.video import VideoFrames
from posepile.simulate.truth import save_truth
from tests.digests import digests

SHORT = (Sequence(1, 1, 'walk', 3, (0,), is_mask_in_two=True),)
SHORT_TEST = (simulate_takes.TestSequence(5, 'kick', (1, 0), excess=1, place=(-570, 390)),)


@pytest.fixture
def short(monkeypatch, tmp_path):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    save_truth('mupots_yolo', [])
    monkeypatch.setattr(simulate_takes, 'TINY', SHORT)
    monkeypatch.setattr(simulate_takes, 'TINY_TEST', SHORT_TEST)


def test_files_and_their_contents(short, tmp_path):
    truth = simulate(str(tmp_path / 'a'))
    root = tmp_path / 'a/3dhp'
    assert sorted(os.listdir(root)) == [
        'S1', 'TS5', 'yolov3_person_detections.pkl', 'yolov4_detections_full',
    ]  # fmt: skip
    assert sorted(os.listdir(root / 'S1/Seq1')) == [
        'ChairMasks', 'FGmasks', 'annot.mat', 'camera.calibration', 'imageSequence',
    ]  # fmt: skip
    annot = scipy.io.loadmat(root / 'S1/Seq1/annot.mat')
    assert annot['annot3'].shape == annot['annot2'].shape == (14, 1)
    assert annot['annot3'][3, 0].shape == (4, 84)  # one more than the video has
    video = VideoFrames(root / 'S1/Seq1/imageSequence/video_0.avi')
    assert video.count_frames() == 3 and video.imshape == (1024, 1024) and video.fps == 25
    # Joints in camera space, through the matrix in the file, make the 2D annotations.
    text = (root / 'S1/Seq1/camera.calibration').read_text()
    assert text.startswith('Skeletool Camera Calibration File V1.0\n') and 'e+0' in text
    K = np.array(text.splitlines()[5].split()[1:], float).reshape(4, 4)[:3, :3]
    points = annot['annot3'][0, 0].reshape(-1, 3) @ K.T
    np.testing.assert_allclose(
        points[:, :2] / points[:, 2:], annot['annot2'][0, 0].reshape(-1, 2), atol=3e-3
    )
    mask = dict(VideoFrames(root / 'S1/Seq1/FGmasks/video_0.avi').frames([0]))[0]
    assert mask[40, 60, 0] > 200  # what is no person
    assert 0 < np.median(mask[..., 0]) + mask[900, 16:64, 0].max() < 32
    with h5py.File(root / 'TS5/annot_data.mat') as f:
        assert f['annot3'].shape == (2, 1, 17, 3) and f['valid_frame'].shape == (2, 1)
        assert f['bb_crop'].shape == (2, 34)
    assert len(os.listdir(root / 'TS5/imageSequence')) == 3
    assert read_image(root / 'TS5/imageSequence/img_000001.jpg').shape == (1080, 1920, 3)
    assert {len(p.joints) for p in truth['tdhp']} == {17}
    assert {len(p.joints) for p in truth['tdhp_full']} == {28}
    simulate(str(tmp_path / 'b'))
    assert digests(tmp_path / 'a') == digests(tmp_path / 'b')


def test_special_cases_of_the_tiny_release():
    assert any(t.short_video for t in TINY) and any(t.short_masks for t in TINY)
    assert any(t.without_masks is not None for t in TINY) and any(t.is_mask_in_two for t in TINY)
    assert any(t.is_validation for t in TINY) and any(t.pauses for t in TINY)


def test_every_case_of_the_box_rule_is_made():
    detections = Detections(np.random.default_rng(0))
    own = np.array([100.0, 100, 50, 80])
    boxes = [detections.box_in_image(str(i), own) for i in range(6)]
    assert set(detections.of_images) == {'0', '1', '2', '3', '4'}
    assert [not np.array_equal(box, own) for box in boxes] == [True, True] + [False] * 4
    kinds = {type(rows) for rows in detections.of_images.values()}
    assert kinds == {list, np.ndarray}
    pickle.dumps(detections.of_images)


def test_joints_of_the_main_product_are_those_of_the_sheet():
    assert JOINTS_17 == (7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 3, 6, 4)
