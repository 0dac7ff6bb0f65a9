"""The simulated release has what is known of the real one, and what is wrong with it."""

import os
import pickle

import numpy as np
import pytest
import scipy.io

from posepile.ds.mupots import simulate_takes
from posepile.ds.mupots.simulate import simulate
from posepile.ds.mupots.simulate_boxes import detections_in_frame
from posepile.ds.mupots.simulate_takes import TINY, Take, takes_of
from posepile.raw.images import read_image
from posepile.util import TEST, VALID
from tests.digests import digests

SHORT = (
    Take(3, 1, 1),
    Take(5, 2, 2, impostors=((1, 0, 1),)),
    Take(9, 3, 1, absent=((0, 1),)),
)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(simulate_takes, 'TINY', SHORT)


def test_files_and_their_contents(short, tmp_path):
    os.makedirs(tmp_path / 'a')
    truth = simulate(str(tmp_path / 'a'))
    root = tmp_path / 'a/mupots'
    assert sorted(os.listdir(root)) == ['TS3', 'TS5', 'TS9', 'yolov4_detections.pkl']
    assert sorted(os.listdir(root / 'TS5')) == [
        'annot.mat', 'img_000000.jpg', 'img_000001.jpg', 'occlusion.mat',
    ]  # fmt: skip
    annotations = scipy.io.loadmat(root / 'TS5/annot.mat')['annotations']
    labels = scipy.io.loadmat(root / 'TS5/occlusion.mat')['occlusion_labels']
    assert annotations.shape == labels.shape == (2, 2) and annotations.dtype == object
    cell = annotations[0, 1][0, 0]
    assert cell['annot2'].shape == (2, 17) and cell['annot3'].shape == (3, 17)
    assert cell['univ_annot3'].shape == (3, 17) and labels[0, 1].size == 17
    # A pinhole camera without skew, whose pixels are not square; the pelvis is the 15th joint.
    joints, pixels = cell['annot3'], cell['annot2']
    rays = joints[0] / joints[2]
    fx, cx = np.polyfit(rays, pixels[0], 1)
    np.testing.assert_allclose(fx * rays + cx, pixels[0], atol=1e-6)
    fy, _ = np.polyfit(joints[1] / joints[2], pixels[1], 1)
    assert fx == pytest.approx(624) and 0.5 < abs(fx - fy) < 10
    np.testing.assert_array_equal(cell['univ_annot3'][:, 14], joints[:, 14])
    ratio = np.linalg.norm(cell['univ_annot3'] - joints[:, [14]], axis=0)
    ratio /= np.linalg.norm(joints - joints[:, [14]], axis=0) + 1e-9
    assert np.ptp(ratio[:14]) < 1e-6
    assert joints[1, 0] < joints[1, 10] - 1000  # y points down
    # Invalid: one who has zeros, and one who has another's pose, moved.
    nobody = scipy.io.loadmat(root / 'TS9/annot.mat')['annotations'][0, 1][0, 0]
    assert nobody['isValidFrame'] == 0 and not nobody['annot3'].any()
    impostor, model = (annotations[1, k][0, 0] for k in (0, 1))
    assert (impostor['isValidFrame'], model['isValidFrame']) == (0, 1)
    offset = impostor['annot3'] - model['annot3']
    assert 0 < np.ptp(offset, axis=0).max() and np.ptp(offset, axis=1).max() < 1e-9

    assert read_image(root / 'TS3/img_000000.jpg').shape == (800, 800, 3)
    assert read_image(root / 'TS9/img_000000.jpg').shape == (560, 996, 3)
    n = [len([p for p in truth['mupots_yolo'] if p.split == s]) for s in (VALID, TEST)]
    assert n == [1 + 3 + 2, 1 + 3 + 3]
    assert [p.split for p in truth['mupots']] == [TEST] * 7
    found = pickle.loads((root / 'yolov4_detections.pkl').read_bytes())
    assert list(found) == [f'TS{p}.jpg' for p in (
        '3/img_000000', '5/img_000000', '5/img_000001', '9/img_000000',
    )]  # fmt: skip
    os.makedirs(tmp_path / 'b')
    simulate(str(tmp_path / 'b'))
    assert digests(tmp_path / 'a') == digests(tmp_path / 'b')


def test_all_sequences_and_every_defect_are_in_the_tiny_release():
    for size in ('tiny', 'small'):
        assert [take.number for take in takes_of(size)] == list(range(1, 21))
    shapes = {(take.n_frames, take.n_people) for take in TINY}
    assert (1, 1) in shapes and (3, 1) in shapes and (1, 3) in shapes
    assert any(t.impostors for t in TINY) and any(t.false_alarms for t in TINY)
    assert any(t.unlisted for t in TINY) and any(t.distance < 500 for t in TINY)
    cases = {case for t in TINY for _, case in t.detections}
    assert cases == {'missed', 'elsewhere', 'unsure', 'doubtful'}
    absent = {(t.number, frame): 0 for t in TINY for frame, _ in t.absent}
    for t in TINY:
        for frame, _ in t.absent:
            absent[t.number, frame] += 1
    assert absent == {(1, 1): 1, (1, 2): 1, (2, 1): 2}  # of TS2's two people


def test_cases_of_detections():
    pixels = np.random.default_rng(0).uniform(0, 200, (4, 17, 2)) + np.arange(4)[:, None, None] * 99
    cases = {(0, 0): 'missed', (0, 1): 'unsure', (0, 2): 'doubtful', (0, 3): 'elsewhere'}
    take = Take(9, 4, detections=tuple(cases.items()), false_alarms=(0,))
    found = detections_in_frame(take, 0, pixels, np.random.default_rng(0))
    assert [d.score for d in found] == sorted([d.score for d in found], reverse=True)
    by_person = {d.person: d for d in found}
    assert set(by_person) == {None, 1, 2, 3}
    assert 0.1 < by_person[1].score < 0.2 and by_person[2].score < 0.1
    assert by_person[3].box[0] > pixels[3, :, 0].max() - 30
