import itertools

import numpy as np
import pytest

from posepile.pipeline.box_rule import BoxRule, Limit
from posepile.pipeline.person_boxes import Fate, person_boxes, person_boxes_of_frames
from posepile.util.boxes import joint_boxes, mirrored, short_sides, turned_back
from posepile.util.matching import mask_iou_matrix

NAN = np.nan

# A square of side 10 moved right by s overlaps the original with IoU (10 - s) / (10 + s):
# 2 -> 2/3, 5 -> 1/3, 8 -> 1/9.
OWN = [0, 0, 10, 10]


def moved(by, score=0.9):
    return [by, 0, 10, 10, score]


def boxes_and_fates(result):
    """None in place of the box of a dropped person."""
    boxes = [None if np.isnan(b).all() else b.tolist() for b in result.boxes]
    return list(zip(boxes, [Fate(f).name for f in result.fates], strict=True))


def one(rule, own, detections, **kwargs):
    return boxes_and_fates(person_boxes([own], detections, rule, **kwargs))[0]


class TestOneToOne:
    def test_people_get_different_detections(self):
        # Both overlap the first detection best, by 9/11 each; the second one 3/17 and 1/3.
        own = [moved(0)[:4], moved(2)[:4]]
        detections = [moved(1), moved(7)]
        result = person_boxes(own, detections, BoxRule())
        assert result.detections.tolist() == [0, 1]
        np.testing.assert_allclose(result.ious, [9 / 11, 1 / 3])
        assert result.boxes.tolist() == [moved(1)[:4], moved(7)[:4]]
        shared = person_boxes(own, detections, BoxRule(pairing='best_overlap'))
        assert shared.detections.tolist() == [0, 0]

    def test_the_unmatched_are_dropped_or_keep_their_own(self):
        own = [[0, 0, 10, 10], [100, 0, 10, 10], [200, 0, 10, 10]]
        detections = [[100, 0, 10, 5, 0.9], [0, 0, 10, 4, 0.8]]  # IoU 0.5 and 0.4
        rule = BoxRule(iou=Limit('>=', 0.5))
        result = person_boxes(own, detections, rule)
        assert boxes_and_fates(result) == [
            (None, 'NO_MATCHING_DETECTION'),
            ([100, 0, 10, 5], 'DETECTION'),
            (None, 'NO_MATCHING_DETECTION'),
        ]
        assert result.detections.tolist() == [-1, 0, -1]
        np.testing.assert_allclose(result.ious, [0.4, 0.5, NAN])  # of rejected partners, too
        lenient = BoxRule(iou=Limit('>=', 0.5), if_unmatched='own')
        assert boxes_and_fates(person_boxes(own, detections, lenient)) == [
            ([0, 0, 10, 10], 'OWN_BOX'),
            ([100, 0, 10, 5], 'DETECTION'),
            ([200, 0, 10, 10], 'OWN_BOX'),
        ]

    def test_fewer_detections_than_people(self):
        own = [OWN, OWN]
        result = person_boxes(own, [moved(2)], BoxRule(if_unmatched='own'))
        assert sorted(result.fates.tolist()) == [Fate.DETECTION, Fate.OWN_BOX]

    def test_the_unselected_keep_their_detections_occupied(self):
        # Without the second person the first would get the only detection.
        own, detections = [moved(0)[:4], moved(2)[:4]], [moved(3)]
        rule = BoxRule(iou=Limit('>', 0.1), area_ratio=Limit('<', 2))
        result = person_boxes(own, detections, rule).only([True, False])
        assert boxes_and_fates(result) == [
            (None, 'NO_MATCHING_DETECTION'),
            (None, 'NOT_SELECTED'),
        ]
        assert result.detections.tolist() == [-1, -1]
        assert one(rule, own[0], detections) == (moved(3)[:4], 'DETECTION')

    def test_own_boxes_may_be_kept_by_some_people_only(self):
        # As in a release where a hidden person must be detected.
        own = [[0, 0, 200, 200], [300, 0, 200, 200], [600, 0, 200, 99]]
        occlusion = np.array([60, 40, 0])
        rule = BoxRule(
            iou=Limit('>=', 0.5), if_unmatched='own', if_no_detections='own',
            short_side=Limit('>=', 100),
        )  # fmt: skip
        for detections in ([], [[900, 0, 200, 200, 1]]):
            result = person_boxes(own, detections, rule)
            result = result.only((result.detections >= 0) | (occlusion <= 50))
            assert boxes_and_fates(result) == [
                (None, 'NOT_SELECTED'),
                ([300, 0, 200, 200], 'OWN_BOX'),
                (None, 'WRONG_SIZE'),
            ]
        result = person_boxes(own, [[0, 0, 200, 150, 1]], rule)
        result = result.only((result.detections >= 0) | (occlusion <= 50))
        assert result.boxes[0].tolist() == [0, 0, 200, 150]

    def test_overlap_of_masks_with_boxes(self):
        # An arm of the second person reaches over the first: the boxes prefer a, the masks b.
        masks = np.zeros((2, 30, 40), bool)
        masks[0, :, :10] = True
        masks[1, :, 12:24] = True
        masks[1, 0, :24] = True
        own = [[0, 0, 10, 30], [0, 0, 24, 30]]
        a, b = [0, 0, 20, 30, 0.9], [12, 0, 12, 30, 0.9]
        rule = BoxRule(pairing='best_overlap', iou=Limit('>=', 0.1))
        assert person_boxes(own, [a, b], rule).detections.tolist() == [0, 0]
        ious = mask_iou_matrix(masks, [a, b])
        np.testing.assert_allclose(ious[0], [300 / 600, 0])
        np.testing.assert_allclose(ious[1], [(8 * 30 + 12) / 720, 360 / 372])
        result = person_boxes(own, [a, b], rule, ious=ious)
        assert result.detections.tolist() == [0, 1]
        assert result.ious.tolist() == [ious[0, 0], ious[1, 1]]


