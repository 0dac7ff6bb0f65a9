"""metadata.xml: published numbers, the calibration's conventions, and damaged files."""

import re

import numpy as np
import pytest

from posepile.ds.h36m.metadata import (
    CAMERA_IDS,
    PUBLIC_SUBJECTS,
    make_camera,
    read_metadata,
    rotation_matrix,
)
from posepile.ds.h36m.simulate_cameras import EXTRINSICS, INTRINSICS, studio_camera
from posepile.ds.h36m.simulate_metadata import write_metadata
from posepile.errors import RawDataError


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp('metadata') / 'metadata.xml'
    write_metadata(path, {(9, 5, 2): ([2899, 2900, 2901, 2902], 1447)})
    return path


@pytest.fixture(scope='module')
def metadata(path):
    return read_metadata(path)


def test_published_camera_of_s1_projects_as_published(metadata):
    camera = metadata.cameras[0][0]
    expected = [
        [-0.91536173, 0.40180837, 0.02574754],
        [0.05154812, 0.18037357, -0.98224649],
        [-0.39931903, -0.89778361, -0.18581953],
    ]
    np.testing.assert_allclose(camera.R, expected, atol=1e-7)
    point = np.array([0, 0, 1000.0])
    # The camera keeps single precision, at distances of metres.
    np.testing.assert_allclose(
        camera.world_to_camera(point), [-320.30323677, -435.26571076, 5288.66156023], atol=1e-3
    )
    np.testing.assert_allclose(camera.world_to_image(point), [443.30454, 421.46719], atol=1e-3)
    np.testing.assert_array_equal(camera.world_up, [0, 0, 1])


def test_rotation_is_about_z_then_y_then_x():
    np.testing.assert_allclose(rotation_matrix([0, 0, np.pi / 2]) @ [1, 0, 0], [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(rotation_matrix([0, np.pi / 2, 0]) @ [0, 0, 1], [1, 0, 0], atol=1e-9)
    np.testing.assert_allclose(rotation_matrix([np.pi / 2, 0, 0]) @ [0, 1, 0], [0, 0, 1], atol=1e-9)
    # z first: x goes to y, which the turn about x takes to z.
    both = rotation_matrix([np.pi / 2, 0, np.pi / 2])
    np.testing.assert_allclose(both @ [1, 0, 0], [0, 0, 1], atol=1e-9)


def test_tangential_coefficients_are_in_the_order_of_opencv():
    intrinsics = [1000, 1000, 500, 500, 0, 0, 0, 0.01, 0]  # p1
    camera = make_camera(np.zeros(6), intrinsics)
    x, y, p1 = 0.2, 0.1, 0.01
    expected = [
        500 + 1000 * (x + 2 * p1 * x * y),
        500 + 1000 * (y + p1 * (x**2 + y**2 + 2 * y**2)),
    ]
    pixel = camera.world_to_image(np.array([200, 100, 1000.0]))
    np.testing.assert_allclose(pixel, expected, atol=1e-3)


@pytest.mark.parametrize('subject', PUBLIC_SUBJECTS)
def test_all_cameras_look_at_the_middle_of_the_studio(metadata, subject):
    points = np.array([[0, 0, 0], [300, -200, 1700.0]])
    for i_camera in range(4):
        camera = metadata.cameras[i_camera][subject - 1]
        pixels = camera.world_to_image(points)
        assert np.all((pixels > 0) & (pixels < 1000))
        assert pixels[1, 1] < pixels[0, 1]  # up is up
        same = studio_camera(subject, i_camera)
        np.testing.assert_allclose(pixels, same.project(points), atol=2e-3)
        np.testing.assert_allclose(camera.t, EXTRINSICS[subject][i_camera][3:], atol=1e-3)
        fx, fy = INTRINSICS[i_camera][:2]
        np.testing.assert_allclose(np.diag(camera.intrinsic_matrix), [fx, fy, 1], rtol=1e-6)


def test_takes_and_their_irregular_names(metadata):
    assert len(metadata.takes) == 11 * 15 * 2
    assert metadata.takes[1, 12, 1] == 'TakingPhoto 1'
    assert metadata.takes[5, 12, 1] == 'Photo'
    assert metadata.takes[1, 15, 2] == 'WalkingDog'
    assert metadata.takes[8, 16, 2] == 'WalkTogether 2'
    assert metadata.takes[9, 10, 2] == 'SittingDown 1'
    assert metadata.takes[10, 3, 2] == 'Discussion 2'
    assert metadata.take_of(11, 'Phoning 3') == (6, 1)
    assert metadata.take_of(6, 'Waiting 3') == (13, 1)
    with pytest.raises(KeyError):
        metadata.take_of(11, 'Phoning')
    assert not any('_' in name for name in metadata.takes.values())


def test_actions_cameras_and_lengths(metadata):
    assert list(metadata.action_names) == list(range(2, 17))
    assert metadata.action_names[2] == 'Directions'
    assert metadata.action_names[12] == 'TakingPhoto'
    assert metadata.action_names[16] == 'WalkingTogether'
    assert metadata.camera_ids == CAMERA_IDS
    assert metadata.n_frames[9, 5, 2] == 1447
    assert metadata.n_frames[9, 5, 1] == 0


def test_parameters_of_cameras_suffice(path, tmp_path):
    w0 = re.search('<w0>.*</w0>', path.read_text())[0]
    other = tmp_path / 'metadata.xml'
    other.write_text(f'<a>{w0}</a>')
    metadata = read_metadata(other)
    assert metadata.takes == metadata.action_names == metadata.n_frames == {}
    assert metadata.camera_ids == CAMERA_IDS
    np.testing.assert_array_equal(metadata.extrinsics, read_metadata(path).extrinsics)


@pytest.mark.parametrize(
    'pattern, replacement, problem',
    [
        (r'<w0>.*</w0>', '', 'w0 is missing'),
        (r'(<w0>\[)\S+ ', r'\1', '299 numbers'),
        (r'(<w0>\[)\S+ ', r'\1x ', 'could not convert'),
        (r'(<w0>\[)\S+ ', r'\1nan ', 'finite'),
        (r'</mapping>', '', 'no XML'),
        (r'<item>55011271</item>', '', '3 cameras'),
        (r'<td>Directions 1</td>', '', 'a row of the mapping'),
    ],
)
def test_what_is_wrong_is_named(path, tmp_path, pattern, replacement, problem):
    text, n_replaced = re.subn(pattern, replacement, path.read_text(), count=1)
    assert n_replaced == 1
    damaged = tmp_path / 'metadata.xml'
    damaged.write_text(text)
    with pytest.raises(RawDataError, match=f'{damaged}.*{problem}.*code-v1.2.zip'):
        read_metadata(damaged)


def test_missing_file(tmp_path):
    with pytest.raises(RawDataError, match='no such file.*code-v1.2.zip'):
        read_metadata(tmp_path / 'metadata.xml')
