"""Counts of what happened to clips and frames, and a list of everything that was left out."""

import json
import os
from dataclasses import asdict, dataclass, field

from posepile.atomic import replacing


@dataclass
class Report:
    """Outcome of reading one clip, or the sum over many.

    Attributes:
        clips: clips read to their end.
        clips_failed: clips that could not be read at all.
        frames_seen: annotated frames looked at (per clip, not per person).
        frames_kept: frames from which at least one crop was made.
        frames_lost: selected frames that the video or image files do not have.
        crops: crops made.
        bytes: size of the JPEGs of the crops.
        skipped: a line for each thing that was left out, with the reason.
        notes: remarks on how the raw data was understood.
    """

    clips: int = 0
    clips_failed: int = 0
    frames_seen: int = 0
    frames_kept: int = 0
    frames_lost: int = 0
    crops: int = 0
    bytes: int = 0
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: 'Report'):
        """Add the counts and lines of another report to this one."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text):
        return cls(**json.loads(text))


def leave_task_report(report: Report | dict):
    """Give the counts to the program that runs this task, if one asked for them."""
    path = os.environ.get('POSEPILE_TASK_REPORT')
    if path:
        counts = report if isinstance(report, dict) else asdict(report)
        with replacing(path) as partial, open(partial, 'w') as f:
            json.dump({key: value for key, value in counts.items() if value}, f)
