"""The comparison with the truth: faithful products pass, and every kind of error is told."""

import copy
from pathlib import Path

import cv2
import numpy as np
import pytest
import rlemasklib
from deltacamera import BrownConradyEx, Camera, FisheyeKannalaBrandt

from posepile import paths
from posepile.clips import Clip
from posepile.clips import Person as ClipPerson
from posepile.errors import ArchiveError, BadFileError
from posepile.pipeline.crops import make_crop
from posepile.pipeline.recipe import Recipe
from posepile.raw.images import decode_image, encode_jpeg
from posepile.simulate import fidelity
from posepile.simulate.fidelity import Tolerances, check_product
from posepile.simulate.markers import draw_markers
from posepile.simulate.truth import TruePerson, save_truth
from posepile.storage.lazy import read_metadata
from posepile.util import TRAIN
from tests.storage.packed_samples import (
    JOINT_INFO,
    drawn_person,
    looking_along,
    walking_pose,
    write_dataset,
)

IMSHAPE = (720, 960)
LENSES = {
    'pinhole': None,
    'distorted': BrownConradyEx(np.float32([-0.2, 0.08, 1e-3, -2e-3, 0.01])),
    'fisheye': FisheyeKannalaBrandt(np.float32([0.03, -0.01, 0.002, -0.001])),
}


def source_frame(i, lens, kind):
    """A source image, the person in it as a reader would give it, and the truth about it."""
    joints = walking_pose(0.9 * i) + [200 * i, -300, 0]
    middle = joints.mean(axis=0) + [150, 100, 0]  # the person is not in the middle of the image
    eye = middle + [3500 * np.cos(i), 3500 * np.sin(i), 500 * (i % 3)]
    model = LENSES.get(lens)
    camera = Camera(
        optical_center=eye,
        rot_world_to_cam=looking_along(middle - eye),
        intrinsic_matrix=[[950, 0, 470], [0, 955, 365], [0, 0, 1]],
        distortion_model=model,
        world_up=(0, 0, 1),
    )
    camera_dict = dict(
        K=np.float64(camera.intrinsic_matrix),
        R=np.float64(camera.R),
        t=np.float64(camera.t),
        distortion=None if model is None else np.float64(model.coeffs),
        world_up=np.float64([0, 0, 1]),
    )
    pixels = camera.world_to_image(joints.astype(np.float32)).astype(np.float64)
    image, mask = drawn_person(pixels, IMSHAPE, np.random.default_rng(i))
    draw_markers(image, pixels)
    rle = rlemasklib.encode(mask)
    box = np.float64(rlemasklib.to_bbox(rle))
    joints = pixels if kind == '2d' else joints
    joints[i % 17] = np.nan
    if lens is None:
        camera = camera_dict = None
    reading = ClipPerson(joints[None].copy(), box[None], masks=[rle])
    truth = TruePerson(
        f'd_downscaled/{i:03d}.jpg', TRAIN, joints, box, IMSHAPE, camera_dict, rle, pixels
    )
    return image, camera, reading, truth


def make_product(kind, lens, n=3, originals=None):
    """Pack the crops of a few frames, and return their examples, pictures and truth.

    Args:
        originals: folder for the source images; then these are packed, and not crops.
    """
    recipe = Recipe('d', JOINT_INFO, None, None, 'd_downscaled', kind)
    triples, truth = [], []
    for i in range(n):
        image, camera, person, true = source_frame(i, lens, kind)
        clip = Clip(None, camera, [person], TRAIN, true.crop_path)
        if originals is not None:
            path = originals / f'{i}.jpg'
            path.write_bytes(encode_jpeg(image))
            clip.original_path = lambda i_frame, path=path: str(path)
            true.is_cropped = False
        crop = make_crop(clip, recipe, 0, image, person)
        triples.append([TRAIN, crop.example, decode_image(crop.jpeg)])
        truth.append(true)
    return triples, truth


def pack(triples, kind='3d'):
    write_dataset(Path(paths.packed_paths('d')[0]).parent, kind, triples)


def check(triples, truth, kind='3d'):
    pack(triples, kind)
    save_truth('d', truth)
    return check_product('d')


@pytest.fixture(autouse=True)
def data_root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))


@pytest.fixture(scope='module')
def faithful():
    return make_product('3d', 'distorted')


@pytest.fixture
def product(faithful):
    return copy.deepcopy(faithful)


