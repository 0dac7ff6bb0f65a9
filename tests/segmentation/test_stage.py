"""The segmentation stage with the studio network: what is found, and that it is always the same."""

import cv2
import numpy as np
import pytest
import rlemasklib
from pycocotools import mask as coco_mask

from posepile.detection.sources import ImageFile
from posepile.errors import OptionError
from posepile.raw.images import decode_image, encode_jpeg
from posepile.segmentation import open_masks, segment_people
from posepile.segmentation.boxed import Boxed
from posepile.segmentation.choice import cleaned_mask
from posepile.segmentation.stage import SegmentationOptions
from posepile.segmentation.stored import mask_key, mask_results, open_instances
from posepile.storage.results import part_files
from tests.segmentation.quality import crowd_crops, iou


@pytest.fixture(scope='module')
def crops():
    return [crop for crop in crowd_crops(4, imshape=(360, 640)) if crop.seen > 0.9][:6]


@pytest.fixture(scope='module')
def files(crops, tmp_path_factory):
    """The crops as image files, an empty one among them, and one that is damaged."""
    folder = tmp_path_factory.mktemp('crops')
    sources = []
    for i, crop in enumerate(crops):
        (folder / f'{i}.jpg').write_bytes(crop.jpeg)
        sources.append(ImageFile(f'{i}.jpg', str(folder / f'{i}.jpg')))
    (folder / 'a_wall.jpg').write_bytes(encode_jpeg(np.full((300, 240, 3), 90, np.uint8)))
    (folder / 'damaged.jpg').write_bytes(b'\xff\xd8\xff nothing')
    sources += [ImageFile(n, str(folder / n)) for n in ('a_wall.jpg', 'damaged.jpg')]
    return sources


@pytest.fixture(scope='module')
def boxes(crops):
    """Boxes of the people looked for in each image: in the first, also of a person not there."""
    found = {f'{i}.jpg': crop.boxes['body'][np.newaxis] for i, crop in enumerate(crops)}
    found['0.jpg'] = np.concatenate([found['0.jpg'], [[2, 2, 9, 9]], found['0.jpg']])
    return {**found, 'a_wall.jpg': np.float64([[50, 50, 90, 200]]), 'damaged.jpg': np.ones((1, 4))}


@pytest.fixture(scope='module')
def boxed(files, boxes, network, tmp_path_factory):
    """Results of the stage for certain people, and what it returned."""
    out = tmp_path_factory.mktemp('boxed')
    sources = [Boxed(source, boxes) for source in files]
    return out, segment_people(sources, out, network, batch_size=2)


@pytest.fixture(scope='module')
def everybody(files, network, tmp_path_factory):
    out = tmp_path_factory.mktemp('everybody')
    segment_people(files, out, network, batch_size=2)
    return out


def test_the_person_and_all_people(crops, boxed):
    masks, people = open_masks(boxed[0]), open_masks(boxed[0], 'people')
    own_ious, covered = [], []
    for i, crop in enumerate(crops):
        mask, union = (rlemasklib.decode(m[f'{i}.jpg']) > 0 for m in (masks, people))
        assert mask.shape == crop.masks.shape[1:]
        own_ious.append(iou(mask, crop.masks[0]))
        everybody = crop.masks.any(axis=0)
        covered.append(np.sum(union & everybody) / everybody.sum())
        assert not np.any(mask & ~union)
        np.testing.assert_array_equal(coco_mask.decode(masks[f'{i}.jpg']) > 0, mask)
    assert np.mean(own_ious) > 0.8 and np.mean(covered) > 0.85


def test_every_example_of_a_crop_has_its_own(boxed):
    masks, people = open_masks(boxed[0]), open_masks(boxed[0], 'people')
    assert masks[mask_key('0.jpg', 1)] is None
    assert masks[mask_key('0.jpg', 2)] == masks['0.jpg']
    assert people[mask_key('0.jpg', 1)] == people['0.jpg']
    with pytest.raises(KeyError):
        masks[mask_key('1.jpg', 1)]


def test_nobody_is_noted_and_damage_is_told(boxed, crops):
    out, (n_images, skipped) = boxed
    assert n_images == len(crops) + 1
    assert list(skipped) == ['damaged.jpg']
    masks = open_masks(out)
    assert masks['a_wall.jpg'] is None and open_masks(out, 'people')['a_wall.jpg'] is None
    assert masks.skipped().keys() == {'damaged.jpg'}
    assert 'damaged.jpg' not in masks


def test_an_image_in_which_nobody_is_looked_for_is_noted(files, network, tmp_path):
    segment_people([Boxed(files[0], {'0.jpg': np.zeros((0, 5))})], tmp_path, network)
    assert open_masks(tmp_path)['0.jpg'] is None
    assert open_masks(tmp_path, 'people')['0.jpg'] is not None


def test_stored_masks_are_compressed(boxed, everybody):
    value = mask_results(boxed[0])['0.jpg']
    assert all(set(value[which]) == {'size', 'zcounts'} for which in ('person', 'people'))
    value = mask_results(everybody)['0.jpg']
    assert all(set(rle) == {'size', 'zcounts'} for rle in (*value['masks'], value['people']))


