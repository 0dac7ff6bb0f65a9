"""Boxes from masks, the step that stores them, and what is put right in S9's takes."""

import os

import h5py
import numpy as np
import pytest

from posepile.ds.h36m import boxes as boxes_module
from posepile.ds.h36m import simulate_cameras, tree
from posepile.ds.h36m.boxes import load_boxes, make_boxes, read_mask_boxes
from posepile.ds.h36m.corrections import correct_boxes, correct_world_coords, is_shifted
from posepile.ds.h36m.metadata import make_camera
from posepile.ds.h36m.simulate_files import write_box_masks
from posepile.errors import RawDataError

IMSHAPE = (1002, 1000)


def test_boxes_are_the_bounding_rectangles_of_the_masks(tmp_path):
    rng = np.random.default_rng(0)
    start = rng.integers(0, 900, (20, 2))
    boxes = np.concatenate([start, rng.integers(1, 100, (20, 2))], axis=1)
    # The whole image, its corners, a single pixel.
    boxes[:4] = [[0, 0, 1000, 1002], [0, 0, 5, 7], [990, 1000, 10, 2], [499, 50, 1, 1]]
    path = tmp_path / 'a.mat'
    write_box_masks(path, boxes, IMSHAPE)
    read = read_mask_boxes(path)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, boxes)


def test_file_of_masks_is_one_of_matlab(tmp_path):
    path = tmp_path / 'a.mat'
    write_box_masks(path, [[10, 20, 30, 40], [0, 0, 1000, 1002]], IMSHAPE)
    assert path.read_bytes()[:19] == b'MATLAB 7.3 MAT-file'
    assert path.read_bytes()[124:128] == b'\0\2IM'
    with h5py.File(path) as file:
        assert file['Masks'].shape == (2, 1)
        mask = file[file['Masks'][0, 0]][()].T  # (height, width)
    assert mask.shape == IMSHAPE and mask.dtype == np.uint8
    assert mask[20:60, 10:40].all() and mask.sum() == 30 * 40


def write_masks(path, masks, shape=None):
    """The references in any shape, to masks of any kind."""
    with h5py.File(path, 'w') as file:
        store = file.create_group('elsewhere')
        references = [store.create_dataset(str(i), data=m).ref for i, m in enumerate(masks)]
        table = np.array(references, h5py.ref_dtype).reshape(shape or (len(masks), 1))
        file.create_dataset('Masks', data=table, dtype=h5py.ref_dtype)


def test_masks_of_any_outline_and_empty_ones(tmp_path):
    mask = np.zeros((100, 80), np.uint8)
    mask[[10, 30], [20, 5]] = 1  # columns 10 and 30, rows 20 and 5
    write_masks(tmp_path / 'a.mat', [mask, np.zeros((100, 80), np.uint8)], shape=(1, 2))
    boxes = read_mask_boxes(tmp_path / 'a.mat')
    np.testing.assert_array_equal(boxes, [[10, 5, 21, 16], [np.nan] * 4])


def test_other_files_are_refused(tmp_path):
    path = tmp_path / 'a.mat'
    with pytest.raises(RawDataError, match='no such file of box masks'):
        read_mask_boxes(path)
    path.write_bytes(b'MATLAB 5.0 MAT-file' + bytes(500))
    with pytest.raises(RawDataError, match='no MATLAB 7.3 file.*unpack'):
        read_mask_boxes(path)
    write_masks(path, [np.zeros((3, 4, 5), np.uint8)])
    with pytest.raises(RawDataError, match=r'shape \(3, 4, 5\)'):
        read_mask_boxes(path)
    write_masks(path, [np.zeros((3, 4), np.float64)])
    with pytest.raises(RawDataError, match='a mask is float64'):
        read_mask_boxes(path)
    write_masks(path, [np.zeros((3, 4), np.uint8)] * 4, shape=(2, 2))
    with pytest.raises(RawDataError, match=r'Masks has the shape \(2, 2\)'):
        read_mask_boxes(path)
    with h5py.File(path, 'w') as file:
        file['Other'] = 1
    with pytest.raises(RawDataError, match='box masks, or damaged'):
        read_mask_boxes(path)


