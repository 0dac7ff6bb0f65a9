"""Extract the pictures that composites are made of: ``python -m posepile.ds.muco.frames``.

They are images, foreground and chair masks of the moments that the arrangement names, from the
videos of MPI-INF-3DHP, in the layout of the field (``S#/Seq#/<kind>/img_<camera>_%06d.jpg``, JPEG
quality 95). Those that are there are left alone. The views of the cameras are shared by the
tasks of an array.
"""

import argparse
import os.path as osp
import sys

import numpy as np

from posepile.atomic import replacing
from posepile.ds.muco.origins import load_origins
from posepile.ds.muco.products import n_composites
from posepile.ds.muco.studio import KINDS, Moment
from posepile.errors import RawDataError
from posepile.paths import check_data_root
from posepile.pipeline.report import Report, leave_task_report
from posepile.program import array_task, run_program
from posepile.raw.images import encode_jpeg
from posepile.raw.video import VideoFrames


def extract_frames(largest, i_task=0, n_tasks=1) -> Report:
    """Extract what composites 1 to ``largest`` show, one task's share of it."""
    moments = np.unique(load_origins()[:largest].reshape(-1, 4), axis=0)
    report = Report()
    for view in np.unique(moments[:, :3], axis=0)[i_task::n_tasks].tolist():
        frames = moments[(moments[:, :3] == view).all(axis=1), 3].tolist()
        for kind in KINDS:
            try:
                _extract(view, kind, frames, report)
            except RawDataError as e:
                report.clips_failed += 1
                report.skipped.append(str(e))
        report.clips += 1
    return report


def _extract(view, kind, frames, report):
    video = Moment(*view, 0).video_path(kind)
    wanted = [i for i in frames if not osp.exists(Moment(*view, i).path(kind))]
    report.frames_seen += len(frames)
    if not wanted:
        return

    def on_bad_frame(i_frame, message):
        report.skipped.append(f'{video}, frame {i_frame}: {message}')

    n_before = report.frames_kept
    for i_frame, image in VideoFrames(video).frames(wanted, on_bad_frame):
        with replacing(Moment(*view, i_frame).path(kind)) as partial, open(partial, 'wb') as f:
            f.write(encode_jpeg(image, quality=95))
        report.frames_kept += 1
    n_lost = len(wanted) - (report.frames_kept - n_before)
    if n_lost:
        report.frames_lost += n_lost
        report.skipped.append(f'{video}: {n_lost} of {len(wanted)} wanted frames are not in it')


def main(argv=None) -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.ds.muco.frames', description=__doc__.splitlines()[0]
    )
    return run_program(_run, parser.parse_args(argv))


def _run(args):
    check_data_root()
    report = extract_frames(n_composites(), *array_task())
    for line in report.skipped:
        print(f'left out: {line}')
    print(
        f'{report.frames_kept} of {report.frames_seen} pictures extracted, of {report.clips} views'
    )
    leave_task_report(report)


if __name__ == '__main__':
    sys.exit(main())