@pytest.mark.parametrize(
    ('limit', 'is_taken'),
    [
        (None, True),
        (Limit('>=', 0.5), True),
        (Limit('>', 0.5), False),
        (Limit('>', 0.4), True),
        (Limit('>=', 0.6), False),
    ],
)
@pytest.mark.parametrize('pairing', ['one_to_one', 'best_overlap', 'best_score'])
def test_threshold_on_overlap(limit, is_taken, pairing):
    half = [0, 0, 10, 5, 0.3]  # IoU exactly 0.5
    rule = BoxRule(pairing=pairing, iou=limit)
    expected = ([0, 0, 10, 5], 'DETECTION') if is_taken else (None, 'NO_MATCHING_DETECTION')
    assert one(rule, OWN, [half]) == expected
    rule = BoxRule(pairing=pairing, iou=limit, if_unmatched='own')
    expected = ([0, 0, 10, 5], 'DETECTION') if is_taken else (OWN, 'OWN_BOX')
    assert one(rule, OWN, [half]) == expected


@pytest.mark.parametrize('empty', [[], np.zeros(0), np.zeros((0, 4)), np.zeros((0, 5))])
@pytest.mark.parametrize('pairing', ['one_to_one', 'best_overlap', 'best_score'])
def test_images_without_detections(empty, pairing):
    rule = BoxRule(pairing=pairing, if_unmatched='own', detection_score=Limit('>', 0.5))
    assert one(rule, OWN, empty) == (None, 'NO_DETECTIONS')
    rule = BoxRule(pairing=pairing, if_no_detections='own')
    assert one(rule, OWN, empty) == (OWN, 'OWN_BOX')
    result = person_boxes([OWN], empty, rule)
    assert result.detections.tolist() == [-1] and np.isnan(result.ious).all()
    assert person_boxes([], empty, rule).boxes.shape == (0, 4)
    assert person_boxes([], [moved(0)], rule).boxes.shape == (0, 4)


