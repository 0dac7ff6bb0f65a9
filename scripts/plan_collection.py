"""What it takes to make crops of many datasets: cores, hours, disk, number of files.

    python scripts/plan_collection.py                       the plan for 13 million crops
    python scripts/plan_collection.py --crops 2e6 --cores 64 --mask-rate 150
    python scripts/plan_collection.py --markdown            as it stands in docs/cluster.md, with
                                                            the table of datasets
    python scripts/plan_collection.py --write               put that into docs/cluster.md

What is known of the datasets is in collection.csv, rates are in collection_rates.json (measured by
measure_rates.py), and the formulas in collection_costs.py.
"""

import argparse
import json
import math
import os.path as osp
import sys

from collection_costs import (
    USUAL_SIZE,
    cropping_core_seconds,
    mean_frames_per_crop,
    plan,
    read_collection,
)

SCRIPTS = osp.dirname(osp.abspath(__file__))
COLLECTION = f'{SCRIPTS}/collection.csv'
RATES = f'{SCRIPTS}/collection_rates.json'
PAGE = osp.join(osp.dirname(SCRIPTS), 'docs', 'cluster.md')
BEGIN, END = '<!-- plan: begin -->', '<!-- plan: end -->'

HOUR, GB = 3600, 1e9


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
