"""``posepile info NAME``: everything about one dataset."""

import dataclasses

from posepile.cli.presence import presence, presence_text
from posepile.cli.table import print_fields, print_json, print_table
from posepile.registry import find_dataset, list_datasets

HELP = 'Show what is known about a dataset or variant: origin, licence, files, paths, state.'


def add_arguments(parser):
    parser.add_argument('name', metavar='NAME', help='a dataset or variant ("posepile list")')
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(args):
    info = find_dataset(args.name)
    state = presence(info)
    variants = [i.name for i in list_datasets() if i.dataset == info.dataset and i.variant]
    if args.json:
        content = dataclasses.asdict(info)
        if not info.has_poses:
            content['images'] = _count_images(info, state)
        print_json(content | {'variants': variants, 'state': state})
        return

    print(f'{info.title} ({info.year})\n')
    print_fields(
        [
            ('name', info.name + (f', variant of {info.dataset}' if info.variant else '')),
            ('kind', info.kind.upper() if info.has_poses else info.kind),
            *_about_poses(info),
            ('images', _count_images(info, state)),
            ('licence', info.licence),
            ('access', info.access),
            ('home page', info.homepage),
            ('citation', info.citation),
            ('expected', ', '.join(f'{k} {v:,}' for k, v in info.expected.items()) or None),
            ('options', ', '.join(f'{k}={v}' for k, v in info.options.items()) or None),
            ('variants', ', '.join(variants) or None),
            ('module', info.module),
            ('raw release', state['raw_path'] if state else f'$DATA_ROOT/{info.raw}'),
            ('product', state['packed_path'] if state else f'$DATA_ROOT/packed/{info.name}'),
            ('state', presence_text(state)),
        ]
    )
    # The same rule as the download step: files without a group are for every product.
    files = [f for f in info.files if not f.group or f.group in info.groups]
    if files:
        print(f'\nfiles of the raw release that {info.name} needs, below DATA_ROOT:')
        print_table(
            ['path', 'comes from'],
            [[f'{f.raw}/{f.path}', f.url or 'you: place it by hand'] for f in files],
        )


def _about_poses(info):
    if not info.has_poses:
        return []
    return [
        ('joints', info.joints),
        ('parameters', info.parameters),
        ('splits', ', '.join(info.splits)),
        ('benchmark', 'yes' if info.evaluation else 'no'),
    ]


def _count_images(info, state):
    """How many images a packed collection has; None if there is none."""
    if info.has_poses or not state or not state['packed']:
        return None
    from posepile.storage.image_collection import open_images

    return len(open_images(info.name))
