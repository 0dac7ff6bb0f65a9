"""What it takes to make crops of many datasets: cores, hours, disk, number of files.

    python scripts/plan_collection.py                       the plan for 13 million crops
    python scripts/plan_collection.py --crops 2e6 --cores 64 --mask-rate 150
    python scripts/plan_collection.py --markdown            as it stands in docs/cluster.md, with
                                                            the table of datasets
    python scripts/plan_collection.py --write               put that into docs/cluster.md

What is known of the datasets is in collection.csv, rates are in collection_rates.json (measured by
measure_rates.py). The formulas:

    crops step, video    frames * megapixels * decoding + crops * cropping   (core-seconds)
    crops step, images   crops * (longest time of the measured photographs up to that size)
    pack step            crops * packing   (one process for each product)
    masks step           crops / mask rate   (GPU-seconds)
    disk                 crops * (bytes of JPEG, record, indices); while it is made, also shards
    another number of crops: in proportion, with the datasets' mean
"""

import argparse
import csv
import json
import math
import os.path as osp
import sys
from dataclasses import dataclass

from posepile.cluster.plan import plan_of
from posepile.registry import find_dataset

SCRIPTS = osp.dirname(osp.abspath(__file__))
COLLECTION = f'{SCRIPTS}/collection.csv'
RATES = f'{SCRIPTS}/collection_rates.json'
PAGE = osp.join(osp.dirname(SCRIPTS), 'docs', 'cluster.md')
BEGIN, END = '<!-- plan: begin -->', '<!-- plan: end -->'

#: Size that counts where none is known: that of most of those that are.
USUAL_SIZE = (1920, 1080)

#: Files of a packed product: two archives of an index and a shard, and report.json.
FILES_PER_PRODUCT = 5

#: Files of the state: of a step (step.json), of any task (mark, log), and results of a task in
#: addition (index and shard of its crops; one file of masks).
FILES_PER_STEP, FILES_PER_TASK = 1, 2
RESULT_FILES = {'crops': 2, 'masks': 1}

HOUR, GB = 3600, 1e9


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


def read_collection(path=COLLECTION) -> list[Dataset]:
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


def plan_rows(plan, datasets, cores, gpus):
    """The plan as pairs of what and how much."""
    raw = [d.raw_gb.value for d in datasets if d.raw_gb]
    hours = plan.cropping / HOUR
    if plan.masks is None:
        masks = 'not known without --mask-rate'
    else:
        gpu_hours = plan.masks / HOUR
        masks = f'{gpu_hours:,.0f} GPU-hours: {_hours(gpu_hours / gpus)} on {gpus} GPUs'
    packed = plan.bytes_of_images + plan.bytes_of_annotations
    return [
        ('crops', f'{plan.crops:,.0f} of {len(datasets)} products'),
        (
            'crops steps',
            f'{hours:,.0f} core-hours: {_hours(hours / cores)} on {cores} cores; the largest '
            f'product alone {_hours(plan.longest_cropping / HOUR)} in {plan.tasks["crops"]} tasks',
        ),
        ('masks steps', masks),
        (
            'pack steps',
            f'{plan.packing / HOUR:,.1f} core-hours; the largest product alone '
            f'{_hours(plan.longest_packing / HOUR)} in 1 task',
        ),
        (
            'disk, raw releases',
            f'{sum(raw) / 1e3:,.1f} TB for the {len(raw)} whose size is known; not known for '
            f'{len(datasets) - len(raw)}',
        ),
        ('disk, images', f'{plan.bytes_of_images / GB:,.0f} GB'),
        ('disk, annotations', f'{plan.bytes_of_annotations / GB:,.0f} GB'),
        (
            'disk, while it is made',
            f'{packed / GB:,.0f} GB more: shards of the crops steps, until you delete them',
        ),
        (
            'files',
            f'{plan.files:,} packed, {plan.files_of_state:,} of state; loose they would be '
            f'{plan.loose_files:,.0f}',
        ),
    ]


def _hours(hours):
    return f'{hours:.1f} h' if hours >= 1 else f'{math.ceil(hours * 60)} min'


