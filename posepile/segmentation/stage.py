"""The segmentation stage: sources to a file of masks per task."""

import contextlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from posepile.cluster.resources import n_cores
from posepile.detection.stage import DetectionOptions
from posepile.detection.stream import batches, lagged
from posepile.detection.task_results import TaskResults
from posepile.errors import OptionError
from posepile.segmentation.choice import chosen_people, cleaned_mask
from posepile.segmentation.prototypes import logit_maps, mask_from_logits
from posepile.segmentation.stored import encoded_rle, mask_key
from posepile.util.boxes import clipped


@dataclass(frozen=True)
class SegmentationOptions(DetectionOptions):
    """How people and their masks are sought.

    Attributes:
        overlap: least IoU of the box that a person was cropped by with the box of the mask that is
            to be theirs.
        least_confidence: of somebody at the place of a person who is known to be there. With the
            ``confidence`` that strangers need, people who are half hidden would be missed, and
            whoever hides them would be taken for them.
    """

    overlap: float = 0.1
    least_confidence: float = 0.05

    def __post_init__(self):
        super().__post_init__()
        for name in ('overlap', 'least_confidence'):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f'{name} has to be from 0 to 1, not {getattr(self, name)}.')


def segment_people(
    sources, out, network, options=None, *,
    i_task=0, n_tasks=1, batch_size=None, threads=None, on_progress=None,
):  # fmt: skip
    """Find the masks of people, or of one task's share of them.

    Where a source says which people are looked for (``boxes`` of what it loads), there is a result
    for each of them, under ``mask_key(key, number)``: ``person``, their own mask, None if they were
    not found, and ``people``, that of all people in the image, None if there is nobody. Elsewhere
    there is one result: ``boxes`` (n, 5) with confidence, ``masks`` of each, and ``people``. Read
    them with :func:`posepile.segmentation.open_masks` or ``open_instances``.

    Arguments, result and errors are those of :func:`posepile.detection.detect_people`.
    """
    options = options or SegmentationOptions()
    task = TaskResults(out, options.settings(network, kind='masks'), i_task, n_tasks)
    share = task.share(sources)
    if task.has_all(share):
        return 0, {}
    threads = threads or n_cores()
    loaded = batches(
        share, task.is_known, options.image_size or network.image_size,
        network.stride, batch_size or network.batch_size, network.allocate, threads,
    )  # fmt: skip
    with ThreadPoolExecutor(threads, thread_name_prefix='encode') as pool:
        return task.store(find_masks(network, options, loaded, pool), on_progress)


def find_masks(network, options, all_batches, pool):
    """Yield (batch, {key: value}) of each batch of a generator; see :func:`segment_people`."""

    def start(batch):
        n_images = len(batch.keys)
        return batch, network.start(batch.inputs, n_images=n_images) if n_images else None

    def encode(started):
        batch, output = started
        if output is None:
            return batch, []
        return batch, [
            pool.submit(_encoded, image) for image in _images(network, options, batch, output)
        ]

    # While one batch is on the GPU, the masks of the one before are worked out, and those of the
    # one before that are encoded.
    with contextlib.closing(all_batches):
        for batch, futures in lagged(map(encode, lagged(map(start, all_batches), 1)), 1):
            found = {}
            for future in futures:
                found |= future.result()
            yield batch, found


class _Found(NamedTuple):
    """What there is to encode of an image.

    Attributes:
        wanted: (k, 4) boxes of the people that are looked for, or None.
        chosen: (k,) which of the found people they are, -1 for none; None if all are looked for.
        boxes: (n, 5) float32 boxes and confidence of the people found: those that are certain
            enough, and the chosen.
        logits: maps of the chosen people and one of all people, or of all people one by one.
    """

    key: str
    letterbox: object
    wanted: np.ndarray | None
    chosen: np.ndarray | None
    boxes: np.ndarray
    logits: np.ndarray


@torch.inference_mode()
def _images(network, options, batch, output):
    """A :class:`_Found` of each image of a batch."""
    least = options.confidence
    if any(wanted is not None for wanted in batch.boxes):
        least = min(least, options.least_confidence)
    people = network.people(output, len(batch.keys), least, options.iou)
    images = []
    with network.finishing(output):
        for i, (key, letterbox, wanted) in enumerate(
            zip(batch.keys, batch.letterboxes, batch.boxes, strict=True)
        ):
            boxes = letterbox.corners_to_boxes(people[i].corners)
            boxes = np.concatenate([boxes, people[i].confidence[:, np.newaxis]], axis=1)
            counted, chosen = boxes[:, 4] >= options.confidence, None
            if wanted is not None:
                wanted = clipped(wanted, letterbox.imshape)  # as those of the found people are
                chosen = chosen_people(wanted, boxes, options.overlap)
                counted[chosen[chosen >= 0]] = True
                chosen = np.append(np.cumsum(counted) - 1, -1)[chosen]
            logits = logit_maps(
                network.mask_coefficients(output, i, people[i].rows[counted]),
                output.prototypes[i],
                torch.from_numpy(people[i].corners[counted]).to(network.device),
                letterbox.input_shape,
            )
            if wanted is not None:  # of the others, only where they are matters
                own = torch.from_numpy(chosen[chosen >= 0]).to(network.device)
                everybody = [logits.amax(dim=0, keepdim=True)] if len(logits) else []
                logits = torch.cat([logits[own], *everybody])
            boxes = boxes[counted].astype(np.float32)
            images.append(_Found(key, letterbox, wanted, chosen, boxes, logits))
        # One transfer for all, for each waits for the device.
        logits = torch.cat([image.logits for image in images]).cpu().numpy()
    borders = np.cumsum([0, *(len(image.logits) for image in images)])
    return [
        image._replace(logits=logits[a:b])
        for image, (a, b) in zip(images, itertools.pairwise(borders), strict=True)
    ]


def _encoded(image):
    """What is stored for an image: {key: value}."""
    if image.chosen is None:
        masks = [
            mask_from_logits(logits, image.letterbox, box)
            for logits, box in zip(image.logits, image.boxes, strict=True)
        ]
        people = encoded_rle(np.bitwise_or.reduce(masks)) if masks else None
        parts = [cleaned_mask(m, box[:4]) for m, box in zip(masks, image.boxes, strict=True)]
        rles = [encoded_rle(part) for part in parts]
        return {image.key: dict(boxes=image.boxes, masks=rles, people=people)}
    people = None
    if len(image.boxes):  # the last map is that of all people
        people = encoded_rle(mask_from_logits(image.logits[-1], image.letterbox))
    if len(image.chosen) == 0:  # still, it has been looked at
        return {image.key: dict(person=None, people=people)}
    maps = iter(image.logits)
    result = {}
    for number, (chosen, wanted) in enumerate(zip(image.chosen, image.wanted, strict=True)):
        person = None
        if chosen >= 0:
            mask = mask_from_logits(next(maps), image.letterbox, image.boxes[chosen])
            person = encoded_rle(cleaned_mask(mask, wanted))
        result[mask_key(image.key, number)] = dict(person=person, people=people)
    return result
