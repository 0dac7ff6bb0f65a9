"""Crowds: repeatable, of all sizes, hidden, cut, and nobody stands in anybody."""

import numpy as np
import pytest

from posepile.errors import OptionError
from posepile.simulate.background import KINDS, Background
from posepile.simulate.crowd import MIN_GAP, MIN_HEIGHT, random_crowd
from posepile.simulate.performer import Performer
from posepile.simulate.scene import Scene


def crowd(seed, **options):
    return random_crowd(np.random.default_rng(seed), **options)


@pytest.fixture(scope='module')
def crowds():
    return [crowd(seed) for seed in range(24)]


def roots(scene):
    """(n, 2) where on the ground the pelvis of each person is."""
    return np.array([p.skeleton.positions[0, 0, :2] for p in scene.performers]).reshape(-1, 2)


def test_same_seed_gives_the_same_picture():
    frames = [scene.render(camera, 0) for scene, camera in map(crowd, (3, 3))]
    np.testing.assert_array_equal(frames[0].image, frames[1].image)
    np.testing.assert_array_equal(frames[0].instance_ids, frames[1].instance_ids)
    other, camera = crowd(4)
    assert np.any(other.render(camera, 0).image != frames[0].image)


def test_number_of_people():
    assert len(crowd(0, n_people=0)[0].performers) == 0
    scene, camera = crowd(1, n_people=4, imshape=(720, 1280))
    assert len(scene.performers) == 4
    assert scene.render(camera, 0).image.shape == (720, 1280, 3)
    with pytest.raises(OptionError, match='-1'):
        crowd(0, n_people=-1)


def test_people_of_a_cast_in_given_surroundings():
    rng = np.random.default_rng(0)
    cast = [Performer.random(rng, 'pose', n_frames=1) for _ in range(3)]
    background = Background.random(rng, 'street')
    scene, camera = crowd(1, n_people=2, background=background, cast=cast)
    assert scene.background is background
    bodies = [p.body for p in scene.performers]
    assert len(bodies) == 2 and bodies[0] is not bodies[1]
    assert all(any(body is p.body for p in cast) for body in bodies)
    # They stand where new people would, more or less: their pose decides where the pelvis is.
    others, other_camera = crowd(1, n_people=2, background=background)
    assert camera.identity == other_camera.identity
    np.testing.assert_allclose(roots(scene), roots(others), atol=600)
    assert np.any(scene.render(camera, 0).instance_ids)
    assert len(crowd(1, n_people=5, background=background, cast=cast)[0].performers) <= 3


def test_crowds_vary(crowds):
    scenes, cameras = zip(*crowds, strict=True)
    assert {s.background.kind for s in scenes} == set(KINDS)
    assert len({len(s.performers) for s in scenes}) >= 5
    heights = [c.t[2] for c in cameras]
    assert min(heights) < 900 and max(heights) > 2500
    pitches = [np.degrees(np.arcsin(c.R[2, 2])) for c in cameras]
    assert min(pitches) < -15 and max(pitches) > 0
    focals = [c.K[0, 0] for c in cameras]
    assert max(focals) > 2 * min(focals)
    assert {c.distortion is None for c in cameras} == {True, False}
    assert any(p.props for s in scenes for p in s.performers)  # stools of those who sit


def test_nobody_stands_in_anybody(crowds):
    n_pairs = 0
    for scene, _ in crowds:
        places = roots(scene)
        gaps = np.linalg.norm(places[:, None] - places, axis=-1)[np.triu_indices(len(places), 1)]
        # The pelvis leaves the place by the lean and sway of the movement.
        assert np.all(gaps > MIN_GAP - 300)
        n_pairs += np.sum(gaps < 1500)
    assert n_pairs > 20  # yet many stand close to one another


def test_people_are_of_all_sizes_hidden_and_cut(crowds):
    heights, seen_parts, cut = [], [], 0
    for scene, camera in crowds[:14]:
        frame = scene.render(camera, 0)
        for k in range(len(scene.performers)):
            left, top, width, height = scene.full_box(camera, 0, k)
            whole = scene.amodal_mask(camera, 0, k).sum()
            if whole:
                heights.append(height)
                seen_parts.append(frame.mask(k).sum() / whole)
                cut += left < 0 or top < 0 or left + width > 640 or top + height > 360
    assert min(heights) < 3 * MIN_HEIGHT and max(heights) > 360
    assert np.mean(np.array(seen_parts) < 0.6) > 0.1
    assert np.mean(np.array(seen_parts) > 0.95) > 0.3
    assert cut >= 5


def test_things_stand_in_front_of_people(crowds):
    """In some scenes, more of the people is seen once the things are taken away."""
    n_hidden = 0
    for scene, camera in crowds:
        bare = Scene(scene.performers, scene.background)
        n_hidden += np.sum(bare.render(camera, 0).instance_ids > 0) > 1.02 * np.sum(
            scene.render(camera, 0).instance_ids > 0
        )
    assert n_hidden >= 3


@pytest.mark.parametrize('kind', KINDS)
def test_main_person_is_in_the_middle(kind):
    for seed in range(3):
        scene, camera = crowd([5, seed], imshape=(320, 320), n_people=1, main_height=190, kind=kind)
        left, top, width, height = scene.full_box(camera, 0, 0)
        assert 70 < height < 300
        middle = np.array([left + width / 2, top + height / 2])
        assert np.all(np.abs(middle - 160) < 70)