def test_damaged_files_give_an_error_or_boxes(tmp_path):
    path = tmp_path / 'a.mat'
    write_box_masks(path, [[10, 20, 30, 40]] * 3, IMSHAPE)
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    n_errors = 0
    for _ in range(100):
        bad = bytearray(good)
        if rng.random() < 0.3:
            del bad[rng.integers(len(bad)) :]
        else:
            for i in rng.integers(512, len(bad), 4):
                bad[i] = rng.integers(256)
        path.write_bytes(bad)
        try:
            assert read_mask_boxes(path).shape[1] == 4
        except RawDataError:
            n_errors += 1
    assert n_errors > 20


def test_step_makes_what_is_missing_whatever_the_division(blank_release):
    views = [(s, name) for s in (1, 5, 6, 7, 8, 9, 11)
             for name in tree.list_views(s, tree.BOX_MASKS, '.mat')]  # fmt: skip
    from_masks = {view: load_boxes(*view) for view in views}
    assert len(views) == 9 * 4
    assert len(from_masks[1, 'TakingPhoto 1.58860488']) == 38
    os.remove(tree.subject_dir(5) + '/MySegmentsMat/ground_truth_bb/Directions 2.54138969.mat')
    reports = [make_boxes(i, 3) for i in range(3)]
    assert sum(report.clips for report in reports) == 35
    path = f'{tree.subject_dir(1)}/BBoxes/TakingPhoto 1.58860488.npy'
    assert np.load(path).dtype == np.float32
    time = os.stat(path).st_mtime_ns
    np.save(f'{tree.subject_dir(6)}/BBoxes/Waiting 3.54138969.npy', np.ones((21, 4)))
    assert make_boxes().clips == 35
    assert os.stat(path).st_mtime_ns == time
    for view in views:
        if view == (5, 'Directions 2.54138969'):
            with pytest.raises(RawDataError, match='no such file of box masks'):
                load_boxes(*view)
        elif view == (6, 'Waiting 3.54138969'):  # what a person has put in place
            np.testing.assert_array_equal(load_boxes(*view), np.ones((21, 4)))
        else:
            np.testing.assert_array_equal(load_boxes(*view), from_masks[view])


def test_step_goes_on_after_a_damaged_file(blank_release, capsys):
    folder = f'{tree.subject_dir(8)}/MySegmentsMat/ground_truth_bb'
    with open(f'{folder}/WalkTogether 2.55011271.mat', 'wb') as f:
        f.write(b'nothing')
    boxes_module.main()
    assert '35 views (1 unreadable)' in capsys.readouterr().out
    boxes_dir = f'{tree.subject_dir(8)}/BBoxes'
    assert len(os.listdir(boxes_dir)) == 3
    np.save(f'{boxes_dir}/WalkTogether 2.55011271.npy', np.ones((3, 5)))
    with pytest.raises(RawDataError, match=r'shape \(3, 5\).*--force boxes'):
        load_boxes(8, 'WalkTogether 2.55011271')


@pytest.mark.parametrize(
    'path, expected',
    [
        ('h36m/S9/Images/Greeting.54138969/frame_000000.jpg', True),
        ('h36m/S9/Images/Greeting 1.54138969/frame_000000.jpg', False),
        ('h36m/S9/Images/Greeting 2.54138969', False),
        ('/data/h36m/S9/MyPoseFeatures/D3_Positions/SittingDown 1.cdf', True),
        ('/data/h36m/S9/MyPoseFeatures/D3_Positions/SittingDown.cdf', False),
        ('S9/BBoxes/Waiting 1.60457274.npy', True),
        ('S9/BBoxes/Waiting.60457274.npy', False),
        ('S9/Greeting', True),
        ('h36m/S11/Images/Waiting 1.54138969/frame_000000.jpg', False),
        ('h36m/S8/Images/Greeting.54138969/frame_000000.jpg', False),
        ('/S9/h36m/S8/Images/Greeting.54138969/frame_000000.jpg', False),
        ('h36m_downscaled/S9/Images/Greeting.54138969/frame_000064.jpg', True),
    ],
)
def test_which_takes_are_shifted(path, expected):
    assert is_shifted(path) == expected
    coords = np.arange(12.0).reshape(2, 2, 3)
    moved = coords - [200, 0, 0] if expected else coords
    np.testing.assert_array_equal(correct_world_coords(coords, path), moved)


