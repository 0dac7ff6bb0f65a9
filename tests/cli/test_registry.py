"""dataset.toml and what is known of the datasets."""

import pytest

from posepile.checked_table import nearest
from posepile.errors import BadFileError, UnknownDatasetError
from posepile.registry import (
    RawFile,
    Unpack,
    find_dataset,
    list_datasets,
    read_dataset,
)

FULL = """
name = "walks"
title = "Walking people"
kind = "3d"
year = 2021
citation = "A. Uthor, Walks, 2021"
homepage = "https://example.org"
licence = "CC0 1.0"
access = "open"
raw = "walks/release"
joints = 17
parameters = "SMPL"
splits = ["train", "val"]
evaluation = true
groups = ["trainval"]
[expected]
examples = 1200
[variants.walks_test]
title = "Walking people, test"
splits = ["test"]
options = { test = true }
expected = { examples = 30 }
[variants.walks_hands]
joints = 59
groups = ["hands"]
[[files]]
url = "https://example.org/x.tar.gz"
path = "archives/x.tar.gz"
md5 = "ca539550f46762741d8239ed4ac16b8e"
unpack = { into = "data", strip = 1, remove = true }
provides = "data/videos"
group = "trainval"
[[files]]
path = "by/hand.zip"
raw = "elsewhere"
"""


@pytest.fixture
def datasets_dir(tmp_path):
    write(tmp_path, 'walks', FULL)
    write(tmp_path, 'tdruns', FULL.replace('walks', '3druns').replace('3d"', '2d"'))
    (tmp_path / 'no_dataset').mkdir()
    (tmp_path / 'a_file').touch()
    return tmp_path


def write(datasets_dir, folder, text):
    path = datasets_dir / folder / 'dataset.toml'
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_all_products_in_order(datasets_dir):
    names = [info.name for info in list_datasets(datasets_dir)]
    assert names == ['3druns', '3druns_test', '3druns_hands', 'walks', 'walks_test', 'walks_hands']


def test_fields(datasets_dir):
    info = find_dataset('walks', datasets_dir)
    assert (info.dataset, info.variant, info.kind, info.year) == ('walks', None, '3d', 2021)
    assert info.folder == str(datasets_dir / 'walks')
    assert info.module == 'posepile.ds.walks'
    assert info.raw == 'walks/release'
    assert info.splits == ('train', 'val')
    assert info.evaluation is True
    assert info.groups == ('trainval',)
    assert info.expected == {'examples': 1200}
    assert info.options == {}
    assert info.files == (
        RawFile(
            path='archives/x.tar.gz',
            url='https://example.org/x.tar.gz',
            md5='ca539550f46762741d8239ed4ac16b8e',
            raw='walks/release',
            unpack=Unpack('data', 1, remove=True),
            provides='data/videos',
            group='trainval',
        ),
        RawFile(path='by/hand.zip', raw='elsewhere'),
    )


def test_variant_takes_over_what_it_does_not_say(datasets_dir):
    test = find_dataset('walks_test', datasets_dir)
    assert (test.name, test.dataset, test.variant) == ('walks_test', 'walks', 'walks_test')
    assert test.title == 'Walking people, test'
    assert test.joints == 17
    assert test.groups == ('trainval',)
    assert test.options == {'test': True}
    assert test.expected == {'examples': 30}
    hands = find_dataset('walks_hands', datasets_dir)
    assert (hands.joints, hands.splits, hands.expected) == (59, ('train', 'val'), {})
    assert hands.groups == ('hands',)
    assert hands.files == find_dataset('walks', datasets_dir).files


def test_name_may_differ_from_the_folder(datasets_dir):
    info = find_dataset('3druns', datasets_dir)
    assert info.module == 'posepile.ds.tdruns'
    with pytest.raises(UnknownDatasetError):
        find_dataset('tdruns', datasets_dir)


def test_unknown_name_suggests_the_nearest(datasets_dir):
    with pytest.raises(UnknownDatasetError, match="'wlaks'. Did you mean walks"):
        find_dataset('wlaks', datasets_dir)
    with pytest.raises(UnknownDatasetError, match='Did you mean walks_test'):
        find_dataset('Walks-Test', datasets_dir)
    with pytest.raises(UnknownDatasetError, match="called 'zzz'. .posepile list. shows all"):
        find_dataset('zzz', datasets_dir)
    with pytest.raises(UnknownDatasetError):
        find_dataset('../walks', datasets_dir)


