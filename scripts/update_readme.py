"""Write the dataset table of README.md from the dataset.toml files.

python scripts/update_readme.py [--check]
"""

import argparse
import os.path as osp
import sys

from posepile.registry import list_datasets

README = osp.join(osp.dirname(osp.dirname(osp.abspath(__file__))), 'README.md')
BEGIN, END = '<!-- datasets: begin -->', '<!-- datasets: end -->'


def table():
    """The table in Markdown: a row for each product."""
    lines = [
        '| name | dataset | kind | joints | parameters | splits | benchmark | access |',
        '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ]
    for info in list_datasets():
        title = info.title if info.variant else f'[{info.title}]({info.homepage})'
        lines.append(
            f'| `{info.name}` | {title} | {info.kind.upper() if info.has_poses else info.kind} | '
            f'{info.joints or ""} | {info.parameters if info.has_poses else ""} | '
            f'{", ".join(info.splits)} | '
            f'{"yes" if info.evaluation else ""} | {info.access} |'
        )
    return '\n'.join(lines)


def updated(text):
    """``text`` of the README with the present table between its marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f'{before}{BEGIN}\n{table()}\n{END}{after}'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--check', action='store_true', help='only say whether it is up to date')
    args = parser.parse_args()
    with open(README, encoding='utf-8') as f:
        old = f.read()
    new = updated(old)
    if args.check:
        sys.exit(old != new and 'README.md is behind: python scripts/update_readme.py')
    with open(README, 'w', encoding='utf-8') as f:
        f.write(new)


if __name__ == '__main__':
    main()
