"""People have plausible shapes, move within their limits, and stay still when they should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.errors import OptionError
from posepile.simulate import motion, pose
from posepile.simulate.body import LANDMARKS, Body
from posepile.simulate.performer import Performer

SEGMENTS = [
    ('hip', 'kne'),
    ('kne', 'ank'),
    ('ank', 'hee'),
    ('foo', 'toe'),
    ('sho', 'elb'),
    ('elb', 'wri'),
    ('han6', 'han7'),
    ('han20', 'han21'),
]


def angle(a, b, c):
    """Angle at b in degrees."""
    u, v = a - b, c - b
    cos = np.sum(u * v, -1) / np.linalg.norm(u, axis=-1) / np.linalg.norm(v, axis=-1)
    return np.degrees(np.arccos(np.clip(cos, -1, 1)))


def perform(seed, name, n_frames=60, fps=30, **kwargs):
    return Performer.random(np.random.default_rng(seed), name, n_frames, fps, **kwargs)


@pytest.mark.parametrize('name', motion.MOTIONS)
@pytest.mark.parametrize('seed', range(3))
def test_bones_keep_their_length_and_joints_their_limits(name, seed):
    p = perform(seed, name, 90)
    assert p.landmarks().shape == (90, len(LANDMARKS), 3)
    assert np.isfinite(p.landmarks()).all()
    for s in 'lr':
        for a, b in SEGMENTS:
            ends = p.joints([s + a, s + b])
            assert np.ptp(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1)) < 1e-6
        hip, knee, ankle = p.joints([f'{s}hip', f'{s}kne', f'{s}ank']).swapaxes(0, 1)
        assert angle(hip, knee, ankle).min() > 180 - pose.MAX_KNEE_FLEXION - 1e-6
        shoulder, elbow, wrist = p.joints([f'{s}sho', f'{s}elb', f'{s}wri']).swapaxes(0, 1)
        flexion = 180 - angle(shoulder, elbow, wrist)
        low, high = pose.LIMITS['elbow']
        assert flexion.min() > low - 1e-6 and flexion.max() < high + 1e-6
        # Knees bend backwards only, about an axis that points to the left.
        hips = p.joints(['lhip', 'rhip'])
        axis = np.cross(knee - hip, ankle - knee)
        assert np.all(np.sum(axis * (hips[:, 0] - hips[:, 1]), axis=-1) > 0)
    assert p.landmarks()[..., 2].min() > -5  # nobody sinks into the ground


@given(st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_bodies_have_human_proportions(seed):
    body = Body.random(np.random.default_rng(seed))
    assert 1400 < body.stature < 2000
    points = dict(zip(LANDMARKS, body.landmark_rest, strict=True))

    def span(a, b):
        return np.linalg.norm(points[a] - points[b]) / body.stature

    assert points['htop'][2] == pytest.approx(body.stature)
    assert 0.19 < span('lhip', 'lkne') < 0.29
    assert 0.21 < span('lkne', 'lank') < 0.28
    assert 0.16 < span('lsho', 'lelb') < 0.20
    assert 0.13 < span('lelb', 'lwri') < 0.165
    assert 0.09 < span('lwri', 'lfin') < 0.12
    assert 0.17 < span('lsho', 'rsho') < 0.23
    assert 0.08 < span('lhip', 'rhip') < 0.115
    assert 0.13 < span('lhee', 'ltoe') < 0.17
    assert 48 < np.linalg.norm(points['leye'] - points['reye']) < 76  # mm between the pupils
    # Everyone is built symmetrically.
    for name, point in points.items():
        if name[0] == 'l':
            other = points['r' + name[1:]]
            np.testing.assert_allclose(point * [1, -1, 1], other, atol=1e-9)


@given(st.floats(-np.pi, np.pi), st.sampled_from(['still', 'walk']))
@settings(max_examples=20, deadline=None)
def test_left_is_left_and_front_is_front(heading, name):
    p = perform(3, name, 1, heading=heading)
    left = np.array([-np.sin(heading), np.cos(heading), 0])
    forward = np.array([np.cos(heading), np.sin(heading), 0])
    points = dict(zip(LANDMARKS, p.landmarks(0), strict=True))
    for joint in ('sho', 'hip', 'kne', 'ank', 'wri', 'eye', 'ear', 'face1', 'mouth1', 'eye4'):
        assert (points['l' + joint] - points['r' + joint]) @ left > 15
    # Arms hang beside the trunk, not in it.
    assert (points['lelb'] - points['relb'] - points['lsho'] + points['rsho']) @ left > 30
    assert (points['nose'] - points['head']) @ forward > 50
    # The big toe is at the inner side, the thumb in front of a hanging hand.
    assert (points['ltoe'] - points['ltoe2']) @ left < 0
    assert (points['rtoe'] - points['rtoe2']) @ left > 0
    assert (points['lthu'] - points['lhan21']) @ forward > 0


def test_landmarks_of_face_are_in_anatomical_order():
    points = dict(zip(LANDMARKS, Body.build(1750).landmark_rest, strict=True))
    heights = [points[n][2] for n in ('rface11', 'reye2', 'nose4', 'mouth1', 'mouth2', 'chin')]
    assert heights == sorted(heights, reverse=True)
    assert points['nose'][0] > points['reye'][0] > points['rear'][0]
    assert [n for n in LANDMARKS if n.startswith('lhan')][:2] == ['lhan', 'lhan1']
    assert len([n for n in LANDMARKS if n.startswith('rhan')]) == 22
    assert len(set(LANDMARKS)) == len(LANDMARKS)


@pytest.mark.parametrize('name', motion.MOTIONS)
def test_static_clips_do_not_change_by_a_bit(name):
    points = perform(1, name, 37, static=True).landmarks()
    assert np.array_equal(points, np.broadcast_to(points[:1], points.shape))


@pytest.mark.parametrize('name', ['walk', 'swing', 'still'])
def test_pauses_are_exact_and_the_rest_moves(name):
    p = perform(2, name, 120, pauses=[(30, 55), (80, 100)])
    points = p.landmarks()
    moved = np.abs(np.diff(points, axis=0)).max(axis=(1, 2))
    assert np.all(moved[30:54] == 0) and np.all(moved[80:99] == 0)
    assert np.all(moved[:20] > 0) and np.all(moved[65:70] > 0) and np.all(moved[110:] > 0)


def test_mixed_clips_contain_stillness_and_motion():
    moved = np.abs(np.diff(perform(4, 'mixed', 300).landmarks(), axis=0)).max(axis=(1, 2))
    assert 20 < np.sum(moved == 0) < 250


@pytest.mark.parametrize('name', sorted(set(motion.MOTIONS) - {'pose'}))
def test_motion_is_smooth_at_plausible_speed(name):
    fps = 60
    points = perform(5, name, 240, fps).landmarks()
    speed = np.linalg.norm(np.diff(points, axis=0), axis=-1) * fps
    assert speed.max() < 16000
    change = np.linalg.norm(np.diff(points, 2, axis=0), axis=-1) * fps**2
    assert change.max() < 250000


@pytest.mark.parametrize('seed', range(4))
def test_walkers_walk_and_do_not_slide(seed):
    fps = 50
    p = perform(seed, 'walk', 200, fps, position=(700, -300), heading=0.5)
    speed = np.linalg.norm(np.diff(p.joints(['pelv'])[:, 0], axis=0)[:, :2], axis=-1) * fps
    assert 1000 < speed.mean() < 1600
    soles = p.joints(['lhee', 'lfoo', 'rhee', 'rfoo'])
    slide = np.linalg.norm(np.diff(soles, axis=0), axis=-1).min(axis=1) * fps
    assert np.median(slide) < 15  # mm/s of the slowest part of the soles
    assert slide.max() < 250
    both = p.joints(['lank', 'rank'])
    steps = np.linalg.norm(both[:, 0] - both[:, 1], axis=-1).max()
    assert 500 < steps < 950


def test_walkers_pass_their_place_at_half_time():
    p = perform(0, 'walk', 101, 50, position=(700, -300), heading=0.5)
    middle = p.joints(['pelv'])[50, 0, :2]
    np.testing.assert_allclose(middle, [700, -300], atol=40)


def test_speed_can_be_chosen():
    p = perform(0, 'walk', 100, 50, speed=0.9)
    track = p.joints(['pelv'])[:, 0, :2]
    speed = np.linalg.norm(np.diff(track, axis=0), axis=-1).mean() * 50
    assert speed == pytest.approx(900, rel=0.03)


@pytest.mark.parametrize('name', ['walk', 'mixed', 'pose'])
def test_the_same_seed_gives_the_same_person(name):
    a, b, c = perform(8, name), perform(8, name), perform(9, name)
    assert a.landmarks().tobytes() == b.landmarks().tobytes()
    assert a.look == b.look
    assert a.landmarks().tobytes() != c.landmarks().tobytes()
    assert a.look != c.look


def test_one_person_in_two_clips():
    a = perform(8, 'walk')
    b = perform(9, 'kick', body=a.body, look=a.look)
    assert b.body is a.body and b.look is a.look


def test_joints_are_the_named_landmarks():
    p = perform(1, 'reach', 5)
    names = ['rank', 'chin', 'lhan21']
    all_points = p.landmarks()
    picked = p.joints(names)
    assert picked.shape == (5, 3, 3)
    np.testing.assert_array_equal(picked, all_points[:, [LANDMARKS.index(n) for n in names]])
    np.testing.assert_array_equal(p.landmarks(2), all_points[2])


def test_moved_performers_keep_their_shape():
    p = perform(1, 'sit', 4)
    rotation = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    moved = p.moved(rotation, (100, 200, 0))
    expected = p.landmarks() @ rotation.T + [100, 200, 0]
    np.testing.assert_allclose(moved.landmarks(), expected, atol=1e-9)
    vertices, _ = p.surface(2)
    np.testing.assert_allclose(
        moved.surface(2)[0], vertices @ rotation.T + [100, 200, 0], atol=1e-6
    )
    assert p.moved(rotation, (0, 0, 0)).skin is p.skin  # not built again


def test_joints_lie_inside_the_surface_box():
    p = perform(1, 'mixed', 3)
    for i in range(3):
        vertices, _ = p.surface(i)
        points = p.landmarks(i)
        assert np.all(points > vertices.min(axis=0) - 12)
        assert np.all(points < vertices.max(axis=0) + 12)


def test_bad_requests_are_refused():
    with pytest.raises(OptionError, match='No motion is called'):
        perform(0, 'fly')
    with pytest.raises(OptionError, match='at least one frame'):
        perform(0, 'walk', 0)
    with pytest.raises(OptionError, match='tail'):
        perform(0, 'walk', 2).joints(['lank', 'tail'])
