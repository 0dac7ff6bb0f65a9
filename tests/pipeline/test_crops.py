"""From a clip to its crops: each crop has what belongs to its own frame and person."""

import numpy as np
import pytest
import rlemasklib

from posepile.clips import Clip, EveryNth, OfEveryNth, Person, WhenMoved
from posepile.joint_info import JointInfo
from posepile.pipeline.crops import crops_of, make_crop
from posepile.pipeline.recipe import Recipe
from posepile.pipeline.report import Report
from posepile.raw.images import decode_image, encode_jpeg
from posepile.util import TEST
from tests.pipeline.lenses import LENSES, studio_camera

N_FRAMES = 3
BOX = np.array([400.0, 400, 200, 100])


class BlackFrames:
    """``n`` black frames of 1000 x 1000 px."""

    def __init__(self, n=N_FRAMES):
        self.n = n

    def frames(self, indices, on_bad):
        for i in indices:
            if i < self.n:
                yield i, np.zeros((1000, 1000, 3), np.uint8)


def person_of(n_frames=N_FRAMES, **changes):
    joints = np.random.default_rng(0).uniform([-99, -99, 3000], [99, 99, 3500], (n_frames, 2, 3))
    return Person(joints, np.tile(BOX, (n_frames, 1)), **changes)


def clip_of(*people, **changes):
    fields = dict(
        frames=BlackFrames(),
        camera=studio_camera(None),
        people=list(people),
        split=TEST,
        crop_path='x_downscaled/{frame}_{person}.jpg',
    )
    return Clip(**fields | changes)


def recipe_of(**changes):
    return Recipe(
        name='x',
        joint_info=JointInfo('lsho,rsho', 'lsho-rsho'),
        list_clips=lambda: [],
        read_clip=lambda argument: None,
        crops_folder='x_downscaled',
        **changes,
    )


def crops_and_report(clip):
    report = Report()
    return list(crops_of('clip', clip, recipe_of(), report)), report


def test_everything_in_a_crop_is_of_its_frame_and_person():
    masks = [np.zeros((1000, 1000), np.uint8) for _ in range(N_FRAMES)]
    masks[2][400:500, 400:600] = 1
    person = person_of(
        masks=[rlemasklib.encode(mask) for mask in masks],
        univ_joints=np.arange(N_FRAMES * 6).reshape(N_FRAMES, 2, 3),
        parameters=[dict(i=i) for i in range(N_FRAMES)],
        index=7,
    )
    cameras = [studio_camera(None, center=(i, 0, 0)) for i in range(N_FRAMES)]
    clip = clip_of(person, camera=cameras, activity='sports', scene='park')
    crops, _ = crops_and_report(clip)
    assert len(crops) == N_FRAMES
    for i, crop in enumerate(crops):
        example = crop.example
        assert crop.split == TEST
        assert example.image_path == f'x_downscaled/{i}_7.jpg'
        np.testing.assert_array_equal(example.world_coords, np.float32(person.joints[i]))
        np.testing.assert_array_equal(example.camera.t, [i, 0, 0])
        np.testing.assert_array_equal(example.univ_coords, person.univ_joints[i])
        assert example.parameters == dict(i=i)
        assert (example.activity_name, example.scene_name) == ('sports', 'park')
        assert np.any(rlemasklib.decode(example.mask)) == (i == 2)


def test_options_of_the_recipe_shape_the_crop():
    def box_and_jpeg(**options):
        image = np.zeros((450, 1000, 3), np.uint8)
        person = person_of()
        crop = make_crop(clip_of(person), recipe_of(**options), 0, image, person)
        return crop.example.bbox[2:], crop.jpeg

    usual_box, usual = box_and_jpeg()
    np.testing.assert_allclose(usual_box, [240, 120], atol=1)
    smaller = box_and_jpeg(expansion=0)[1]
    larger = box_and_jpeg(extreme_perspective=True)[1]
    assert size_of(smaller) == (120, 240)
    assert size_of(smaller) < size_of(usual) < size_of(larger)
    assert size_of(larger)[0] == size_of(larger)[1]


def size_of(jpeg):
    return decode_image(jpeg).shape[:2]


def test_joints_and_boxes_of_different_length():
    """The shorter one counts; a clip is as long as the longest of its people."""
    few_boxes, few_joints = person_of(3), person_of(3, index=1)
    few_boxes.boxes = few_boxes.boxes[:2]
    few_joints.joints = few_joints.joints[:1]
    crops, report = crops_and_report(clip_of(few_boxes, few_joints))
    names = [crop.example.image_path.rpartition('/')[2] for crop in crops]
    assert names == ['0_0.jpg', '0_1.jpg', '1_0.jpg']
    assert (report.frames_seen, report.frames_kept, report.frames_lost) == (2, 2, 0)
    assert report.skipped == []


