"""Pictures and truth agree: masks, boxes, depth order, visibility; the same bytes each time."""

import dataclasses
import hashlib
import subprocess
import sys

import numpy as np
import pytest

from posepile.errors import OptionError
from posepile.simulate import background, preview
from posepile.simulate.background import Background
from posepile.simulate.body import LANDMARKS
from posepile.simulate.camera import StudioCamera
from posepile.simulate.scene import Performer, Scene, mask_box, random_occluder

COCO = (
    'nose,leye,reye,lear,rear,lsho,rsho,lelb,relb,lwri,rwri,lhip,rhip,lkne,rkne,lank,rank'
).split(',')
FISHEYE = (0.03, -0.012, 0.004, -0.001)
BARREL = (-0.28, 0.11, 0.0012, -0.0009, -0.02)


def person(seed, name='still', **kwargs):
    return Performer.random(np.random.default_rng(seed), name, 1, **kwargs)


def front_camera(distance=4000, lens=None, imshape=(240, 320)):
    """Looks from +x towards people who face it at heading 0."""
    return StudioCamera.look_at((distance, 0, 1100), (0, 0, 900), imshape, 60, distortion=lens)


@pytest.mark.parametrize('lens', [None, BARREL, FISHEYE], ids=['pinhole', 'barrel', 'fisheye'])
@pytest.mark.parametrize('seed', range(3))
def test_joints_of_a_person_alone_lie_in_the_mask(lens, seed):
    p = person(seed, 'pose')
    scene, camera = Scene([p], 'field'), front_camera(lens=lens)
    frame = scene.render(camera, 0)
    mask = frame.mask(0)
    np.testing.assert_array_equal(mask, scene.amodal_mask(camera, 0, 0))
    names = [n for n in COCO if n not in ('lear', 'rear')]
    columns, rows = np.rint(camera.project(p.joints(names, 0))).astype(int).T
    assert mask[rows, columns].all()
    # All landmarks, fingertips and toes included, lie within the box but for a pixel.
    left, top, width, height = frame.box(0)
    every = camera.project(p.landmarks(0))
    assert np.all(every > [left - 1.5, top - 1.5])
    assert np.all(every < [left + width + 0.5, top + height + 0.5])


def test_box_is_tight_and_the_full_box_goes_beyond_the_image():
    p = person(1)
    scene = Scene([p], 'clutter')
    camera = front_camera(1500)  # so near that head and feet are outside
    frame = scene.render(camera, 0)
    left, top, width, height = frame.box(0).astype(int)
    mask = frame.mask(0)
    assert (top, height) == (0, 240)
    assert mask[:, left].any() and mask[:, left + width - 1].any()
    assert not mask[:, :left].any() and not mask[:, left + width :].any()
    _, full_top, _, full_height = scene.full_box(camera, 0, 0)
    assert full_top < -10 and full_top + full_height > 250
    far = front_camera(4000)
    inner, outer = scene.render(far, 0).box(0), scene.full_box(far, 0, 0)
    # The outermost pixel centres lie within the surface, less than a pixel from its edge.
    assert np.all(inner[:2] >= outer[:2]) and np.all(inner[:2] < outer[:2] + 1.5)
    assert np.all(inner[:2] + inner[2:] - 1 <= outer[:2] + outer[2:])


def test_mask_pixels_are_those_whose_centre_is_covered():
    # A camera at 3 times the resolution has a pixel centre at each centre of the small one.
    p = person(3, 'pose')
    scene = Scene([p], 'clutter')
    small = front_camera(imshape=(121, 161))
    mask = scene.render(small, 0).mask(0)
    large = scene.render(small.scaled(3), 0).mask(0)
    np.testing.assert_array_equal(mask, large[1::3, 1::3])


def pictures(supersample, k_people=1):
    """The picture of one person and that of the empty place, and the mask; above the ground."""
    place = Background.random(np.random.default_rng(4), 'clutter')
    camera = front_camera()
    people = [person(4)][:k_people]
    frame = Scene(people, place, supersample=supersample).render(camera, 0)
    empty = Scene([], place, supersample=supersample).render(camera, 0)
    assert not empty.instance_ids.any()
    sky = slice(0, 100)  # without shadows
    change = np.abs(frame.image[sky].astype(float) - empty.image[sky]).sum(axis=-1)
    return change, frame.mask(0)[sky]


def test_with_one_sample_per_pixel_the_mask_is_what_changed():
    change, mask = pictures(supersample=1)
    assert mask.sum() > 300
    assert not change[~mask].any()
    assert (change[mask] > 0).mean() > 0.99


