"""Real photographs and annotations, with pycocotools as the judge."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from posepile.datasets2d import get_dataset
from posepile.ds.coco import main
from posepile.ds.coco.annotations import segmentation_to_rle
from posepile.pipeline.pack import pack
from posepile.pipeline.stages import make_crops
from posepile.util import TRAIN, VALID
from tests.ds.coco.comparison import check_example
from tests.ds.coco.literal_rules import expected_people

SAMPLES = os.environ.get('POSEPILE_SAMPLES') or Path(__file__).parents[4] / 'shared/samples'
SAMPLES = Path(SAMPLES) / 'coco'
TRAIN_IMAGES = {785, 197388}  # the others are val
N_EXAMPLES = dict(coco=5, coco_multi=8, coco_reduced=8, coco_reduced_noface=8, coco_wholebody=8)

pytestmark = pytest.mark.skipif(
    not (SAMPLES / 'test_coco.json').exists(), reason=f'there are no samples of COCO in {SAMPLES}'
)


@pytest.fixture
def release(new_root):
    """The samples in the layout of the releases: path of the file of annotations by folder."""
    files = {}
    for name, year, raw_path in (
        ('test_coco.json', 2014, 'coco/annotations/person_keypoints_{}2014.json'),
        ('test_coco_wholebody.json', 2017, 'coco_wb/coco_wholebody_{}_v1.0.json'),
    ):
        content = json.loads((SAMPLES / name).read_text())
        for split in ('train', 'val'):
            folder = new_root / 'coco' / f'{split}{year}'
            folder.mkdir(parents=True)
            part = dict(content, images=[], annotations=[])
            for image in content['images']:
                if (image['id'] in TRAIN_IMAGES) == (split == 'train'):
                    prefix = f'COCO_{split}2014_' if year == 2014 else ''
                    new_name = prefix + image['file_name']
                    (folder / new_name).symlink_to(SAMPLES / image['file_name'])
                    part['images'].append(dict(image, file_name=new_name))
                    part['annotations'] += [
                        a for a in content['annotations'] if a['image_id'] == image['id']
                    ]
            path = new_root / raw_path.format(split)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(part))
            files[f'{split}{year}'] = path
    return files


@pytest.mark.parametrize('name', main.PRODUCTS)
def test_examples_are_what_pycocotools_reads(name, release):
    recipe = main.make_recipe(name)
    assert make_crops(recipe).skipped == []
    pack(recipe)
    dataset = get_dataset(name)
    n_examples = 0
    for split, part in ((TRAIN, 'train'), (VALID, 'val')):
        folder = part + ('2017' if name == 'coco_wholebody' else '2014')
        coco = COCO(str(release[folder]))
        expected = {}
        for image_id, number, annotation, joints in expected_people(
            coco.dataset, name, split == TRAIN
        ):
            stem = Path(coco.imgs[image_id]['file_name']).stem
            path = f'{recipe.crops_folder}/{folder}/{stem}_{number:02d}.jpg'
            expected[path] = annotation, joints
        examples = {e.image_path: e.load() for e in dataset.examples[split]}
        assert list(examples) == sorted(expected)
        for path, (annotation, joints) in expected.items():
            image = coco.imgs[annotation['image_id']]
            check_example(
                examples[path],
                joints,
                annotation['bbox'],
                (image['height'], image['width']),
                coco.annToMask(annotation),
            )
        n_examples += len(expected)
    assert n_examples == N_EXAMPLES[name]


@pytest.mark.parametrize('name', ['test_coco.json', 'test_coco_wholebody.json'])
def test_every_mask_is_that_of_pycocotools(name):
    coco = COCO(str(SAMPLES / name))
    assert len(coco.anns) == 14
    for annotation in coco.anns.values():
        image = coco.imgs[annotation['image_id']]
        rle = segmentation_to_rle(annotation['segmentation'], image['height'], image['width'])
        assert rle == coco.annToRLE(annotation)
        assert np.sum(coco.annToMask(annotation)) > 0