def test_frame_without_a_usable_person_is_not_kept():
    person = person_of()
    person.boxes[1] = np.nan
    crops, report = crops_and_report(clip_of(person, notes=['one remark']))
    assert len(crops) == report.crops == report.frames_kept == 2
    assert report.frames_seen == 3
    assert len(report.skipped) == 1 and 'frame 1: person 0' in report.skipped[0]
    assert report.notes == ['clip: one remark']


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_joint_with_one_unusable_coordinate_is_missing(value):
    person = person_of()
    person.joints[:, 1, 2] = value
    raw = person.joints.copy()
    person.joints.flags.writeable = False  # readers may hand out memory that is not theirs
    crops, report = crops_and_report(clip_of(person))
    assert (len(crops), report.skipped) == (N_FRAMES, [])
    for crop in crops:
        assert np.isfinite(crop.example.world_coords[0]).all()
        assert np.isnan(crop.example.world_coords[1]).all()
    np.testing.assert_array_equal(person.joints, raw)


def test_every_nth_frame():
    assert EveryNth(3)(np.zeros((8, 1, 3))).tolist() == [0, 3, 6]


def test_frames_when_moved():
    """By more than the threshold; options reach the sampler each in its place."""
    joints = np.zeros((5, 2, 3))
    joints[:, 0, 0] = [0, 50, 120, 130, 300]
    assert list(WhenMoved(100)(joints)) == [0, 2, 4]
    there_and_back = np.zeros((4, 1, 3))
    there_and_back[:, 0, 0] = [0, 200, 0, 200]
    assert list(WhenMoved(100)(there_and_back)) == [0, 1, 2, 3]
    assert list(WhenMoved(100, buffer_size=2)(there_and_back)) == [0, 1]
    joints = np.zeros((3, 2, 3))
    joints[1:, 0, 0] = 200
    joints[1, 1] = np.nan  # missing in the second frame, and in the third where it was
    assert list(WhenMoved(100, check_validity=True)(joints)) == [0, 1, 2]
    assert list(WhenMoved(100, assume_nan_unchanged=True)(joints)) == [0, 1]


def test_selection_by_some_of_the_joints():
    joints = np.zeros((4, 2, 3))
    joints[:, 0, 0] = [0, 200, 400, 400]
    joints[:, 1, 0] = [0, 0, 0, 150]
    assert list(WhenMoved(100)(joints)) == [0, 1, 2, 3]
    assert list(WhenMoved(100, joints=(0,))(joints)) == [0, 1, 2]
    assert list(WhenMoved(100, joints=(1,))(joints)) == [0, 3]


def test_selection_among_every_nth_frame():
    """What happens in between does not count."""
    joints = np.zeros((12, 1, 3))
    joints[3:5] = 1000  # between frames 0 and 5
    joints[10:] = 100
    assert list(OfEveryNth(5, WhenMoved(100))(joints)) == [0, 10]
    assert list(OfEveryNth(5, EveryNth(2))(joints)) == [0, 10]
    assert list(WhenMoved(100)(joints)) == [0, 3, 5, 10]
    assert list(OfEveryNth(5, EveryNth(1))(joints[:1])) == [0]


def test_colours_are_adjusted_in_the_finished_crop():
    clip = clip_of(person_of(1), adjust=lambda image: image + np.uint8([10, 60, 200]))
    [crop], _ = crops_and_report(clip)
    np.testing.assert_allclose(decode_image(crop.jpeg)[50, 50], [10, 60, 200], atol=2)


@pytest.mark.parametrize('lens', LENSES.values(), ids=LENSES)
def test_original_images_are_kept_byte_for_byte(lens, tmp_path):
    contents = [encode_jpeg(np.full((1000, 1000, 3), 40 * i, np.uint8)) for i in range(N_FRAMES)]
    for i, content in enumerate(contents):
        (tmp_path / f'{i}.jpg').write_bytes(content)
    mask = rlemasklib.encode(np.ones((1000, 1000), np.uint8))
    camera = studio_camera(lens)
    clip = clip_of(
        person_of(masks=[mask] * N_FRAMES),
        camera=camera,
        original_path=lambda i: str(tmp_path / f'{i}.jpg'),
    )
    found, report = crops_and_report(clip)
    assert [crop.jpeg for crop in found] == contents
    for crop in found:
        np.testing.assert_array_equal(crop.example.bbox, BOX)
        assert crop.example.camera is camera and crop.example.mask == mask
    assert report.bytes == sum(map(len, contents))


def test_original_images_need_usable_boxes(tmp_path):
    person = person_of()
    person.boxes[1] = np.nan
    person.boxes[2] = 0
    (tmp_path / 'a.jpg').write_bytes(encode_jpeg(np.zeros((1000, 1000, 3), np.uint8)))
    clip = clip_of(person, original_path=lambda i: str(tmp_path / 'a.jpg'))
    found, report = crops_and_report(clip)
    assert len(found) == 1 and len(report.skipped) == 2
