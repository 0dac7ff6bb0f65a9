"""Human3.6M as one annot.h5 and a folder of images per take, in the layout of h36m-fetch.

$ python -m posepile.ds.h36m.annot_h5

Reads poses and videos below $DATA_ROOT/h36m, either as the archives of the release unpack or from
``extracted/<subject>/<kind>``, and writes ``processed/<subject>/<action>-<subaction>/annot.h5`` and
``imageSequence/<camera>/img_%06d.jpg`` beside them. Images that are there are not decoded again. In
an array job the tasks share the takes. A view whose files cannot be used is left out and told of.
"""

import argparse
import contextlib
import functools
import io
import multiprocessing
import os
import os.path as osp
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from posepile.arguments import whole_number
from posepile.atomic import replacing
from posepile.ds.h36m.benchmark import FRAME_STEP, TEST_SUBJECTS
from posepile.ds.h36m.disk_errors import naming
from posepile.ds.h36m.metadata import PUBLIC_SUBJECTS, read_metadata
from posepile.ds.h36m.pose_source import Source, find_metadata
from posepile.ds.h36m.poses import read_pose_cdf
from posepile.ds.h36m.video_images import save_images
from posepile.errors import RawDataError
from posepile.paths import check_data_root
from posepile.program import array_task, run_program

#: A pose of a training subject is kept when a joint has moved this far (mm) from the last one.
MOTION_THRESHOLD = 40

#: Key in annot.h5 -> kind of the release's poses, and dimensions of a joint.
_POSES = {
    'pose/2d': ('D2_Positions', 2),
    'pose/3d-univ': ('D3_Positions_mono_universal', 3),
    'pose/3d': ('D3_Positions_mono', 3),
}


class Take(NamedTuple):
    subject: int
    action: int
    subaction: int
    base_name: str
    folder: str  # relative: S1/TakingPhoto-1


def read_takes(metadata_path) -> tuple[list[Take], tuple[str, ...]]:
    """The 30 takes of each public subject, by subject, action and subaction; and the cameras.

    Raises:
        RawDataError: metadata.xml is missing or damaged, or does not name what it should.
    """
    metadata = read_metadata(metadata_path)
    keys = sorted(key for key in metadata.takes if key[0] in PUBLIC_SUBJECTS)
    names = metadata.action_names
    # They become names of folders.
    bad = [f'action {a} is called {names.get(a)!r}' for _, a, _ in keys if not _is_name(names, a)]
    bad += [f'a camera is called {c!r}' for c in metadata.camera_ids if not c.isdecimal()]
    if bad or not keys:
        problem = bad[0] if bad else 'lists no takes'
        raise RawDataError(metadata_path, problem, 'Take it from code-v1.2.zip of the release.')
    takes = [Take(*key, metadata.takes[key], f'S{key[0]}/{names[key[1]]}-{key[2]}') for key in keys]
    return takes, metadata.camera_ids


def _is_name(names, action):
    return re.fullmatch(r'\w+', names.get(action, '')) is not None


def process_take(take, source, camera_ids, out_folder, every_row=False) -> list[str] | None:
    """Write images and annot.h5 of one take.

    Args:
        take: which one.
        source: where to read.
        camera_ids: names of the cameras, in order.
        out_folder: where to write; the take has its own folder below.
        every_row: keep all frames.

    Returns:
        What was wrong with each camera that is left out. Without any camera no annot.h5 is made.
        None if there are no files of the take at all.
    """
    folder = osp.join(out_folder, take.folder)
    os.makedirs(folder, exist_ok=True)
    if not any(source.has_view(take.subject, f'{take.base_name}.{c}') for c in camera_ids):
        return None
    views, problems = {}, []
    for camera in camera_ids:
        try:
            views[camera] = _process_view(source, take, camera, folder, every_row)
        except RawDataError as e:
            problems.append(f'{take.folder}, camera {camera}: {e}')
    if views:
        path = osp.join(folder, 'annot.h5')
        content = encode_annotations(take, views)
        with naming(path), replacing(path) as partial, open(partial, 'wb') as f:
            f.write(content)
    return problems


def _process_view(source, take, camera, folder, every_row):
    """Make the images of a view. Return its arrays by their key in annot.h5."""
    view = f'{take.base_name}.{camera}'
    poses = {}
    for key, (kind, dims) in _POSES.items():
        path = source.pose_path(take.subject, kind, view)
        poses[key] = read_pose_cdf(path, dims)
        if not np.isfinite(poses[key]).all():
            raise RawDataError(path, 'not all coordinates are finite', 'Unpack its archive again.')
        if len(poses[key]) != len(poses['pose/2d']):
            problem = f'has {len(poses[key])} rows, but the 2D poses {len(poses["pose/2d"])}'
            raise RawDataError(path, problem, 'Unpack the archives of poses again.')
    images = osp.join(folder, 'imageSequence', camera)
    os.makedirs(images, exist_ok=True)
    rows = choose_rows(poses['pose/3d-univ'], take.subject, every_row)
    paths = {row: osp.join(images, f'img_{row + 1:06d}.jpg') for row in rows}
    save_images(source.video_path(take.subject, view), paths)
    return {
        **{key: poses[key][rows] for key in poses},
        'intrinsics': fit_intrinsics(poses['pose/2d'], poses['pose/3d']),
        'intrinsics-univ': fit_intrinsics(poses['pose/2d'], poses['pose/3d-univ']),
        'frame': np.array(rows, np.int64) + 1,
    }


