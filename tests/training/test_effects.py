"""Colour, quality, occluders and backgrounds."""

import cv2
import numpy as np
import pytest

from posepile.errors import RawDataError
from posepile.training.appearance import ColorJitter, Degradation
from posepile.training.occlusion import Backgrounds, Occluders


@pytest.fixture
def image():
    y, x = np.mgrid[:96, :80]
    channels = [100 + 60 * np.sin(x / 9), 120 + 50 * np.cos(y / 7), 90 + 0.5 * (x + y)]
    return np.stack(channels, axis=2).astype(np.uint8)


@pytest.fixture
def mask():
    mask = np.zeros((96, 80), np.uint8)
    cv2.circle(mask, (40, 48), 20, 255, -1)
    return mask


CUTOUT = np.full((20, 30, 3), (250, 10, 200), np.uint8), np.ones((20, 30), np.float32)
OTHER_PLACE = np.full((60, 90, 3), (5, 6, 7), np.uint8)
ALWAYS = dict(blur=1, noise=1, jpeg=1)


@pytest.mark.parametrize(
    'effect',
    [
        ColorJitter(),
        Degradation(**ALWAYS),
        Occluders([CUTOUT], probability=1),
        Backgrounds([OTHER_PLACE], probability=1),
    ],
)
def test_effects_depend_on_the_generator_alone_and_leave_the_image(effect, image, mask):
    original = image.copy()
    results = [effect(image, mask, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(image, original)
    np.testing.assert_array_equal(results[0], results[1])
    assert results[0].shape == image.shape and results[0].dtype == np.uint8
    assert not np.array_equal(results[0], image)
    if not isinstance(effect, Backgrounds):  # this one has a single colour
        assert not np.array_equal(results[0], results[2])


def test_nothing_drawn_is_nothing_done(image, mask):
    rng = np.random.default_rng(0)
    for effect in (
        ColorJitter(0, 0, 0, 0, 0),
        Degradation(blur=0, noise=0, jpeg=0),
        Occluders([CUTOUT], probability=0),
        Backgrounds([OTHER_PLACE], probability=0),
    ):
        np.testing.assert_array_equal(effect(image, mask, rng), image)
    np.testing.assert_array_equal(Backgrounds([OTHER_PLACE], 1)(image, None, rng), image)


def test_hue_and_saturation_leave_grey_alone():
    grey = np.repeat(np.arange(0, 256, 5, np.uint8)[:, np.newaxis, np.newaxis], 3, axis=2)
    jitter = ColorJitter(brightness=0, contrast=0, saturation=1, hue=180, balance=0)
    for seed in range(5):
        np.testing.assert_array_equal(jitter(grey, None, np.random.default_rng(seed)), grey)


@pytest.mark.parametrize('name', ['brightness', 'contrast', 'saturation'])
def test_each_kind_of_jitter_does_what_its_name_says(image, name):
    options = dict.fromkeys(('brightness', 'contrast', 'saturation', 'hue', 'balance'), 0)
    jitter = ColorJitter(**{**options, name: 0.3})
    factors = []
    for seed in range(40):
        changed = jitter(image, None, np.random.default_rng(seed)).astype(float)
        grey, changed_grey = (
            cv2.cvtColor(np.float32(i), cv2.COLOR_RGB2GRAY) for i in (image, changed)
        )
        if name == 'brightness':
            factors.append(changed_grey.mean() / grey.mean())
        elif name == 'contrast':
            assert abs(changed_grey.mean() - grey.mean()) < 2
            factors.append(changed_grey.std() / grey.std())
        else:
            assert np.abs(changed_grey - grey).max() < 2
            factors.append(np.ptp(changed, axis=2).mean() / np.ptp(image, axis=2).mean())
    assert 0.68 < min(factors) < 0.8 and 1.2 < max(factors) < 1.32


def test_degradations_degrade(image):
    def changed(**options):
        return Degradation(**{**dict.fromkeys(ALWAYS, 0), **options})(
            image, None, np.random.default_rng(0)
        ).astype(float)

    def roughness(picture):
        return np.abs(np.diff(np.float64(picture), axis=0)).mean()

    sharp = np.indices((96, 80)).sum(axis=0, keepdims=True).transpose(1, 2, 0) % 2 * 200
    sharp = np.repeat(sharp, 3, axis=2).astype(np.uint8)
    blurred = Degradation(1, 0, 0)(sharp, None, np.random.default_rng(0))
    assert roughness(blurred) < 0.9 * roughness(sharp)
    assert roughness(changed(noise=1)) > roughness(image)
    assert 0 < np.abs(changed(jpeg=1) - image).mean() < 8


def test_occluders_are_opaque_where_they_are_and_nowhere_else(image, mask):
    for seed in range(10):
        result = Occluders([CUTOUT], 1, most=3)(image, mask, np.random.default_rng(seed))
        is_covered = np.abs(result - np.array([250, 10, 200])).max(axis=2) < 3
        np.testing.assert_array_equal(result[~is_covered], image[~is_covered])
    sizes = [
        np.all(
            Occluders([CUTOUT], 1, 1, (1, 4))(image, mask, np.random.default_rng(seed))
            == (250, 10, 200),
            axis=2,
        ).sum()
        for seed in range(60)
    ]
    largest = 30 * 20 * (4 * 96 / 256) ** 2  # the longer side counts
    assert 0.8 * largest < max(sizes) <= largest * 1.05


def test_occluders_come_from_files_with_transparency(tmp_path, image):
    bgra = np.zeros((12, 10, 4), np.uint8)
    bgra[..., 2] = 200
    bgra[:, 5:, 3] = 255
    cv2.imwrite(str(tmp_path / 'thing.png'), bgra)
    ((cutout, alpha),) = Occluders.from_folder(tmp_path).cutouts
    assert cutout[0, 0].tolist() == [200, 0, 0]
    assert alpha[:, :5].max() == 0 and alpha[:, 5:].min() == 1
    cv2.imwrite(str(tmp_path / 'photo.png'), bgra[..., :3])
    with pytest.raises(RawDataError, match=r'photo\.png'):
        Occluders.from_folder(tmp_path)
    with pytest.raises(RawDataError, match='no PNG files'):
        Occluders.from_folder(tmp_path / 'nowhere')
    with pytest.raises(ValueError, match='no occluders'):
        Occluders([])


def test_backgrounds_replace_what_is_not_the_person(image, mask, tmp_path):
    path = tmp_path / 'place.png'
    cv2.imwrite(str(path), OTHER_PLACE[..., ::-1])
    (tmp_path / 'list.txt').write_text('place.png\n\n')
    for effect in (
        Backgrounds([OTHER_PLACE], 1),
        Backgrounds.from_list(tmp_path / 'list.txt', probability=1),
    ):
        result = effect(image, mask, np.random.default_rng(0))
        inner, outer = cv2.erode(mask, np.ones((11, 11))), cv2.dilate(mask, np.ones((11, 11)))
        np.testing.assert_array_equal(result[inner > 0], image[inner > 0])
        np.testing.assert_array_equal(result[outer == 0] - (5, 6, 7), 0)
    (tmp_path / 'list.txt').write_text('\n')
    with pytest.raises(RawDataError, match='empty'):
        Backgrounds.from_list(tmp_path / 'list.txt')
    with pytest.raises(RawDataError, match='no such list'):
        Backgrounds.from_list(tmp_path / 'other.txt')


def test_occluders_are_cut_out_along_their_outline(image, mask):
    cutout, alpha = np.zeros((20, 30, 3), np.uint8), np.zeros((20, 30), np.float32)
    cutout[:, :15], cutout[:, 15:] = (250, 10, 200), (0, 255, 0)
    alpha[:, :9] = 1  # never the green half
    for seed in range(12):
        effect = Occluders([(cutout, alpha)], 1, 1, scales=(2, 4))
        result = effect(image, mask, np.random.default_rng(seed))
        assert not np.any(result[..., 1] > 230)
