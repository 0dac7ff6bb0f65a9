"""What the verification of a packed dataset has found."""

import json
import tempfile
from dataclasses import asdict, dataclass, field

_MOST_NAMED = 5  # instances of a problem that are named; all are counted
_MOST_LISTED = 10_000  # bad files in the report as plain data
_MOST_IN_MEMORY = 8 << 20  # bytes of the list of bad files


@dataclass
class Problem:
    """A check that failed: how often, and the first instances."""

    check: str
    count: int = 0
    instances: list[str] = field(default_factory=list)

    def add(self, where, message):
        self.count += 1
        if len(self.instances) < _MOST_NAMED:
            self.instances.append(_printable(f'{where}: {message}' if where else message))


def _printable(text):
    """Control characters in a path could change what a terminal shows."""
    return ''.join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@dataclass
class BadFile:
    """A file of an archive that is not as it should be.

    Attributes:
        archive: ``'annotations'`` or ``'images'``.
        key: its path in the archive.
        check, problem: what is wrong with it.
    """

    archive: str
    key: str
    check: str
    problem: str


class BadFiles:
    """A list of any length: what does not fit into a few megabytes goes into a temporary file."""

    def __init__(self):
        self._lines = tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY, 'w+', encoding='utf-8')
        self._n = 0

    def append(self, bad: BadFile):
        self._lines.seek(0, 2)
        self._lines.write(json.dumps(asdict(bad)) + '\n')
        self._n += 1

    def __len__(self):
        return self._n

    def __iter__(self):
        self._lines.seek(0)
        for line in self._lines:
            yield BadFile(**json.loads(line))


class VerifyReport:
    """Outcome of :func:`posepile.storage.verify.verify`.

    Attributes:
        examples: number of examples by split name.
        images, bytes: number of images, and size of both archives.
        problems: :class:`Problem` by check; empty if all is well.
        warnings: the same of what is unusual, but may be right.
        readable: those of ``'annotations'`` and ``'images'`` whose index can be queried.
        bad_files: every file with a problem, as often as it has one.
        statistics: by split name, of a deep verification; see
            :meth:`posepile.storage.statistics.SplitStatistics.as_dict`.
    """

    def __init__(self, annotations_path: str, images_path: str | None, deep: bool):
        self.annotations_path = annotations_path
        self.images_path = images_path
        self.deep = deep
        self.kind: str | None = None
        self.examples: dict[str, int] = {}
        self.images = 0
        self.bytes = 0
        self.problems: dict[str, Problem] = {}
        self.warnings: dict[str, Problem] = {}
        self.readable: set[str] = set()
        self.bad_files = BadFiles()
        self.statistics: dict[str, dict] = {}

    @property
    def ok(self) -> bool:
        return not self.problems

    def add(self, check, where, message):
        """Count an instance of a problem that is not that of a single file."""
        self.problems.setdefault(check, Problem(check)).add(where, message)

    def add_file(self, archive, check, key, message):
        """Count an instance of a problem of the file ``key`` of an archive."""
        self.add(check, key, message)
        self.bad_files.append(BadFile(archive, key, check, message))

    def warn(self, check, where, message):
        """Count something unusual."""
        self.warnings.setdefault(check, Problem(check)).add(where, message)

    def as_dict(self) -> dict:
        """Plain data, for JSON. Of very many bad files, the first are listed."""
        listed = [asdict(bad) for bad, _ in zip(self.bad_files, range(_MOST_LISTED))]  # noqa: B905
        return dict(
            annotations_path=self.annotations_path,
            images_path=self.images_path,
            deep=self.deep,
            ok=self.ok,
            kind=self.kind,
            examples=self.examples,
            images=self.images,
            bytes=self.bytes,
            problems=[asdict(p) for p in self.problems.values()],
            warnings=[asdict(p) for p in self.warnings.values()],
            n_bad_files=len(self.bad_files),
            bad_files=listed,
            statistics=self.statistics,
        )
