"""What is known of the datasets of a collection, and what it costs to make crops of them.

The formulas:

    crops step, video    frames * megapixels * decoding + crops * cropping   (core-seconds)
    crops step, images   crops * (longest time of the measured photographs up to that size)
    pack step            crops * packing   (one process for each product)
    masks step           crops / mask rate   (GPU-seconds)
    disk                 crops * (bytes of JPEG, record, indices); while it is made, also shards
    another number of crops: in proportion, with the datasets' mean
"""

import csv
from dataclasses import dataclass

from posepile.cluster.plan import plan_of
from posepile.registry import find_dataset

#: Size that counts where none is known: that of most of those that are.
USUAL_SIZE = (1920, 1080)

#: Files of a packed product: two archives of an index and a shard, and report.json.
FILES_PER_PRODUCT = 5

#: Files of the state: of a step (step.json), of any task (mark, log), and results of a task in
#: addition (index and shard of its crops; one file of masks).
FILES_PER_STEP, FILES_PER_TASK = 1, 2
RESULT_FILES = {'crops': 2, 'masks': 1}


@dataclass(frozen=True)
class Number:
    """A published number; ``kind`` is ``''``, ``'~'`` (about, or not confirmed) or ``'<'`` (at
    most)."""

    value: float
    kind: str = ''

    def __str__(self):
        text = f'{self.value:,.0f}' if self.value >= 100 else f'{self.value:g}'
        return {'': '', '~': 'about ', '<': 'up to '}[self.kind] + text


@dataclass(frozen=True)
class Dataset:
    """What is known of a dataset; None: not known.

    Attributes:
        source: ``'video'`` or ``'images'``.
        size: (width, height) of a frame in pixels.
        frames: frames or images with annotations, over all cameras.
        crops: persons that remain after selection.
        raw_gb: what is downloaded, in GB.
        units, unit: into how many parts the work can be cut at most, and what these are.
    """

    name: str
    source: str
    size: tuple[int, int] | None
    frames: Number | None
    crops: Number | None
    raw_gb: Number | None
    units: Number | None
    unit: str

    @property
    def megapixels(self):
        width, height = self.size or USUAL_SIZE
        return width * height / 1e6


def read_collection(path) -> list[Dataset]:
    with open(path, encoding='utf-8', newline='') as f:
        return [_dataset(row) for row in csv.DictReader(f)]


def _dataset(row):
    numbers = {key: _number(row[key]) for key in ('width', 'height', 'frames', 'crops', 'raw_gb')}
    size = (numbers.pop('width'), numbers.pop('height'))
    if row['source'] not in ('video', 'images'):
        raise ValueError(f'{row["dataset"]}: source is {row["source"]!r}')
    return Dataset(
        name=row['dataset'],
        source=row['source'],
        size=tuple(round(n.value) for n in size) if all(size) else None,
        units=_number(row['units']),
        unit=row['unit'],
        **numbers,
    )


def _number(text):
    if not text:
        return None
    kind = text[0] if text[0] in '~<' else ''
    return Number(float(text[len(kind) :]), kind)


def mean_frames_per_crop(datasets) -> float:
    """Frames of the videos for each crop, over the datasets of which both are known."""
    known = [d for d in datasets if d.source == 'video' and d.frames and d.crops]
    return sum(d.frames.value for d in known) / sum(d.crops.value for d in known)


def cropping_core_seconds(dataset, rates, frames_per_crop) -> float | None:
    """Of the crops step of a dataset; None if its number of crops is not known."""
    if dataset.crops is None:
        return None
    crops = dataset.crops.value
    if dataset.source == 'images':
        return crops * _photograph_seconds(dataset.megapixels, rates['photographs'])
    frames = dataset.frames.value if dataset.frames else crops * frames_per_crop
    decoding = rates['decoding_core_seconds_per_megapixel'] * dataset.megapixels
    return frames * decoding + crops * rates['cropping_core_seconds']


def _photograph_seconds(megapixels, measured):
    # Lenses and the size of people matter, too: rather the dearest of those that are smaller.
    dearest = 0
    for size, seconds in measured:
        dearest = max(dearest, seconds)
        if megapixels <= size:
            return dearest
    return dearest * megapixels / measured[-1][0]


@dataclass(frozen=True)
class Plan:
    """Attributes: core-seconds and GPU-seconds (None: no rate is known), bytes, files.

    ``longest_cropping`` and ``longest_packing`` are the seconds of the product that takes longest,
    in as many tasks as ``tasks`` tells.
    """

    crops: float
    tasks: dict[str, int]
    cropping: float
    longest_cropping: float
    packing: float
    longest_packing: float
    masks: float | None
    bytes_of_images: float
    bytes_of_annotations: float
    files: int
    files_of_state: int
    loose_files: float


def plan(datasets, rates, crops, frames_per_crop, mask_rate=None) -> Plan:
    """The plan for a number of crops of which each dataset has the share that it has of all.

    Args:
        datasets: of :func:`read_collection`; those whose crops are not known count as products.
        rates: dict as in collection_rates.json.
        mask_rate: crops per second of one GPU.
    """
    known = [d for d in datasets if d.crops]
    total = sum(d.crops.value for d in known)
    cropping = [cropping_core_seconds(d, rates, frames_per_crop) for d in known]
    scale = crops / total
    tasks = {step.name: step.tasks for step in plan_of(find_dataset('aspset'))}
    state = sum(
        FILES_PER_STEP + n * (FILES_PER_TASK + RESULT_FILES.get(name, 0))
        for name, n in tasks.items()
    )
    per_annotation = rates['bytes_per_record'] + rates['bytes_of_indices_per_crop']
    return Plan(
        crops=crops,
        tasks=tasks,
        cropping=scale * sum(cropping),
        longest_cropping=scale * max(cropping) / tasks['crops'],
        packing=crops * rates['packing_core_seconds'],
        longest_packing=scale * max(d.crops.value for d in known) * rates['packing_core_seconds'],
        masks=crops / mask_rate if mask_rate else None,
        bytes_of_images=crops * rates['bytes_per_crop'],
        bytes_of_annotations=crops * per_annotation,
        files=len(datasets) * FILES_PER_PRODUCT,
        files_of_state=len(datasets) * state,
        loose_files=2 * crops,  # a JPEG and a record each
    )
