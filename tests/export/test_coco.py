"""COCO files as pycocotools reads them."""

import numpy as np
import pytest
import rlemasklib

from posepile.datasets2d import Pose2DDataset
from posepile.export import export
from posepile.export.coco import COCO_JOINTS, COCO_SKELETON, keypoint_order
from posepile.export.plain import from_plain
from posepile.joint_info import JointInfo
from posepile.storage import archive
from posepile.util import SPLIT_NAMES, TRAIN
from tests.export.samples import (
    COCO_INFO,
    assert_same_example,
    examples2d,
    loaded,
    rich_dataset,
)

pycocotools = pytest.importorskip('pycocotools.coco')


def read(out, split_name):
    return pycocotools.COCO(str(out / 'annotations' / f'person_keypoints_{split_name}.json'))


def keypoints_of(annotation):
    return np.array(annotation['keypoints'], float).reshape(-1, 3)


@pytest.mark.parametrize('kind', ['3d', '2d'])
def test_everything_comes_back(tmp_path, kind):
    dataset = rich_dataset(tmp_path, kind)
    report = export(dataset, 'coco', tmp_path / 'out')
    assert report.lost == {}
    for split, name in enumerate(SPLIT_NAMES):
        expected = loaded(dataset, split)
        if not expected:
            assert not (tmp_path / 'out/annotations' / f'person_keypoints_{name}.json').exists()
            continue
        coco = read(tmp_path / 'out', name)
        assert len(coco.anns) == len(expected)
        assert len(coco.imgs) == len({ex.image_path for ex in expected.values()})
        for annotation in coco.anns.values():
            example = expected[annotation['posepile']['key']]
            image = coco.imgs[annotation['image_id']]
            assert image['file_name'] == example.image_path
            assert (image['width'], image['height']) == (400, 480)
            mask = example.mask
            if mask is None:
                assert annotation['segmentation'] == []
                assert annotation['area'] == pytest.approx(example.bbox[2] * example.bbox[3])
            else:
                np.testing.assert_array_equal(coco.annToMask(annotation), rlemasklib.decode(mask))
                assert annotation['area'] == rlemasklib.area(mask)
            np.testing.assert_array_equal(np.float32(annotation['bbox']), example.bbox)
            # With the mask put back, the remainder has all that the example had.
            plain = dict(annotation['posepile'])
            if mask is not None:
                plain['mask'] = annotation['segmentation']
            assert_same_example(from_plain(plain, kind), example)
            stored = archive.read_file(dataset.images_path, example.image_path)
            assert (tmp_path / 'out/images' / image['file_name']).read_bytes() == stored


def test_3d_joints_are_projected(tmp_path):
    dataset = rich_dataset(tmp_path, '3d')
    export(dataset, 'coco', tmp_path / 'out', images=False)
    assert not (tmp_path / 'out/images').exists()
    for split, name in enumerate(SPLIT_NAMES):
        coco, expected = read(tmp_path / 'out', name), loaded(dataset, split)
        for annotation in coco.anns.values():
            example = expected[annotation['posepile']['key']]
            x, y, v = keypoints_of(annotation).T
            coords = example.world_coords
            depth = (coords - example.camera.t) @ np.array(example.camera.R)[2]
            visible = depth > 0  # neither missing nor behind the camera
            np.testing.assert_array_equal(v > 0, visible)
            assert annotation['num_keypoints'] == visible.sum()
            projected = example.camera.world_to_image(coords[visible])
            np.testing.assert_allclose(np.stack([x, y], 1)[visible], projected, atol=0.02)
            assert np.all(x[~visible] == 0) and np.all(y[~visible] == 0)
    category = coco.loadCats(1)[0]
    assert category['keypoints'] == dataset.joint_info.names
    drawn = {tuple(pair) for pair in category['skeleton']}
    assert drawn == {(i + 1, j + 1) for i, j in dataset.joint_info.stick_figure_edges}


def test_cocos_order_where_names_allow(tmp_path):
    dataset = rich_dataset(tmp_path, '2d')
    export(dataset, 'coco', tmp_path / 'out')
    coco = read(tmp_path / 'out', 'train')
    category = coco.loadCats(1)[0]
    assert category['keypoints'][0] == 'nose' and category['keypoints'][16] == 'right_ankle'
    assert len(category['keypoints']) == 17
    ids = COCO_INFO.ids
    for annotation in coco.anns.values():
        example = loaded(dataset, TRAIN)[annotation['posepile']['key']]
        keypoints = keypoints_of(annotation)
        for place, name in [(0, 'nose'), (1, 'leye'), (9, 'lwri'), (16, 'rank'), (7, 'lelb')]:
            point = example.coords[ids[name]]
            if np.isnan(point[0]):
                np.testing.assert_array_equal(keypoints[place], 0)
            else:
                np.testing.assert_array_equal(np.float32(keypoints[place, :2]), point)
        # The skeleton has neither ears nor shoulders.
        assert np.all(keypoints[[3, 4, 5, 6]] == 0)
    outside = read(tmp_path / 'out', 'val').anns[1]
    assert outside['keypoints'][48:] == [-30, 40, 1]
    assert outside['num_keypoints'] == sum(v > 0 for v in outside['keypoints'][2::3]) > 1


def test_order_of_skeletons():
    names, order, pairs = keypoint_order(JointInfo(list(COCO_JOINTS)[::-1]))
    assert order == list(range(16, -1, -1)) and pairs is COCO_SKELETON and len(names) == 17
    own = JointInfo('pelv,lank,rank', 'lank-pelv')
    assert keypoint_order(own) == (['pelv', 'lank', 'rank'], [0, 1, 2], [(1, 2), (1, 3)])


def test_keypoint_evaluation_takes_the_file(tmp_path):
    """pycocotools' own evaluation gives an average precision of 1 to the truth itself."""
    evaluation = pytest.importorskip('pycocotools.cocoeval')
    dataset = rich_dataset(tmp_path, '2d')
    export(dataset, 'coco', tmp_path / 'out', images=False)
    truth = read(tmp_path / 'out', 'train')
    found = [
        {key: a[key] for key in ('image_id', 'category_id', 'keypoints')} | {'score': 1}
        for a in truth.anns.values()
    ]
    run = evaluation.COCOeval(truth, truth.loadRes(found), 'keypoints')
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert run.stats[0] == pytest.approx(1)


def test_examples_of_an_image_need_not_follow_each_other(tmp_path):
    examples = [example for _, example, _ in examples2d()]
    examples[2].image_path = examples[0].image_path
    for example in examples:
        example.mask = examples[0].mask  # else sizes are read from images
    export(Pose2DDataset(COCO_INFO, examples), 'coco', tmp_path / 'out', images=False)
    coco = read(tmp_path / 'out', 'train')
    assert len(coco.imgs) == 3
    assert coco.anns[1]['image_id'] == coco.anns[3]['image_id'] != coco.anns[2]['image_id']
