"""Masks in files: our own results, and what other tools leave."""

import pickle

import numpy as np
import pytest
import rlemasklib
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from posepile.errors import BadFileError, OptionError, RawDataError
from posepile.segmentation import open_masks
from posepile.segmentation.stored import (
    PickledMasks,
    decoded_rle,
    encoded_rle,
    mask_key,
    open_instances,
    stored_rle,
)
from posepile.storage import codec
from posepile.storage.results import ResultWriter, part_path

DISC = np.uint8(np.hypot(*np.mgrid[-20:20, -30:30]) < 15)
EYE = np.eye(8, 9, dtype=np.uint8)


def results(folder, values, i_task=0, n_tasks=1, **settings):
    writer = ResultWriter(part_path(folder, i_task, n_tasks), dict(kind='masks', **settings))
    writer.add(values)
    writer.finish()
    return folder


@given(
    hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 1)
    )
)
def test_any_mask_survives_storage_and_both_libraries_read_it(mask):
    stored = encoded_rle(mask)
    if not mask.any():
        assert stored is None
        return
    assert set(stored) == {'size', 'zcounts'}
    rle = decoded_rle(codec.unpack(codec.pack(stored)))
    assert set(rle) == {'size', 'counts'} and type(rle['counts']) is bytes
    np.testing.assert_array_equal(rlemasklib.decode(rle), mask)
    np.testing.assert_array_equal(coco_mask.decode(rle), mask)
    assert coco_mask.area(rle) == mask.sum()


def test_what_pycocotools_encodes_is_stored_alike():
    theirs = coco_mask.encode(np.asfortranarray(DISC))
    assert stored_rle(theirs) == encoded_rle(DISC)


def test_person_and_people(tmp_path):
    both = np.maximum(DISC, DISC[:, ::-1])
    values = {
        'a.jpg': dict(person=encoded_rle(DISC), people=encoded_rle(both)),
        mask_key('a.jpg', 1): dict(person=None, people=encoded_rle(both)),
        'b.jpg': dict(person=None, people=None),
        'c.jpg': dict(people=encoded_rle(DISC)),
    }
    folder = results(tmp_path, values)
    masks = open_masks(folder)
    np.testing.assert_array_equal(rlemasklib.decode(masks['a.jpg']), DISC)
    assert masks['a.jpg#01'] is None and masks['b.jpg'] is None
    assert list(masks) == ['a.jpg', 'a.jpg#01', 'b.jpg', 'c.jpg'] and len(masks) == 4
    with pytest.raises(KeyError):
        masks['d.jpg']
    people = open_masks(folder, 'people')
    for key in ('a.jpg', 'a.jpg#01'):
        np.testing.assert_array_equal(rlemasklib.decode(people[key]), both)
    # Where no one person was looked for, there is only the mask of all.
    assert masks['c.jpg'] == people['c.jpg'] != None  # noqa: E711
    assert pickle.loads(pickle.dumps(people))['a.jpg'] == people['a.jpg']
    with pytest.raises(OptionError, match="not of 'dogs'"):
        open_masks(folder, 'dogs')


def test_instances(tmp_path):
    boxes = np.float32([[1, 2, 3, 4, 0.9], [5, 6, 7, 8, 0.5]])
    value = dict(boxes=boxes, masks=[encoded_rle(DISC), None], people=encoded_rle(DISC))
    instances = open_instances(results(tmp_path / 'all', {'a.jpg': value}))
    found_boxes, masks = instances['a.jpg']
    np.testing.assert_array_equal(found_boxes, boxes)
    np.testing.assert_array_equal(rlemasklib.decode(masks[0]), DISC)
    assert masks[1] is None
    chosen = results(tmp_path / 'chosen', {'a.jpg': dict(person=None, people=None)})
    with pytest.raises(BadFileError, match='not of all people one by one'):
        open_instances(chosen)


def test_other_results_are_no_masks(tmp_path):
    writer = ResultWriter(part_path(tmp_path), dict(kind='detections'))
    writer.add({'a.jpg': np.zeros((0, 5), np.float32)})
    writer.finish()
    for read in (open_masks, open_instances):
        with pytest.raises(BadFileError, match='holds detections, not masks'):
            read(tmp_path)
    with pytest.raises(BadFileError, match='there are no masks'):
        open_masks(tmp_path / 'nowhere')


def dump(path, content, **options):
    path.write_bytes(pickle.dumps(content, **options))
    return path


RUNS = [int(n) for n in rlemasklib.decompress(rlemasklib.encode(EYE))['ucounts']]


