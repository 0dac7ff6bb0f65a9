"""Annotation files, good and bad, and masks against pycocotools."""

import copy
import json
import math

import numpy as np
import pytest
import rlemasklib
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from posepile.ds.coco import main
from posepile.ds.coco.annotations import load_people, segmentation_to_rle
from posepile.errors import RawDataError
from posepile.pipeline.fetch import fetch_dataset
from posepile.pipeline.stages import make_crops
from posepile.registry import find_dataset

PARTS = dict(foot=6, face=68, lefthand=21, righthand=21)


def good_content():
    keypoints = [x for i in range(17) for x in (100 + 10 * i, 60 + 15 * i, 2)]
    annotation = dict(
        id=5, image_id=36, keypoints=keypoints, bbox=[90, 50, 200, 300], iscrowd=0,
        segmentation=[[90, 50, 250, 60, 200, 300]],
    )  # fmt: skip
    for part, n in PARTS.items():
        annotation[f'{part}_kpts'] = [0] * (3 * n)
        annotation[f'{part}_valid'] = False
    images = [dict(id=36, file_name='000000000036.jpg', height=480, width=640)]
    return dict(images=images, annotations=[annotation])


def damaged(change):
    content = good_content()
    change(content, content['images'][0], content['annotations'][0])
    return content


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda c, i, a: c.pop('annotations'), "lacks the key 'annotations'"),
        (lambda c, i, a: c.pop('images'), "lacks the key 'images'"),
        (lambda c, i, a: c.update(images={}), 'images is no list'),
        (lambda c, i, a: i.pop('file_name'), "image 0 .* lacks the key 'file_name'"),
        (lambda c, i, a: i.pop('height'), "image 36 lacks the key 'height'"),
        (lambda c, i, a: i.update(file_name='../../x.jpg'), 'image 36: .* without folder'),
        (lambda c, i, a: i.update(file_name=7), 'image 36: '),
        (lambda c, i, a: a.pop('image_id'), "annotation 0 .* lacks the key 'image_id'"),
        (lambda c, i, a: a.pop('keypoints'), "annotation 5 lacks the key 'keypoints'"),
        (lambda c, i, a: a.pop('segmentation'), "annotation 5 lacks the key 'segmentation'"),
        (lambda c, i, a: a.pop('face_valid'), "annotation 5 lacks the key 'face_valid'"),
        (lambda c, i, a: a['keypoints'].pop(), r'annotation 5: keypoints .*\(50,\).* 51 numbers'),
        (lambda c, i, a: a['face_kpts'].append(1), r'annotation 5: face_kpts .*\(205,\).* 204'),
        (lambda c, i, a: a.update(bbox=[1, 2, 3]), 'annotation 5: bbox .* 4 numbers'),
        (lambda c, i, a: a.update(bbox=[1, 2, 3, 'x']), 'annotation 5: '),
        (lambda c, i, a: a.update(keypoints=None), 'annotation 5: keypoints'),
        (lambda c, i, a: a.update(image_id=37), 'annotation 5 is of image 37'),
        (lambda c, i, a: a.update(segmentation=[['x']]), 'annotation 5: '),
    ],
)
def test_bad_file_is_named_with_what_is_wrong(written, change, message):
    path = written(damaged(change))
    with pytest.raises(RawDataError, match=message) as e:
        load_people(path, whole_body=True)
    assert e.value.path == path and e.value.remedy


def test_missing_or_cut_file(tmp_path):
    with pytest.raises(RawDataError, match='there is no such file'):
        load_people(str(tmp_path / 'x.json'))
    path = tmp_path / 'person_keypoints_train2014.json'
    path.write_text(json.dumps(good_content())[:-20])
    with pytest.raises(RawDataError, match='is no JSON'):
        load_people(str(path))


def test_parts_of_the_body_are_read_only_where_wanted(written):
    content = good_content()
    for part in PARTS:
        del content['annotations'][0][f'{part}_kpts'], content['annotations'][0][f'{part}_valid']
    assert load_people(written(content)).joints.shape == (1, 17, 2)
    with pytest.raises(RawDataError, match='foot_kpts'):
        load_people(written(content), whole_body=True)


def test_parts_that_are_not_annotated_are_missing(written):
    content = good_content()
    person = content['annotations'][0]
    person['keypoints'][2] = 0
    person['face_valid'] = True
    person['face_kpts'] = [7.25, 8.5, 0.3] + [9.25, 1.5, 0.0] * 67
    person['lefthand_kpts'] = [3, 4, 1] * 21  # not valid, and integers
    joints = load_people(written(content), whole_body=True).joints[0]
    is_missing = np.isnan(joints).all(axis=1)
    np.testing.assert_array_equal(is_missing, np.isnan(joints).any(axis=1))
    assert np.flatnonzero(~is_missing).tolist() == [*range(1, 17), 23]
    assert joints[23].tolist() == [7.25, 8.5]
    assert joints[1].tolist() == [110, 75]


def rasterised(height, width, annotations, tmp_path):
    """Masks by pycocotools' own way through a file."""
    path = tmp_path / 'for_pycocotools.json'
    images = [dict(id=36, height=height, width=width)]
    annotations = [dict(a, id=i, image_id=36, category_id=1) for i, a in enumerate(annotations)]
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=[])))
    coco = COCO(str(path))
    return [coco.annToMask(coco.anns[i]) for i in range(len(annotations))]


