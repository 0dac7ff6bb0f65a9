"""From the simulated release to the packed products."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from posepile.datasets2d import get_dataset
from posepile.ds.coco import main
from posepile.ds.coco.simulate import TINY, simulate
from posepile.errors import UnknownDatasetError
from posepile.pipeline.fetch import fetch_dataset
from posepile.pipeline.pack import pack
from posepile.registry import find_dataset, list_datasets
from posepile.simulate.fidelity import check_product
from posepile.simulate.truth import load_truth
from posepile.util import TEST, TRAIN, VALID

# Numbers of the people of each photograph of TINY who must be in coco, coco_multi, coco_reduced
# and coco_wholebody.
KEPT = (
    ('0', '0', '0', '0'),
    ('01', '01', '01', '01'),
    ('', '01', '01', '01'),
    ('0', '0', '0', '0'),  # one of two passes
    ('0', '0', '', '0'),  # six visible of nine labelled
    ('', '', '', ''),  # eight labelled
    ('1', '1', '1', '1'),
    ('', '', '', '0'),  # brows reach beyond the joints of the body
    ('0', '0', '0', '0'),
    ('', '0', '0', '0'),
    ('0', '0', '0', '0'),
    ('0', '0', '0', '0'),
    ('0', '0', None, '0'),  # most joints of the legs are beyond the border
    ('0', '0', '', '0'),  # six limb joints
    ('0', '0', '0', '0'),
    ('0', '0', '0', '0'),  # six limb joints, but in val
    ('', '01', '01', '01'),
    ('', '', '', ''),
    (None, None, None, None),  # three people, anyhow
)
COLUMNS = ('coco', 'coco_multi', 'coco_reduced', 'coco_wholebody')


def examples_of(name, **options):
    dataset = get_dataset(name, **options)
    assert len(dataset.examples[TEST]) == 0
    return {
        (split, stand_in.image_path): stand_in
        for split in (TRAIN, VALID)
        for stand_in in dataset.examples[split]
    }


@pytest.mark.parametrize('name', main.PRODUCTS)
def test_product_shows_what_was_simulated(name, data_root):
    report = check_product(name)
    assert report.problems() == []
    assert report.examples == report.masks == len(load_truth(name)) > 10
    assert report.markers_sought > 100


@pytest.mark.parametrize('column', COLUMNS)
def test_every_special_case_is_there(column, data_root):
    numbers = dict.fromkeys(range(len(TINY)), '')
    for _, path in sorted(examples_of(column)):
        stem, number = path.rsplit('_', 1)
        image_id = int(stem[-12:])
        numbers[(image_id - 36) // 37] += str(int(number.removesuffix('.jpg')))
    for i, expected in enumerate(KEPT):
        wanted = expected[COLUMNS.index(column)]
        assert wanted is None or numbers[i] == wanted, TINY[i]


def test_simulated_release_has_what_the_rules_do_not_see(data_root):
    def annotations_of(i):
        split = TINY[i].split
        path = data_root / 'coco/annotations' / f'person_keypoints_{split}2014.json'
        content = json.loads(path.read_text())
        return [a for a in content['annotations'] if a['image_id'] == 36 + 37 * i]

    crowds = [a for i in (10, 17) for a in annotations_of(i) if a['iscrowd']]
    assert len(crowds) == 2
    assert all(isinstance(a['segmentation']['counts'], list) for a in crowds)
    assert all(a['num_keypoints'] == 0 and not any(a['keypoints']) for a in crowds)
    assert len(annotations_of(11)[0]['segmentation']) >= 2  # split by the pole
    left, top, width, height = annotations_of(12)[0]['bbox']
    assert top + height > 480
    grey = (data_root / 'coco/train2014/COCO_train2014_000000000036.jpg').read_bytes()
    other = (data_root / 'coco/train2014/COCO_train2014_000000000073.jpg').read_bytes()
    assert number_of_components(grey) == 1 and number_of_components(other) == 3


def number_of_components(jpeg):
    frame_header = min(i for i in (jpeg.find(b'\xff\xc0'), jpeg.find(b'\xff\xc2')) if i > 0)
    return jpeg[frame_header + 9]


def test_only_the_dataset_component_of_the_path_is_renamed(data_root):
    assert 'coco' in str(data_root)
    paths = [path for _, path in examples_of('coco')]
    assert 'coco_downscaled/train2014/COCO_train2014_000000000036_00.jpg' in paths
    paths = [path for _, path in examples_of('coco_wholebody')]
    assert 'coco_wb_downscaled/train2017/000000000036_00.jpg' in paths


def test_options_name_products(data_root):
    multi = examples_of('coco', single_person=False)
    assert multi.keys() == examples_of('coco_multi').keys() > set()
    assert make_names('coco_reduced', face=False) == make_names('coco_reduced_noface')
    assert make_names('coco_reduced')[:10] == make_names('coco_reduced', face=False)
    with pytest.raises(UnknownDatasetError, match='coco_wholebody'):
        main.make_recipe('coco_whole')


def make_names(name, **options):
    return get_dataset(name, **options).joint_info.names


def test_dataset_toml_agrees_with_the_recipes():
    infos = {info.name: info for info in list_datasets() if info.dataset == 'coco'}
    assert infos.keys() == main.PRODUCTS.keys()
    for name, info in infos.items():
        recipe = main.make_recipe(name, **info.options)
        assert (recipe.name, recipe.kind) == (name, info.kind)
        assert recipe.joint_info.n_joints == info.joints


def test_nothing_is_downloaded_if_the_release_is_there(data_root, capsys):
    for name, n_files in (('coco', 3), ('coco_wholebody', 4)):
        fetch_dataset(find_dataset(name))
        assert f'{n_files} files of {name} were in place' in capsys.readouterr().out


def test_result_does_not_depend_on_the_number_of_tasks(data_root, new_root):
    for folder in ('coco', 'coco_wb'):
        (new_root / folder).symlink_to(data_root / folder)
    recipe = main.make_recipe('coco_multi')
    for i in range(3):
        main.stages.make_crops(recipe, i, 3)
    pack(recipe, simulated=True)
    for path in ('annotations.barecat-shard-00000', 'images.barecat-shard-00000'):
        new = (new_root / 'packed/coco_multi' / path).read_bytes()
        assert new == (data_root / 'packed/coco_multi' / path).read_bytes()


@pytest.mark.slow
def test_simulation_is_reproducible(tmp_path):
    for name, seed in (('a', 3), ('b', 3), ('c', 4)):
        simulate(str(tmp_path / name), seed=seed)
    a, b, c = ({p.relative_to(tmp_path / name): p.read_bytes() for p in
                sorted((tmp_path / name).rglob('*')) if p.is_file()} for name in 'abc')  # fmt: skip
    assert a == b
    assert a.keys() == c.keys()
    assert all(a[path] != c[path] for path in a)


@pytest.mark.slow
def test_main_sh_makes_a_product(data_root, new_root):
    for folder in ('coco', 'coco_wb'):
        shutil.copytree(data_root / folder, new_root / folder)
    script = Path(main.__file__).with_name('main.sh')
    environment = dict(os.environ, POSEPILE_PYTHON=sys.executable, POSEPILE_TASKS='2')
    result = subprocess.run(
        ['bash', script, 'coco_wholebody'], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    path = 'packed/coco_wholebody/annotations.barecat-shard-00000'
    assert (new_root / path).read_bytes() == (data_root / path).read_bytes()
