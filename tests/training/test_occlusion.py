"""Occlusion and backgrounds against a plain restatement of how MeTRAbs does it.

The restatement draws from the generator in the same order, so that pixels can be compared.
"""

import math
import pickle
from collections import Counter
from types import SimpleNamespace

import cv2
import deltacamera
import numpy as np
import pytest

from posepile.datasets2d import Pose2DExample
from posepile.datasets3d import Pose3DExample
from posepile.errors import ArchiveError, OptionError
from posepile.raw.images import encode_jpeg
from posepile.storage.image_collection import encode_cutout, open_images, write_images
from posepile.storage.lazy import open_dataset
from posepile.training import PoseDataset, PoseLoader, RandomView, Schedule, ShuffledOrder
from posepile.training.appearance import ColorJitter
from posepile.training.occlusion import Backgrounds, Occluders, Occlusion, RandomErasing
from tests.storage.packed_samples import write_dataset


def example(kind, image_path='h36m_downscaled/a.jpg'):
    result = object.__new__({'3d': Pose3DExample, '2d': Pose2DExample}[kind])
    result.image_path = image_path
    if kind == '3d':
        result.world_coords = None
    return result


def noise(shape, seed):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def cutouts():
    rng = np.random.default_rng(9)
    for h, w in ((50, 31), (84, 120), (9, 200)):
        rgb = rng.integers(0, 256, (h, w, 3)).astype(np.uint8)
        yield rgb, rng.choice([0, 0.75, 1], (h, w)).astype(np.float32)


def literal_objects(image, occluders, rng, strength=1):
    h = image.shape[0]
    result = image.astype(np.float64)
    n = rng.integers(1, 7)
    for _ in range(n):
        occluder, mask = occluders[rng.integers(len(occluders))]
        factor = rng.uniform(0.2, 1.0) * h / 256 * strength
        x, y = (round(c) for c in rng.uniform(0, h, 2))
        new_w, new_h = (max(1, round(s * factor)) for s in (mask.shape[1], mask.shape[0]))
        way = cv2.INTER_AREA if factor <= 1 else cv2.INTER_LINEAR
        occluder = cv2.resize(occluder, (new_w, new_h), interpolation=way)
        mask = cv2.resize(mask, (new_w, new_h), interpolation=way)
        for i in range(new_h):
            for j in range(new_w):
                row, column = y - new_h // 2 + i, x - new_w // 2 + j
                if 0 <= row < h and 0 <= column < h:
                    old, new = result[row, column], occluder[i, j]
                    result[row, column] = np.floor(old * (1 - mask[i, j]) + new * mask[i, j] + 1e-4)
    return result.astype(np.uint8)


def literal_erasing(image, rng, strength=1):
    side = image.shape[0]
    while True:
        area = rng.uniform(0, 1 / 3) * side**2 * strength
        aspect = rng.uniform(0.3, 1 / 0.3)
        height, width = math.sqrt(area * aspect), math.sqrt(area / aspect)
        left, top = rng.uniform(0, side, 2)
        right, bottom = left + width, top + height
        if right < side and bottom < side:
            break
    left, top, right, bottom = (int(v) for v in (left, top, right, bottom))
    result = image.copy()
    result[top:bottom, left:right] = rng.integers(0, 255, (bottom - top, right - left, 3), np.uint8)
    return result


@pytest.mark.parametrize('strength', [1, 2.5])
@pytest.mark.parametrize('side', [64, 256])
def test_objects_are_those_of_the_restatement(side, strength):
    image, things = noise((side, side, 3), 3), list(cutouts())
    for seed in range(6):
        effect = Occluders(things, strength=strength)
        result = effect.pasted(image, np.random.default_rng(seed))
        expected = literal_objects(image, things, np.random.default_rng(seed), strength)
        # A value on the verge of the next may be cut to either, and be mixed again.
        assert np.abs(result.astype(int) - expected).max() <= 2
        assert np.mean(result != expected) < 0.01
        assert not np.array_equal(result, image)


@pytest.mark.parametrize('strength', [1, 0.3])
def test_erasing_is_that_of_the_restatement(strength):
    image = np.full((101, 101, 3), 255, np.uint8)
    shares = []
    for seed in range(200):
        effect = RandomErasing(strength=strength)
        result = effect.erased(image, np.random.default_rng(seed))
        expected = literal_erasing(image, np.random.default_rng(seed), strength)
        np.testing.assert_array_equal(result, expected)
        shares.append(np.mean(np.any(result != 255, axis=2)))
        assert result.reshape(-1, 3)[np.any(result.reshape(-1, 3) != 255, axis=1)].max() <= 254
    assert 0.25 * strength < max(shares) < 0.35 * strength


