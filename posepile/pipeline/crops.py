"""From a clip to its crops."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from posepile.clips import Clip
from posepile.datasets2d import Pose2DExample
from posepile.datasets3d import Pose3DExample
from posepile.pipeline.crop_geometry import plan_crop
from posepile.pipeline.recipe import Recipe
from posepile.pipeline.report import Report
from posepile.pipeline.warp import warp
from posepile.raw.images import encode_jpeg


@dataclass
class Crop:
    """A finished crop: the example (its image left out) and the JPEG."""

    example: Pose3DExample | Pose2DExample
    split: int
    jpeg: bytes


def crops_of(name, clip: Clip, recipe: Recipe, report: Report):
    """Yield the crops of the clip ``name`` in the order of its frames, counting in ``report``.

    A frame that cannot be decoded, or a person whose box or joints cannot be used, is listed in
    the report and left out; the others go on.
    """
    people_by_frame = defaultdict(list)
    n_frames = 0
    for person in clip.people:
        length = min(len(person.joints), len(person.boxes))
        n_frames = max(n_frames, length)
        for i_frame in clip.select(person.joints[:length]):
            people_by_frame[int(i_frame)].append(person)

    def on_bad_frame(i_frame, message):
        place = '' if i_frame is None else f', frame {i_frame}'
        report.skipped.append(f'{name}{place}: {message}')

    decoded = set()
    wanted = sorted(people_by_frame)
    for i_frame, image in clip.frames.frames(wanted, on_bad_frame):
        decoded.add(i_frame)
        n_crops_before = report.crops
        for person in people_by_frame[i_frame]:
            try:
                crop = make_crop(clip, recipe, i_frame, image, person)
            except ValueError as e:
                on_bad_frame(i_frame, f'person {person.index}: {e}')
                continue
            report.crops += 1
            report.bytes += len(crop.jpeg)
            yield crop
        report.frames_kept += report.crops > n_crops_before
    n_lost = len(wanted) - len(decoded)
    if n_lost:
        report.frames_lost += n_lost
        report.skipped.append(
            f'{name}: {n_lost} of {len(wanted)} selected frames are not in its images'
        )
    report.frames_seen += n_frames
    report.notes += [f'{name}: {note}' for note in clip.notes]
    report.clips += 1


def make_crop(clip, recipe, i_frame, image, person) -> Crop:
    """The crop of one person in one frame, or the whole image if the clip is not to be cropped.

    Raises:
        ValueError: if no joint is valid, or the box is empty, not finite or off the image.
    """
    joints = np.array(person.joints[i_frame], np.float64)  # a copy: it is changed below
    if not np.any(np.all(np.isfinite(joints), axis=-1)):
        raise ValueError('no joint has finite coordinates')
    joints[~np.all(np.isfinite(joints), axis=-1)] = np.nan
    camera = clip.camera_at(i_frame)
    mask = None if person.masks is None else person.masks[i_frame]
    if clip.original_path is None:
        geometry = plan_crop(
            camera,
            person.boxes[i_frame],
            image.shape[:2],
            recipe.expansion,
            recipe.extreme_perspective,
            recipe.framing,
        )
        box, camera = geometry.box, geometry.camera
        points = geometry.points(joints) if recipe.kind == '2d' else None
        crop, mask = warp(image, mask, geometry)
        jpeg = encode_jpeg(clip.adjust(crop) if clip.adjust else crop, quality=95)
    else:
        box, points = _checked_box(person.boxes[i_frame]), joints
        with open(clip.original_path(i_frame), 'rb') as f:
            jpeg = f.read()
    common = dict(
        image_path=clip.crop_path.format(frame=i_frame, person=person.index),
        bbox=box.astype(np.float32),
        camera=camera,
        mask=mask,
    )
    if recipe.kind == '2d':
        example = Pose2DExample(coords=points.astype(np.float32), **common)
    else:
        example = Pose3DExample(
            world_coords=joints.astype(np.float32) if recipe.stores_joints else None,
            univ_coords=None if person.univ_joints is None else person.univ_joints[i_frame],
            parameters=None if person.parameters is None else person.parameters[i_frame],
            activity_name=clip.activity,
            scene_name=clip.scene,
            **common,
        )
    return Crop(example, clip.split, jpeg)


def _checked_box(box):
    box = np.asarray(box, np.float64)
    if not np.all(np.isfinite(box)) or np.any(box[2:] <= 0):
        raise ValueError(f'the box {box.round(1).tolist()} is empty or not finite')
    return box
