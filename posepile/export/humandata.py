"""HumanData: the npz files of MMHuman3D, and the images.

``<name>_<split>.npz`` (``_NNN`` is added where there are several per split) and ``images/``.
Keypoints are in COCO's order where the skeleton has no others, else in its own;
``misc['joint_names']`` has the names. ``keypoints3d``, ``transl`` and camera centres are in metres,
all in world space, as the body-model parameters are; ``misc`` holds the cameras and what HumanData
has no key for. Missing values are 0 with a confidence of 0, or with 0 in ``has_smpl``.

Keys and shapes are those that the class HumanData of MMHuman3D checks
(data/data_structures/human_data.py there); ``has_smpl`` and the genders ``m``, ``f``, ``n`` are
what its data loaders look for.
"""

from collections import Counter

import numpy as np

from posepile.export.coco import keypoint_order
from posepile.export.folder import ExportFolder, shards
from posepile.export.parameters import split_parameters
from posepile.export.plain import camera_arrays, plain_densepose, plain_mask
from posepile.export.source import box_of, coords_of, image_points_of, univ_coords_of
from posepile.util import SPLIT_NAMES

SHARD_SIZE = 100_000
_MM_PER_M = 1000
_N_BETAS = 10
#: Parts of the pose vector of each body model, with the number of joints, in order.
POSE_PARTS = {
    'smpl': dict(global_orient=1, body_pose=23),
    'smplh': dict(global_orient=1, body_pose=21, left_hand_pose=15, right_hand_pose=15),
    'smplx': dict(
        global_orient=1, body_pose=21, jaw_pose=1, leye_pose=1, reye_pose=1,
        left_hand_pose=15, right_hand_pose=15,
    ),
}  # fmt: skip


def write(source, out, images=True, shard_size=SHARD_SIZE):
    """Export to the folder ``out``; see :func:`posepile.export.export`."""
    folder = ExportFolder(out, 'humandata', source, images=images, shard_size=shard_size)
    with source.progress('humandata') as progress:
        for split, i_shard, n_shards, start, stop in shards(source, shard_size):
            number = f'_{i_shard:03d}' if n_shards > 1 else ''
            name = f'{source.name}_{SPLIT_NAMES[split]}{number}.npz'
            if folder.is_done(name):
                progress.update(stop - start)
                continue
            with folder.write(name, SPLIT_NAMES[split]) as (partial, count):
                samples = source.samples(split, start, stop)
                content = _content(samples, stop - start, source, folder, count, images, progress)
                np.savez_compressed(partial, **content)
    return folder.report()


def _content(samples, n, source, folder, count, images, progress):
    names, order, _ = keypoint_order(source.joint_info)
    is_coco = names != source.joint_info.names
    keypoints = {d: np.zeros((n, len(order), d + 1), np.float32) for d in (2, 3)}
    boxes = np.zeros((n, 5), np.float32)
    bodies, extras, lost = _Bodies(n), _Extras(n), Counter()
    image_paths, seen = [], None
    for i, sample in enumerate(samples):
        example = sample.example
        image_paths.append(example.image_path)
        if images and example.image_path != seen:
            image_paths[i] = folder.write_image(example.image_path)
            count['images'] += 1
        elif images:
            image_paths[i] = image_paths[i - 1]
        seen = example.image_path
        box = box_of(example)
        if box is not None:
            boxes[i] = [*box, 1]
        _put_keypoints(keypoints[2][i], image_points_of(example), order)
        if source.kind == '3d':
            coords = coords_of(example)
            _put_keypoints(keypoints[3][i], None if coords is None else coords / _MM_PER_M, order)
            bodies.add(i, example.parameters, lost)
        extras.add(i, sample)
        count['examples'] += 1
        progress.update(1)
    count['lost'] = dict(lost)
    convention = 'coco' if is_coco else f'posepile_{source.name}'
    mask = np.array([i is not None for i in order], np.uint8)
    content = dict(
        __key_strict__=False,
        __data_len__=n,
        __keypoints_compressed__=False,
        config=source.name,
        image_path=np.array(image_paths),
        bbox_xywh=boxes,
        meta=dict(gender=bodies.genders),
        # In a row of its own, so that nobody takes it for one name per example.
        misc=dict(joint_names=np.array([names]), **extras.arrays(), **bodies.numbers),
        **bodies.arrays(),
    )
    for d in (2, 3) if source.kind == '3d' else (2,):
        content[f'keypoints{d}d'] = keypoints[d]
        content[f'keypoints{d}d_mask'] = mask
        content[f'keypoints{d}d_convention'] = convention
    return content


