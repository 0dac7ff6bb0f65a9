"""A folder that an export fills file by file, and continues to fill after an interruption."""

import contextlib
import json
import os
import os.path as osp

from posepile.atomic import replacing
from posepile.errors import OptionError
from posepile.export.report import ExportReport
from posepile.storage.disk_errors import explain_disk_errors
from posepile.util import SPLIT_NAMES

_STATE = 'posepile_export.json'


class ExportFolder:
    """Takes files that appear when they are complete, and knows which ones are there.

    ``posepile_export.json`` in it says what is exported (with a fingerprint of the contents) and
    lists the finished files, so that the same export, started again, makes the others only.

    Args:
        out: the folder; made if need be.
        format: name of the format.
        options: what else decides about the bytes.

    Raises:
        OptionError: if the folder holds other things, or another export.
    """

    def __init__(self, out, format, source, **options):
        self.path = os.fspath(out)
        self._source = source
        self._format = format
        what = dict(
            format=format,
            dataset=source.name,
            splits=source.splits,
            options=options,
            fingerprint=source.fingerprint(),
        )
        self._state = dict(what=what, files={})
        if osp.exists(self.path) and not osp.isdir(self.path):
            raise OptionError(f'--out {self.path} is a file; the format {format} needs a folder.')
        os.makedirs(self.path, exist_ok=True)
        if osp.exists(self._file(_STATE)):
            self._resume()
        elif os.listdir(self.path):
            raise OptionError(f'--out {self.path} holds other files. Name a new or empty folder.')
        else:
            self._save()

    def _resume(self):
        try:
            with open(self._file(_STATE), encoding='utf-8') as f:
                state = json.load(f)
            is_same, files = state['what'] == self._state['what'], dict(state['files'])
        except (ValueError, LookupError, TypeError) as e:
            raise OptionError(
                f'{self._file(_STATE)} is damaged. Delete the folder and export again.'
            ) from e
        if not is_same:
            raise OptionError(
                f'--out {self.path} holds an export of another dataset, or with other options. '
                'Delete it or name another folder.'
            )
        self._state['files'] = {
            name: file
            for name, file in files.items()
            if osp.exists(self._file(name)) and osp.getsize(self._file(name)) == file['bytes']
        }

    def is_done(self, name) -> bool:
        """Whether an earlier call has finished this file."""
        return name in self._state['files']

    @contextlib.contextmanager
    def write(self, name, split_name):
        """Give a temporary path and the counts to fill in; the file is done when the block ends.

        Raises:
            ArchiveError: if the disk is full.
        """
        os.makedirs(osp.dirname(self._file(name)), exist_ok=True)
        count = dict(split=split_name, examples=0, images=0, lost={})
        with explain_disk_errors(self._file(name)), replacing(self._file(name)) as partial:
            yield partial, count
        count['bytes'] = osp.getsize(self._file(name))
        self._state['files'][name] = count
        self._save()

    def write_text(self, name, text):
        """Write a file that belongs to no split."""
        with explain_disk_errors(self._file(name)), replacing(self._file(name)) as partial:
            with open(partial, 'w', encoding='utf-8') as f:
                f.write(text)

    def write_image(self, image_path) -> str:
        """Put an image below ``images/`` unless it is there; returns its path in that folder.

        Raises:
            OptionError: if its path would lead out of the folder.
        """
        inside = osp.normpath(image_path)
        if osp.isabs(inside) or inside.split(os.sep)[0] == os.pardir:
            raise OptionError(
                f'The image {image_path} lies outside DATA_ROOT: export without images.'
            )
        target = self._file(osp.join('images', inside))
        if not osp.exists(target):
            data = self._source.image_bytes(image_path)
            os.makedirs(osp.dirname(target), exist_ok=True)
            with explain_disk_errors(target), replacing(target) as partial:
                with open(partial, 'wb') as f:
                    f.write(data)
        return inside

    def report(self) -> ExportReport:
        """Everything that is in the folder."""
        report = ExportReport(self._format, self.path)

        def place(item):
            name, count = item
            return SPLIT_NAMES.index(count['split']), name

        for name, c in sorted(self._state['files'].items(), key=place):
            report.add(c['split'], name, c['examples'], c['images'], c['lost'])
        return report

    def _file(self, name):
        return osp.join(self.path, name)

    def _save(self):
        self.write_text(_STATE, json.dumps(self._state, indent=1, sort_keys=True))


def shards(source, shard_size):
    """Yield (split, shard number, shard count, start, stop) of every shard of an export."""
    for split in source.splits:
        n = source.count(split)
        n_shards = -(-n // shard_size)
        for i in range(n_shards):
            yield split, i, n_shards, i * shard_size, min((i + 1) * shard_size, n)