def markdown(datasets, rates, rows, frames_per_crop, mask_rate=None) -> str:
    """The generated part of docs/cluster.md."""
    lines = [
        '| dataset | frames | annotated frames | crops | raw, GB | parts '
        '| crops step, core-hours | packed, GB |',
        '| --- | --- | ---: | ---: | ---: | --- | ---: | ---: |',
    ]
    per_crop = sum(
        rates[key] for key in ('bytes_per_crop', 'bytes_per_record', 'bytes_of_indices_per_crop')
    )
    for d in datasets:
        seconds = cropping_core_seconds(d, rates, frames_per_crop)
        cells = [
            d.name,
            f'{d.source} {d.size[0]} x {d.size[1]}' if d.size else d.source,
            d.frames,
            d.crops,
            d.raw_gb,
            f'{d.units} {d.unit}' if d.units else None,
            None if seconds is None else _three_digits(seconds / HOUR),
            None if d.crops is None else _three_digits(d.crops.value * per_crop / GB),
        ]
        lines.append(f'| {" | ".join("-" if cell is None else str(cell) for cell in cells)} |')
    memory = rates['peak_memory_mb']
    lines += [
        '',
        'Largest memory of a task in MB, measured: '
        + '; '.join(
            f'{name} ' + ', '.join(f'{step} {mb:,.0f}' for step, mb in steps.items())
            for name, steps in memory.items()
        )
        + '.',
        '',
        '| plan | |',
        '| --- | --- |',
        *(f'| {what} | {how_much} |' for what, how_much in rows),
        '',
        f'Rates, of one core ({rates["processor"]}): '
        f'{1 / rates["decoding_core_seconds_per_megapixel"]:,.0f} megapixels of video decoded, or '
        f'{1 / rates["cropping_core_seconds"]:,.0f} crops made of decoded frames, or '
        f'{1 / rates["packing_core_seconds"]:,.0f} crops packed in a second; '
        + ', '.join(
            f'{1 / seconds:,.0f} crops of photographs of {size:.1f} megapixels'
            for size, seconds in rates['photographs']
        )
        + f'. A crop has {rates["bytes_per_crop"]:,.0f} bytes, its record '
        f'{rates["bytes_per_record"]:,.0f} ({rates["share_with_mask"]:.0%} with a mask), its '
        f'entries in the indices {rates["bytes_of_indices_per_crop"]:,.0f}. Where the frames of '
        f'a video are not known, {frames_per_crop:.1f} for each crop are assumed, as in those '
        f'where they are; where the size is not known, {USUAL_SIZE[0]} x {USUAL_SIZE[1]}.',
    ]
    return '\n'.join(lines)


def _three_digits(value):
    return f'{value:,.0f}' if value >= 100 else f'{value:.3g}'


def updated(text, generated):
    """``text`` of the page with ``generated`` between its marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f'{before}{BEGIN}\n{generated}\n{END}{after}'


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--crops', type=_positive, default=13e6)
    parser.add_argument('--cores', type=int, default=200)
    parser.add_argument('--gpus', type=int, default=8)
    parser.add_argument(
        '--mask-rate', type=_positive, metavar='R',
        help='crops per second of one of your GPUs in the masks step (benchmarks/people.py)',
    )  # fmt: skip
    parser.add_argument(
        '--frames-per-crop', type=_positive, metavar='F',
        help='of videos whose frames are not known (default: the mean of the others)',
    )  # fmt: skip
    parser.add_argument('--rates', metavar='FILE', default=RATES)
    parser.add_argument('--datasets', metavar='FILE', default=COLLECTION)
    parser.add_argument('--markdown', action='store_true', help='with the table of datasets')
    parser.add_argument('--write', action='store_true', help='put that into docs/cluster.md')
    parser.add_argument('--check', action='store_true', help='only say whether it is in there')
    args = parser.parse_args(argv)
    datasets = read_collection(args.datasets)
    with open(args.rates, encoding='utf-8') as f:
        rates = json.load(f)
    frames_per_crop = args.frames_per_crop or mean_frames_per_crop(datasets)
    the_plan = plan(datasets, rates, args.crops, frames_per_crop, args.mask_rate)
    rows = plan_rows(the_plan, datasets, args.cores, args.gpus)
    if not (args.markdown or args.write or args.check):
        for what, how_much in rows:
            print(f'{what:24}{how_much}')
        return
    generated = markdown(datasets, rates, rows, frames_per_crop)
    if args.markdown:
        print(generated)
        return
    with open(PAGE, encoding='utf-8') as f:
        old = f.read()
    new = updated(old, generated)
    if args.check:
        sys.exit(old != new and f'{PAGE} is behind: python {sys.argv[0]} --write')
    with open(PAGE, 'w', encoding='utf-8') as f:
        f.write(new)


def _positive(text):
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'{text} is no positive number')
    return value


if __name__ == '__main__':
    main()
