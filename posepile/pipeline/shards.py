"""Results of crop tasks: one archive per task, clips as transactions.

A shard holds ``annotations/<split>/<image path>_NN.msgpack``, ``images/<image path>`` and, for
each finished clip, ``clips/<clip name>.json`` with its report. A task that is killed loses no
more than its last seconds and continues with the next clip. The archive carries the suffix
``.partial`` until all clips of the task are in it.
"""

import contextlib
import glob
import json
import os
import os.path as osp
import time

import barecat

from posepile.errors import ArchiveError
from posepile.pipeline.report import Report
from posepile.storage import archive
from posepile.storage.disk_errors import explain_disk_errors

_COMMIT_PERIOD = 2.0  # seconds; syncing after every photograph would take longer than cropping it


def shard_path(folder, i_task, n_tasks):
    return osp.join(folder, f'crops-{i_task:05d}-of-{n_tasks:05d}.barecat')


def finished_shards(folder, fingerprint):
    """Paths of the complete shards in ``folder``, sorted.

    Raises:
        ArchiveError: if one was made with other options than ``fingerprint``.
    """
    found = sorted(glob.glob(osp.join(glob.escape(folder), 'crops-*-of-*.barecat')))
    for path in found:
        _check_fingerprint(path, archive.read_file(path, 'fingerprint.json'), fingerprint)
    return found


def clips_in(shard) -> list[str]:
    """Names of the clips in a finished shard."""
    return [path[len('clips/') : -len('.json')] for path in archive.list_files(shard, 'clips')]


def clip_report(shard, name) -> Report:
    """Report of a clip in a finished shard."""
    return Report.from_json(archive.read_file(shard, _clip_key(name)))


def remove_unfinished_shards(folder):
    """Delete what tasks of an abandoned division of the work have left behind."""
    pattern = osp.join(glob.escape(folder), 'crops-*-of-*.barecat.partial')
    for path in [*glob.glob(pattern), *glob.glob(f'{pattern}.new')]:
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
        with explain_disk_errors(path):
            for file in glob.glob(f'{glob.escape(path)}-shard-*'):  # killed in finish()
                os.replace(file, self._partial + file[len(path) :])
            if not osp.exists(self._partial):
                _create(self._partial, fingerprint)
            self._archive = barecat.Barecat(self._partial, readonly=False)
            self._archive.truncate_all_to_logical_size()  # a killed task's uncommitted contents
            _check_fingerprint(path, self._archive['fingerprint.json'], fingerprint)
        self._last_commit = time.monotonic()

    def report_of(self, name) -> Report | None:
        """Report of a clip that is already in; None if it is not."""
        text = self._archive.get(_clip_key(name))
        return None if text is None else Report.from_json(text)

    @contextlib.contextmanager
    def clip(self):
        """In this block, :meth:`add` and :meth:`add_report` are kept all together or not at all."""
        with explain_disk_errors(self.path):
            connection = self._archive.index.conn
            if not connection.in_transaction:  # else releasing the savepoint would commit
                connection.execute('BEGIN')
            connection.execute('SAVEPOINT clip')
            try:
                yield
            except BaseException:
                connection.execute('ROLLBACK TO clip')
                raise
            finally:
                connection.execute('RELEASE clip')
            if time.monotonic() - self._last_commit > _COMMIT_PERIOD:
                self._commit()

    def add(self, key, data):
        """Append a file."""
        self._archive.add(key, data=data)

    def add_image(self, path, jpeg):
        """Append an image, unless another clip did: clips of several splits may share it.

        Raises:
            ArchiveError: if theirs is another one.
        """
        key = f'images/{path}'
        if key not in self._archive:
            self.add(key, jpeg)
        elif self._archive[key] != jpeg:
            raise ArchiveError(
                self.path,
                f'two clips have different images called {path}',
                'Mend the crop paths in the main.py of the dataset.',
            )

    def add_report(self, name, report):
        """Mark the clip as done, with its report."""
        self.add(_clip_key(name), report.to_json().encode())

    def _commit(self):
        # The index must never name contents that did not reach the disk.
        for shard in self._archive.sharder.shard_files:
            shard.flush()
            os.fsync(shard.fileno())
        self._archive.index.conn.commit()
        self._last_commit = time.monotonic()

    def finish(self):
        """Give the shard its final name: the task is done."""
        with explain_disk_errors(self.path):
            self._commit()
            self._archive.close()
            for file in glob.glob(f'{glob.escape(self._partial)}-shard-*'):
                os.replace(file, self.path + file[len(self._partial) :])
            os.replace(self._partial, self.path)


def _create(path, fingerprint):
    """Make a shard without clips; its index appears when it is complete."""
    new = f'{path}.new'
    archive.remove_archive(path)
    archive.remove_archive(new)
    with barecat.Barecat(new, readonly=False) as empty:
        empty['fingerprint.json'] = _fingerprint_text(fingerprint)
    os.replace(f'{new}-shard-00000', f'{path}-shard-00000')
    os.replace(new, path)


def _check_fingerprint(path, found: bytes, expected: dict):
    if found != _fingerprint_text(expected):
        raise ArchiveError(
            path,
            'these crops were made with other options or by an earlier version',
            f'Make them again: posepile run {expected["name"]} --force crops',
        )


def _fingerprint_text(fingerprint):
    return json.dumps(fingerprint, sort_keys=True).encode()


def _clip_key(name):
    return f'clips/{name}.json'
