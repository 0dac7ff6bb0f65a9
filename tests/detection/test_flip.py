"""Averages over an image and its mirror image."""

import numpy as np
import pytest
import torch

from posepile.detection.flip import merge_views
from posepile.detection.suppression import survivors


def rows(*values):
    return np.array(values, np.float32).reshape(-1, 5)


NOBODY = rows()


def test_a_person_in_both_views():
    merged = merge_views(rows([10, 20, 30, 60, 0.9]), rows([72, 22, 94, 60, 0.3]), 100, 0.7)
    # Mirrored back: 6 to 28, 22 to 60. Three parts of the first, one of the second.
    np.testing.assert_allclose(merged, [[9, 20.5, 29.5, 60, 0.6]], rtol=1e-6)
    assert merged.dtype == np.float32


def test_a_person_in_one_view_counts_half():
    merged = merge_views(rows([10, 20, 30, 60, 0.9]), NOBODY, 100, 0.7)
    np.testing.assert_allclose(merged, [[10, 20, 30, 60, 0.45]])
    merged = merge_views(NOBODY, rows([10, 20, 30, 60, 0.9]), 100, 0.7)
    np.testing.assert_allclose(merged, [[70, 20, 90, 60, 0.45]])
    assert merge_views(NOBODY, NOBODY, 100, 0.7).shape == (0, 5)


def test_people_apart_stay_apart_and_are_sorted():
    merged = merge_views(
        rows([0, 0, 10, 10, 0.5], [50, 0, 60, 10, 0.4]),
        rows([40, 0, 50, 10, 0.8], [90, 0, 100, 10, 0.1]),
        100,
        0.7,
    )
    np.testing.assert_allclose(merged, [[50, 0, 60, 10, 0.6], [0, 0, 10, 10, 0.3]], rtol=1e-6)


def test_pairs_overlap_by_half_at_least():
    # IoU 5 / 15, so these are two people.
    merged = merge_views(rows([0, 0, 10, 10, 0.5]), rows([85, 0, 95, 10, 0.4]), 100, 0.7)
    np.testing.assert_allclose(merged, [[0, 0, 10, 10, 0.25], [5, 0, 15, 10, 0.2]])
    # ... unless they must not overlap as much.
    merged = merge_views(rows([0, 0, 10, 10, 0.5]), rows([85, 0, 95, 10, 0.4]), 100, 0.3)
    np.testing.assert_allclose(merged, [[0, 0, 10, 10, 0.25]])


def test_inputs_are_left_alone():
    a, b = rows([10, 20, 30, 60, 0.9]), rows([72, 22, 94, 60, 0.3])
    merge_views(a, b, 100, 0.7)
    assert b[0, 0] == 72 and a[0, 4] == np.float32(0.9)


@pytest.mark.parametrize('max_iou', [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize('n', [0, 1, 7, 200])
def test_suppression_is_that_of_torchvision(n, max_iou):
    import torchvision

    rng = np.random.default_rng(n)
    start = rng.uniform(0, 100, (n, 2))
    corners = np.concatenate([start, start + rng.uniform(5, 60, (n, 2))], axis=1)
    confidence = rng.uniform(0, 1, n).round(1)  # with many ties
    kept = torchvision.ops.nms(torch.from_numpy(corners), torch.from_numpy(confidence), max_iou)
    np.testing.assert_array_equal(survivors(corners, confidence, max_iou), np.sort(kept.numpy()))


def iter_of(*batches):
    yield from batches


def test_a_mirrored_image_gives_mirrored_people(network):
    from posepile.detection.letterbox import Letterbox
    from posepile.detection.stage import DetectionOptions, find_boxes
    from posepile.detection.stream import Batch
    from tests.detection.networks import picture

    def find(image, flip):
        letterbox = Letterbox.of(image.shape[:2], 96, network.stride)
        inputs = letterbox.place(image)[np.newaxis]
        batch = Batch(['a'], [letterbox], [None], np.ascontiguousarray(inputs))
        ((_, found),) = find_boxes(network, DetectionOptions(0.05, 0.7, 96, flip), iter_of(batch))
        return found['a']

    image = picture(96, 64, 3)
    for flip in (True, False):
        boxes, mirrored = find(image, flip), find(image[:, ::-1], flip)
        mirrored[:, 0] = 96 - mirrored[:, 0] - mirrored[:, 2]
        order = [np.lexsort(b.round(2).T) for b in (boxes, mirrored)]
        is_same = len(boxes) == len(mirrored) and np.allclose(
            boxes[order[0]], mirrored[order[1]], atol=1e-3
        )
        assert len(boxes) > 3
        assert is_same == flip  # the network by itself is not symmetric


def test_people_seen_less_clearly_in_one_view_count(network):
    from posepile.detection.letterbox import Letterbox
    from posepile.detection.stage import DetectionOptions, find_boxes
    from posepile.detection.stream import Batch
    from tests.detection.networks import picture

    confidence = 0.5
    image = picture(96, 64, 3)
    views = []
    for flip in (False, True):
        (people,) = network.people(network.start(image[np.newaxis], flip), 1, confidence / 2, 0.7)
        views.append(np.column_stack([people.corners, people.confidence]))
    expected = merge_views(*views, 96, 0.7)
    expected = expected[expected[:, 4] >= confidence]
    batch = Batch(['a'], [Letterbox.of((64, 96), 96, 32)], [None], image[np.newaxis])
    options = DetectionOptions(confidence, 0.7, 96, flip=True)
    ((_, found),) = find_boxes(network, options, iter_of(batch))
    np.testing.assert_array_equal(found['a'][:, 4], expected[:, 4])
    # Half as sure in one of the views, twice as sure in the other.
    certain = [view[view[:, 4] >= confidence] for view in views]
    assert len(expected) != (merge_views(*certain, 96, 0.7)[:, 4] >= confidence).sum()
