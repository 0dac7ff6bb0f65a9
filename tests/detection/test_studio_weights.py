"""The weights that come with the package, and what their report says of them."""

import json
import os
import sys

import pytest

from posepile.detection.weights import choose_weights, studio_weights

FOLDER = os.path.dirname(studio_weights('detect'))
SCRIPTS = os.path.join(os.path.dirname(__file__), '..', '..', 'scripts')
NAMES = {'detect': 'detector', 'segment': 'segmenter'}


@pytest.fixture(scope='module')
def report():
    with open(os.path.join(FOLDER, 'report.json'), encoding='utf-8') as f:
        return json.load(f)


@pytest.mark.parametrize('task', NAMES)
def test_weights_are_found_and_load(task, report, monkeypatch):
    import torch

    for variable in ('POSEPILE_DETECTOR', 'POSEPILE_SEGMENTER'):
        monkeypatch.delenv(variable, raising=False)
    chosen = choose_weights(task, simulated=True)
    assert chosen.path == studio_weights(task) and 'simulated' in chosen.note
    content = torch.load(chosen.path, map_location='cpu', weights_only=True)
    assert content['task'] == task and content['names'] == ['person']
    assert content['image_size'] == report['image_size'][NAMES[task]]
    assert all(torch.isfinite(t).all() for t in content['state_dict'].values())


def test_weights_are_small_and_those_of_the_report(report):
    sizes = {n: os.path.getsize(os.path.join(FOLDER, f'{n}.pt')) for n in NAMES.values()}
    assert sizes == report['bytes']
    assert sum(sizes.values()) <= 8e6


def test_detector_is_the_segmenter_without_masks():
    import torch

    states = {
        task: torch.load(studio_weights(task), weights_only=True)['state_dict'] for task in NAMES
    }
    assert len(states['detect']) < len(states['segment'])
    assert all(torch.equal(t, states['segment'][n]) for n, t in states['detect'].items())


def test_report_says_what_is_reached_and_what_is_not(report):
    targets = report['targets']
    figures = report['figures']['gathering']
    for name, wanted in targets['wanted'].items():
        best = max(f[name]['value'] for title, f in figures.items() if 'segmenter' in title)
        assert targets['best'][name] == best
        assert targets['reached'][name] == (best >= wanted)
    assert 'not for real data' in report['limits']
    for figures in report['figures'].values():
        for title, of_network in figures.items():
            if 'segmenter' not in title and 'detector' not in title:
                continue
            assert of_network['pictures'] >= 100
            low, high = of_network['recall']['interval95']
            assert low <= of_network['recall']['value'] <= high


@pytest.mark.slow
def test_figures_can_be_found_again(report, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.setenv('YOLO_CONFIG_DIR', str(tmp_path))
    monkeypatch.setenv('YOLO_OFFLINE', 'true')
    import studio_people_networks as networks
    import studio_people_scenes as scenes
    import studio_people_score as score

    assert sys.modules['studio_people_score'].__file__.startswith(SCRIPTS)
    samples = [scenes.held_out_sample('gathering', i) for i in range(20)]
    size = 640
    network, task, _ = networks.load(studio_weights('segment'))
    images = [s.image for s in samples]
    found = [score.Found(*f) for f in networks.find_people(network, task, images, size, 'cpu')]
    again = score.summarise(samples, found)
    told = report['figures']['gathering'][f'segmenter at {size}, without NMS']
    for name in ('box_ap50', 'mask_ap50', 'recall', 'mask_iou'):
        low, high = again[name]['interval95']
        told_low, told_high = told[name]['interval95']
        assert low <= told_high and told_low <= high, name
        assert told_high - told_low < 0.15
