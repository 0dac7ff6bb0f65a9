"""What is read of the release."""

import os
import pickle

import numpy as np
import pytest

from posepile.bodymodels.python2_pickle import dumps
from posepile.ds.tdpw import boxes, main
from posepile.ds.tdpw.sequences import list_sequences, read_sequence
from posepile.errors import RawDataError, UnknownDatasetError
from posepile.raw.unpickle import restricted_load
from posepile.simulate.truth import load_truth
from posepile.util import TEST, TRAIN, VALID

TWO_PEOPLE = ('test', 'downtown_arguing_00')
GOLF = ('train', 'courtyard_golf_00')
DANCING = ('validation', 'courtyard_dancing_00')

pytestmark = pytest.mark.xdist_group('tdpw')


def change(root, identity, **changes):
    """Rewrite a sequence file with other contents; None deletes a key."""
    path = root / '3dpw' / 'sequenceFiles' / identity[0] / f'{identity[1]}.pkl'
    content = restricted_load(path) | changes
    path.write_bytes(dumps({k: v for k, v in content.items() if v is not None}))
    return content


def test_files_are_those_of_python_2(gendered_release):
    path = os.path.join(gendered_release, 'sequenceFiles', *GOLF) + '.pkl'
    with open(path, 'rb') as f:
        data = f.read()
    assert data.startswith(b'\x80\x02')
    content = pickle.loads(data, encoding='latin1')  # our own file
    expected = (
        'sequence betas poses trans poses_60Hz trans_60Hz betas_clothed v_template_clothed '
        'texture_maps genders poses2d jointPositions img_frame_ids cam_poses campose_valid '
        'cam_intrinsics'
    )
    assert set(content) == set(expected.split())
    assert content['sequence'] == 'courtyard_golf_00'
    assert content['poses2d'][0].shape == (6, 3, 18)
    assert content['poses_60Hz'][0].shape == (12, 72)


def test_list_is_that_of_the_files_and_not_of_the_images(gendered_release):
    assert list_sequences(gendered_release) == [GOLF, DANCING, TWO_PEOPLE]
    assert list_sequences(gendered_release, ['test']) == [TWO_PEOPLE]
    assert 'downtown_cafe_01' in os.listdir(os.path.join(gendered_release, 'imageFiles'))


def test_which_frames_count(gendered_release):
    def of(identity):
        sequence = read_sequence(gendered_release, *identity)
        return [np.flatnonzero(track.is_valid).tolist() for track in sequence.tracks]

    assert of(GOLF) == [[0, 1, 3, 4, 5]]
    assert of(DANCING) == [[0, 1, 2, 3, 4, 5]]
    assert of(TWO_PEOPLE) == [[0, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]]


def test_frame_with_one_found_joint_counts(blank_release):
    content = change(blank_release, GOLF)
    poses2d = content['poses2d'][0].copy()
    poses2d[:] = 0
    poses2d[3, 0, 17] = 1
    change(blank_release, GOLF, poses2d=[poses2d])
    sequence = read_sequence(blank_release / '3dpw', *GOLF)
    assert np.flatnonzero(sequence.tracks[0].is_valid).tolist() == [3]


def test_betas_are_cut_to_ten(gendered_release):
    sequence = read_sequence(gendered_release, *TWO_PEOPLE)
    assert [len(track.betas) for track in sequence.tracks] == [10, 10]
    path = os.path.join(gendered_release, 'sequenceFiles', *TWO_PEOPLE) + '.pkl'
    assert [len(b) for b in restricted_load(path)['betas']] == [10, 16]


