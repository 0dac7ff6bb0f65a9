"""The script that trains the studio's networks, and the labels and figures it works with."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

SCRIPTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'scripts')


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import studio_people_data
    import studio_people_score

    return studio_people_data, studio_people_score


def test_outline_follows_parts_and_holes(modules):
    mask = np.zeros((60, 80), bool)
    mask[10:40, 10:40] = True
    mask[18:30, 18:30] = False
    mask[20:50, 55:70] = True
    polygon = modules[0].outline(mask)
    np.testing.assert_allclose(polygon.min(axis=0), [10, 10], atol=0.3)
    np.testing.assert_allclose(polygon.max(axis=0), [70, 50], atol=0.3)
    fine = np.zeros((480, 640), np.uint8)
    cv2.fillPoly(fine, [np.rint(8 * polygon).astype(np.int32)], 1)
    drawn = cv2.resize(fine.astype(np.float32), (80, 60), interpolation=cv2.INTER_AREA) > 0.5
    assert np.sum(drawn & mask) / np.sum(drawn | mask) > 0.98
    values = np.array(modules[0].label_line(mask).split(), float)
    assert values[0] == 0 and np.all((values[1:] >= 0) & (values[1:] <= 1))


def test_pictures_depend_on_their_number_alone(modules):
    data = modules[0]
    sample, again = data.make_sample('crop', 7), data.make_sample('crop', 7)
    np.testing.assert_array_equal(sample.image, again.image)
    np.testing.assert_array_equal(sample.masks, again.masks)
    assert np.any(data.make_sample('crop', 8).image != sample.image)


def sample_of(modules, *boxes):
    boxes = np.array(boxes, float).reshape(-1, 4)
    masks = np.zeros((len(boxes), 100, 100), bool)
    for mask, (left, top, width, height) in zip(masks, boxes.astype(int), strict=True):
        mask[top : top + height, left : left + width] = True
    return modules[0].Sample(np.zeros((100, 100, 3), np.uint8), masks, boxes)


def test_figures_of_perfect_and_of_poor_detections(modules):
    score = modules[1]
    sample = sample_of(modules, [0, 0, 30, 30], [50, 50, 30, 40], [90, 0, 5, 5])
    perfect = score.Found(sample.boxes[:2], np.array([0.9, 0.8]), sample.masks[:2])
    # The third person is too small to count: finding it or not changes nothing.
    generous = score.Found(
        sample.boxes[[0, 2, 1]], np.array([0.9, 0.85, 0.8]), sample.masks[[0, 2, 1]]
    )
    for found in (perfect, generous):
        result = score.summarise([sample], [found], 5)
        assert result['people'] == 2
        for name in ('box_ap50', 'mask_ap50', 'recall', 'mask_iou'):
            assert result[name]['value'] == 1, name
        assert result['wrong_per_picture']['value'] == 0
    # One of two is found, and something that is not there, with more confidence.
    boxes = np.array([[60, 0, 20, 20], [0, 0, 30, 30]], float)
    poor = score.Found(boxes, np.array([0.9, 0.8]), None)
    result = score.summarise([sample], [poor], 5)
    assert result['recall']['value'] == 0.5
    assert result['wrong_per_picture']['value'] == 1
    assert result['box_ap50']['value'] == pytest.approx(0.5 * 51 / 101, abs=1e-3)


def test_recall_is_one_to_one_confident_and_tight(modules):
    score = modules[1]
    sample = sample_of(modules, [0, 0, 40, 40], [2, 0, 40, 40])
    for boxes, confidences, n_matched in (
        ([[1, 0, 40, 40]], [0.9], 1),  # one detection is not two people
        ([[0, 0, 40, 40], [2, 0, 40, 40]], [0.9, 0.3], 2),
        ([[0, 0, 40, 40], [2, 0, 40, 40]], [0.9, 0.1], 1),  # too unsure
        ([[0, 0, 40, 27]], [0.9], 0),  # too loose
    ):
        found = score.Found(np.array(boxes, float), np.array(confidences), None)
        assert len(score.matches(sample, found)[0]) == n_matched


@pytest.mark.slow
def test_quick_run_from_end_to_end(tmp_path):
    import torch

    result = subprocess.run(
        [sys.executable, os.path.join(SCRIPTS, 'train_studio_people.py'), '--quick', '--device',
         'cpu', '--processes', '2', '--out', str(tmp_path / 'out')],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    assert sorted(os.listdir(tmp_path)) == ['out']  # no downloads, no logs beside it
    report = json.loads((tmp_path / 'out' / 'report.json').read_text())
    for name, task in (('detector', 'detect'), ('segmenter', 'segment')):
        path = tmp_path / 'out' / f'{name}.pt'
        assert report['bytes'][name] == path.stat().st_size
        content = torch.load(path, weights_only=True)
        assert (content['posepile_network'], content['task']) == (1, task)
        floating = [t for t in content['state_dict'].values() if t.is_floating_point()]
        assert floating and all(t.dtype == torch.float16 for t in floating)
    assert all('recall' in figures for figures in report['figures'].values())


def test_quick_run_does_not_replace_the_real_weights():
    result = subprocess.run(
        [sys.executable, os.path.join(SCRIPTS, 'train_studio_people.py'), '--quick'],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 2 and '--out' in result.stderr