def test_box_moves_as_a_plate_at_the_depth_of_the_pelvis():
    """A box that faces the camera at the pelvis' depth; the camera looks along world y."""
    camera = make_camera([np.pi / 2, 0, 0, 0, -5000, 1000], [1000, 1000, 500, 500, 0, 0, 0, 0, 0])
    joints = np.zeros((3, 17, 3))
    joints[:, -1] = [[0, 0, 1000], [0, 5000, 1000], [0, -2500, 900]]
    joints[:, 0] = 1e6  # the others do not matter
    boxes = np.array([[500, 400, 100, 200]] * 3)
    path = 'S9/Images/Greeting.54138969'
    corrected = correct_boxes(boxes, path, joints, camera)
    for box, pixels in zip(corrected, 200 * 1000 / np.array([5000, 10000, 2500]), strict=True):
        np.testing.assert_allclose(box, [500 - pixels, 400, 100, 200], atol=1e-3)
    # Whichever is shorter.
    assert len(correct_boxes(boxes, path, joints[:2], camera)) == 2
    assert len(correct_boxes(boxes[:1], path, joints, camera)) == 1
    assert len(correct_boxes(boxes[:0], path, joints, camera)) == 0
    assert correct_boxes(boxes, 'S9/Images/Greeting 1.54138969', joints, camera) is boxes


def test_depth_grows_where_the_correction_leads_away_from_the_camera():
    """The camera looks along world -x: the person moves 200 mm away and gets smaller."""
    camera = make_camera(
        [np.pi / 2, 0, -np.pi / 2, 5000, 0, 1000], [1000, 1000, 500, 500, 0, 0, 0, 0, 0]
    )
    joints = np.full((1, 17, 3), [1000.0, 0, 1000])
    assert camera.world_to_camera(joints[0])[0, 2] == pytest.approx(4000)
    [box] = correct_boxes(np.array([[450, 400, 100, 200]]), 'S9/Greeting', joints, camera)
    ratio = 4000 / 4200
    np.testing.assert_allclose(
        box, [500 - 50 * ratio, 500 - 100 * ratio, 100 * ratio, 200 * ratio], atol=1e-3
    )


def test_corrected_boxes_are_nearly_those_of_the_true_place():
    """With the real cameras and lenses, and boxes as the release's were made: of shifted joints."""
    rng = np.random.default_rng(0)
    true = rng.uniform(-1, 1, (50, 17, 3)) * [250, 250, 800] + [300, -200, 900]
    true[:, -1] = true[:, :-1].mean(axis=1)
    for i_camera in range(4):
        studio = simulate_cameras.studio_camera(9, i_camera)

        def bounds(points, studio=studio):
            pixels = studio.project(points)
            start, end = pixels.min(axis=1), pixels.max(axis=1)
            return np.concatenate([start, end - start], axis=1)

        camera = make_camera(
            simulate_cameras.extrinsics(9)[i_camera], simulate_cameras.INTRINSICS[i_camera]
        )
        shifted = bounds(true + [200, 0, 0])
        corrected = correct_boxes(shifted, 'S9/Images/Waiting 1.54138969', true, camera)
        assert np.abs(shifted - bounds(true)).max() > 30
        assert np.abs(corrected - bounds(true)).max() < 8