def test_joints_are_those_of_the_camera_with_the_pelvis_last(gendered_release, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', os.path.dirname(gendered_release))
    clip = main.read_clip(TWO_PEOPLE)
    by_path = {p.crop_path: p for p in load_truth('tdpw')}
    assert clip.split == TEST
    assert [p.index for p in clip.people] == [0, 1]
    for person in clip.people:
        frames = main.frames_with_joints(person.joints)
        for i in frames:
            true = by_path[clip.crop_path.format(frame=i, person=person.index)]
            np.testing.assert_allclose(person.joints[i], true.joints, atol=1e-6)
            np.testing.assert_allclose(person.boxes[i], true.box, atol=1e-6)
    assert main.JOINT_INFO.names[-1] == 'pelv'
    assert main.JOINT_INFO.names[:3] == ['lhip', 'rhip', 'bell']
    np.testing.assert_array_equal(clip.camera.R, np.eye(3))
    np.testing.assert_array_equal(clip.camera.t, 0)
    np.testing.assert_array_equal(clip.camera.world_up, [0, -1, 0])


def test_numbers_of_people_are_not_their_places_in_the_list(gendered_release, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', os.path.dirname(gendered_release))
    folders = {False: 'tdpw_downscaled', True: 'tdpw_parametric_downscaled'}
    for is_parametric, folder in folders.items():
        clip = main.read_clip(TWO_PEOPLE, is_parametric)
        seen = [p for p in clip.people if 1 in main.frames_with_joints(p.joints)]
        paths = [clip.crop_path.format(frame=1, person=p.index) for p in seen]
        assert paths == [f'{folder}/imageFiles/downtown_arguing_00/image_00001_001.jpg']


def test_splits_of_the_parametric_product(gendered_release, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', os.path.dirname(gendered_release))
    splits = [main.read_clip(i, True).split for i in (GOLF, DANCING, TWO_PEOPLE)]
    assert splits == [TRAIN, VALID, TEST]


def test_people_without_detection_are_passed_over(gendered_release, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', os.path.dirname(gendered_release))
    clip = main.read_clip(DANCING, True)
    assert main.frames_with_joints(clip.people[0].joints).tolist() == [0, 2, 4, 5]
    assert clip.notes == ['2 people in its frames were not found by the detector']


def test_only_people_who_count_compete_for_detections(blank_release):
    """The second person has no 2D joints, and thus leaves their detection to the first."""
    content = change(blank_release, TWO_PEOPLE)
    clip = main.read_clip(TWO_PEOPLE)
    first, second = (p.boxes[0] for p in clip.people)
    poses2d = [p.copy() for p in content['poses2d']]
    poses2d[1][0] = 0
    # Fits the second person best, and the first well enough.
    box = np.array([*(0.45 * first + 0.55 * second)[:2], *second[2:]])
    detections = {'downtown_arguing_00/image_00000.jpg': np.array([[*box, 0.9]])}
    (blank_release / '3dpw' / 'yolov4_detections.pkl').write_bytes(pickle.dumps(detections, 4))

    def found():
        people = main.read_clip(TWO_PEOPLE, True).people
        return [0 in main.frames_with_joints(p.joints) for p in people]

    assert found() == [False, True]
    change(blank_release, TWO_PEOPLE, poses2d=poses2d)
    assert found() == [True, False]


def test_detections_are_needed_for_the_parametric_product_alone(blank_release):
    os.remove(blank_release / '3dpw' / 'yolov4_detections.pkl')
    main.read_clip(GOLF)
    with pytest.raises(RawDataError, match='posepile run tdpw_parametric'):
        main.read_clip(GOLF, True)


def test_box_of_joints_in_front_of_the_camera():
    intrinsics = np.array([[1000, 0, 500], [0, 1000, 400], [0, 0, 1.0]])
    joints = np.array([[0, 0, 1000], [100, 200, 1000], [5000, 5000, -10], [1, 1, 0.0]])
    # From (500, 400) to (600, 600), larger by 0.15 about the middle.
    expected = [500 - 7.5, 400 - 15, 115, 230]
    behind = joints * [1, 1, -1]
    behind[2] *= -1
    found = boxes.own_boxes(np.array([joints, behind, np.full((4, 3), np.nan)]), intrinsics)
    np.testing.assert_allclose(found[0], expected)
    assert np.isnan(found[1:]).all()


def test_fewer_rows_than_cameras(blank_release):
    content = change(blank_release, GOLF)
    keys = ('poses', 'trans', 'poses2d', 'jointPositions', 'campose_valid')
    change(blank_release, GOLF, **{key: [content[key][0][:4]] for key in keys})
    clip = main.read_clip(GOLF)
    assert len(clip.people[0].joints) == len(clip.people[0].boxes) == 4


def test_cameras_of_frames_that_do_not_count_may_be_anything(blank_release):
    content = change(blank_release, GOLF)
    before = main.read_clip(GOLF, True).people[0]
    for value in (np.nan, 0):
        cameras = content['cam_poses'].copy()
        cameras[2] = value
        change(blank_release, GOLF, cam_poses=cameras)
        person = main.read_clip(GOLF, True).people[0]
        np.testing.assert_array_equal(person.joints, before.joints)
        np.testing.assert_array_equal(person.parameters[3]['pose'], before.parameters[3]['pose'])


@pytest.mark.parametrize('key', ['poses', 'trans', 'jointPositions', 'cam_poses'])
def test_numbers_that_count_must_be_finite(blank_release, key):
    content = change(blank_release, GOLF)
    arrays = content[key] if key == 'cam_poses' else content[key][0]
    arrays = arrays.copy()
    arrays[3].flat[2] = np.nan
    change(blank_release, GOLF, **{key: arrays if key == 'cam_poses' else [arrays]})
    with pytest.raises(RawDataError, match=f'{key}.*in frame 3'):
        main.read_clip(GOLF)


def test_mirrored_camera(blank_release):
    cameras = change(blank_release, GOLF)['cam_poses'].copy()
    cameras[4, 0] *= -1
    change(blank_release, GOLF, cam_poses=cameras)
    with pytest.raises(RawDataError, match='cam_poses has no rotation in frame 4'):
        main.read_clip(GOLF)


@pytest.mark.parametrize(
    'changes, problem',
    [
        (dict(campose_valid=None), "no 'campose_valid'"),
        (dict(betas=[]), 'no list index'),
        (dict(genders=['x']), "genders.0. is 'x'"),
        (dict(betas=[np.zeros(4)]), 'has 4 numbers'),
        (dict(cam_poses=np.zeros((6, 3, 4))), r'cam_poses has the shape \(6, 3, 4\)'),
        (dict(trans=[np.zeros((5, 3))]), r'trans.0. has the shape \(5, 3\), not 6 x 3'),
        (dict(poses=[np.zeros((7, 72))]), '7 rows for 6 cameras'),
        (dict(poses=['none']), 'not as expected'),
        (dict(sequence='other'), "the sequence in it is 'other'"),
    ],
)
def test_damaged_sequence_files(blank_release, changes, problem):
    change(blank_release, GOLF, **changes)
    with pytest.raises(RawDataError, match=problem):
        main.read_clip(GOLF)


def test_sequence_files_cannot_run_programs(blank_release):
    path = blank_release / '3dpw' / 'sequenceFiles' / GOLF[0] / f'{GOLF[1]}.pkl'
    path.write_bytes(b"cos\nmkdir\n(S'owned'\ntR.")
    with pytest.raises(RawDataError, match='os.mkdir'):
        main.read_clip(GOLF)
    path.write_bytes(pickle.dumps([1], 2))
    with pytest.raises(RawDataError, match='no dictionary'):
        main.read_clip(GOLF)


def test_no_release(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', os.fspath(tmp_path))
    with pytest.raises(RawDataError, match='posepile run tdpw'):
        main.list_clips()


def test_name_in_two_phases(blank_release):
    folder = blank_release / '3dpw' / 'sequenceFiles'
    (folder / 'test' / 'courtyard_golf_00.pkl').write_bytes(b'')
    with pytest.raises(RawDataError, match='courtyard_golf_00 is in several phases'):
        main.list_clips()


def test_unknown_product():
    with pytest.raises(UnknownDatasetError, match='tdpw_parametric'):
        main.make_recipe('3dpw')
