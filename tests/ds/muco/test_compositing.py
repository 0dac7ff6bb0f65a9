"""People pasted into one picture are in front of each other as in one room."""

import json

import cv2
import numpy as np
import pytest
import rlemasklib

from posepile.ds.muco import composites, depth_order
from posepile.ds.muco.arrange import write_composite_info
from posepile.ds.muco.compositor import Layer, composite
from posepile.ds.muco.pool import PoolEntry
from posepile.ds.muco.studio import Moment
from posepile.ds.tdhp.simulate_masks import chair_picture
from posepile.ds.tdhp.simulate_takes import SOURCE_LANDMARKS
from posepile.raw.images import read_image
from posepile.simulate.camera import StudioCamera
from posepile.simulate.scene import Performer, Scene
from tests.ds.muco import small_release

SIZE = 480
EDGE = 3  # px: of the blur, with a sigma of 2 px
PELVIS = SOURCE_LANDMARKS.index('pelv')
#: Landmarks of the studio that are joints of the recordings as they are.
PLAIN = [j for j, name in enumerate(SOURCE_LANDMARKS) if '+' not in name]
NAMES = [SOURCE_LANDMARKS[j] for j in PLAIN]
MOTIONS = ('walk', 'sit', 'reach', 'kick')


class Arrangement:
    """Four people in one room, and each of them alone, seen by one camera."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.camera = StudioCamera.look_at(
            [0, -5200, 1500], [0, 0, 900], imshape=(SIZE, SIZE), focal=480
        )
        self.performers = [
            Performer.random(
                np.random.default_rng([seed, i]),
                motion=MOTIONS[i],
                n_frames=2,
                fps=25,
                position=(rng.uniform(-350, 350), -1800 + 1100 * depth),
            )
            for i, depth in enumerate(rng.permutation(4))
        ]
        self.frames = [Scene([p], 'field').render(self.camera, 0) for p in self.performers]
        self.chairs = [
            chair_picture(Scene([p], 'field'), self.camera)[..., 0] == 0 for p in self.performers
        ]
        self.together = Scene(self.performers, 'field')
        self.truth = self.together.render(self.camera, 0)
        world = [
            np.stack([p.joints(n.split('+'), 0).mean(axis=0) for n in SOURCE_LANDMARKS])
            for p in self.performers
        ]
        self.joints = np.array([self.camera.world_to_camera(w) for w in world])
        self.pixels = np.array([self.camera.camera_to_image(j) for j in self.joints])
        self.depths = self.joints[:, PELVIS, 2]

    def layers(self):
        pairs = zip(self.frames, self.chairs, strict=True)
        return [
            Layer(f.image, np.uint8(255) * f.mask(0), np.uint8(255) * ~chair) for f, chair in pairs
        ]

    def near_edges(self):
        """(h, w) bool: where a blurred edge may be."""
        edges = np.zeros((SIZE, SIZE), np.uint8)
        masks = [f.mask(0) for f in self.frames] + self.chairs
        for mask in map(np.uint8, masks):
            edges |= cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
        return cv2.dilate(edges, np.ones((2 * EDGE + 1,) * 2, np.uint8)) > 0

    def check_masks(self, visible):
        """Masks of each are those of the room."""
        edges = self.near_edges()
        n_hidden = 0
        for k, mask in enumerate(visible):
            found, true = rlemasklib.decode(mask) != 0, self.truth.mask(k)
            assert not np.any((found != true) & ~edges)
            n_hidden += np.sum(self.frames[k].mask(0) & ~true)
        everybody = np.any([rlemasklib.decode(m) != 0 for m in visible], axis=0)
        assert np.array_equal(everybody & ~edges, (self.truth.instance_ids > 0) & ~edges)
        assert n_hidden > 300  # of 230,400 pixels: they do hide each other

    def check_joints(self, seen):
        """Joints (4, 28) are seen as in the room, where people do not hide them themselves."""
        edges = self.near_edges()
        n_compared = n_hidden = 0
        for k, performer in enumerate(self.performers):
            true = self.together.visible_landmarks(self.camera, 0, k, NAMES)
            alone = Scene([performer], 'field').visible_landmarks(self.camera, 0, 0, NAMES)
            columns, rows = np.rint(self.pixels[k, PLAIN]).astype(int).T
            is_clear = alone & ~edges[rows.clip(0, SIZE - 1), columns.clip(0, SIZE - 1)]
            assert np.array_equal(np.array(seen[k])[PLAIN][is_clear], true[is_clear])
            n_compared += is_clear.sum()
            n_hidden += (~true[is_clear]).sum()
        return n_compared, n_hidden


@pytest.fixture(scope='module', params=[0, 2])
def arrangement(request):
    return Arrangement(request.param)


def test_masks_are_those_of_one_room(arrangement):
    people = [layer.person_mask() for layer in arrangement.layers()]
    chairs = [layer.chair_mask() for layer in arrangement.layers()]
    visible = depth_order.visible_masks(people, chairs, arrangement.depths)
    arrangement.check_masks(visible)
    seen = depth_order.visible_joints(arrangement.pixels, people, chairs, arrangement.depths)
    n_compared, n_hidden = arrangement.check_joints(seen)
    assert n_compared > 15
    assert n_hidden > 2


def test_pixels_are_those_of_whoever_is_in_front(arrangement):
    order = depth_order.far_to_near(arrangement.depths)
    layers = arrangement.layers()
    gammas = [0.7, 0.75, 0.8, 0.9]
    image = composite([layers[i] for i in order], gammas)
    edges = arrangement.near_edges()
    for k, gamma in zip(order, gammas, strict=True):
        own = arrangement.truth.mask(k) & ~edges
        expected = 255 * (layers[k].image[own] / 255) ** gamma
        np.testing.assert_allclose(image[own], expected, atol=0.51)
    empty = (arrangement.truth.instance_ids == 0) & ~edges & ~np.any(arrangement.chairs, axis=0)
    background = 255 * (layers[order[0]].image[empty] / 255) ** gammas[0]
    np.testing.assert_allclose(image[empty], background, atol=0.51)


def test_from_the_release_to_the_chunk(arrangement, tmp_path, monkeypatch):
    """Through files: pictures, calibrations, annotations and the arrangement."""
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    moments = [Moment(1 + i // 2, 1 + i % 2, 3, 0) for i in range(4)]
    for i, moment in enumerate(moments):
        cameras = [arrangement.camera] * small_release.N_CAMERAS
        joints = arrangement.joints[i][np.newaxis]
        small_release.write_sequence(tmp_path, *moment[:2], joints, cameras)
        frame, chair = arrangement.frames[i], arrangement.chairs[i]
        small_release.write_pictures(tmp_path, moment, frame.image, frame.mask(0), chair)
    pool = [PoolEntry(m, np.zeros((21, 2)), np.zeros((21, 3)), np.zeros((21, 3))) for m in moments]
    write_composite_info(tmp_path / 'muco/sampled_dataset_info.mat', pool, [[2, 0, 3, 1]])
    composites.make_composites(10)

    folder = tmp_path / 'muco/unaugmented_set_001'
    truth = json.loads((folder / 'chunk_00001_visible.json').read_text())['000001']
    back = [1, 3, 0, 2]  # where those of the room are in the composite
    arrangement.check_masks([truth['masks'][i] for i in back])
    arrangement.check_joints([truth['joints'][i] for i in back])
    depths = arrangement.depths[[2, 0, 3, 1]]
    assert truth['far_to_near'] == sorted(range(4), key=lambda i: -depths[i])

    image = read_image(folder / '000001.jpg')
    layers = arrangement.layers()
    order = depth_order.far_to_near(arrangement.depths)
    direct = composite([layers[i] for i in order], composites.gammas_of(1)[0])
    # JPEG twice, once of masks, whose edges move a little.
    assert np.abs(image.astype(int) - direct)[~arrangement.near_edges()].mean() < 2


def layer(value, foreground, chair=None):
    chair = small_release.rectangle(0, 0, 0, 0) if chair is None else chair
    image = small_release.plain(value)
    return Layer(image, np.uint8(255) * foreground, np.uint8(255) * ~chair)


def test_chair_of_a_nearer_person_covers_but_ones_own_does_not():
    far = layer(200, small_release.rectangle(20, 20, 120, 120))
    near = layer(
        100,
        small_release.rectangle(60, 60, 160, 160),
        small_release.rectangle(30, 30, 150, 150),
    )
    image = composite([far, near], [1, 1])
    assert np.all(image[40, 40] == 100)  # the chair
    assert np.all(image[155, 155] == 100)  # the person
    assert np.all(image[190, 190] == 200)  # the background is that of the farthest
    masks = depth_order.visible_masks(
        [far.person_mask(), near.person_mask()], [far.chair_mask(), near.chair_mask()], [5000, 3000]
    )
    assert rlemasklib.decode(masks[0])[25, 25]
    assert not rlemasklib.decode(masks[0])[40, 40]
    assert rlemasklib.decode(masks[1])[100, 100]  # in front of the own chair


def test_edges_are_a_blurred_step():
    far = layer(0, small_release.rectangle(0, 0, 0, 0))
    near = layer(255, small_release.rectangle(100, 0, 200, 200))
    row = composite([far, near], [1, 1])[100, 90:110, 0] / 255
    x = np.arange(-4, 5)
    kernel = np.exp(-(x**2) / 8)
    step = np.convolve((np.arange(82, 118) >= 100).astype(float), kernel / kernel.sum(), 'valid')
    np.testing.assert_allclose(row, step[4:24], atol=0.003)


def test_equal_depths_are_pasted_in_their_order():
    assert depth_order.far_to_near([3.0, 5.0, 3.0, 5.0]).tolist() == [1, 3, 0, 2]


def test_joints_outside_of_the_picture_are_not_seen():
    mask = rlemasklib.encode(small_release.rectangle(50, 50, 60, 60).astype(np.uint8))
    nothing = rlemasklib.zeros((200, 200))
    pixels = np.array([[[-1, 5], [199.4, 5], [199.6, 5], [55, 55]], [[55, 55]] * 4])
    seen = depth_order.visible_joints(pixels, [nothing, mask], [nothing, nothing], [9, 1])
    assert seen.tolist() == [[False, True, False, False], [True] * 4]
    # Nor are those behind the chair of a nearer person; one's own does not count.
    seen = depth_order.visible_joints(pixels, [nothing, nothing], [nothing, mask], [9, 1])
    assert seen.tolist() == [[False, True, False, False], [True] * 4]