def test_masks_equal_those_of_pycocotools(tmp_path):
    rng = np.random.default_rng(0)
    height, width = 40, 60
    noise = rng.random((height, width)) < 0.3
    starts = np.flatnonzero(np.diff(noise.ravel(order='F').astype(int), prepend=0))
    counts = np.diff([0, *starts, noise.size]).tolist()
    segmentations = [
        [[5.5, 5.25, 30.1, 8.7, 20, 30]],
        [[5.5, 5.25, 30.1, 8.7, 20, 30], [40, 3, 70.5, -3, 55, 20.2]],  # two, one off the image
        [rng.uniform(-5, 65, 24).tolist() for _ in range(4)],
        dict(counts=counts, size=[height, width]),
        dict(counts=[height * width], size=[height, width]),
    ]
    expected = rasterised(height, width, [dict(segmentation=s) for s in segmentations], tmp_path)
    assert np.array_equal(expected[3].astype(bool), noise)
    for segmentation, mask in zip(segmentations, expected, strict=True):
        if isinstance(segmentation, list):
            segmentation = [np.array(polygon) for polygon in segmentation]
        rle = segmentation_to_rle(segmentation, height, width)
        np.testing.assert_array_equal(coco_mask.decode(rle), mask)
        np.testing.assert_array_equal(rlemasklib.decode(rle), mask)


def test_masks_of_the_whole_release(data_root):
    n_crowds = n_split = 0
    for path in (data_root / 'coco/annotations').glob('*.json'):
        coco = COCO(str(path))
        for annotation in coco.anns.values():
            image = coco.imgs[annotation['image_id']]
            rle = segmentation_to_rle(annotation['segmentation'], image['height'], image['width'])
            np.testing.assert_array_equal(coco_mask.decode(rle), coco.annToMask(annotation))
            n_crowds += annotation['iscrowd']
            n_split += not annotation['iscrowd'] and len(annotation['segmentation']) > 1
    assert n_crowds and n_split


def test_no_polygon_is_no_mask():
    assert segmentation_to_rle([], 10, 10) is None


@pytest.mark.parametrize(
    'segmentation',
    [
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, 6, 7]],
        [[]],
        dict(counts=[50, 51], size=[10, 10]),
        dict(counts=[-10, 110], size=[10, 10]),
        dict(counts=[100], size=[100, 1]),
        dict(counts=[], size=[10, 10]),
        dict(counts='abc', size=[10, 10]),
        'abc',
        None,
    ],
)
def test_bad_segmentation(segmentation):
    with pytest.raises(ValueError, match='segmentation'):
        segmentation_to_rle(segmentation, 10, 10)


@pytest.fixture
def small_release(data_root, new_root):
    """A release of which files may be replaced, and its annotations of train."""
    for folder in ('annotations', 'train2014', 'val2014'):
        (new_root / 'coco' / folder).mkdir(parents=True)
        for path in (data_root / 'coco' / folder).iterdir():
            (new_root / 'coco' / folder / path.name).symlink_to(path)
    path = new_root / 'coco/annotations/person_keypoints_train2014.json'
    content = json.loads(path.read_text())
    path.unlink()
    return new_root, path, content


def test_bad_photographs_and_people_are_left_out_and_counted(small_release):
    root, path, content = small_release
    # One photograph is missing, one is none, one box is empty and one mask makes no sense.
    images = root / 'coco/train2014'
    (images / 'COCO_train2014_000000000036.jpg').unlink()
    (images / 'COCO_train2014_000000000147.jpg').unlink()
    (images / 'COCO_train2014_000000000147.jpg').write_text('<html>')
    by_image = {a['image_id']: a for a in reversed(content['annotations'])}
    by_image[73]['bbox'][2:] = [0, 0]
    by_image[406]['segmentation'] = [[1, 2, 3, 4]]
    path.write_text(json.dumps(content))
    report = make_crops(main.make_recipe('coco_multi'))
    text = '\n'.join(report.skipped)
    assert 'COCO_train2014_000000000036.jpg: there is no such image file' in text
    assert 'COCO_train2014_000000000147.jpg' in text
    assert 'COCO_train2014_000000000073.jpg, frame 0: person 0: the box' in text
    assert f'{path}: annotation 40600: a polygon' in text
    assert (report.crops, report.clips_failed, report.frames_lost) == (21 - 4, 1, 2)


def test_names_with_braces_are_no_pattern(small_release):
    root, path, content = small_release
    image = next(i for i in content['images'] if i['id'] == 36)
    images = root / 'coco/train2014'
    (images / image['file_name']).rename(images / '{frame}_{0}.jpg')
    image['file_name'] = '{frame}_{0}.jpg'
    path.write_text(json.dumps(content))
    recipe = main.make_recipe('coco')
    name, identity = next(c for c in recipe.list_clips() if '{' in c[0])
    clip = recipe.read_clip(identity)
    assert name == 'train2014/{frame}_{0}.jpg'
    crop_path = clip.crop_path.format(frame=0, person=clip.people[0].index)
    assert crop_path == 'coco_downscaled/train2014/{frame}_{0}_00.jpg'


def test_missing_release_is_told(new_root):
    with pytest.raises(RawDataError, match='person_keypoints_train2014.json'):
        main.make_recipe('coco').list_clips()
    with pytest.raises(RawDataError, match='coco_wholebody_train_v1.0.json.*COCO-WholeBody') as e:
        fetch_dataset(find_dataset('coco_wholebody'))
    assert str(new_root / 'coco_wb') in str(e.value)


def test_annotations_are_not_changed_by_reading(written):
    content = good_content()
    before = copy.deepcopy(content)
    people = load_people(written(content))
    assert content == before
    assert math.isclose(people.boxes[0, 2], 200) and people.ids == [5]