@pytest.mark.parametrize(
    'rle',
    [
        rlemasklib.encode(EYE),
        coco_mask.encode(np.asfortranarray(EYE)),
        rlemasklib.compress(rlemasklib.encode(EYE), zlevel=-1),
        rlemasklib.encode(EYE, compressed=False),
        dict(size=[8, 9], counts=rlemasklib.encode(EYE)['counts'].decode()),  # as in JSON
        dict(size=(8, 9), counts=RUNS),  # as COCO has its crowds
        dict(size=np.array([8, 9]), counts=np.array(RUNS)),
        {b'size'.decode(): [8, 9], 'counts': rlemasklib.encode(EYE)['counts'], 'score': 0.5},
    ],
    ids=lambda rle: '-'.join(f'{k}:{type(v).__name__}' for k, v in rle.items()),
)
@pytest.mark.parametrize('protocol', [0, 2, 4])
def test_masks_of_other_tools(rle, protocol, tmp_path):
    path = dump(tmp_path / 'masks.pkl', {'a/b.jpg': rle, b'a/c.jpg': None}, protocol=protocol)
    masks = open_masks(path)
    assert list(masks) == ['a/b.jpg', 'a/c.jpg'] and masks['a/c.jpg'] is None
    assert type(masks['a/b.jpg']['counts']) is bytes
    np.testing.assert_array_equal(rlemasklib.decode(masks['a/b.jpg']), EYE)
    np.testing.assert_array_equal(coco_mask.decode(masks['a/b.jpg']), EYE)
    stored = codec.unpack(codec.pack(stored_rle(masks['a/b.jpg'])))
    assert stored == encoded_rle(EYE)


def test_python2_pickles(tmp_path):
    """Protocol 2, names and counts as byte strings, counts beyond ASCII."""
    zcounts = rlemasklib.compress(rlemasklib.encode(DISC), zlevel=-1)['zcounts']

    def text(data):
        return b'T' + len(data).to_bytes(4, 'little') + data

    program = b'\x80\x02}' + text(b'a.jpg') + b'}' + text(b'size') + b'(K\x28K\x3cl' + b's'
    program += text(b'zcounts') + text(zcounts) + b'ss.'
    path = tmp_path / 'masks.pkl'
    path.write_bytes(program)
    np.testing.assert_array_equal(rlemasklib.decode(PickledMasks(path)['a.jpg']), DISC)


def test_pickles_of_a_folder_are_one(tmp_path):
    with pytest.raises(BadFileError, match='holds no masks'):
        open_masks(tmp_path)
    for i in range(3):
        dump(tmp_path / f'masks_{i:06d}.pkl', {f'{i}.jpg': rlemasklib.encode(EYE)})
    (tmp_path / 'notes.txt').write_text('not a mask')
    masks = open_masks(tmp_path)
    assert list(masks) == ['0.jpg', '1.jpg', '2.jpg'] and len(masks) == 3


class Command:
    def __reduce__(self):
        return print, ('this must not run',)


@pytest.mark.parametrize(
    'content, words',
    [
        ([1, 2], 'dictionary of crop path to mask was expected, not list'),
        ({'a.jpg': Command()}, 'names builtins.print'),
        ({'a.jpg': 5}, 'mask of a.jpg is no RLE'),
        ({'a.jpg': dict(counts=b'0180')}, 'mask of a.jpg is no RLE'),
        ({'a.jpg': dict(size=[8, 9])}, 'mask of a.jpg is no RLE'),
        ({'a.jpg': dict(size=[8, 8], counts=rlemasklib.encode(EYE)['counts'])}, 'no RLE'),
        ({'a.jpg': dict(size=[8, 9], counts=b'\xff\xfe~~~~~~~')}, 'no RLE'),
        ({'a.jpg': dict(size=[8, 9], counts=[3, -3, 72])}, 'no RLE'),
        ({'a.jpg': dict(size=[8, 9], zcounts=b'abc')}, 'no RLE'),
        ({'a.jpg': dict(size=['x', 9], counts=b'0180')}, 'no RLE'),
        ({'a.jpg': dict(size=[10**12, 10**12], counts=b'0180')}, 'no RLE'),
        ({'a.jpg': dict(size=[8], counts=b'0180')}, 'no RLE'),
    ],
    ids=lambda x: x if isinstance(x, str) else None,
)
def test_damaged_or_hostile_pickles_name_the_file(content, words, tmp_path, capsys):
    path = dump(tmp_path / 'masks.pkl', content)
    with pytest.raises(RawDataError, match=words) as caught:
        open_masks(path)
    assert str(path) in str(caught.value)
    assert 'must not run' not in capsys.readouterr().out
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(RawDataError):
        open_masks(path)


def test_keys_of_several_people():
    keys = [mask_key('a.jpg', i) for i in (0, 1, 12, 100)]
    assert keys == ['a.jpg', 'a.jpg#01', 'a.jpg#12', 'a.jpg#100']