def test_objects_come_before_colour_and_erasing_after():
    order = []

    class Spy:
        def __init__(self, name):
            self.name = name

        def __call__(self, image, *_):
            order.append(self.name)
            return image

    effect = Occlusion([(np.zeros((4, 4, 3), np.uint8), np.ones((4, 4)))], [Spy('colour')])
    effect.objects = SimpleNamespace(pasted=Spy('objects'))
    effect.erasing = SimpleNamespace(erased=Spy('erasing'))
    image = np.zeros((8, 8, 3), np.uint8)

    def frequencies(kind, n=4000):
        counts = Counter()
        rng = np.random.default_rng(0)
        suited = effect.for_example(example(kind))
        for _ in range(n):
            order.clear()
            suited(image, None, rng)
            counts[' '.join(order)] += 1
        return {key: count / n for key, count in counts.items()}

    for kind, p in (('3d', 0.5), ('2d', 0.7)):
        found = frequencies(kind)
        assert set(found) == {'colour', 'objects colour', 'colour erasing'}
        assert found['objects colour'] == pytest.approx(p / 2, abs=0.03)
        assert found['colour erasing'] == pytest.approx(p / 2, abs=0.03)


def test_numbers_sizes_and_places_of_objects(monkeypatch):
    from posepile.training import occlusion

    calls = []
    monkeypatch.setattr(
        occlusion, 'paste_over', lambda im, dst, alpha, center, inplace: calls.append((im, center))
    )
    effect = Occluders([(np.zeros((100, 200, 3), np.uint8), np.ones((100, 200)))])
    rng, counts, image = np.random.default_rng(0), Counter(), np.zeros((256, 256, 3), np.uint8)
    widths, centers = [], []
    for _ in range(1200):
        calls.clear()
        effect.pasted(image, rng)
        counts[len(calls)] += 1
        widths += [im.shape[1] / 200 for im, _ in calls]
        centers += [center for _, center in calls]
    assert sorted(counts) == [1, 2, 3, 4, 5, 6] and min(counts.values()) > 150
    quantiles = np.quantile(widths, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(quantiles, [0.2, 0.4, 0.6, 0.8, 1.0], atol=0.02)
    quantiles = np.quantile(centers, [0, 0.5, 1], axis=0)
    np.testing.assert_allclose(quantiles, [[0, 0], [128, 128], [256, 256]], atol=6)


def smooth_picture(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    waves = [np.sin(x / 19 + c) + np.cos(y / (13 + 3 * c)) for c in range(3)]
    return np.clip(127 + 55 * np.stack(waves, axis=2), 0, 255).astype(np.uint8)


@pytest.mark.parametrize('shape', [(512, 512), (300, 420)])
def test_backgrounds_are_seen_by_the_camera_of_the_restatement(shape):
    picture, image = smooth_picture(shape), noise((256, 256, 3), 1)
    mask = np.zeros((256, 256), np.uint8)
    mask[80:180, 100:150] = 255
    for seed in range(8):
        result = Backgrounds([picture], 1)(image, mask, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        rng.random(), rng.integers(1)  # whether, and which
        camera = deltacamera.Camera.create2D(shape)
        camera_new = camera.copy(image_shape=(256, 256))
        zoom = rng.uniform(1.2, 1.5) * max(256 / shape[0], 256 / shape[1])
        r, angle = math.sqrt(rng.random()), rng.random() * math.tau
        camera_new.zoom(zoom, inplace=True)
        camera_new.center_principal_point((256, 256), inplace=True)
        offset = np.array([r * math.cos(angle), r * math.sin(angle)]) * 0.1 * 256
        camera_new.shift_image(offset, inplace=True)
        expected = deltacamera.reproject_image(picture, camera, camera_new)
        outside = result[mask == 0].astype(int) - expected[mask == 0]
        assert np.abs(outside).mean() < 1 and np.abs(outside).max() < 12
        np.testing.assert_array_equal(result[mask == 255], image[mask == 255])


def test_backgrounds_are_rarer_behind_rendered_people():
    effect = Backgrounds([np.zeros((8, 8, 3), np.uint8)])
    for kind, path, p in (
        ('3d', 'h36m_downscaled/a.jpg', 0.7),
        ('3d', 'agora_downscaled/a.jpg', 0.2),
        ('3d', 'x/sailvos/a.jpg', 0.2),
        ('3d', 'spec-syn/a.jpg', 0.2),
        ('3d', 'hspace/a.jpg', 0.2),
        ('2d', 'agora_downscaled/a.jpg', 0.7),
        ('2d', 'coco/a.jpg', 0.7),
    ):
        suited = effect.for_example(example(kind, path))
        image, mask = np.full((8, 8, 3), 9, np.uint8), np.zeros((8, 8), np.uint8)
        rng = np.random.default_rng(0)
        changed = [not np.array_equal(suited(image, mask, rng), image) for _ in range(2000)]
        assert np.mean(changed) == pytest.approx(p, abs=0.035)
    assert effect(image, None, np.random.default_rng(0)) is image


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """Names of packed products, of other contents than their datasets have."""
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))

    def pack(name, kind, images):
        write_images(SimpleNamespace(name=name, kind=kind, options={}), images)

    things = [(rgb, np.round(alpha * 4) / 4) for rgb, alpha in cutouts()]
    pack('pascal_voc', 'occluders', [(f'{i}.png', encode_cutout(*t)) for i, t in enumerate(things)])
    jpegs = [encode_jpeg(np.full((64, 64, 3), 50 * i, np.uint8)) for i in range(1, 5)]
    pack('inria_holidays', 'backgrounds', [(f'{i}.jpg', data) for i, data in enumerate(jpegs)])
    return tmp_path


def test_by_name(packed):
    image, mask = noise((128, 128, 3), 1), np.zeros((128, 128), np.uint8)
    in_memory, by_name = Occluders(cutouts()), Occluders('pascal_voc')
    for seed in range(5):
        a, b = (e.pasted(image, np.random.default_rng(seed)) for e in (in_memory, by_name))
        assert np.abs(a.astype(int) - b).max() <= 2  # 0.75 is stored in 255ths
    copy = pickle.loads(pickle.dumps(Occlusion('pascal_voc')))  # as it goes to a worker
    again = copy(image, mask, np.random.default_rng(1))
    np.testing.assert_array_equal(
        Occlusion('pascal_voc')(image, mask, np.random.default_rng(1)), again
    )
    places = Backgrounds('inria_holidays', 1)
    seen = {int(places(image, mask, np.random.default_rng(s)).mean().round(-1)) for s in range(40)}
    assert seen == {50, 100, 150, 200}
    with pytest.raises(OptionError, match='of the kind backgrounds, not occluders'):
        Occluders('inria_holidays')
    with pytest.raises(OptionError, match='holds occluders, not backgrounds'):
        Backgrounds(packed / 'packed' / 'pascal_voc' / 'images.barecat')


def test_workers_make_the_same_batches(packed, tmp_path):
    folder = tmp_path / 'people'
    dataset3d = open_dataset(write_dataset(folder), str(folder / 'images.barecat'))
    effects = [
        Backgrounds('inria_holidays', 1),
        Occlusion('pascal_voc', between=[ColorJitter()], probability=1),
    ]
    batches = []
    for workers in (0, 2):
        dataset = PoseDataset([dataset3d], view=RandomView(side=64), effects=effects, seed=3)
        order = ShuffledOrder(dataset.sizes, seed=1)
        loader = PoseLoader(dataset, Schedule(order, batch_size=2), workers=workers)
        batches.append([batch['image'].numpy().copy() for batch in loader])
    for a, b in zip(*batches, strict=True):
        np.testing.assert_array_equal(a, b)
    plain = PoseDataset([dataset3d], view=RandomView(side=64), seed=3)
    assert not np.array_equal(plain[0]['image'], dataset[0]['image'])
    np.testing.assert_array_equal(plain[0]['coords3d'], dataset[0]['coords3d'])


@pytest.mark.parametrize('kind', ['3d', '2d'])
def test_effects_are_asked_for_the_one_that_suits_the_example(tmp_path, kind):
    class Painter:
        def __init__(self, value=0):
            self.value = value

        def for_example(self, example):
            return Painter(3 if hasattr(example, 'world_coords') else 2)

        def __call__(self, image, mask, rng):
            return np.full_like(image, self.value)

    dataset = open_dataset(write_dataset(tmp_path, kind), str(tmp_path / 'images.barecat'))
    sample = PoseDataset([dataset], view=RandomView(side=32), effects=[Painter()])[0]
    assert np.all(sample['image'] == int(kind[0]))


def test_what_has_not_been_packed(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    with pytest.raises(ArchiveError, match='posepile run pascal_voc'):
        Occlusion('pascal_voc')


def test_collections_are_sequences(packed):
    images = open_images('pascal_voc')
    assert images.names == ['0.png', '1.png', '2.png'] and len(images) == 3
    for (rgb, alpha), (expected, opacity) in zip(images, cutouts(), strict=True):
        np.testing.assert_array_equal(rgb, expected)
        np.testing.assert_allclose(alpha / 255, opacity, atol=0.002)
    np.testing.assert_array_equal(images[-1][0], images[2][0])
    assert len(images[1:]) == 2
    with pytest.raises(IndexError):
        images[3]
