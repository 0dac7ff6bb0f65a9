"""The reader: who becomes an example of which split, with which box, joints and notes."""

import json
import os

import numpy as np
import pytest

from posepile import paths
from posepile.ds.mupots.main import list_clips, make_recipe, read_clip
from posepile.ds.mupots.simulate_files import write_annotations
from posepile.ds.tdhp.skeleton import JOINT_INFO
from posepile.errors import ArchiveError, RawDataError, UnknownDatasetError
from posepile.pipeline.crops import crops_of
from posepile.pipeline.pack import pack
from posepile.pipeline.report import Report
from posepile.pipeline.stages import make_crops
from posepile.storage.verify import verify
from posepile.util import TEST, VALID
from tests.ds.mupots.one_take import N_FRAMES, N_PEOPLE, K, box_of, detect, path_of, project, write


def examples(clip):
    """[(frame, person, box, joints, univ)] in the order in which they are made."""
    result = []
    for i in range(N_FRAMES):
        for person in clip.people:
            if i in clip.select(person.joints):
                rows = person.boxes[i], person.joints[i], person.univ_joints[i]
                result.append((i, person.index, *rows))
    return result


def test_joints_camera_and_paths(one_take, tmp_path):
    folder, joints = one_take
    clip = read_clip((7, VALID))
    assert clip.camera.intrinsic_matrix == pytest.approx(K, abs=1e-4)
    np.testing.assert_array_equal(clip.camera.R, np.eye(3))
    np.testing.assert_array_equal(clip.camera.t, np.zeros(3))
    np.testing.assert_array_equal(clip.camera.world_up, [0, -1, 0])
    own = [*range(14), 15, 16, 14]
    assert JOINT_INFO.names[-3:] == ['spin', 'head', 'pelv']
    made = examples(clip)
    assert [(i, k) for i, k, *_ in made] == [(i, k) for i in range(3) for k in range(2)]
    for i, k, box, world, univ in made:
        np.testing.assert_array_equal(world, joints[i, k, own])
        np.testing.assert_array_equal(univ, 0.9 * joints[i, k, own])
        np.testing.assert_allclose(box, box_of(joints[i, k]), atol=1e-3)
    assert clip.split == VALID and clip.scene == 'TS7' and clip.notes == []
    report = Report()
    crops = list(crops_of('x', clip, make_recipe('mupots_yolo'), report))
    assert [c.example.image_path for c in crops] == [
        f'mupots/{path_of(i)}' for i in (0, 0, 1, 1, 2, 2)
    ]
    assert crops[2].jpeg == (folder / 'img_000001.jpg').read_bytes()
    assert not os.path.isabs(crops[0].example.image_path)


def test_edges_of_the_skeleton():
    expected = 'htop-head head-neck neck-spin spin-pelv pelv-rhip rhip-rkne rkne-rank '
    expected += 'pelv-lhip lhip-lkne lkne-lank neck-rsho rsho-relb relb-rwri '
    expected += 'neck-lsho lsho-lelb lelb-lwri'
    names = JOINT_INFO.names
    edges = {frozenset((names[a], names[b])) for a, b in JOINT_INFO.stick_figure_edges}
    assert edges == {frozenset(e.split('-')) for e in expected.split()}


def test_boxes_are_detections_of_sufficient_overlap_and_score(one_take, tmp_path):
    """Own boxes are those of the joints, larger by a tenth; IoU must be more than 0.1."""
    _, joints = one_take
    left, top, width, height = box_of(joints[0, 0])
    shift = 0.8 * width  # IoU 0.2 / 1.8 = 0.111
    far = 0.83 * width  # IoU 0.17 / 1.83 = 0.093
    found = {
        path_of(0): np.float32([[left - shift, top, width, height, 0.11]]),
        path_of(1): [[*box_of(joints[1, 0]), 0.099], [*box_of(joints[1, 1]), 0.05]],
        path_of(2): [[*box_of(joints[2, 0])[:2], 1e-3, 1e-3, 0.9]],
    }
    detect(tmp_path, found)
    clip = read_clip((7, VALID))
    [(i, k, box, *_)] = examples(clip)
    assert (i, k) == (0, 0) and box == pytest.approx(found[path_of(0)][0, :4], abs=1e-3)
    assert clip.notes == ['5 of 6 annotated people are not detected and left out']
    found[path_of(0)][0, 0] = left - far
    detect(tmp_path, found)
    os.utime(tmp_path / 'mupots/yolov4_detections.pkl', ns=(1, 1))  # is another file now
    assert examples(read_clip((7, VALID))) == []
    # Whoever is detected is in the other split.
    made = examples(read_clip((7, TEST)))
    assert [i for i, *_ in made] == [0, 2]


def test_people_who_are_not_valid_take_no_detection(one_take, tmp_path):
    """The first column has the very pose of the second person, who is detected a bit off."""
    folder, joints = one_take
    left, top, width, height = box_of(joints[1, 1])
    copied = joints.copy()
    copied[1, 0] = joints[1, 1]
    is_valid = np.ones((N_FRAMES, N_PEOPLE), bool)
    is_valid[1:, 0] = False
    pixels = project(copied)
    copied[2, 0] = pixels[2, 0] = 0  # an empty box
    write_annotations(folder / 'annot.mat', is_valid, pixels, copied, 0.9 * copied)
    boxes = [[*box_of(p), 0.9] for p in joints[0]]
    found = {path_of(0): boxes, path_of(1): [[left + 9, top, width, height, 0.8]]}
    found[path_of(2)] = [[*box_of(joints[2, 1]), 0.7]]
    detect(tmp_path, found)
    clip = read_clip((7, VALID))
    assert [(i, k) for i, k, *_ in examples(clip)] == [(0, 0), (0, 1), (1, 1), (2, 1)]
    assert examples(clip)[2][2][0] == pytest.approx(left + 9, abs=1e-3)
    assert clip.notes == []


