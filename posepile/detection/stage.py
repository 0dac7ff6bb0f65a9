"""The detection stage: sources to a file of boxes per task."""

import contextlib
from dataclasses import asdict, dataclass

import numpy as np

from posepile.cluster.resources import n_cores
from posepile.detection.flip import merge_views
from posepile.detection.network import PeopleNetwork
from posepile.detection.stream import batches, lagged
from posepile.detection.task_results import TaskResults
from posepile.errors import OptionError


@dataclass(frozen=True)
class DetectionOptions:
    """How people are sought.

    Attributes:
        confidence: least confidence of a detection.
        iou: of two detections that overlap more, the less confident is left out.
        image_size: length of the longer side that images are scaled to; None: what the network
            was trained for.
        flip: also look at the mirror image, and average.
    """

    confidence: float = 0.2
    iou: float = 0.7
    image_size: int | None = None
    flip: bool = False

    def __post_init__(self):
        for name in ('confidence', 'iou'):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f'{name} has to be from 0 to 1, not {getattr(self, name)}.')
        if self.image_size is not None and self.image_size < 32:
            raise OptionError(f'The image size has to be at least 32, not {self.image_size}.')

    def settings(self, network, **more) -> dict:
        """All that results depend on, with the network itself; see :class:`TaskResults`."""
        return asdict(self) | dict(
            weights=network.digest, image_size=self.image_size or network.image_size, **more
        )


def detect_people(
    sources, out, network: PeopleNetwork, options=None, *,
    i_task=0, n_tasks=1, batch_size=None, threads=None, on_progress=None,
):  # fmt: skip
    """Find people in images and videos, or in one task's share of them.

    What is in ``out`` already is not done again, whatever the division of the work was. Read the
    results with :func:`posepile.detection.open_detections`.

    Args:
        sources: from :func:`posepile.detection.sources.list_sources`.
        out: folder for the results, one file per task.
        network: a detector, or a segmenter, whose masks are ignored.
        options: :class:`DetectionOptions`.
        i_task, n_tasks: this task takes the ``i_task``-th of ``n_tasks`` equal parts of the list.
        batch_size: number of images that the network sees at a time; None: what suits the device.
        threads: number of images that are decoded at a time; None: one per core.
        on_progress: called with the number of images after each batch.

    Returns:
        (number of images looked at by this task, {key: reason} of those that cannot be read).

    Raises:
        OptionError: if results made with other options or weights are in ``out``.
    """
    options = options or DetectionOptions()
    task = TaskResults(out, options.settings(network, kind='detections'), i_task, n_tasks)
    share = task.share(sources)
    if task.has_all(share):
        return 0, {}
    loaded = batches(
        share, task.is_known, options.image_size or network.image_size,
        network.stride, batch_size or network.batch_size, network.allocate, threads or n_cores(),
    )  # fmt: skip
    return task.store(find_boxes(network, options, loaded), on_progress)


def find_boxes(network, options, all_batches):
    """Yield (batch, {key: float32 (n, 5) boxes with confidence}) of each batch of a generator."""
    views = (False, True) if options.flip else (False,)

    def start(batch):
        return batch, [
            network.start(batch.inputs, flip, len(batch.keys)) for flip in views if batch.keys
        ]

    # While one batch is on the GPU, the boxes of the one before are worked out.
    with contextlib.closing(all_batches):
        for batch, outputs in lagged(map(start, all_batches), 1):
            yield batch, _boxes(network, options, batch, outputs) if batch.keys else {}


def _boxes(network, options, batch, outputs):
    if options.flip:  # a person seen in one view only counts half
        views = [_rows(network, o, batch, options.confidence / 2, options.iou) for o in outputs]
        width = batch.inputs.shape[2]
        rows = [merge_views(*pair, width, options.iou) for pair in zip(*views, strict=True)]
    else:
        rows = _rows(network, outputs[0], batch, options.confidence, options.iou)
    found = {}
    for key, letterbox, r in zip(batch.keys, batch.letterboxes, rows, strict=True):
        boxes = np.concatenate([letterbox.corners_to_boxes(r[:, :4]), r[:, 4:]], axis=1)
        is_person = (boxes[:, 4] >= options.confidence) & (boxes[:, 2:4] > 0).all(axis=1)
        found[key] = boxes[is_person].astype(np.float32)  # some lie in the margin only
    return found


def _rows(network, output, batch, min_confidence, max_iou):
    """(n, 5) float32 corners and confidence in each image of the batch."""
    people = network.people(output, len(batch.keys), min_confidence, max_iou)
    return [np.concatenate([p.corners, p.confidence[:, np.newaxis]], axis=1) for p in people]