def test_all_people_one_by_one(crops, everybody, boxed):
    instances = open_instances(everybody)
    assert len(instances['a_wall.jpg'][0]) == len(instances['a_wall.jpg'][1]) == 0
    for i, crop in enumerate(crops):
        found_boxes, rles = instances[f'{i}.jpg']
        masks = [rlemasklib.decode(rle) > 0 for rle in rles]
        assert np.all(np.diff(found_boxes[:, 4]) <= 0) and found_boxes.shape == (len(masks), 5)
        assert max(iou(mask, crop.masks[0]) for mask in masks) > 0.6
        for mask, (left, top, width, height) in zip(masks, found_boxes[:, :4], strict=True):
            rows, columns = np.nonzero(mask)
            margin = 0.02 * max(mask.shape)
            assert left - margin <= columns.min() and columns.max() < left + width + margin
            assert top - margin <= rows.min() and rows.max() < top + height + margin
    # Masks of all together are those of the people found, and the same in both ways.
    union, other = (open_masks(place, 'people')['0.jpg'] for place in (everybody, boxed[0]))
    assert iou(rlemasklib.decode(union) > 0, rlemasklib.decode(other) > 0) > 0.99


def part_bytes(folder):
    return [open(path, 'rb').read() for path in part_files(folder)]


def test_the_division_of_the_work_changes_no_bit(files, boxes, network, boxed, tmp_path):
    sources = [Boxed(source, boxes) for source in files]
    for i in (2, 0, 1):
        segment_people(sources, tmp_path, network, i_task=i, n_tasks=3, batch_size=2)
    assert len(part_files(tmp_path)) == 3
    whole, parts = mask_results(boxed[0]), mask_results(tmp_path)
    assert dict(whole) == dict(parts) and whole.skipped() == parts.skipped()


def test_stopped_and_started_again_gives_the_same_bytes(files, boxes, network, boxed, tmp_path):
    sources = [Boxed(source, boxes) for source in files]

    def stop_after_two(n_images):
        seen.append(n_images)
        if sum(seen) >= 2:
            raise KeyboardInterrupt

    n_stops = 0
    while True:
        seen = []
        try:
            segment_people(sources, tmp_path, network, batch_size=2, on_progress=stop_after_two)
            break
        except KeyboardInterrupt:
            n_stops += 1
            assert n_stops < 20
    assert n_stops >= 2
    assert part_bytes(tmp_path) == part_bytes(boxed[0])


def test_who_is_known_to_be_there_needs_less_confidence(files, boxes, network, tmp_path):
    """Strangers do not become part of all people by it, but the one who is chosen does."""
    confidence = {}
    for least in (0.01, 1):
        options = SegmentationOptions(confidence=1, least_confidence=least)
        out = tmp_path / str(least)
        segment_people([Boxed(files[0], {'0.jpg': boxes['0.jpg'][:1]})], out, network, options)
        confidence[least] = open_masks(out)['0.jpg'], open_masks(out, 'people')['0.jpg']
    assert confidence[1] == (None, None)
    person, people = (rlemasklib.decode(rle) > 0 for rle in confidence[0.01])
    assert person.any() and iou(person, people) > 0.8
    segment_people(files[:1], tmp_path / 'all', network, SegmentationOptions(confidence=1))
    assert open_masks(tmp_path / 'all')['0.jpg'] is None
    for name in ('least_confidence', 'overlap'):
        with pytest.raises(OptionError, match=name):
            SegmentationOptions(**{name: 1.5})


def test_least_overlap(files, boxes, network, tmp_path):
    box = boxes['1.jpg'][0] + [0, 0, 0, 0]
    box[2:] *= 0.7
    source = [Boxed(files[1], {'1.jpg': box[np.newaxis]})]
    for overlap in (0.1, 0.9):
        out = tmp_path / str(overlap)
        segment_people(source, out, network, SegmentationOptions(overlap=overlap))
        assert (open_masks(out)['1.jpg'] is None) == (overlap == 0.9)


def test_masks_are_those_of_ultralytics(crops, network, tmp_path):
    """Their predictor at the same size of input, with masks at the size of the image."""
    from ultralytics.models.yolo.segment import SegmentationPredictor

    predictor = SegmentationPredictor(
        overrides=dict(
            task='segment', mode='predict', imgsz=network.image_size, conf=0.2, iou=0.7,
            save=False, verbose=False, device='cpu', retina_masks=True, rect=True,
        )
    )  # fmt: skip
    images = [np.ascontiguousarray(decode_image(crop.jpeg)[..., ::-1]) for crop in crops]
    for i, image in enumerate(images):
        cv2.imwrite(f'{tmp_path}/{i}.png', image)  # JPEGs would be decoded at a smaller size
    segment_people([ImageFile(f'{i}', f'{tmp_path}/{i}.png') for i in range(len(crops))],
                   tmp_path / 'out', network)  # fmt: skip
    instances = open_instances(tmp_path / 'out')
    ious = []
    for i, image in enumerate(images):
        (theirs,) = predictor([image], model=network._model)
        their_boxes = theirs.boxes.xyxy.numpy()
        boxes, rles = instances[f'{i}']
        assert len(their_boxes) >= len(boxes) > 0  # of end-to-end networks, they suppress nothing
        for box, rle in zip(boxes, rles, strict=True):
            corners = np.concatenate([box[:2], box[:2] + box[2:4]])
            k = np.abs(their_boxes - corners).max(axis=1).argmin()
            np.testing.assert_allclose(their_boxes[k], corners, atol=0.2)
            mask = theirs.masks.data[k].numpy() > 0
            if mask.sum() > 1000:
                ious.append(iou(rlemasklib.decode(rle) > 0, cleaned_mask(np.uint8(mask), box) > 0))
    assert len(ious) >= len(crops) and np.mean(ious) > 0.97 and min(ious) > 0.9