@pytest.mark.parametrize(
    'kind, lens',
    [('3d', 'pinhole'), ('3d', 'distorted'), ('3d', 'fisheye'), ('2d', None), ('2d', 'distorted')],
)
def test_faithful_products_pass(kind, lens):
    report = check(*make_product(kind, lens), kind)
    assert report.problems() == []
    assert report.examples == 3 and report.kind == kind
    assert report.masks == 3 and report.mask_iou_min > 0.985
    assert report.markers_found == report.markers_sought > 20
    assert report.errors['marker_px'] < 0.5
    expected = {'box_px', 'marker_px'} | (
        {'coords_px'}
        if kind == '2d'
        else {'joints_mm', 'camera_center_mm', 'projection_px', 'reference_px'}
    )
    assert set(report.errors) == expected
    assert '3 examples compared' in report.lines()[0]
    assert report.as_dict()['problems'] == []


@pytest.mark.parametrize('lens', LENSES)
def test_original_images_are_compared_through_their_lens(lens, tmp_path):
    triples, truth = make_product('3d', lens, originals=tmp_path)
    report = check(triples, truth)
    assert report.problems() == []
    assert report.examples == report.masks == 3 and report.mask_iou_min == 1
    assert report.markers_found == report.markers_sought > 20
    triples[0][1].camera.intrinsic_matrix[0, 2] += 0.2
    assert 'projection_px is 0.2' in the_problem(check(triples, truth))
    # Crops are no original images, and the other way round.
    assert check(*make_product('3d', lens)).problems() == []
    for true in truth:
        true.is_cropped = True
    assert len(check(triples, truth).problems()) > 1


def the_problem(report):
    (problem,) = report.problems()
    return problem


def test_missing_and_unexpected_examples(product):
    triples, truth = product
    report = check(triples[:2], truth)
    assert 'missing: train/d_downscaled/002.jpg_00.msgpack' in the_problem(report)
    report = check(triples, truth[1:])
    assert 'should not be there: train/d_downscaled/000.jpg_00' in the_problem(report)
    truth[0].split = 1
    assert len(check(triples, truth).problems()) == 2


def test_joints(product):
    triples, truth = product
    triples[1][1].world_coords[3, 0] += 0.02
    report = check(triples, truth)
    assert the_problem(report).startswith('joints_mm is') and '001.jpg' in the_problem(report)
    assert report.errors['joints_mm'] == pytest.approx(0.02, abs=1e-3)
    assert report.problems(Tolerances(joints_mm=0.03)) == []
    triples[1][1].world_coords[5] = np.nan
    assert '1 examples have other missing joints' in check(triples, truth).problems()[0]


def test_far_from_the_origin_rounding_is_no_error(product):
    triples, truth = product
    for (_, example, _), person in zip(triples, truth, strict=True):
        shift = np.float64([100_000.003, 0, 0])
        person.joints = person.joints + shift
        person.camera['t'] = person.camera['t'] + shift
        example.world_coords = person.joints.astype(np.float32)
        example.camera.t = person.camera['t'].astype(np.float32)
    report = check(triples, truth)
    assert report.errors['joints_mm'] < 0.001 and report.errors['camera_center_mm'] < 0.001
    assert report.problems() == []


def recamera(camera, **changes):
    parts = dict(
        optical_center=np.array(camera.t),
        rot_world_to_cam=np.array(camera.R),
        intrinsic_matrix=np.array(camera.intrinsic_matrix),
        world_up=(0, 0, 1),
    )
    return Camera(**{**parts, **changes})


def test_cameras(product):
    triples, truth = product
    camera = triples[0][1].camera
    triples[0][1].camera = recamera(camera, optical_center=np.array(camera.t) + [0, 0, 0.02])
    assert the_problem(check(triples, truth)).startswith('camera_center_mm')
    turn, _ = cv2.Rodrigues(np.array([0, 0, 1e-3]))
    triples[0][1].camera = recamera(camera, rot_world_to_cam=turn @ np.array(camera.R))
    assert the_problem(check(triples, truth)).startswith('projection_px')
    K = np.array(camera.intrinsic_matrix) + np.array([[0, 0, 0.1], [0, 0, 0], [0, 0, 0]])
    triples[0][1].camera = recamera(camera, intrinsic_matrix=K)
    assert the_problem(check(triples, truth)).startswith('projection_px is 0.')
    triples[0][1].camera = recamera(camera, distortion_model=LENSES['distorted'])
    assert the_problem(check(triples, truth)).startswith('projection_px is inf')


def test_boxes_and_sizes(product):
    triples, truth = product
    triples[2][1].bbox += [0, 0, 0.6, 0]
    assert the_problem(check(triples, truth)).startswith('box_px is 0.6')
    triples[2][1].bbox -= [0, 0, 0.6, 0]
    triples[2][2] = triples[2][2][:-1]
    assert 'images have another size: train/d_downscaled/002' in the_problem(check(triples, truth))