def test_supersampled_pictures_are_not_shifted():
    (one, mask), (two, same) = pictures(1), pictures(2)
    np.testing.assert_array_equal(mask, same)
    assert np.abs(one - two).max() > 50  # the edges are softer
    columns, rows = np.meshgrid(np.arange(one.shape[1]), np.arange(one.shape[0]))
    for axis in (columns, rows):
        centroids = [(change * axis).sum() / change.sum() for change in (one, two)]
        assert abs(centroids[0] - centroids[1]) < 0.06


def test_the_nearer_person_hides_the_farther_one():
    near, far = person(1, position=(800, 0)), person(2, position=(-900, 80))
    camera = front_camera()
    names = ['lsho', 'rsho', 'lhip', 'rhip', 'pelv', 'nose']
    for order in ((near, far), (far, near)):
        scene = Scene(order, 'street')
        k_near, k_far = order.index(near), order.index(far)
        frame = scene.render(camera, 0)
        amodal = scene.amodal_mask(camera, 0, k_far)
        np.testing.assert_array_equal(frame.mask(k_near), scene.amodal_mask(camera, 0, k_near))
        np.testing.assert_array_equal(frame.mask(k_far), amodal & ~frame.mask(k_near))
        assert frame.mask(k_far).sum() < 0.7 * amodal.sum()
        assert scene.visible_landmarks(camera, 0, k_near, names).all()
        # The far person's trunk is behind the near one's.
        assert not scene.visible_landmarks(camera, 0, k_far, ['pelv', 'spin', 'rhip']).any()
        near_depth = frame.depth[frame.mask(k_near)]
        assert 2500 < near_depth.min() and near_depth.max() < 4100


def test_visibility_knows_front_and_back():
    camera = front_camera(3000)
    face = ['nose', 'leye', 'reye', 'lmouth1', 'chin']
    look = dataclasses.replace(person(5).look, bottom_style='trousers')  # a skirt hides knees
    towards = Scene([person(5, look=look)], 'room')
    away = Scene([person(5, look=look, heading=np.pi)], 'room')
    assert towards.visible_landmarks(camera, 0, 0, face).all()
    assert not away.visible_landmarks(camera, 0, 0, face).any()
    body = ['lsho', 'rsho', 'lhip', 'rhip', 'lkne', 'rkne', 'lank', 'rank', 'pelv']
    assert towards.visible_landmarks(camera, 0, 0, body).all()
    assert away.visible_landmarks(camera, 0, 0, body).all()
    # Of someone who looks to the side, only the near ear is seen.
    sideways = Scene([person(5, heading=np.pi / 2)], 'room')
    assert sideways.visible_landmarks(camera, 0, 0, ['rear', 'lear']).tolist() == [True, False]


def test_landmarks_out_of_the_image_or_behind_are_not_seen():
    scene = Scene([person(6)], 'field')
    close = front_camera(1200)
    seen = dict(zip(COCO, scene.visible_landmarks(close, 0, 0, COCO), strict=True))
    assert not seen['lank'] and not seen['rank'] and seen['lhip']
    backwards = StudioCamera.look_at((3000, 0, 1000), (6000, 0, 1000), (240, 320))
    assert not scene.visible_landmarks(backwards, 0, 0, COCO).any()
    frame = scene.render(backwards, 0)
    assert not frame.mask(0).any() and np.isnan(frame.box(0)).all()
    assert np.isnan(scene.full_box(backwards, 0, 0)).all()


@pytest.mark.parametrize('kind', ['box', 'post', 'bush'])
def test_occluders_hide_what_is_behind_them(kind):
    occluder = random_occluder(np.random.default_rng(1), (1500, 0), kind)
    scene, camera = Scene([person(7)], 'field', [occluder]), front_camera()
    frame = scene.render(camera, 0)
    hidden = scene.amodal_mask(camera, 0, 0) & ~frame.mask(0)
    assert hidden.sum() > 100
    assert not (frame.mask(0) & ~scene.amodal_mask(camera, 0, 0)).any()
    assert frame.depth[hidden].max() < 3200


def test_unknown_names_are_refused():
    with pytest.raises(OptionError, match='No occluder'):
        random_occluder(np.random.default_rng(0), (0, 0), 'cloud')
    with pytest.raises(OptionError, match='No background'):
        Scene([], 'moon')


@pytest.mark.parametrize('kind', background.KINDS)
def test_backgrounds_are_varied_pictures(kind):
    camera = front_camera()
    one, two = (Scene([], kind, seed=s).render(camera, 0).image for s in (1, 2))
    assert one.dtype == np.uint8 and one.shape == (240, 320, 3)
    assert one.std() > 8
    assert np.abs(one.astype(int) - two).mean() > 3


