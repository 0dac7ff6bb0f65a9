"""The studio's own detector finds the people that the studio draws."""

import os

import numpy as np
import pytest

from posepile.detection import open_detections
from posepile.detection.network import PeopleNetwork
from posepile.detection.sources import list_sources
from posepile.detection.stage import detect_people
from posepile.detection.weights import studio_weights
from posepile.raw.images import encode_jpeg
from posepile.simulate.crowd import random_crowd
from posepile.util.matching import match_boxes

LEAST_AREA = 1500  # visible pixels


@pytest.mark.slow
@pytest.mark.skipif(
    not os.path.exists(studio_weights('detect')), reason='the studio weights are not there'
)
def test_people_of_the_studio_are_found(tmp_path):
    people = {}
    for i in range(12):
        scene, camera = random_crowd(np.random.default_rng(5000 + i), n_people=2, closeness=0)
        frame = scene.render(camera, 0)
        (tmp_path / f'{i}.jpg').write_bytes(encode_jpeg(frame.image))
        masks = [frame.mask(k) for k in range(2)]
        boxes = [frame.box(k) for k in range(2) if masks[k].sum() >= LEAST_AREA]
        people[f'{i}.jpg'] = np.array(boxes).reshape(-1, 4)
    network = PeopleNetwork(studio_weights('detect'), 'cpu')
    detect_people(list_sources(tmp_path), str(tmp_path / 'out'), network)
    found = open_detections(tmp_path / 'out')
    n_people = sum(map(len, people.values()))
    n_matched = sum(len(match_boxes(people[key], found[key], 0.5)[0]) for key in people)
    n_sure = sum((boxes[:, 4] > 0.5).sum() for boxes in found.values())
    print(f'{n_matched} of {n_people} people found, {n_sure} boxes above 0.5')
    assert n_people >= 10
    assert n_matched >= 0.8 * n_people
    assert n_sure <= 1.5 * n_people
