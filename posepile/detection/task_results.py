"""One task's share of the work of a network: what is left to do, and where the results go."""

import contextlib

from posepile.errors import ArchiveError, OptionError
from posepile.storage.results import Results, ResultWriter, part_files, part_path


class OtherSettingsError(OptionError):
    """Results are there that were made with other options or weights."""


class TaskResults:
    """The results of task ``i_task`` of ``n_tasks``, in a folder that all tasks share.

    Args:
        folder: where each task leaves a file.
        settings: JSON-able description of how results are made.

    Raises:
        OtherSettingsError: if results made with other settings are in the folder.
    """

    def __init__(self, folder, settings: dict, i_task=0, n_tasks=1):
        self._i_task, self._n_tasks = i_task, n_tasks
        self._settings = settings
        self._path = part_path(folder, i_task, n_tasks)
        finished = part_files(folder)
        #: Whether this task has been through its share, as it was then.
        self.is_finished = self._path in finished
        self._existing = Results(folder) if finished else None
        if finished and self._existing.settings != settings:
            raise OtherSettingsError(
                f'{folder} holds results that were made with other options or weights '
                f'({_difference(self._existing.settings, settings)}). Choose another folder, or '
                'remove this one.'
            )
        self._writer = None

    def share(self, sources) -> list:
        """The part of the sources that is this task's: neighbours, so that files hold ranges."""
        n = len(sources)
        return sources[n * self._i_task // self._n_tasks : n * (self._i_task + 1) // self._n_tasks]

    def has_all(self, share) -> bool:
        """Whether the task is finished, and nothing has been added to its share since."""
        return self.is_finished and all(
            self._existing.covers(source.key) or all(map(self._existing.covers, source.first_keys))
            for source in share
        )

    def is_known(self, key) -> bool:
        """Whether there is a result already, from this task or another division of the work."""
        if self._existing is not None and self._existing.covers(key):
            return True
        return key in self._open_writer()

    def store(self, results, on_progress=None):
        """Store results as they come, and give the file its final name at the end.

        Args:
            results: generator of (:class:`~posepile.detection.stream.Batch`, {key: value}).
            on_progress: called with the number of images after each batch.

        Returns:
            (number of images, {key: reason} of those that could not be read)
        """
        writer = self._open_writer()
        n_images, skipped = 0, {}
        try:
            for batch, found in results:
                writer.add(found)
                for key, reason in batch.skipped:
                    writer.skip(key, reason)
                skipped.update(batch.skipped)
                n_images += len(batch.keys)
                if on_progress:
                    on_progress(len(batch.keys) + len(batch.skipped))
        except BaseException:
            results.close()  # the threads behind it ask the writer
            with contextlib.suppress(ArchiveError):  # what has made us stop matters more
                writer.close()
            raise
        writer.finish()
        return n_images, skipped

    def _open_writer(self):
        if self._writer is None:
            self._writer = ResultWriter(self._path, self._settings)
        return self._writer


def _difference(found, wanted):
    keys = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
    return ', '.join(
        f'{key}: {str(found.get(key))[:12]} there, {str(wanted.get(key))[:12]} asked for'
        for key in sorted(keys)
    )
