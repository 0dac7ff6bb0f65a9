"""docs/cluster.md: its commands, its cluster.toml, its keys and links are what there is."""

import argparse
import dataclasses
import os.path as osp
import re
import shlex
from importlib import import_module

import pytest

from posepile import registry
from posepile.cluster.request import StepRequest
from posepile.cluster.slurm.config import Settings, read_config

PAGE = osp.join(osp.dirname(__file__), '..', 'docs', 'cluster.md')
with open(PAGE, encoding='utf-8') as _f:
    TEXT = _f.read()


def blocks(language):
    return re.findall(rf'^```{language}\n(.*?)^```', TEXT, re.M | re.S)


COMMANDS = [
    line.partition('posepile ')[2]
    for block in blocks('bash')
    for line in block.splitlines()
    if re.match(r'(\w+=\S+ )*posepile ', line)
]


@pytest.mark.parametrize('line', COMMANDS)
def test_commands_are_understood(line):
    name, *words = shlex.split(line, comments=True)
    parser = argparse.ArgumentParser(exit_on_error=False)
    import_module(f'posepile.cli.{name}').add_arguments(parser)
    args = parser.parse_args(words)
    if getattr(args, 'name', None):
        assert registry.find_dataset(args.name).name == args.name


def test_the_page_shows_all_commands_for_running():
    assert {line.split()[0] for line in COMMANDS} >= {'run', 'status', 'logs', 'cancel'}


def test_the_example_of_cluster_toml_says_what_the_page_says(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    [example] = blocks('toml')
    (tmp_path / 'cluster.toml').write_text(example)
    config = read_config()

    def settings(dataset, name, **options):
        return config.settings(StepRequest(dataset, name, ['true'], **options))

    download = settings('aspset', 'download')
    assert download.here == ('download',) and download.partition == 'cpu'
    assert settings('aspset', 'masks', gpu=True).flag == '--gres=gpu:1'
    assert settings('aspset', 'masks', gpu=True).partition == 'gpu'
    assert settings('aspset', 'pack').time == '12:00:00'
    assert settings('aspset', 'crops').mem == '2G'
    assert settings('h36m', 'crops', mem='1G').mem == '4G'


def test_the_table_of_keys_is_complete():
    table = TEXT.partition('| key | what it does |')[2].partition('\n\n')[0]
    keys = [
        k for line in table.splitlines()[2:] for k in re.findall(r'`(\w+)`', line.split('|')[1])
    ]
    assert sorted(keys) == sorted(field.name for field in dataclasses.fields(Settings))


def test_links_lead_somewhere():
    links = re.findall(r'\]\((?!https?:)([^)#]+)\)', TEXT)
    for link in [
        *links,
        *(f'../{p}' for p in re.findall(r'python ((?:scripts|benchmarks)/\S+\.py)', TEXT)),
    ]:
        assert osp.exists(osp.join(osp.dirname(PAGE), link)), link