def choose_rows(universal_poses, subject, every_row=False) -> list[int]:
    """Which rows of a view are kept.

    Of test subjects it is every 64th; of others the first, and then each in which some joint is at
    least 40 mm from its place in the last one kept. Cameras may differ in that, for the poses
    are in camera space and have their bone lengths normalised.

    Args:
        universal_poses: (n, 32, 3) in the camera's space, mm.
        subject: number of the subject.
        every_row: keep all.
    """
    n = len(universal_poses)
    if every_row or subject in TEST_SUBJECTS:
        return list(range(0, n, 1 if every_row else FRAME_STEP))
    rows = [0]
    for row in range(1, n):
        moved = universal_poses[row] - universal_poses[rows[-1]]
        if np.square(moved).sum(axis=-1).max() >= MOTION_THRESHOLD**2:
            rows.append(row)
    return rows


def fit_intrinsics(pixels, points) -> np.ndarray:
    """The pinhole camera without skew and distortion that fits best to all joints of all frames.

    Args:
        pixels: (n, 32, 2) image coordinates.
        points: (n, 32, 3) the same joints in the camera's space.

    Returns:
        Focal length x, principal point x, focal length y, principal point y, in pixels. They are
        the least-squares solution of ``u z = ax x + x0 z`` and ``v z = ay y + y0 z``.
    """
    z = np.float64(points[..., 2]).ravel()
    result = []
    for axis in range(2):
        factors = np.stack([np.float64(points[..., axis]).ravel(), z], axis=-1)
        result.extend(np.linalg.lstsq(factors, pixels[..., axis].ravel() * z, rcond=None)[0])
    return np.array(result, np.result_type(pixels, points))


def encode_annotations(take, views) -> bytes:
    """Content of an annot.h5: the rows of all cameras one after the other.

    Args:
        take: the :class:`Take`.
        views: camera -> arrays of the view by key; ``intrinsics`` and ``intrinsics-univ`` are kept
            by camera, the others joined.
    """
    import h5py

    counts = {camera: len(view['frame']) for camera, view in views.items()}
    n = sum(counts.values())
    buffer = io.BytesIO()
    with h5py.File(buffer, 'w') as f:
        for key in (*_POSES, 'frame'):
            f[key] = np.concatenate([view[key] for view in views.values()])
        for key in 'intrinsics', 'intrinsics-univ':
            for camera, view in views.items():
                f[f'{key}/{camera}'] = view[key]
        f['camera'] = np.repeat(np.array(list(map(int, counts)), np.int64), list(counts.values()))
        for key in 'subject', 'action', 'subaction':
            f[key] = np.full(n, getattr(take, key), np.int64)
    return buffer.getvalue()


def main(args=None) -> int:
    """Command line; see the module's text. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.ds.h36m.annot_h5', description=__doc__.splitlines()[0]
    )
    add = parser.add_argument
    add('--source', help='folder of the release (default: $DATA_ROOT/h36m)')
    add('--metadata', help='metadata.xml (default: in the source, or below its Release-v1.2)')
    add('--out', help='folder to write to (default: processed in the source)')
    add('--every-row', action='store_true', help='keep every frame of every subject')
    add('--processes', type=whole_number(1), default=1, help='work on so many takes at once')
    return run_program(_run, parser.parse_args(args))


def _run(options):
    from tqdm import tqdm

    folder = options.source or osp.join(check_data_root(to_write=False), 'h36m')
    source = Source(folder)
    takes, camera_ids = read_takes(options.metadata or find_metadata(folder))
    out_folder = options.out or osp.join(folder, 'processed')
    i_task, n_tasks = array_task()
    takes = takes[i_task::n_tasks]

    work = functools.partial(
        process_take,
        source=source,
        camera_ids=camera_ids,
        out_folder=out_folder,
        every_row=options.every_row,
    )
    n_written = n_absent = n_bad_views = 0
    with _mapping(options.processes) as map_in_order:
        for problems in tqdm(map_in_order(work, takes), total=len(takes), disable=None):
            if problems is None:
                n_absent += 1
                continue
            for problem in problems:
                tqdm.write(f'left out: {problem}', file=sys.stderr)
            n_bad_views += len(problems)
            n_written += len(problems) < len(camera_ids)
    print(
        f'{n_written} of {len(takes)} takes written to {out_folder}; {n_absent} are not in the '
        f'release, {len(takes) - n_written - n_absent} have no view that can be used; '
        f'{n_bad_views} views left out.'
    )


@contextlib.contextmanager
def _mapping(n_processes):
    """``map`` by this process or by several."""
    if n_processes == 1:
        yield map
        return
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(n_processes, mp_context=context) as pool:
        try:
            yield pool.map
        except BaseException:  # what has not begun would be waited for
            pool.shutdown(cancel_futures=True)
            raise


if __name__ == '__main__':
    sys.exit(main())
