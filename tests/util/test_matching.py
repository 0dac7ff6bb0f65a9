import itertools

import boxlib
import numpy as np
import pytest
import rlemasklib
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.util.matching import best_assignment, iou_matrix, mask_iou_matrix, match_boxes

NAN = np.nan
boxes = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
    max_size=4,
)


@settings(deadline=None)
@given(boxes, boxes)
def test_iou_matrix_agrees_with_boxlib(a, b):
    ious = iou_matrix(a, b)
    assert ious.shape == (len(a), len(b))
    for i, j in itertools.product(range(len(a)), range(len(b))):
        np.testing.assert_allclose(ious[i, j], boxlib.iou(a[i], b[j]), rtol=1e-6)


@settings(deadline=None, max_examples=60)
@given(boxes, boxes)
def test_matching_has_the_largest_total_of_all_assignments(a, b):
    i_a, i_b = match_boxes(a, b)
    ious = iou_matrix(a, b)
    assert len(set(i_a)) == len(i_a) and len(set(i_b)) == len(i_b)
    assert list(i_a) == sorted(i_a)
    assert np.all(ious[i_a, i_b] > 0)
    if len(a) > len(b):
        ious = ious.T
    n = len(ious)
    best = max(
        (ious[range(n), list(p)].sum() for p in itertools.permutations(range(ious.shape[1]), n)),
        default=0,
    )
    np.testing.assert_allclose(iou_matrix(a, b)[i_a, i_b].sum(), best, atol=1e-12)


def test_threshold_is_applied_after_the_assignment():
    a = [[0, 0, 10, 10], [2, 0, 10, 10]]
    b = [[0, 0, 10, 10, 0.9], [0, 0, 10, 5, 0.3]]  # with detection scores
    assert [x.tolist() for x in match_boxes(a, b)] == [[0, 1], [0, 1]]
    assert [x.tolist() for x in match_boxes(a, b, 0.5)] == [[0], [0]]


@pytest.mark.parametrize(('inclusive', 'n'), [(True, 1), (False, 0)])
def test_threshold_may_be_met_exactly(inclusive, n):
    pair = match_boxes([[0, 0, 10, 10]], [[0, 0, 10, 5]], 0.5, inclusive=inclusive)
    assert len(pair[0]) == n


@pytest.mark.parametrize('empty', [[], np.zeros((0, 4)), np.zeros((0, 5))])
def test_no_boxes(empty):
    i_a, i_b = match_boxes(empty, [[0, 0, 1, 1]])
    assert len(i_a) == len(i_b) == 0


def test_missing_and_empty_boxes_match_nothing():
    a = [[np.nan] * 4, [0, 0, 0, 0], [0, 0, 5, 5]]
    i_a, i_b = match_boxes(a, [[0, 0, 0, 0], [0, 0, 5, 5]])
    assert (i_a.tolist(), i_b.tolist()) == ([2], [1])


def test_assignment_gives_every_row_or_column_a_partner():
    assert best_assignment(np.array([[5, 4], [4, 0], [0, 1]])).tolist() == [1, 0, -1]
    assert best_assignment(np.array([[5, 4, 0], [4, 0, 0]])).tolist() == [1, 0]
    assert best_assignment(np.zeros((2, 0))).tolist() == [-1, -1]
    assert best_assignment(np.zeros((0, 2))).tolist() == []


def test_masks_overlap_filled_boxes():
    mask = np.zeros((10, 20), np.uint8)
    mask[2:6, 4:8] = 255
    boxes = [
        [4, 2, 4, 4, 0.9],  # exactly the mask
        [4, 2, 4, 8],  # 32 pixels, 16 in common
        [-3, -5, 9, 11],  # columns 0..5 and rows 0..5 are in the image: 36 pixels, 8 in common
        [3.5, 1.5, 4, 4],  # its pixel centres are those of [4, 2, 4, 4]
        [15, 0, 3, 3],
        [NAN, 0, 5, 5],
    ]
    expected = [1, 0.5, 8 / 44, 1, 0, 0]
    boxes = np.array([(*b, 0)[:5] for b in boxes])
    rle = rlemasklib.encode(mask // 255)
    np.testing.assert_allclose(mask_iou_matrix([mask, rle], boxes), [expected, expected])
    assert mask_iou_matrix([np.zeros((5, 5))], [[0, 0, 0, 0], [0, 0, 2, 2]]).tolist() == [[0, 0]]
    assert mask_iou_matrix([mask], []).shape == (1, 0)
    assert mask_iou_matrix([], boxes).shape == (0, 6)


@settings(deadline=None)
@given(boxes, boxes)
def test_rectangular_masks_overlap_like_boxes(a, b):
    masks = []
    for left, top, width, height in a:
        masks.append(np.zeros((18, 18), bool))
        masks[-1][top : top + height, left : left + width] = True
    np.testing.assert_allclose(mask_iou_matrix(masks, b), iou_matrix(a, b))