def test_assignment_is_one_to_one(one_take, tmp_path):
    """One detection for two people who overlap: the one whom it fits better has it."""
    folder, joints = one_take
    joints[:, 1, :, 0] -= 780  # now 20 mm apart
    write(folder, joints, np.ones((N_FRAMES, N_PEOPLE), bool))
    detect(tmp_path, {path_of(i): [[*box_of(joints[i, 1]), 0.9]] for i in range(3)})
    clip = read_clip((7, VALID))
    assert [(i, k) for i, k, *_ in examples(clip)] == [(0, 1), (1, 1), (2, 1)]


def test_detected_people_have_dummy_joints_by_falling_confidence(one_take, tmp_path):
    detect(
        tmp_path,
        {
            path_of(0): [[5, 6, 7, 8, 0.2], [1, 2, 30, 40, 0.9], [9, 9, 9, 9, 0.05]],
            path_of(2): np.float32([[1, 1, 5, 5, 0.3]]),
        },
    )
    made = examples(read_clip((7, TEST)))
    assert [(i, k, box.tolist()) for i, k, box, *_ in made] == [
        (0, 0, [1, 2, 30, 40]),
        (0, 1, [5, 6, 7, 8]),
        (2, 0, [1, 1, 5, 5]),
    ]
    for *_, world, univ in made:
        np.testing.assert_array_equal(world, np.ones((17, 3)))
        np.testing.assert_array_equal(univ, np.ones((17, 3)))


def test_image_without_annotation_and_annotation_without_image(one_take, tmp_path):
    folder, joints = one_take
    os.rename(folder / 'img_000002.jpg', folder / 'img_000004.jpg')
    clip = read_clip((7, VALID))
    assert clip.notes == ['there are 3 images, 3 frames are annotated, not the same ones']
    report = Report()
    crops = list(crops_of('x', clip, make_recipe('mupots_yolo'), report))
    assert len(crops) == 4 and 'img_000002.jpg' in report.skipped[0]
    detect(tmp_path, {path_of(4): [[1, 2, 3, 4, 0.5]]})
    clip = read_clip((7, TEST))
    assert [i for p in clip.people for i in clip.select(p.joints)] == [4]


@pytest.mark.parametrize(
    ('names', 'counts'),
    [
        (('yolov4_detections.pkl', 'yolov3_detections.pkl'), 1),
        (('yolov3_detections.pkl',), 1),
    ],
)
def test_names_of_the_detections(one_take, tmp_path, names, counts):
    os.remove(tmp_path / 'mupots/yolov4_detections.pkl')
    for i, name in enumerate(names):
        detect(tmp_path, {path_of(0): [[1, 2, 3, 4, 0.5]] * (i + 1)}, name)
    assert len(examples(read_clip((7, TEST)))) == counts


def test_without_detections_or_images(one_take, tmp_path):
    folder, _ = one_take
    os.remove(tmp_path / 'mupots/yolov4_detections.pkl')
    with pytest.raises(RawDataError, match='no detections.*posepile run mupots'):
        read_clip((7, TEST))
    for i in range(N_FRAMES):
        os.remove(folder / f'img_{i:06d}.jpg')
    with pytest.raises(RawDataError, match='TS7.*no images'):
        read_clip((7, TEST))


def test_intrinsics_of_the_file_count(one_take, tmp_path):
    other = [[800, 0, 300], [0, 800, 200], [0, 0, 1]]
    (tmp_path / 'mupots/camera_intrinsics.json').write_text(json.dumps({'TS7': other}))
    np.testing.assert_array_equal(read_clip((7, TEST)).camera.intrinsic_matrix, other)


def test_clips_and_products(one_take, tmp_path, monkeypatch):
    assert list_clips()[:3] == [
        ('TS1/annotated people', (1, VALID)),
        ('TS1/detected people', (1, TEST)),
        ('TS2/annotated people', (2, VALID)),
    ]
    assert len(list_clips()) == 40
    assert [key for _, key in make_recipe().list_clips()] == [(i, TEST) for i in range(1, 21)]
    assert make_recipe('mupots_yolo').list_clips() == list_clips()
    with pytest.raises(UnknownDatasetError):
        make_recipe('mupots_x')
    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'nowhere'))
    with pytest.raises(RawDataError, match='no such release'):
        list_clips()


def test_both_splits_share_images_in_one_shard(one_take, tmp_path, monkeypatch):
    """And a product without them all is complete once what there is has been read."""
    monkeypatch.setattr('posepile.ds.mupots.tree.SEQUENCES', (7,))
    recipe = make_recipe('mupots_yolo')
    with pytest.raises(ArchiveError, match='not been cropped'):
        pack(recipe)
    report = make_crops(recipe)
    assert (report.crops, report.skipped) == (12, [])
    pack(recipe)
    ds = recipe.open()
    assert (len(ds.examples[VALID]), len(ds.examples[TEST])) == (6, 6)
    examples = [*ds.examples[VALID], *ds.examples[TEST]]
    assert len({e.load().image_path for e in examples}) == 3
    assert not verify(*paths.packed_paths('mupots_yolo'), deep=True).problems
