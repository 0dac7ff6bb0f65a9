"""What holds for every rule, tried on random people and detections."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.pipeline.box_rule import BoxRule, Limit
from posepile.pipeline.person_boxes import Fate, person_boxes
from posepile.util.matching import iou_matrix


@st.composite
def scenes(draw, max_size=5):
    """Own boxes, some of them unknown, and detections with scores; overlaps have no ties."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_people, n_detections = draw(st.tuples(st.integers(0, max_size), st.integers(0, max_size)))
    own = rng.uniform([0, 0, 20, 20], [50, 50, 60, 60], (n_people, 4))
    own[rng.random(n_people) < 0.15] = np.nan
    detections = rng.uniform([0, 0, 20, 20, 0], [50, 50, 60, 60, 1], (n_detections, 5))
    return own, detections, rng


rules = st.builds(
    BoxRule,
    pairing=st.sampled_from(['one_to_one', 'best_overlap', 'best_score']),
    detection_score=st.sampled_from([None, Limit('>', 0.3)]),
    iou=st.sampled_from([Limit('>', 0), Limit('>=', 0.1), Limit('>', 0.5)]),
    area_ratio=st.sampled_from([None, Limit('<', 2)]),
    own_covered=st.sampled_from([None, Limit('>=', 0.7)]),
    hull=st.booleans(),
    iou_of_hull=st.booleans(),
    if_unmatched=st.sampled_from(['own', 'drop']),
    if_no_detections=st.sampled_from(['own', 'drop']),
    clip=st.booleans(),
    short_side=st.sampled_from([None, Limit('>', 30)]),
)


@settings(deadline=None)
@given(scenes(), rules)
def test_the_order_of_people_and_detections_does_not_matter(scene, rule):
    own, detections, rng = scene
    people, order = rng.permutation(len(own)), rng.permutation(len(detections))
    result = person_boxes(own, detections, rule, imshape=(60, 60))
    shuffled = person_boxes(own[people], detections[order], rule, imshape=(60, 60))
    np.testing.assert_array_equal(shuffled.boxes, result.boxes[people])
    np.testing.assert_array_equal(shuffled.fates, result.fates[people])
    taken = shuffled.detections >= 0
    np.testing.assert_array_equal(
        order[shuffled.detections[taken]], result.detections[people][taken]
    )
    np.testing.assert_array_equal(result.detections[people] >= 0, taken)


@settings(deadline=None)
@given(scenes(), rules)
def test_every_person_has_a_box_or_a_reason(scene, rule):
    own, detections, _ = scene
    result = person_boxes(own, detections, rule, imshape=(60, 60))
    has_box = ~np.isnan(result.boxes).any(axis=1)
    assert np.array_equal(has_box, ~np.isnan(result.boxes).all(axis=1))
    assert np.array_equal(has_box, np.isin(result.fates, [Fate.DETECTION, Fate.OWN_BOX]))
    assert np.array_equal(result.detections >= 0, result.fates == Fate.DETECTION)
    assert sum(result.counts().values()) == len(own)
    taken = np.flatnonzero(result.detections >= 0)
    partners = result.detections[taken]
    np.testing.assert_allclose(
        result.ious[taken], iou_matrix(own, detections)[taken, partners], rtol=1e-12
    )
    if not rule.iou_of_hull:
        assert rule.iou.holds(result.ious[taken]).all()
    if rule.pairing == 'one_to_one':
        assert len(set(partners)) == len(partners)


@settings(deadline=None, max_examples=60)
@given(scenes(max_size=4), st.sampled_from([0.0, 0.1, 0.3]))
def test_assignment_is_the_best_of_all(scene, threshold):
    own, detections, _ = scene
    rule = BoxRule(iou=Limit('>', threshold))
    result = person_boxes(own, detections, rule)
    ious = iou_matrix(own, detections)
    # All ways to give people different detections, or none.
    slots = [*range(len(detections)), *[-1] * len(own)]
    totals = {
        way: sum(ious[i, j] for i, j in enumerate(way) if j >= 0)
        for way in itertools.permutations(slots, len(own))
    }
    best = max(totals, key=totals.get, default=())
    expected = [j if j >= 0 and ious[i, j] > threshold else -1 for i, j in enumerate(best)]
    assert result.detections.tolist() == expected
