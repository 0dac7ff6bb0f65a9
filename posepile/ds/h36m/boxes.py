"""Person boxes, made from the release's box masks: ``python -m posepile.ds.h36m.boxes``.

Reads ``S#/MySegmentsMat/ground_truth_bb/<take>.<camera>.mat`` and writes
``S#/BBoxes/<take>.<camera>.npy``, where that is not there yet: (n, 4) float32, one row
[left, top, width, height] for each frame. The work may be shared by the tasks of an array.
"""

import os
import os.path as osp
import sys

import numpy as np

from posepile import paths
from posepile.atomic import replacing
from posepile.ds.h36m import tree
from posepile.ds.h36m.metadata import PUBLIC_SUBJECTS
from posepile.errors import RawDataError
from posepile.pipeline.report import Report, leave_task_report
from posepile.program import array_task, run_program
from posepile.raw.npyfile import load_npy

_REMEDY = 'Delete it and unpack its archive again.'
_MOST_MASKS = 200_000
_MOST_PIXELS = 1 << 26


def load_boxes(subject, view_name) -> np.ndarray:
    """(n, 4) float32 boxes of one view, one for each frame; from the masks if need be.

    Raises:
        RawDataError: if there are neither boxes nor masks, or they are damaged.
    """
    path = _boxes_path(subject, view_name)
    if not osp.exists(path):
        return read_mask_boxes(_masks_path(subject, view_name))
    boxes = load_npy(path)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.kind not in 'fiu':
        raise RawDataError(
            path,
            f'holds {boxes.dtype} of shape {boxes.shape}; (n, 4) numbers were expected',
            'Delete it; the boxes step makes it again: posepile run h36m --force boxes',
        )
    return boxes.astype(np.float32)


def read_mask_boxes(path) -> np.ndarray:
    """Bounding rectangles of the masks in a MATLAB 7.3 file, (n, 4) float32; NaN for empty ones.

    ``Masks`` holds references to one uint8 array (width, height) for each frame.

    Raises:
        RawDataError: if the file is missing, damaged, or holds something else.
    """
    import h5py

    if not osp.isfile(path):
        raise RawDataError(path, 'there is no such file of box masks', 'Unpack its archive.')
    try:
        with h5py.File(path, 'r') as file:
            references = file['Masks']
            if references.size > _MOST_MASKS or references.size != max(references.shape):
                raise ValueError(f'Masks has the shape {references.shape}')
            boxes = [_bounding_rectangle(file[r]) for r in references[()].ravel()]
    except (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError) as e:
        problem = f'is no MATLAB 7.3 file with box masks, or damaged ({type(e).__name__}: {e})'
        raise RawDataError(path, problem, _REMEDY) from e
    return np.array(boxes, np.float32).reshape(-1, 4)


def _bounding_rectangle(dataset):
    import cv2

    if len(dataset.shape) != 2 or dataset.dtype.itemsize > 1 or dataset.size > _MOST_PIXELS:
        raise ValueError(f'a mask is {dataset.dtype} of shape {dataset.shape}')
    # HDF5 has MATLAB's dimensions the other way round, so what OpenCV calls x is y.
    top, left, height, width = cv2.boundingRect(dataset[()].view(np.uint8))
    return (left, top, width, height) if width and height else (np.nan,) * 4


def make_boxes(i_task=0, n_tasks=1) -> Report:
    """Write the files of boxes of one task's share of the views."""
    views = [
        (subject, name)
        for subject in PUBLIC_SUBJECTS
        for name in tree.list_views(subject, tree.BOX_MASKS, '.mat')
    ]
    report = Report()
    for subject, name in views[i_task::n_tasks]:
        path = _boxes_path(subject, name)
        if not osp.exists(path):
            try:
                boxes = read_mask_boxes(_masks_path(subject, name))
            except RawDataError as e:
                report.clips_failed += 1
                report.skipped.append(f'S{subject}/{name}: {e}')
                continue
            os.makedirs(osp.dirname(path), exist_ok=True)
            with replacing(path) as partial:
                np.save(partial, boxes)
        report.clips += 1
    return report


def _boxes_path(subject, view_name):
    return osp.join(tree.subject_dir(subject), tree.BOXES, f'{view_name}.npy')


def _masks_path(subject, view_name):
    return osp.join(tree.subject_dir(subject), tree.BOX_MASKS, f'{view_name}.mat')


def main():
    paths.check_data_root()
    report = make_boxes(*array_task())
    for line in report.skipped:
        print(f'left out: {line}')
    print(f'boxes of {report.clips} views ({report.clips_failed} unreadable)')
    leave_task_report(report)


if __name__ == '__main__':
    sys.exit(run_program(main))