class TestBestOverlap:
    def test_without_a_minimum_even_the_first_of_the_far_away(self):
        rule = BoxRule(pairing='best_overlap', iou=None, if_no_detections='own')
        assert one(rule, OWN, [moved(50), moved(60)]) == (moved(50)[:4], 'DETECTION')
        assert one(rule, OWN, [moved(50), moved(5)]) == (moved(5)[:4], 'DETECTION')

    def test_the_hull_of_detection_and_own_box(self):
        # Own box where overlap is small; nothing where nothing was detected.
        rule = BoxRule(
            pairing='best_overlap', iou=Limit('>=', 0.1), hull=True, if_unmatched='own',
            detection_score=Limit('>', 0.5),
        )  # fmt: skip
        assert one(rule, OWN, [moved(8)]) == ([0, 0, 18, 10], 'DETECTION')
        assert one(rule, OWN, [moved(9)]) == (OWN, 'OWN_BOX')  # IoU 1/19
        assert one(rule, OWN, [moved(2, score=0.5)]) == (None, 'NO_DETECTIONS')

    def test_the_most_confident_one_judged_by_the_hull(self):
        rule = BoxRule(
            pairing='best_score', hull=True, iou_of_hull=True, iou=Limit('>', 0.5),
            if_unmatched='own', if_no_detections='own',
        )  # fmt: skip
        # The hull of [0, 18) has IoU 10/18 with the own box, although the detection has 1/9.
        assert one(rule, OWN, [moved(0, 0.6), moved(8, 0.7)]) == ([0, 0, 18, 10], 'DETECTION')
        assert one(rule, OWN, [moved(0, 0.6), moved(10, 0.7)]) == (OWN, 'OWN_BOX')  # exactly 0.5
        result = person_boxes([OWN], [moved(0, 0.6), moved(8, 0.7)], rule)
        assert result.detections.tolist() == [1]
        np.testing.assert_allclose(result.ious, [1 / 9])  # of the detection itself

    def test_cut_to_the_image(self):
        rule = BoxRule(
            pairing='best_overlap', iou=Limit('>', 0.5), hull=True, clip=True,
            if_unmatched='own', if_no_detections='own',
        )  # fmt: skip
        own = [-5, 90, 20, 20]
        detection = [-3, 92, 20, 16, 1]  # 18 * 16 = 288 in common: IoU 288 / (400 + 320 - 288)
        assert one(rule, own, [detection], imshape=(100, 200)) == ([0, 90, 17, 10], 'DETECTION')
        assert one(rule, own, [], imshape=(100, 200)) == ([0, 90, 15, 10], 'OWN_BOX')
        beside = [-50, 90, 20, 20]
        assert one(rule, beside, [], imshape=(100, 200)) == (None, 'OUTSIDE_THE_IMAGE')

    def test_size_is_that_of_the_visible_part(self):
        rule = BoxRule(if_no_detections='own', clip=True, short_side=Limit('>=', 100))
        image = (1000, 1000)
        assert one(rule, [-50, 0, 200, 150], [], imshape=image) == ([0, 0, 150, 150], 'OWN_BOX')
        assert one(rule, [-101, 0, 200, 150], [], imshape=image) == (None, 'WRONG_SIZE')

    def test_own_box_only_where_there_is_no_detection(self):
        rule = BoxRule(
            pairing='best_overlap', iou=Limit('>=', 0.5), if_no_detections='own',
            long_side=Limit('>=', 30),
        )  # fmt: skip
        own = [0, 0, 20, 30]
        assert one(rule, own, []) == (own, 'OWN_BOX')
        assert one(rule, [0, 0, 20, 29], []) == (None, 'WRONG_SIZE')
        assert one(rule, own, [[0, 0, 20, 14, 1]]) == (None, 'NO_MATCHING_DETECTION')