def test_ground_texture_stays_in_place_when_the_camera_turns():
    # The same ground point has the same colour wherever it is in the image.
    place = Background.random(np.random.default_rng(0), 'street')
    target = np.array([300.0, 200.0, 0.0])
    colours = []
    for aim in ((0, 0, 0), (600, 500, 0)):
        camera = StudioCamera.look_at((1500, 0, 3000), aim, (240, 320), 60)
        image, is_ground = place.render(camera)
        column, row = np.rint(camera.project(target)).astype(int)
        assert is_ground[row, column]
        colours.append(image[row - 4 : row + 5, column - 4 : column + 5].mean(axis=(0, 1)))
    np.testing.assert_allclose(colours[0], colours[1], atol=4)


def test_the_background_bends_with_the_lens():
    # A ground point in the picture of a distorting lens is where its projection is.
    place = Background.random(np.random.default_rng(0), 'street')
    eye, aim = (1500, 0, 3000), (0, 0, 0)
    straight = StudioCamera.look_at(eye, aim, (240, 320), 60)
    bent = StudioCamera.look_at(eye, aim, (240, 320), 60, distortion=BARREL)
    rng = np.random.default_rng(2)
    points = np.concatenate([rng.uniform(-500, 500, (200, 2)), np.zeros((200, 1))], axis=1)
    samples = []
    for camera in (straight, bent):
        image, _ = place.render(camera)
        columns, rows = np.rint(camera.project(points)).astype(int).T
        samples.append(image[rows, columns].astype(float).mean(axis=-1))
    assert np.corrcoef(*samples)[0, 1] > 0.7


def test_moving_clips_leave_the_background_in_place():
    p = Performer.random(np.random.default_rng(2), 'walk', 20, 25)
    scene, camera = Scene([p], 'room'), front_camera()
    first, last = scene.render(camera, 0), scene.render(camera, 19)
    top_left = (slice(0, 40), slice(0, 60))
    np.testing.assert_array_equal(first.image[top_left], last.image[top_left])
    assert (first.mask(0) ^ last.mask(0)).sum() > 100
    again = scene.render(camera, 0)
    assert first.image.tobytes() == again.image.tobytes()


@pytest.mark.parametrize('with_stool', [False, True])
def test_other_people_in_the_same_surroundings(with_stool):
    """As if the scene had been made for them, but for what was drawn already."""
    camera = front_camera()
    empty = Scene([], Background.random(np.random.default_rng(0), 'room'), supersample=1)
    empty.render(camera, 0)
    p = person(4, 'sit' if with_stool else 'still')
    scene = empty.with_performers([p])
    expected = Scene([p], empty.background, supersample=1).render(camera, 0)
    frame = scene.render(camera, 0)
    np.testing.assert_array_equal(frame.image, expected.image)
    np.testing.assert_array_equal(frame.instance_ids, expected.instance_ids)
    assert (scene._still_layers is empty._still_layers) == (not with_stool)
    q = person(5)
    others = scene.with_performers([q]).render(camera, 0)
    np.testing.assert_array_equal(
        others.image, Scene([q], empty.background, supersample=1).render(camera, 0).image
    )


def scene_digest():
    """Checksum of pictures and masks of a few scenes, for comparison between processes."""
    digest = hashlib.sha256()
    rng = np.random.default_rng(11)
    for kind in background.KINDS:
        scene = preview.random_scene(rng, n_people=2, n_frames=3, kind=kind)
        frame = scene.render(preview.random_camera(rng, (120, 160), BARREL), 2)
        digest.update(frame.image.tobytes() + frame.instance_ids.tobytes())
    return digest.hexdigest()


def test_another_process_makes_the_same_bytes():
    code = 'import test_scene; print(test_scene.scene_digest())'
    other = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=__file__[:-14]
    )
    assert other.stdout.strip() == scene_digest()


def test_contact_sheet_shows_people():
    sheet = preview.contact_sheet(seed=2, rows=1, columns=2, with_truth=True)
    assert sheet.shape == (360, 1280, 3)
    assert not np.array_equal(sheet, preview.contact_sheet(seed=2, rows=1, columns=2))


def test_mask_box_counts_pixels():
    mask = np.zeros((10, 12), bool)
    assert np.isnan(mask_box(mask)).all()
    mask[3, 5] = mask[6, 7] = True
    assert mask_box(mask).tolist() == [5, 3, 3, 4]


def test_all_landmarks_can_be_asked_for():
    scene = Scene([person(1)], 'field')
    assert scene.visible_landmarks(front_camera(), 0, 0, LANDMARKS).shape == (len(LANDMARKS),)