@pytest.mark.parametrize(
    'old, new, key, problem',
    [
        ('joints = 17', '', 'joints', 'is missing'),
        ('joints = 17', 'joints = "17"', 'joints', 'whole number'),
        ('joints = 17', 'joints = true', 'joints', 'whole number'),
        ('joints = 17', 'joints = -1', 'joints', 'whole number'),
        ('kind = "3d"', 'kind = "4d"', 'kind', 'one of "3d", "2d"'),
        ('name = "walks"', 'name = "../walks"', 'name', 'letters'),
        ('raw = "walks/release"', 'raw = "/data"', 'raw', 'relative path'),
        ('raw = "walks/release"', 'raw = "a/../../b"', 'raw', 'relative path'),
        ('["train", "val"]', '["train", "valid"]', 'splits', 'list of'),
        ('["train", "val"]', '["train", "train"]', 'splits', 'without repetition'),
        ('["train", "val"]', '[]', 'splits', 'list of'),
        ('["train", "val"]', '[1]', 'splits', 'list of'),
        ('licence =', 'license =', 'licence', 'is missing'),
        ('parameters =', 'paramters =', 'paramters', 'is unknown; did you mean parameters?'),
        ('evaluation = true', 'evaluation = 1', 'evaluation', 'true or false'),
        ('examples = 1200', 'examples = 1.5', 'expected.examples', 'whole number'),
        ('joints = 59', 'joint = 59', 'variants.walks_hands.joint', 'did you mean joints?'),
        ('options = { test = true }', 'options = 3', 'variants.walks_test.options', 'a table'),
        ('[variants.walks_hands]', '[variants."a/b"]', 'variants.a/b', 'letters'),
        ('ca539', 'CA539', 'files[0].md5', 'hexadecimal'),
        ('https://example.org/x', 'file:///etc/x', 'files[0].url', 'http'),
        ('path = "archives', 'path = "../archives', 'files[0].path', 'relative path'),
        ('into = "data"', 'into = ".."', 'files[0].unpack.into', 'relative path'),
        ('strip = 1', 'stripe = 1', 'files[0].unpack.stripe', 'did you mean strip?'),
        ('path = "by/hand.zip"', '', 'files[1].path', 'is missing'),
        ('raw = "elsewhere"', 'raw = "/etc"', 'files[1].raw', 'relative path'),
        ('groups = ["trainval"]', 'groups = "trainval"', 'groups', 'a list of'),
    ],
)
def test_errors_name_file_and_key(tmp_path, old, new, key, problem):
    assert old in FULL
    path = write(tmp_path, 'walks', FULL.replace(old, new, 1))
    with pytest.raises(BadFileError) as error:
        read_dataset(tmp_path / 'walks')
    assert str(error.value).startswith(f'{path}: key {key}: ')
    assert problem in str(error.value)


def test_broken_or_missing_file(tmp_path):
    with pytest.raises(BadFileError, match='does not exist'):
        read_dataset(tmp_path / 'walks')
    write(tmp_path, 'walks', 'name = ')
    with pytest.raises(BadFileError, match='no valid TOML'):
        list_datasets(tmp_path)


def test_names_are_unique(datasets_dir):
    write(datasets_dir, 'zwalks', FULL.replace('"walks"', '"other"'))
    with pytest.raises(BadFileError, match="'walks_test' is taken by"):
        list_datasets(datasets_dir)


def test_nearest():
    assert nearest('CROPS', ['download', 'crops', 'pack']) == ['crops']
    assert nearest('x', ['download']) == []


def test_datasets_of_this_project():
    for info in list_datasets():
        assert find_dataset(info.name) == info


IMAGES = """
name = "things"
title = "Things"
kind = "occluders"
year = 2021
citation = "A. Uthor, Things, 2021"
homepage = "https://example.org"
licence = "CC0 1.0"
access = "open"
raw = "things"
[variants.things_large]
options = { large = true }
"""


def test_collections_of_images_have_no_joints(tmp_path):
    write(tmp_path, 'things', IMAGES)
    for info in read_dataset(tmp_path / 'things'):
        assert (info.kind, info.joints, info.splits) == ('occluders', 0, ())
        assert not info.has_poses
    write(tmp_path, 'things', IMAGES.replace('raw =', 'joints = 17\nraw ='))
    with pytest.raises(BadFileError, match='key joints: is unknown'):
        read_dataset(tmp_path / 'things')
    write(tmp_path, 'things', IMAGES + 'kind = "3d"')
    with pytest.raises(BadFileError, match='one of "occluders", "backgrounds"'):
        read_dataset(tmp_path / 'things')
