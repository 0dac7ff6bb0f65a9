"""Frames of the videos as JPEG files: ``python -m posepile.ds.h36m.frames``.

The pipeline reads the videos themselves. Programs that look for images in the layout of the field
(``S#/Images/<take>.<camera>/frame_%06d.jpg``, counted from 0) find every frame in them that is
used in training (every 5th) or testing (every 64th). Folders that are there are left alone. The
work may be shared by the tasks of an array.
"""

import itertools
import os
import os.path as osp
import shutil
import sys

from posepile import paths
from posepile.ds.h36m import tree
from posepile.ds.h36m.metadata import PUBLIC_SUBJECTS
from posepile.errors import RawDataError
from posepile.pipeline.report import Report, leave_task_report
from posepile.program import array_task, run_program
from posepile.raw.images import ImageFiles, encode_jpeg
from posepile.raw.video import VideoFrames

TRAINING_STEP = 5
TEST_STEP = 64


def frames_of(subject, view_name, n_frames):
    """The images of a view: those of its video or, without one, of its folder of images.

    Args:
        n_frames: how many frames there are to be; in a folder of images, not all are expected.
    """
    video = osp.join(tree.subject_dir(subject), tree.VIDEOS, f'{view_name}.mp4')
    folder = _image_folder(subject, view_name)
    if osp.exists(video) or not osp.isdir(folder):
        return VideoFrames(video)
    return ImageFiles([osp.join(folder, image_name(i)) for i in range(n_frames)])


def image_name(i_frame):
    return f'frame_{i_frame:06d}.jpg'


def extract_frames(i_task=0, n_tasks=1) -> Report:
    """Write the images of one task's share of the videos."""
    views = [
        (subject, name)
        for subject in PUBLIC_SUBJECTS
        for name in tree.list_views(subject, tree.VIDEOS, '.mp4')
    ]
    report = Report()
    for subject, name in views[i_task::n_tasks]:
        folder = _image_folder(subject, name)
        if not osp.isdir(folder):
            try:
                _extract(subject, name, folder, report)
            except RawDataError as e:
                report.clips_failed += 1
                report.skipped.append(f'S{subject}/{name}: {e}')
                continue
        report.clips += 1
    return report


def _extract(subject, name, folder, report):
    def on_bad_frame(i_frame, message):
        report.skipped.append(f'S{subject}/{name}, frame {i_frame}: {message}')

    video = VideoFrames(osp.join(tree.subject_dir(subject), tree.VIDEOS, f'{name}.mp4'))
    wanted = (i for i in itertools.count() if i % TRAINING_STEP == 0 or i % TEST_STEP == 0)
    # A name that begins with a dot is not taken for that of a take.
    partial = osp.join(osp.dirname(folder), f'.{name}.partial')
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    try:
        for i_frame, image in video.frames(wanted, on_bad_frame):
            with open(osp.join(partial, image_name(i_frame)), 'wb') as f:
                f.write(encode_jpeg(image, quality=95))
            report.frames_kept += 1
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _image_folder(subject, view_name):
    return osp.join(tree.subject_dir(subject), tree.IMAGES, view_name)


def main():
    paths.check_data_root()
    report = extract_frames(*array_task())
    for line in report.skipped:
        print(f'left out: {line}')
    print(f'{report.frames_kept} frames of {report.clips} videos')
    leave_task_report(report)


if __name__ == '__main__':
    sys.exit(run_program(main))
