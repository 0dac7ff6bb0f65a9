"""The simulated release."""

import filecmp
import os

import numpy as np
import pytest

from posepile.bodymodels import load
from posepile.ds.tdpw import simulate
from posepile.ds.tdpw.simulate_people import SmplPerson
from posepile.raw.images import image_size
from posepile.raw.unpickle import restricted_load
from tests.ds.tdpw.conftest import make_release, write_body_models

pytestmark = pytest.mark.xdist_group('tdpw')


def content_of(raw, shot):
    return restricted_load(f'{raw}/sequenceFiles/{shot.phase}/{shot.name}.pkl')


def test_same_seed_same_bytes(gendered_release, tmp_path):
    again = make_release(tmp_path, write_body_models) / '3dpw'
    n = 0
    for folder, _, names in os.walk(again):
        for name in names:
            path = os.path.join(folder, name)
            other = os.path.join(gendered_release, os.path.relpath(path, again))
            assert filecmp.cmp(path, other, shallow=False), path
            n += 1
    assert n > 25


def test_one_sequence_is_portrait_and_cameras_move(gendered_release):
    sizes = set()
    for shot in simulate.TINY:
        path = f'{gendered_release}/imageFiles/{shot.name}/image_00000.jpg'
        sizes.add(image_size(path))
        content = content_of(gendered_release, shot)
        eyes = [-m[:3, :3].T @ m[:3, 3] for m in content['cam_poses']]
        assert np.linalg.norm(np.diff(eyes, axis=0), axis=1).min() > 0.001
        np.testing.assert_allclose(content['cam_poses'][:, 3], [[0, 0, 0, 1]] * shot.n)
    assert sizes == {(1920, 1080), (1080, 1920)}


def test_bodies_are_those_of_their_parameters(gendered_release):
    for shot in simulate.TINY:
        content = content_of(gendered_release, shot)
        for p, gender in enumerate(content['genders']):
            model = load('smpl', gender, f'{gendered_release}/body_models')
            body = model(content['poses'][p], content['betas'][p][:10], content['trans'][p])
            stored = 1000 * content['jointPositions'][p].reshape(-1, 24, 3)
            np.testing.assert_allclose(body.joints, stored, atol=1e-6)
            assert abs(body.vertices[..., 2].min(axis=1)).max() < 1e-6  # on the ground
            head_to_ankle = body.joints[:, 15, 2] - body.joints[:, 7:9, 2].max(axis=1)
            assert head_to_ankle.min() > 1000


def test_surface_has_outward_normals(gendered_release):
    model = load('smpl', 'female', f'{gendered_release}/body_models')
    person = SmplPerson.random(np.random.default_rng(0), model, 3, (0, 0), 1.0)
    points, normals = person.surface(1)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    trunk = np.isin(model.weights.argmax(axis=1), [3, 6, 9])
    outwards = points[trunk] - person.joint_positions[1, [3, 6, 9]].mean(axis=0)
    outwards[:, 2] = 0
    assert np.mean(np.sum(outwards * normals[trunk], axis=1) > 0) > 0.9


def test_small_release_has_every_special_case():
    shots = simulate.SMALL
    assert {s.phase for s in shots} == {'train', 'validation', 'test'}
    assert any(s.unaligned for s in shots) and any(s.unseen for s in shots)
    assert any(s.without_detections for s in shots) and any(s.far_detections for s in shots)
    assert {n for s in shots for _, n in s.people} >= {10, 16}
