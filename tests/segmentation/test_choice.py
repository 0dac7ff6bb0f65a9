"""Which found person is the wanted one, and which parts of a mask are theirs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posepile.segmentation.choice import chosen_people, cleaned_mask
from posepile.util.matching import iou_matrix

sides = st.floats(1, 50)
boxes = st.lists(st.tuples(st.floats(-20, 60), st.floats(-20, 60), sides, sides), max_size=6)


@given(boxes, boxes, st.floats(0, 1))
def test_nobody_overlaps_more_than_the_chosen(wanted, found, min_iou):
    chosen = chosen_people(np.array(wanted).reshape(-1, 4), found, min_iou)
    ious = iou_matrix(wanted, found) if wanted and found else np.zeros((len(wanted), 0))
    assert chosen.shape == (len(wanted),)
    for row, i in zip(ious, chosen, strict=True):
        if i >= 0:
            assert row[i] == row.max() > 0 and row[i] >= min_iou
        else:
            assert len(row) == 0 or row.max() == 0 or row.max() < min_iou


def test_choice_is_by_overlap_not_by_order():
    found = [[0, 0, 10, 10], [40, 0, 10, 20], [41, 0, 10, 20]]
    assert chosen_people([[41, 1, 10, 20], [1, 0, 10, 10]], found, 0.1).tolist() == [2, 0]
    assert chosen_people([[200, 0, 10, 10]], found, 0.0).tolist() == [-1]
    assert chosen_people([[0, 0, 10, 10]], np.zeros((0, 5)), 0.1).tolist() == [-1]
    assert chosen_people([[np.nan] * 4], found, 0.1).tolist() == [-1]
    assert chosen_people([[0, 0, 30, 10]], found, 0.4).tolist() == [-1]


def mask_of(*rectangles, shape=(100, 120)):
    mask = np.zeros(shape, np.uint8)
    for left, top, width, height in rectangles:
        mask[top : top + height, left : left + width] = 1
    return mask


PERSON = (40, 20, 30, 60)


@pytest.mark.parametrize(
    'rectangles, kept',
    [
        ([PERSON], [0]),
        ([PERSON, (5, 5, 6, 6)], [0]),  # a stray speck
        ([(40, 20, 30, 35), (40, 60, 30, 20)], [0, 1]),  # cut in two by something in front
        ([(0, 0, 12, 100), PERSON], [0, 1]),  # large, though beside: who knows
        ([(40, 20, 30, 60), (70, 80, 10, 10)], [0]),  # touches at a corner only: not connected
        ([(3, 3, 2, 2), (8, 3, 2, 2), PERSON, (90, 90, 3, 3)], [2]),
    ],
)
def test_stray_parts_go_and_parts_cut_off_stay(rectangles, kept):
    mask = mask_of(*rectangles)
    expected = mask_of(*(rectangles[i] for i in kept))
    cleaned = cleaned_mask(mask, PERSON)
    assert cleaned.dtype == np.uint8
    np.testing.assert_array_equal(cleaned, expected)


def test_main_part_is_that_at_the_box_not_the_largest():
    """A big blob elsewhere does not make the person a speck beside it."""
    person, blob = (40, 20, 15, 20), (75, 0, 45, 100)
    cleaned = cleaned_mask(mask_of(person, blob, (2, 2, 4, 4)), person)
    assert cleaned[30, 45] == 1 and cleaned[3, 3] == 0
    tiny_beside_blob = (40, 20, 8, 8)
    assert cleaned_mask(mask_of(tiny_beside_blob, blob), tiny_beside_blob)[22, 42] == 1


def test_nothing_stays_nothing():
    assert not cleaned_mask(np.zeros((9, 9), np.uint8), PERSON).any()


@given(st.integers(0, 2**32 - 1), boxes.filter(bool))
def test_cleaning_only_removes_whole_parts_and_never_all(seed, some_boxes):
    rng = np.random.default_rng(seed)
    mask = (rng.random((20, 25)) < 0.4).astype(np.uint8)
    cleaned = cleaned_mask(mask, some_boxes[0])
    assert not np.any(cleaned & ~mask) and cleaned.any() == mask.any()
    removed = (mask - cleaned).astype(bool)
    for axis in (0, 1):  # no removed pixel is a neighbour of a kept one
        assert not np.any(removed & (np.roll(cleaned, 1, axis) > 0) & _not_first(mask.shape, axis))
    np.testing.assert_array_equal(cleaned_mask(cleaned, some_boxes[0]), cleaned)


def _not_first(shape, axis):
    index = np.arange(shape[axis]) > 0
    return index[:, None] if axis == 0 else index[None, :]