def test_shifted_and_unrelated_pixels(product):
    triples, truth = product
    image = triples[0][2]
    triples[0][2] = np.roll(image, 2, axis=1)
    report = check(triples, truth)
    assert the_problem(report).startswith('marker_px is')
    assert 1.5 < report.errors['marker_px'] < 2.5
    noise = np.random.default_rng(0).integers(0, 255, image.shape).astype(np.uint8)
    for unrelated in (image[::-1], np.full_like(image, 200), noise):
        triples[0][2] = unrelated
        report = check(triples, truth)
        assert any('markers were not found' in p for p in report.problems())
        assert report.markers_sought - report.markers_found > 5


def test_masks(product):
    triples, truth = product
    mask = rlemasklib.decode(triples[0][1].mask)
    triples[0][1].mask = rlemasklib.encode(np.roll(mask, 2, axis=1))
    assert 'a mask overlaps by 0.' in the_problem(check(triples, truth))
    triples[0][1].mask = None
    assert '1 masks are missing' in the_problem(check(triples, truth))


def test_masks_of_a_network_are_judged_by_their_mean(product):
    triples, truth = product
    for person in truth:
        person.is_mask_estimated = True
    mask = rlemasklib.decode(triples[0][1].mask)
    triples[0][1].mask = rlemasklib.encode(cv2.erode(mask, np.ones((5, 5), np.uint8)))
    report = check(triples, truth)
    assert report.problems() == [] and report.masks == 0
    assert report.estimated_masks == report.estimated_masks_found == 3
    assert 0.9 < report.estimated_mask_iou_mean < 0.98
    assert '3 masks were found of 3 people and overlap by 0.9' in report.lines()[-1]
    # One that is not found counts as no overlap, which is too much for three, ...
    triples[0][1].mask = None
    report = check(triples, truth)
    assert report.missing_masks == []
    assert (report.estimated_masks, report.estimated_masks_found) == (3, 2)
    assert report.estimated_mask_iou_mean == pytest.approx(2 / 3, abs=0.01)
    assert 'the 2 masks that were found of 3 people overlap by 0.6' in the_problem(report)
    assert report.problems(Tolerances(estimated_mask_iou=0.6)) == []
    # ... and so do masks of somebody else.
    triples[0][1].mask = rlemasklib.encode(1 - mask)
    assert 'the 3 masks that were found of 3' in the_problem(check(triples, truth))


def test_whoever_packs_without_masks_wants_none(product, monkeypatch):
    triples, truth = product
    for (_, example, _), person in zip(triples, truth, strict=True):
        example.mask, person.is_mask_estimated = None, True
    assert 'the 0 masks that were found of 3 people' in the_problem(check(triples, truth))
    annotations_path = paths.packed_paths('d')[0]
    metadata = read_metadata(annotations_path)
    metadata['posepile'] = {**metadata.get('posepile', {}), 'masks': None}
    monkeypatch.setattr('posepile.storage.lazy.read_metadata', lambda path: metadata)
    report = check_product('d')
    assert report.problems() == [] and report.estimated_masks == 0


def test_coordinates_in_2d():
    triples, truth = make_product('2d', None)
    triples[0][1].coords[4, 1] += 0.1
    assert the_problem(check(triples, truth, '2d')).startswith('coords_px is 0.1')


def test_nothing_to_compare(product):
    triples, truth = product
    with pytest.raises(ArchiveError):
        save_truth('d', truth)
        check_product('d')
    report = check(triples, [])
    assert any('nothing to compare' in p for p in report.problems())


def test_no_truth(product):
    pack(product[0])
    with pytest.raises(BadFileError, match='posepile simulate d'):
        check_product('d')


def test_rounding_excuses_only_what_float32_cannot_tell():
    true = np.array([5000.0, 1e6])
    errors = fidelity._beyond_rounding(np.float32(true + [0.25, 0.0625]), true)
    np.testing.assert_allclose(errors, [0.25, 0])


def test_people_in_one_image_are_numbered_as_in_the_archive():
    people = [
        TruePerson(path, TRAIN, np.zeros((1, 3)), np.ones(4), IMSHAPE)
        for path in ('a.jpg', 'b.jpg', 'a.jpg')
    ]
    found = fidelity._by_record_path(people)
    assert list(found) == [f'train/{name}.msgpack' for name in ('a.jpg_00', 'b.jpg_00', 'a.jpg_01')]
    assert all(a is b for a, b in zip(found.values(), people, strict=True))


def test_overlap_of_masks_least_and_on_average():
    report = fidelity.FidelityReport('x', '3d')
    for iou, where in [(1.0, 'a'), (0.5, 'b'), (0.9, 'c')]:
        report.note_mask_iou(iou, where)
        assert report.where['mask_iou'] == ('a' if where == 'a' else 'b')
    assert (report.masks, report.mask_iou_min) == (3, 0.5)
    assert report.mask_iou_mean == pytest.approx(0.8)