class TestProportions:
    def test_detections_of_several_people_at_once(self):
        own = [0, 0, 100, 100]
        inclusive, exclusive = (
            BoxRule(iou=Limit('>', 0.1), area_ratio=Limit(r, 2)) for r in ('<=', '<')
        )
        double = [[0, 0, 200, 100, 0.9]]
        assert one(inclusive, own, double) == ([0, 0, 200, 100], 'DETECTION')
        assert one(exclusive, own, double) == (None, 'WRONG_PROPORTIONS')
        assert one(exclusive, own, [[0, 0, 199, 100, 0.9]])[1] == 'DETECTION'

    @pytest.mark.parametrize(
        ('detection', 'fate'),
        [
            ([0, 0, 100, 70, 0.7], 'DETECTION'),  # covers 70 % of the own box, all of itself
            ([0, 0, 100, 69, 0.7], 'WRONG_PROPORTIONS'),
            ([0, 0, 200, 100, 0.7], 'DETECTION'),  # half of it lies in the own box
            ([0, 0, 201, 100, 0.7], 'WRONG_PROPORTIONS'),
            ([0, 0, 100, 100, 0.6], 'NO_DETECTIONS'),
            ([99, 0, 100, 100, 0.7], 'NO_MATCHING_DETECTION'),
        ],
    )
    def test_coverage(self, detection, fate):
        rule = BoxRule(
            pairing='best_overlap', detection_score=Limit('>', 0.6), iou=Limit('>=', 0.1),
            own_covered=Limit('>=', 0.7), detection_covered=Limit('>=', 0.5),
        )  # fmt: skip
        assert one(rule, [0, 0, 100, 100], [detection])[1] == fate

    def test_large_detections_only(self):
        rule = BoxRule(
            iou=Limit('>', 0.1), area_ratio=Limit('<', 2), long_side=Limit('>', 100)
        )  # fmt: skip
        assert one(rule, [0, 0, 60, 101], [[0, 0, 60, 101, 1]])[1] == 'DETECTION'
        assert one(rule, [0, 0, 60, 101], [[0, 0, 60, 100, 1]])[1] == 'WRONG_SIZE'


def test_small_detections_take_no_part_in_the_assignment():
    # The small one overlaps the first person best, but does not exist for this rule.
    own = [[0, 0, 50, 100], [40, 0, 50, 100]]
    detections = [[0, 0, 50, 59, 0.9], [20, 0, 50, 100, 0.9], [40, 0, 50, 100, 0.25]]
    rule = BoxRule(
        detection_score=Limit('>', 0.25), detection_short_side=Limit('>', 30),
        detection_long_side=Limit('>', 60), iou=Limit('>', 0.4),
    )  # fmt: skip
    assert rule.eligible(detections).tolist() == [1]
    assert rule.eligible([[0, 0, 30, 99, 1], [0, 0, 31, 61, 1], [0, 0, 60, 60, 1]]).tolist() == [1]
    result = person_boxes(own, detections, rule)
    assert result.detections.tolist() == [1, -1]  # IoU 30/70 with both, the first comes first
    assert result.counts() == {Fate.DETECTION: 1, Fate.NO_MATCHING_DETECTION: 1}
    without = person_boxes(own, detections, BoxRule(iou=Limit('>', 0.4)))
    assert without.detections.tolist() == [0, 2]


def test_people_of_narrow_own_boxes_can_be_left_out_after_the_assignment():
    own = [[0, 0, 50, 100], [0, 0, 51, 100]]
    detections = [[0, 0, 50, 100, 1], [0, 0, 52, 100, 1]]
    result = person_boxes(own, detections, BoxRule()).only(short_sides(own) > 50)
    assert boxes_and_fates(result) == [
        (None, 'NOT_SELECTED'),
        ([0, 0, 52, 100], 'DETECTION'),
    ]


