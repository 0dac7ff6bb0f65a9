"""Make the composites: ``python -m posepile.ds.muco.composites``.

They go to ``$DATA_ROOT/muco/unaugmented_set_001``, where the authors' MATLAB program puts them: 500
to a chunk, whose annotations come last and mean that it is complete. Images that are there are left
alone. Chunks are shared by the tasks of an array; a composite is the same whoever makes it.

Beside the annotations lies ``chunk_%05d_visible.json``: for each composite the people, from far to
near, and of each, in the order of the arrangement, the part that is seen (run-length encoded as in
COCO) and which of the 28 joints of the recordings are.
"""

import argparse
import json
import os
import os.path as osp
import sys

import cv2
import numpy as np
import scipy.io

from posepile.atomic import replacing
from posepile.ds.muco import depth_order, studio, tree
from posepile.ds.muco.compositor import Layer, composite
from posepile.ds.muco.origins import load_origins, moments_of
from posepile.ds.muco.pool import JOINTS
from posepile.ds.muco.products import n_composites
from posepile.ds.tdhp import tree as recordings
from posepile.ds.tdhp.skeleton import SOURCE_JOINTS
from posepile.errors import RawDataError
from posepile.paths import check_data_root
from posepile.pipeline.report import Report, leave_task_report
from posepile.program import array_task, run_program
from posepile.raw.images import encode_jpeg

GAMMA_SEED = 311
_PEOPLE = 4
_PELVIS = SOURCE_JOINTS.index('pelv')
_HEADER = b'MATLAB 5.0 MAT-file, Platform: GLNXA64, Created on: Sun Jan  1 00:00:00 2017'


def make_composites(largest, i_task=0, n_tasks=1) -> Report:
    """Make one task's chunks of composites 1 to ``largest``, the last one of a chunk.

    Raises:
        RawDataError: if the arrangement, annotations or calibrations are missing or damaged, or
            the pictures of everybody in a composite. If only some are, it is made without them.
    """
    n = min(len(load_origins()), largest)
    os.makedirs(osp.join(tree.release_dir(), tree.IMAGES), exist_ok=True)
    report = Report()
    n_chunks = -(-n // tree.CHUNK)
    for i_chunk in range(1 + i_task, n_chunks + 1, n_tasks):
        if not osp.exists(tree.annotation_path(i_chunk)):
            first = (i_chunk - 1) * tree.CHUNK + 1
            _make_chunk(i_chunk, range(first, min(n, first + tree.CHUNK - 1) + 1), report)
        report.clips += 1
    return report


def gammas_of(i_chunk) -> np.ndarray:
    """(500, 4) exponents for the composites of a chunk, and their people from far to near.

    They are those of one run of MATLAB's ``rng(311)``, then ``0.7 + rand/10`` over all chunks.
    """
    rng = np.random.RandomState(GAMMA_SEED)
    uniform = rng.random_sample(_PEOPLE * tree.CHUNK * i_chunk)
    return 0.7 + uniform.reshape(i_chunk, tree.CHUNK, _PEOPLE)[-1] / 10


def _make_chunk(i_chunk, numbers, report):
    truth, joints2d, joints3d = {}, [], []
    for number, gammas in zip(numbers, gammas_of(i_chunk), strict=False):
        moments = moments_of(number)
        poses = np.array([studio.pose_of(m)[0] for m in moments])
        pixels = np.array(
            [studio.calibration_of(m).project(p) for m, p in zip(moments, poses, strict=True)]
        )
        joints2d.append(pixels[:, JOINTS])
        joints3d.append(poses[:, JOINTS])
        truth[f'{number:06d}'] = _make_composite(number, moments, poses, pixels, gammas, report)
    with replacing(tree.truth_path(i_chunk)) as partial, open(partial, 'w') as f:
        json.dump(truth, f)
    content = {
        'img_names': np.array([[f'{n:06d}.jpg'] for n in numbers], object),
        'joint_loc2': np.transpose(joints2d, (3, 2, 1, 0)),
        'joint_loc3': np.transpose(joints3d, (3, 2, 1, 0)),
    }
    with replacing(tree.annotation_path(i_chunk)) as partial:
        scipy.io.savemat(partial, content, do_compression=True)
        with open(partial, 'r+b') as f:
            f.write(_HEADER.ljust(116))  # there the library notes the time


def _make_composite(number, moments, poses, pixels, gammas, report):
    """Write the image; returns what is seen of whom."""
    depths = poses[:, _PELVIS, 2]
    order = depth_order.far_to_near(depths).tolist()
    layers = {}
    for i in order:
        try:
            layers[i] = read_layer(moments[i])
        except RawDataError as e:
            report.skipped.append(f'composite {number:06d}, person {i}: {e}')
    if not layers:
        problem = 'cannot be made: there are no pictures of any of its people'
        raise RawDataError(tree.image_path(number), problem, 'Run the frames step.')
    if len({layer.image.shape for layer in layers.values()}) > 1:
        names = ', '.join(str(moments[i]) for i in layers)
        raise RawDataError(tree.image_path(number), f'cannot be made: sizes differ of {names}')
    path = tree.image_path(number)
    if not osp.exists(path):
        image = composite(list(layers.values()), gammas[[order.index(i) for i in layers]])
        with replacing(path) as partial, open(partial, 'wb') as f:
            f.write(encode_jpeg(image, quality=95))
    indices = sorted(layers)
    people = [layers[i].person_mask() for i in indices]
    chairs = [layers[i].chair_mask() for i in indices]
    masks = depth_order.visible_masks(people, chairs, depths[indices])
    joints = depth_order.visible_joints(pixels[indices], people, chairs, depths[indices])
    by_person = {
        i: (dict(m, counts=m['counts'].decode()), j.tolist())
        for i, m, j in zip(indices, masks, joints, strict=True)
    }
    report.frames_kept += 1
    return dict(
        far_to_near=list(layers),
        masks=[by_person[i][0] if i in by_person else None for i in range(_PEOPLE)],
        joints=[by_person[i][1] if i in by_person else None for i in range(_PEOPLE)],
    )


def read_layer(moment) -> Layer:
    """The pictures of a moment.

    Raises:
        RawDataError: if one is missing or damaged, or they differ in size.
    """
    image, foreground, chair = (studio.read_picture(moment, kind) for kind in studio.KINDS)
    if not image.shape == foreground.shape == chair.shape:
        path = moment.path(recordings.FOREGROUND)
        raise RawDataError(path, 'the image and its masks differ in size', 'Extract them again.')
    return Layer(image, foreground[..., 0], chair[..., 0])


def main(argv=None) -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.ds.muco.composites', description=__doc__.splitlines()[0]
    )
    return run_program(_run, parser.parse_args(argv))


def _run(args):
    check_data_root()
    i_task, n_tasks = array_task()
    if n_tasks > 1:
        cv2.setNumThreads(1)  # the other cores belong to the other tasks
    report = make_composites(n_composites(), i_task, n_tasks)
    for line in report.skipped:
        print(f'left out: {line}')
    print(f'{report.frames_kept} composites made, of {report.clips} chunks')
    leave_task_report(report)


if __name__ == '__main__':
    sys.exit(main())
