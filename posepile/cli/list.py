"""``posepile list``: the table of datasets."""

from posepile.cli.presence import presence, presence_text
from posepile.cli.table import print_json, print_table
from posepile.registry import list_datasets

HELP = """\
Show all datasets, with their variants indented below them.

The last column says what is there under DATA_ROOT: the raw release, the packed product, steps of
the pipeline that are under way."""


def add_arguments(parser):
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(args):
    rows = [(info, presence(info)) for info in list_datasets()]
    if args.json:
        print_json([_as_json(info, state) for info, state in rows])
        return
    header = ['name', 'title', 'kind', 'joints', 'splits', 'access', 'state']
    print_table(
        header,
        [
            [
                ('  ' if info.variant else '') + info.name,
                info.title,
                info.kind,
                info.joints or '-',
                ' '.join(info.splits) or '-',
                info.access,
                presence_text(state),
            ]
            for info, state in rows
        ],
    )


def _as_json(info, state):
    keys = ('name', 'dataset', 'variant', 'title', 'kind', 'year', 'joints', 'splits', 'access')
    return {key: getattr(info, key) for key in keys} | {'state': state}