class TestJoints:
    rule = BoxRule(iou=Limit('>=', 0.2), joints_inside=Limit('>=', 3))

    @pytest.mark.parametrize(
        ('last', 'fate'),
        [
            ([5, 9.9], 'DETECTION'),
            ([0, 0], 'DETECTION'),
            ([10, 5], 'TOO_FEW_JOINTS_INSIDE'),  # the right edge is not part of the box
            ([5, 10], 'TOO_FEW_JOINTS_INSIDE'),
            ([NAN, 5], 'TOO_FEW_JOINTS_INSIDE'),
        ],
    )
    def test_enough_of_them_inside_the_detection(self, last, fate):
        joints = [[[1, 1], [2, 2], [30, 5], last]]
        assert one(self.rule, [0, 0, 12, 12], [OWN], joints=joints)[1] == fate

    def test_of_a_box_given_in_the_release(self):
        rule = BoxRule(if_no_detections='own', joints_inside=Limit('>=', 3))
        joints = np.array([[[1, 1], [2, 2], [3, 3]]] * 2, float)
        depths = np.array([[1, 1, 1], [1, 1, -1]])
        in_front = np.all(depths > 0, axis=-1)
        result = person_boxes([OWN] * 2, [], rule, joints=joints).only(in_front)
        assert boxes_and_fates(result) == [(OWN, 'OWN_BOX'), (None, 'NOT_SELECTED')]
        seen = np.where(depths[..., np.newaxis] > 0, joints, NAN)
        result = person_boxes([OWN] * 2, [], rule, joints=seen)
        assert result.fates.tolist() == [Fate.OWN_BOX, Fate.TOO_FEW_JOINTS_INSIDE]


def test_people_without_a_box_of_their_own_get_none_and_take_none():
    own = [[NAN] * 4, [0, 0, 0, 10], moved(8)[:4], [0, 0, np.inf, 10]]
    for pairing, fallback in itertools.product(
        ['one_to_one', 'best_overlap', 'best_score'], ['own', 'drop']
    ):
        rule = BoxRule(pairing, iou=None, if_unmatched=fallback, if_no_detections=fallback)
        result = person_boxes(own, [moved(0)], rule)
        fates = [Fate(f).name for f in result.fates]
        assert fates == ['NO_OWN_BOX', 'NO_OWN_BOX', 'DETECTION', 'NO_OWN_BOX']
        # Nor do they keep a detection from others where any will do.
        result = person_boxes([[NAN] * 4, OWN], [moved(50)], BoxRule(pairing, iou=None))
        assert result.detections.tolist() == [-1, 0]
        fates = [Fate(f) for f in person_boxes(own, [], rule).fates]
        assert [f == Fate.NO_OWN_BOX for f in fates] == [True, True, False, True]


def test_left_over_people_have_no_detection_even_where_any_will_do():
    result = person_boxes([OWN, moved(50)[:4]], [moved(52)], BoxRule(iou=None))
    assert result.detections.tolist() == [-1, 0]
    assert result.fates.tolist() == [Fate.NO_MATCHING_DETECTION, Fate.DETECTION]


@pytest.mark.parametrize('pairing', ['one_to_one', 'best_overlap', 'best_score'])
def test_detections_keep_their_numbers_when_others_do_not_count(pairing):
    rule = BoxRule(pairing, detection_score=Limit('>', 0.5))
    detections = [moved(100), moved(0, 0.5), moved(9, 0.6), moved(1, 0.95), moved(0, 0.1)]
    result = person_boxes([OWN], detections, rule)
    assert rule.eligible(detections).tolist() == [0, 2, 3]
    assert result.detections.tolist() == [3]
    assert result.boxes.tolist() == [moved(1)[:4]]


@pytest.mark.parametrize('pairing', ['one_to_one', 'best_overlap'])
def test_an_overlap_that_is_not_a_number_is_none(pairing):
    result = person_boxes([OWN], [OWN, moved(2)[:4]], BoxRule(pairing), ious=[[NAN, 0.3]])
    assert (result.detections.tolist(), result.ious.tolist()) == ([1], [0.3])


def test_unusable_detections_are_not_there():
    detections = [[NAN] * 5, [0, 0, 0, 10, 1], [0, 0, 10, -10, 1]]
    assert one(BoxRule(iou=None), OWN, detections) == (None, 'NO_DETECTIONS')
    result = person_boxes([OWN], [*detections, moved(2)], BoxRule(pairing='best_score'))
    assert result.detections.tolist() == [3]
    result = person_boxes([OWN], [moved(2, NAN), moved(1, 0.1)], BoxRule(pairing='best_score'))
    assert result.detections.tolist() == [1]


