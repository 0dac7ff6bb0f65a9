"""How well the masks of people in crops agree with the truth of the studio.

``python -m tests.segmentation.quality`` prints the figures for several ways to find them.
"""

import argparse
import tempfile
from dataclasses import dataclass, field

import numpy as np
import rlemasklib
from deltacamera import Camera

from posepile.detection.sources import load_encoded
from posepile.pipeline.crop_geometry import plan_crop
from posepile.pipeline.warp import warp_image, warp_mask
from posepile.raw.images import encode_jpeg
from posepile.segmentation import open_masks, segment_people
from posepile.simulate.crowd import random_crowd
from posepile.simulate.scene import mask_box
from posepile.storage.records import distortion_model

LEAST_AREA = 400  # crop pixels of a person worth looking at
SEED = 7_310_000  # first entry of the seeds here; the studio's networks are trained with others


@dataclass(frozen=True, eq=False)
class CrowdCrop:
    """The crop of one person of a scene, and what it really shows.

    Attributes:
        boxes: (4,) box of the person in the crop by kind: ``'body'`` with all parts that are
            hidden or beyond the border of the frame, ``'visible'`` of the pixels that are seen.
        masks: (n, h, w) bool visible pixels of the people in the crop; those of the person first.
        seen: which part of the person's outline in the frame is not hidden by something in front.
    """

    key: str
    jpeg: bytes
    boxes: dict
    masks: np.ndarray
    seen: float

    @property
    def n_people(self):
        return int(np.sum(self.masks.sum(axis=(1, 2)) > LEAST_AREA))


@dataclass(frozen=True)
class _Source:
    """A crop for :func:`posepile.segmentation.segment_people`, like those of a dataset."""

    crop: CrowdCrop
    kind_of_box: str

    def images(self, is_known):
        if not is_known(self.crop.key):
            yield self.crop.key, self._load

    def _load(self, image_size, stride):
        boxes = self.crop.boxes[self.kind_of_box][np.newaxis]
        return load_encoded(self.crop.jpeg, image_size, stride, self.crop.key, boxes)


def crowd_crops(n_scenes, first=0, imshape=(540, 960), closeness=0.6):
    """Crops of the people in random scenes of two to four, made as those of a dataset are.

    For ``closeness``, see :func:`posepile.simulate.crowd.random_crowd`.
    """
    return [
        crop
        for i in range(first, first + n_scenes)
        for crop in _crops_of_scene(i, imshape, closeness)
    ]


def _crops_of_scene(i_scene, imshape, closeness):
    rng = np.random.default_rng([SEED, i_scene])
    n_people = int(rng.integers(2, 5))
    height = rng.uniform(0.25, 0.7) * imshape[0]
    scene, camera = random_crowd(rng, imshape, n_people, height, closeness=closeness)
    frame = scene.render(camera, 0)
    view = Camera(
        optical_center=camera.t,
        rot_world_to_cam=camera.R,
        intrinsic_matrix=camera.K,
        distortion_model=distortion_model(camera.distortion),
        world_up=camera.world_up,
    )
    masks = [np.uint8(frame.mask(k)) * np.uint8(255) for k in range(len(scene.performers))]
    for k in range(len(scene.performers)):
        # The box of a dataset ends at the border of the frame.
        body = scene.full_box(camera, 0, k)
        start = np.clip(body[:2], 0, imshape[::-1])
        body = np.concatenate([start, np.clip(body[:2] + body[2:], 0, imshape[::-1]) - start])
        if not np.all(body[2:] > 20):
            continue
        geometry = plan_crop(view, body, imshape)
        in_crop = [rlemasklib.decode(warp_mask(mask, geometry)) > 0 for mask in masks]
        in_crop.insert(0, in_crop.pop(k))
        if in_crop[0].sum() <= LEAST_AREA:
            continue
        jpeg = encode_jpeg(warp_image(frame.image, geometry), quality=95)
        boxes = dict(body=geometry.box, visible=mask_box(in_crop[0]))
        seen = frame.mask(k).sum() / scene.amodal_mask(camera, 0, k).sum()
        yield CrowdCrop(f'{i_scene:05d}/{k}.jpg', jpeg, boxes, np.array(in_crop), float(seen))


@dataclass
class Quality:
    """Agreement with the truth.

    Attributes:
        all_ious: of each crop, overlap of the mask found for the person with the true one, and
            with those of the others in the crop; zeros if there is none.
        ious: the first of these.
        is_right: of each crop that shows at least two people, whether the mask found belongs to
            the right one: overlaps with no other person more.
    """

    all_ious: list = field(default_factory=list)
    ious: list = field(default_factory=list)
    is_right: list = field(default_factory=list)

    @classmethod
    def of(cls, pairs):
        """From (crop, its ``all_ious``) of many crops."""
        quality = cls()
        for crop, ious in pairs:
            quality.all_ious.append(ious)
            quality.ious.append(ious[0])
            if crop.n_people >= 2:
                quality.is_right.append(ious[0] > 0 and ious[0] == max(ious))
        return quality

    def __str__(self):
        return (
            f'{len(self.ious)} crops, mean IoU {np.mean(self.ious):.4f}, '
            f'{np.mean(np.array(self.ious) < 0.5):.1%} below a half; the right person in '
            f'{np.mean(self.is_right):.2%} of {len(self.is_right)} crops that show several'
        )


def iou(mask, other):
    """Intersection over union of two boolean masks; 0 if both are empty."""
    return np.sum(mask & other) / max(1, np.sum(mask | other))


def measure(crops, network, options=None, kind_of_box='body'):
    """The :class:`Quality` of what the segmentation stage finds in some crops."""
    sources = [_Source(crop, kind_of_box) for crop in crops]
    with tempfile.TemporaryDirectory() as folder:
        segment_people(sources, folder, network, options)
        found = open_masks(folder)
        masks = [found[crop.key] for crop in crops]
    return Quality.of((crop, _ious(mask, crop)) for crop, mask in zip(crops, masks, strict=True))


def _ious(rle, crop):
    if rle is None:
        return [0.0] * len(crop.masks)
    mask = rlemasklib.decode(rle) > 0
    return [iou(mask, true) for true in crop.masks]


def main():
    from posepile.detection.network import PeopleNetwork
    from posepile.detection.weights import studio_weights
    from posepile.segmentation.stage import SegmentationOptions

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--scenes', type=int, default=60)
    parser.add_argument('--closeness', type=float, nargs='+', default=[0.6, 0.2])
    parser.add_argument('--seen', type=float, nargs='+', default=[0, 0.5, 0.8])
    parser.add_argument('--weights', default=studio_weights('segment'))
    parser.add_argument('--sizes', type=int, nargs='+', default=[320, 480, 640])
    args = parser.parse_args()
    network = PeopleNetwork(args.weights)
    for closeness in args.closeness:
        crops = crowd_crops(args.scenes, closeness=closeness)
        for size in args.sizes:
            options = SegmentationOptions(image_size=size)
            for kind in ('body', 'visible'):
                whole = measure(crops, network, options, kind)
                print(f'closeness {closeness}, {size} px, {kind} box:')
                for least in args.seen:
                    part = Quality.of(
                        (crop, ious)
                        for crop, ious in zip(crops, whole.all_ious, strict=True)
                        if crop.seen >= least
                    )
                    print(f'    {least:.0%} or more to be seen: {part}', flush=True)


if __name__ == '__main__':
    main()
