"""Which mask an example is packed with, wherever the masks come from."""

import pickle

import numpy as np
import pytest
import rlemasklib

from posepile.errors import BadFileError
from posepile.joint_info import JointInfo
from posepile.pipeline.mask_files import MaskFiles, given_masks_folder
from posepile.pipeline.recipe import Recipe
from posepile.segmentation.__main__ import main
from posepile.segmentation.stored import encoded_rle, mask_results, open_masks
from posepile.storage.results import ResultWriter, part_path

PATH = 'd_downscaled/s1/take/000001.jpg'
SHORT = 'take/000001.jpg'


def recipe(**changes):
    return Recipe('d', JointInfo('a,b', 'a-b'), None, None, 'd_downscaled', **changes)


def square(n):
    mask = np.zeros((20, 30), np.uint8)
    mask[:n, :n] = 1
    return mask


@pytest.fixture(autouse=True)
def data_root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    return tmp_path


@pytest.fixture
def given(data_root):
    folder = data_root / 'd_downscaled/masks'
    folder.mkdir(parents=True)
    return folder


def results(folder, values, i_task=0, n_tasks=1):
    writer = ResultWriter(part_path(folder, i_task, n_tasks), dict(kind='masks'))
    writer.add(values)
    writer.finish()


def dump(folder, masks):
    (folder / 'masks_000000.pkl').write_bytes(pickle.dumps(masks))


def side(rle):
    """Of the square in a mask."""
    return None if rle is None else int(np.sqrt(rlemasklib.decode(rle).sum()))


def test_no_masks_at_all():
    masks = MaskFiles(recipe())
    assert not masks and given_masks_folder(recipe()) is None


def test_those_of_the_masks_step():
    values = {
        PATH: dict(person=encoded_rle(square(3)), people=encoded_rle(square(9))),
        f'{PATH}#01': dict(person=encoded_rle(square(4)), people=encoded_rle(square(9))),
        f'{PATH}#02': dict(person=None, people=encoded_rle(square(9))),
    }
    results(recipe().masks_dir, values)
    masks = MaskFiles(recipe(mask_key_components=2))
    assert masks and masks.folder == recipe().masks_dir
    assert [side(masks.of(PATH, i)) for i in range(3)] == [3, 4, None]
    people = MaskFiles(recipe(mask_of='people'))
    assert [side(people.of(PATH, i)) for i in range(3)] == [9, 9, 9]
    # Nobody gets the mask of somebody else for want of one.
    with pytest.raises(BadFileError, match=r'none of the crop .*#03.*posepile run d --force masks'):
        masks.of(PATH, 3)
    with pytest.raises(BadFileError, match='none of the crop'):
        masks.of('s1/take/000001.jpg')


def test_unwanted_masks_of_a_stopped_run_are_left_alone(monkeypatch, given):
    results(recipe().masks_dir, {PATH: dict(person=None, people=None)}, 0, 2)
    assert MaskFiles(recipe())
    monkeypatch.setenv('POSEPILE_SEGMENTER', 'none')
    assert not MaskFiles(recipe())
    dump(given, {SHORT: rlemasklib.encode(square(5))})
    assert side(MaskFiles(recipe(mask_key_components=2)).of(PATH)) == 5


@pytest.mark.parametrize('n_components, key', [
    (2, SHORT), (2, 's1/take/000001.jpg'), (2, PATH), (None, 's1/take/000001.jpg'), (None, PATH),
])  # fmt: skip
@pytest.mark.parametrize('way', ['pickle', 'import', 'find', 'find --boxes'])
def test_given_masks_go_before_and_are_found_by_any_name(way, n_components, key, given):
    results(recipe().masks_dir, {PATH: dict(person=encoded_rle(square(3)), people=None)})
    rle, stored = rlemasklib.encode(square(5)), encoded_rle(square(5))
    if way == 'pickle':
        dump(given, {key: rle})
    elif way == 'import':
        dump(given.parent.parent, {key: rle})
        assert (
            main(['import', str(given.parent.parent / 'masks_000000.pkl'), '--out', str(given)])
            == 0
        )
    elif way == 'find':
        boxes = np.float32([[0, 0, 5, 5, 1]])
        results(given, {key: dict(boxes=boxes, masks=[stored], people=stored)})
    else:
        results(given, {key: dict(person=stored, people=stored)})
    masks = MaskFiles(recipe(mask_key_components=n_components))
    assert masks.folder == str(given)
    assert side(masks.of(PATH, 0, np.float32([0, 0, 6, 6]))) == 5
    with pytest.raises(BadFileError, match='Complete them.*move them away'):
        masks.of('d_downscaled/s1/take/000002.jpg')


def test_a_mask_of_all_people_serves_every_person_of_a_crop(given):
    dump(given, {SHORT: rlemasklib.encode(square(5))})
    masks = MaskFiles(recipe(mask_key_components=2))
    assert [side(masks.of(PATH, i)) for i in range(2)] == [5, 5]


def test_a_mask_of_one_person_does_not_serve_another(given):
    results(given, {SHORT: dict(person=encoded_rle(square(5)), people=encoded_rle(square(9)))})
    masks = MaskFiles(recipe(mask_key_components=2))
    assert side(masks.of(PATH)) == 5
    with pytest.raises(BadFileError, match='none of the crop .*#01'):
        masks.of(PATH, 1)


def test_where_all_people_were_looked_for_the_box_tells_whose_mask_it_is(given):
    boxes = np.float32([[0, 0, 8, 8, 0.9], [1, 0, 4, 4, 0.8], [20, 10, 5, 5, 0.7]])
    rles = [encoded_rle(square(8)), encoded_rle(square(4)), None]
    results(given, {SHORT: dict(boxes=boxes, masks=rles, people=encoded_rle(square(9)))})
    masks = MaskFiles(recipe(mask_key_components=2))
    found = [
        side(masks.of(PATH, number, np.float32(box)))
        for number, box in enumerate(([0, 0, 4, 4], [0, 0, 9, 9], [20, 10, 6, 6], [0, 15, 3, 3]))
    ]
    assert found == [4, 8, None, None]
    assert side(MaskFiles(recipe(mask_key_components=2, mask_of='people')).of(PATH)) == 9


def test_crops_in_which_the_other_tool_found_nobody(given):
    dump(given, {SHORT: None})
    assert MaskFiles(recipe(mask_key_components=2)).of(PATH) is None


def test_imported_masks_are_compressed(given, capsys):
    stripes = np.zeros((200, 200), np.uint8)
    stripes[::3] = 1
    rle = rlemasklib.encode(stripes)
    for i in range(2):
        (given / f'm{i}.pkl').write_bytes(pickle.dumps({f'{i}.jpg': rle}))
    out = given.parent / 'taken'
    assert main(['import', str(given), '--out', str(out)]) == 0
    assert '2' in capsys.readouterr().out
    taken = mask_results(out)
    assert list(taken) == ['0.jpg', '1.jpg']
    assert set(taken['1.jpg']['people']) == {'size', 'zcounts'}
    assert len(taken['1.jpg']['people']['zcounts']) < len(rle['counts']) / 10
    assert open_masks(out)['0.jpg'] == rle
    assert main(['import', str(given), '--out', str(out)]) == 1
    assert 'holds results already' in capsys.readouterr().err


def test_products_without_masks_do_not_look_for_any(given):
    results(recipe().masks_dir, {PATH: dict(person=encoded_rle(square(3)))})
    (given / 'masks_000000.pkl').write_bytes(b'no pickle')
    masks = MaskFiles(recipe(mask_of='nobody'))
    assert not masks and masks.folder is None