def test_detections_in_mirrored_images():
    own = [1500, 100, 300, 400]
    detections = mirrored([[120, 100, 300, 400, 0.9], [1500, 100, 300, 400, 0.9]], 1920)
    rule = BoxRule(pairing='best_overlap', iou=Limit('>=', 0.1))
    assert one(rule, own, detections) == (own, 'DETECTION')


def test_detections_in_turned_images():
    # The camera lies on its side; an upright person in the turned image lies in the raw one.
    detections = turned_back([[300, 200, 100, 400, 0.9]], 270, (720, 1280))
    assert detections.tolist() == [[200, 320, 400, 100, 0.9]]
    own = joint_boxes([[[210, 330], [590, 410]]], 1.2)
    result = person_boxes(own, detections, BoxRule('best_overlap', iou=Limit('>=', 0.5)))
    assert result.boxes.tolist() == [[200, 320, 400, 100]]


def test_frames_of_a_clip():
    own = np.full((4, 2, 4), NAN)
    own[:, 0] = OWN
    own[1:, 1] = moved(100)[:4]
    joints = np.full((4, 2, 1, 2), 5.0)
    joints[:, 1] += [100, 0]
    joints[3, 0] = NAN
    detections = [[moved(2)], np.zeros((0, 5)), [moved(102)[:4], moved(1)[:4]], [moved(0)]]
    rule = BoxRule(joints_inside=Limit('>=', 1))
    result = person_boxes_of_frames(own, detections, rule, joints=joints)
    assert result.boxes.shape == (4, 2, 4)
    assert result.detections.tolist() == [[0, -1], [-1, -1], [1, 0], [-1, -1]]
    assert [[Fate(f).name for f in frame] for frame in result.fates] == [
        ['DETECTION', 'NO_OWN_BOX'],
        ['NO_DETECTIONS', 'NO_DETECTIONS'],
        ['DETECTION', 'DETECTION'],
        ['TOO_FEW_JOINTS_INSIDE', 'NO_MATCHING_DETECTION'],
    ]
    only_second = result.only([False, True])
    assert np.isnan(only_second.boxes[:, 0]).all()
    assert only_second.boxes[2, 1].tolist() == moved(102)[:4]
    no_frames = person_boxes_of_frames(np.zeros((0, 2, 4)), [], rule, joints=[])
    assert no_frames.boxes.shape == (0, 2, 4) and no_frames.counts() == {}
    nobody = person_boxes_of_frames(np.zeros((1, 0, 4)), [[moved(0)]], BoxRule())
    assert nobody.fates.shape == (1, 0)


def test_fates_are_told_in_words():
    assert Fate.TOO_FEW_JOINTS_INSIDE.text == 'too few joints inside'


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: BoxRule(pairing='greedy'), 'pairing'),
        (lambda: BoxRule(if_unmatched='keep'), 'if_unmatched'),
        (lambda: BoxRule(if_no_detections=''), 'if_no_detections'),
        (lambda: Limit('=', 1), 'relation'),
        (lambda: one(BoxRule(clip=True), OWN, []), 'shape of the image'),
        (lambda: one(BoxRule(joints_inside=Limit('>', 1)), OWN, []), 'counts joints'),
        (
            lambda: one(BoxRule(joints_inside=Limit('>', 1)), OWN, [], joints=np.zeros((2, 3, 2))),
            'joints',
        ),
        (lambda: one(BoxRule(detection_score=Limit('>', 0.5)), OWN, [OWN]), 'four columns'),
        (lambda: one(BoxRule(pairing='best_score'), OWN, [OWN]), 'four columns'),
        (lambda: one(BoxRule(), OWN, [OWN], ious=np.ones((2, 1))), r'shape \(2, 1\)'),
        (lambda: person_boxes(OWN, [OWN], BoxRule()), 'left, top, width, height'),
        (lambda: person_boxes_of_frames(np.zeros((2, 1, 4)), [[]], BoxRule()), '1 of detections'),
        (lambda: person_boxes_of_frames(np.zeros((2, 4)), [[], []], BoxRule()), 'T frames'),
    ],
)
def test_what_does_not_go_together_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
