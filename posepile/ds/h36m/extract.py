"""Unpack the archives of Human3.6M.

Layouts: "release" is that of the release itself, which the pipeline reads (S1/Videos,
S1/MyPoseFeatures/D3_Positions, Release-v1.2, ...); "h36m-fetch" is that of the system of this name
(extracted/S1/Videos, extracted/S1/Poses_D3_Positions, ...), below the same or another folder.

What is complete is not unpacked again, what is not is continued. In a job array, each task takes
its share of the archives.
"""

import argparse
import json
import os
import os.path as osp
import shutil
import sys

from posepile import paths
from posepile.ds.h36m import archives as h36m_archives
from posepile.ds.h36m.fetch import add_selection, select
from posepile.errors import RawDataError
from posepile.program import array_task, run_program
from posepile.raw.locks import open_locked
from posepile.raw.unpack import unpack


def main(argv=None):
    """Run the command."""
    return run_program(_run, _parse(argv))


def _run(args):
    root = args.root or osp.join(paths.check_data_root(), 'h36m')
    index, count = array_task()
    wanted = select(args)[index::count]
    folder = args.archives or osp.join(root, 'archives')
    is_release = args.layout == h36m_archives.RELEASE
    extract_one = extract_as_release if is_release else extract_as_fetch_system
    results = []
    for archive in wanted:
        path = osp.join(folder, archive.name)
        state = 'extracted' if extract_one(archive, path, root) else 'in place'
        if args.delete_archives and osp.exists(path):
            os.remove(path)
        print(f'{archive.name}: {state}', file=sys.stderr)
        results.append({'name': archive.name, 'state': state})
    if args.json:
        print(json.dumps(results, indent=2))


def extract_as_release(archive, path, root) -> bool:
    """Unpack the archive at ``path`` below ``root``, whose folders are those in it.

    Returns:
        False if the archive is not there, and what it holds is.

    Raises:
        RawDataError: the archive is missing, damaged, not safe, or holds something else.
    """
    if not osp.exists(path) and h36m_archives.is_in_place(root, archive):
        return False
    _check_is_there(path)
    files = unpack(path, root, members=[f'{archive.folder}/*'])
    if not files:
        raise RawDataError(
            path,
            f'holds no files in {archive.folder}',
            'It is another archive. Delete it and fetch it again.',
        )
    return True


def extract_as_fetch_system(archive, path, root) -> bool:
    """Unpack the archive at ``path`` to ``root/extracted/S#/<kind>``.

    Regular files only; the folders that all of them lie in are left out. The folder appears when
    it is complete, and one that exists is left alone.

    Returns:
        False if the folder was there.

    Raises:
        RawDataError: the archive is missing, damaged, not safe, or without files.
    """
    target = osp.join(root, archive.unpacked_to(h36m_archives.FETCH_SYSTEM))
    folder = osp.dirname(target)
    partial = osp.join(folder, f'.{archive.kind}.extracting')
    os.makedirs(folder, exist_ok=True)
    with open_locked(partial + '.lock'):
        try:
            if osp.isdir(target) and os.listdir(target):
                _remove(partial)
                return False
            _check_is_there(path)
            files = unpack(path, partial)
            if not files:
                raise RawDataError(path, 'holds no files', 'Delete it and fetch it again.')
            prefix = osp.commonpath([osp.dirname(f) for f in files])
            _keep_only(partial, set(files))
            os.rename(osp.join(partial, prefix), target)
            _remove(partial)
            return True
        finally:
            os.unlink(partial + '.lock')


def _check_is_there(path):
    if not osp.isfile(path):
        raise RawDataError(
            path,
            'there is no such archive',
            'Fetch it with: python -m posepile.ds.h36m.fetch',
        )


def _remove(folder):
    if osp.isdir(folder):
        shutil.rmtree(folder)


def _keep_only(folder, files):
    """Remove all but these files: links, empty folders, the record of unpacking."""
    for parent, folders, names in os.walk(folder, topdown=False):
        for name in names:
            path = osp.join(parent, name)
            if osp.relpath(path, folder) not in files:
                os.unlink(path)
        for name in folders:
            path = osp.join(parent, name)
            if osp.islink(path):
                os.unlink(path)
            elif not os.listdir(path):
                os.rmdir(path)


def _parse(argv):
    parser = argparse.ArgumentParser(
        'python -m posepile.ds.h36m.extract',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_selection(parser)
    parser.add_argument(
        '--archives', metavar='DIR', help='where the archives are (default: archives in the root)'
    )
    parser.add_argument(
        '--delete-archives', action='store_true', help='delete each when it has been unpacked'
    )
    parser.add_argument('--json', action='store_true', help='print JSON on standard output')
    return parser.parse_args(argv)


if __name__ == '__main__':
    sys.exit(main())
