"""Results of crop tasks: one archive per task, one transaction per clip.

A shard holds ``annotations/<split>/<image path>_NN.msgpack``, ``images/<image path>`` and, for
each finished clip, ``clips/<clip name>.json`` with its report. A task that is killed keeps every
clip it has finished and continues with the next. The archive carries the suffix ``.partial``
until all clips of the task are in it.
"""

import contextlib
import glob
import json
import os
import os.path as osp
import sqlite3

import barecat

from posepile.errors import ArchiveError
from posepile.pipeline.report import Report
from posepile.storage import archive


def shard_path(folder, i_task, n_tasks):
    return osp.join(folder, f'crops-{i_task:05d}-of-{n_tasks:05d}.barecat')


def finished_shards(folder):
    """Paths of the complete shards in ``folder``, sorted."""
    return sorted(glob.glob(osp.join(glob.escape(folder), 'crops-*-of-*.barecat')))


def remove_shards(folder):
    """Delete all shards, complete or not."""
    pattern = osp.join(glob.escape(folder), 'crops-*-of-*.barecat')
    for path in [*glob.glob(pattern), *glob.glob(f'{pattern}.partial')]:
        archive.remove_archive(path)


class ShardWriter:
    """Append clips to the shard at ``path``, continuing one that was begun earlier.

    Args:
        fingerprint: JSON-able description of how the crops are made; a shard with another one
            is refused.

    Raises:
        ArchiveError: if the shard was made with other options, or the disk is full.
    """

    def __init__(self, path, fingerprint):
        self.path = path
        self._partial = f'{path}.partial'
        os.makedirs(osp.dirname(path), exist_ok=True)
        text = json.dumps(fingerprint, sort_keys=True).encode()
        with archive.explain_disk_errors(path):
            self._archive = self._open()
            if 'fingerprint.json' not in self._archive:
                self._archive['fingerprint.json'] = text
                self._commit()
            check_fingerprint(path, self._archive['fingerprint.json'], text)

    def _open(self):
        try:
            opened = barecat.Barecat(self._partial, readonly=False)
            opened.truncate_all_to_logical_size()  # what a killed task wrote but did not commit
            return opened
        except (sqlite3.Error, RuntimeError, ValueError):
            # Killed while the empty index was being made: there is nothing in it yet.
            archive.remove_archive(self._partial)
            return barecat.Barecat(self._partial, readonly=False)

    def has_clip(self, name):
        return _clip_key(name) in self._archive

    @contextlib.contextmanager
    def clip(self, name, report: Report):
        """Within the block, :meth:`add` belongs to clip ``name``: all of it is kept, or none."""
        with archive.explain_disk_errors(self.path):
            try:
                yield
                self._archive[_clip_key(name)] = report.to_json().encode()
                self._commit()
            except BaseException:
                self._archive.index.conn.rollback()
                raise

    def add(self, key, data):
        self._archive.add(key, data=data)

    def _commit(self):
        # The index must never name contents that did not reach the disk.
        for shard in self._archive.sharder.shard_files:
            shard.flush()
            os.fsync(shard.fileno())
        self._archive.index.conn.commit()

    def finish(self):
        """Give the shard its final name: the task is done."""
        with archive.explain_disk_errors(self.path):
            self._archive.close()
            for file in glob.glob(f'{glob.escape(self._partial)}-shard-*'):
                os.replace(file, self.path + file[len(self._partial) :])
            os.replace(self._partial, self.path)

    def close(self):
        with archive.explain_disk_errors(self.path):
            self._archive.close()


def check_fingerprint(path, found: bytes, expected: bytes):
    """Raise ArchiveError if a shard was made with other options than these."""
    if found != expected:
        raise ArchiveError(
            path,
            'these crops were made with other options or an earlier version of the reader',
            'Make them again with: posepile run NAME --force crops',
        )


def clip_report(shard, name) -> Report | None:
    """Report of a clip in a finished shard; None if it is not in there."""
    try:
        return Report.from_json(archive.read_file(shard, _clip_key(name)))
    except KeyError:
        return None


def _clip_key(name):
    return f'clips/{name}.json'
