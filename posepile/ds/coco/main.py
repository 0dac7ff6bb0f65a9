"""MS COCO and COCO-WholeBody: people in photographs, annotated in the image plane."""

import os.path as osp
from dataclasses import dataclass

import numpy as np

from posepile import paths
from posepile.clips import Clip, Person
from posepile.ds.coco import selection, skeletons
from posepile.ds.coco.annotations import load_people, segmentation_to_rle
from posepile.errors import RawDataError, UnknownDatasetError
from posepile.joint_info import JointInfo
from posepile.pipeline import stages
from posepile.pipeline.recipe import Recipe
from posepile.raw.images import ImageFiles
from posepile.util import TRAIN, VALID


@dataclass(frozen=True)
class Product:
    """What distinguishes the products of this folder.

    Attributes:
        joint_info: skeleton, made of joints of the annotated one.
        crops_folder: top folder of the crops.
        single_person: whether people must stand apart from all others in the image.
        whole_body: whether the annotations are those of COCO-WholeBody.
        needs_limbs: whether a training example must have most of its limb joints.
    """

    joint_info: JointInfo
    crops_folder: str = 'coco_downscaled_multi'
    single_person: bool = False
    whole_body: bool = False
    needs_limbs: bool = False


PRODUCTS = {
    'coco': Product(skeletons.BODY, 'coco_downscaled', single_person=True),
    'coco_multi': Product(skeletons.BODY),
    'coco_reduced': Product(skeletons.LIMBS_AND_FACE, needs_limbs=True),
    'coco_reduced_noface': Product(skeletons.LIMBS, needs_limbs=True),
    'coco_wholebody': Product(skeletons.WHOLE_BODY, 'coco_wb_downscaled', whole_body=True),
}


def make_recipe(name='coco', single_person=True, face=True):
    """Recipe of a product; the options are those of :func:`make_dataset`."""
    if name == 'coco' and not single_person:
        name = 'coco_multi'
    if name == 'coco_reduced' and not face:
        name = 'coco_reduced_noface'
    if name not in PRODUCTS:
        raise UnknownDatasetError(f'{name!r} is none of {", ".join(PRODUCTS)}.')
    product = PRODUCTS[name]
    return Recipe(
        name=name,
        kind='2d',
        joint_info=product.joint_info,
        list_clips=lambda: list_clips(product),
        read_clip=lambda identity: read_clip(product, *identity),
        crops_folder=product.crops_folder,
        splits=(TRAIN, VALID),
        options=dict(single_person=product.single_person),
    )


def make_dataset(name='coco', single_person=True, face=True):
    """Open a packed product.

    Args:
        single_person: for ``coco``: False gives ``coco_multi``, with people who overlap.
        face: for ``coco_reduced``: False gives ``coco_reduced_noface``, without the face joints.
    """
    return make_recipe(name, single_person, face).open()


def list_clips(product):
    """(image path, (split, rows of :func:`load_people`)) of each image in which people are kept."""
    clips = []
    for split in (TRAIN, VALID):
        people = split_people(product, split)
        rows_of_image = {}
        for row in np.flatnonzero(is_kept(people, product, split)).tolist():
            rows_of_image.setdefault(people.images[people.i_image[row]].name, []).append(row)
        folder = image_folder(product, split)
        clips += [
            (f'{folder}/{name}', (split, tuple(rows)))
            for name, rows in sorted(rows_of_image.items())
        ]
    return clips


def is_kept(people, product, split):
    """(N,) which of the people belong to a product."""
    boxes = selection.joint_boxes(people.joints)
    kept = selection.is_large(boxes)
    if product.single_person:
        kept &= selection.is_apart(boxes, people.i_image)
    if product.needs_limbs and split == TRAIN:
        limbs = [skeletons.BODY.ids[name] for name in skeletons.LIMBS.names]
        kept &= selection.has_enough_limbs(people.joints[:, limbs])
    return kept


def read_clip(product, split, rows):
    """One photograph with the people in these rows of :func:`load_people`."""
    people = split_people(product, split)
    image = people.images[people.i_image[rows[0]]]
    path = f'{image_folder(product, split)}/{image.name}'
    stem, extension = osp.splitext(path.replace('{', '{{').replace('}', '}}'))
    return Clip(
        frames=ImageFiles([osp.join(paths.data_root(), 'coco', path)]),
        camera=None,
        people=[person(product, split, row) for row in rows],
        split=split,
        crop_path=f'{product.crops_folder}/{stem}_{{person:02d}}{extension}',
    )


def person(product, split, row):
    """The person in a row of :func:`load_people`."""
    people = split_people(product, split)
    annotated = skeletons.WHOLE_BODY if product.whole_body else skeletons.BODY
    joints = people.joints[row, [annotated.ids[name] for name in product.joint_info.names]]
    image = people.images[people.i_image[row]]
    try:
        mask = segmentation_to_rle(people.segmentations[row], image.height, image.width)
    except ValueError as e:
        path = annotation_path(product, split)
        raise RawDataError(path, f'annotation {people.ids[row]}: {e}') from e
    return Person(
        joints=joints[np.newaxis],
        boxes=people.boxes[[row]],
        masks=[mask],
        index=int(people.number[row]),
    )


def split_people(product, split):
    return load_people(annotation_path(product, split), product.whole_body)


def annotation_path(product, split):
    part = 'val' if split == VALID else 'train'
    if product.whole_body:
        return osp.join(paths.data_root(), 'coco_wb', f'coco_wholebody_{part}_v1.0.json')
    return osp.join(paths.data_root(), 'coco', 'annotations', f'person_keypoints_{part}2014.json')


def image_folder(product, split):
    """Folder of the images below ``coco``."""
    return ('val' if split == VALID else 'train') + ('2017' if product.whole_body else '2014')


if __name__ == '__main__':
    stages.main(make_recipe)