def _put_keypoints(target, points, order):
    """Fill (K, D + 1) with points and a confidence of 1, where there are any."""
    if points is None:
        return
    for k, joint in enumerate(order):
        if joint is not None and not np.any(np.isnan(points[joint])):
            target[k] = [*points[joint], 1]


class _Bodies:
    """Body-model parameters of all examples of a file, as arrays by model."""

    def __init__(self, n):
        self._n = n
        self._models = {}
        self._has = {}
        self.numbers = {}
        self.genders = np.full(n, 'n')

    def add(self, i, parameters, lost):
        if parameters is None:
            return
        typed = split_parameters(parameters, lost)
        parts = POSE_PARTS.get(typed['type'])
        pose = typed['pose']
        if parts is None or pose is None or pose.size != 3 * sum(parts.values()):
            lost[f'parameters of {typed["type"]} with another pose than the model has'] += 1
            return
        model = self._models.setdefault(typed['type'], {})
        self._has.setdefault(typed['type'], np.zeros(self._n, np.uint8))[i] = 1
        self._put(model, i, 'betas', np.zeros(_N_BETAS))  # HumanData counts by them
        at = 0
        for key, n_joints in parts.items():
            self._put(model, i, key, pose[at : at + 3 * n_joints])
            at += 3 * n_joints
        for key, name in (('shape', 'betas'), ('trans', 'transl'), ('expression', 'expression')):
            if typed[key] is not None:
                self._put(model, i, name, typed[key])
        for key in ('kid_factor', 'scale'):
            if typed[key] is not None:
                numbers = self.numbers.setdefault(key, np.full(self._n, np.nan, np.float32))
                numbers[i] = typed[key]
        if typed['gender'] is not None:
            self.genders[i] = typed['gender'][:1]

    def _put(self, model, i, key, values):
        """Put a row; shorter rows, of shape coefficients, are filled up with zeros."""
        array = model.setdefault(key, np.zeros((self._n, 0), np.float32))
        if array.shape[1] < len(values):
            array = np.pad(array, ((0, 0), (0, len(values) - array.shape[1])))
            model[key] = array
        array[i, : len(values)] = values

    def arrays(self):
        """{model: {key: array}, has_<model>: array}; poses of several joints are (N, joints, 3)."""
        result = {}
        for name, model in self._models.items():
            parts = POSE_PARTS[name]
            result[name] = {
                key: array.reshape(self._n, -1, 3) if parts.get(key, 1) > 1 else array
                for key, array in model.items()
            }
            result[f'has_{name}'] = self._has[name]
        return result


class _Extras:
    """What HumanData has no key for: cameras as arrays, the rest as lists with None for gaps."""

    def __init__(self, n):
        self._n = n
        self._lists = {}
        self._cameras = {}

    def add(self, i, sample):
        example = sample.example
        self._put(i, 'key', sample.key)
        if example.camera is not None:
            self._put_camera(i, camera_arrays(example.camera))
        if example.mask is not None:
            self._put(i, 'mask', plain_mask(example.mask))
        if getattr(example, 'densepose', None) is not None:
            self._put(i, 'densepose', plain_densepose(example.densepose))
        univ_coords = univ_coords_of(example)
        if univ_coords is not None:
            self._put(i, 'univ_keypoints3d', univ_coords / _MM_PER_M)
        for key in ('activity', 'scene'):
            name = getattr(example, f'{key}_name', 'unknown')
            if name != 'unknown':
                self._put(i, key, name)

    def _put(self, i, key, value):
        self._lists.setdefault(key, [None] * self._n)[i] = value

    def _put_camera(self, i, arrays):
        arrays['optical_center'] = arrays['optical_center'] / _MM_PER_M
        self._put(i, 'camera_distortion_coeffs', arrays.pop('distortion_coeffs'))
        for key, value in arrays.items():
            stack = self._cameras.setdefault(
                f'camera_{key}', np.full((self._n, *value.shape), np.nan, np.float32)
            )
            stack[i] = value

    def arrays(self):
        return {**self._lists, **self._cameras}
