"""Images and masks of the training sequences: ``python -m posepile.ds.tdhp.frames``.

The pipeline reads the videos themselves. Programs that look for images in the layout of the field
(``S#/Seq#/imageSequence/img_<camera>_%06d.jpg``, both numbers from 0; likewise in FGmasks and
ChairMasks) find every 5th frame in them, JPEG quality 95; --every 1 extracts all, for composites.
Images that are there are left alone. The work may be shared by the tasks of an array.
"""

import argparse
import itertools
import os.path as osp
import sys

from posepile import paths
from posepile.arguments import whole_number
from posepile.atomic import replacing
from posepile.ds.tdhp import tree
from posepile.errors import RawDataError
from posepile.pipeline.report import Report, leave_task_report
from posepile.program import array_task, run_program
from posepile.raw.images import ImageFiles, encode_jpeg
from posepile.raw.video import VideoFrames

STEP = 5


def frames_of(subject, sequence, kind, i_camera, n_frames):
    """The frames of a camera: those of its video or, without one, extracted images.

    Args:
        kind: ``tree.IMAGES``, ``tree.FOREGROUND`` or ``tree.CHAIR``.
        n_frames: how many frames there are to be; not all of them need to have been extracted.
    """
    root = tree.release_dir()
    video = osp.join(root, tree.video_path(subject, sequence, kind, i_camera))

    def image_path(i_frame):
        return osp.join(root, tree.frame_path(subject, sequence, kind, i_camera, i_frame))

    if osp.exists(video) or not osp.exists(image_path(0)):
        return VideoFrames(video)
    return ImageFiles([image_path(i) for i in range(n_frames)])


def extract_frames(i_task=0, n_tasks=1, step=STEP) -> Report:
    """Write images of every ``step``-th frame of one task's share of the videos."""
    videos = [
        (*key, kind, i_camera)
        for key in tree.list_training_sequences()
        for kind in (tree.IMAGES, tree.FOREGROUND, tree.CHAIR)
        for i_camera in range(tree.N_CAMERAS)
        if osp.exists(osp.join(tree.release_dir(), tree.video_path(*key, kind, i_camera)))
    ]
    report = Report()
    for video in videos[i_task::n_tasks]:
        try:
            _extract(*video, step, report)
            report.clips += 1
        except RawDataError as e:
            report.clips_failed += 1
            report.skipped.append(f'{tree.video_path(*video)}: {e}')
    return report


def _extract(subject, sequence, kind, i_camera, step, report):
    root = tree.release_dir()
    video = tree.video_path(subject, sequence, kind, i_camera)

    def path_of(i_frame):
        return osp.join(root, tree.frame_path(subject, sequence, kind, i_camera, i_frame))

    def on_bad_frame(i_frame, message):
        report.skipped.append(f'{video}, frame {i_frame}: {message}')

    wanted = (i for i in itertools.count(0, step) if not osp.exists(path_of(i)))
    for i_frame, image in VideoFrames(osp.join(root, video)).frames(wanted, on_bad_frame):
        with replacing(path_of(i_frame)) as partial, open(partial, 'wb') as f:
            f.write(encode_jpeg(image, quality=95))
        report.frames_kept += 1


def main(argv=None) -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.ds.tdhp.frames', description=__doc__.splitlines()[0]
    )
    parser.add_argument('--every', type=whole_number(1), default=STEP, metavar='N')
    return run_program(_run, parser.parse_args(argv))


def _run(args):
    paths.check_data_root()
    report = extract_frames(*array_task(), step=args.every)
    for line in report.skipped:
        print(f'left out: {line}')
    print(f'{report.frames_kept} frames of {report.clips} videos')
    leave_task_report(report)


if __name__ == '__main__':
    sys.exit(main())
