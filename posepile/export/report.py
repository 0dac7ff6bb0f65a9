"""What an export has written, and what its format could not take."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class ExportReport:
    """Outcome of an export.

    Attributes:
        format: name of the format.
        out: the file or folder.
        examples: number of examples by split name.
        files: paths of the files with annotations, relative to the folder, in order.
        images: number of images written; one that several examples share counts once per file
            that it is embedded in.
        lost: how many examples had something that the format cannot hold, by what it is.
    """

    format: str
    out: str
    examples: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    images: int = 0
    lost: Counter = field(default_factory=Counter)

    def add(self, split_name, file, n_examples, n_images=0, lost=None):
        """Count a finished file."""
        self.examples[split_name] = self.examples.get(split_name, 0) + n_examples
        self.files.append(file)
        self.images += n_images
        self.lost.update(lost or {})

    def as_dict(self) -> dict:
        """Plain data, for JSON."""
        return {**vars(self), 'lost': dict(sorted(self.lost.items()))}
