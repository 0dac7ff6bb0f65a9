import json
import os
import shutil

import numpy as np
import pytest

from posepile.ds.h3wb.annotations import find_file, iter_points, iter_test, iter_training
from posepile.ds.h3wb.samples import SPLIT_OF_SUBJECT
from posepile.ds.h36m.benchmark import View
from posepile.errors import RawDataError
from tests.ds.h3wb.conftest import TAKES

TRAINING = 'json/RGBto3D_train.json'


@pytest.fixture
def folder(release):
    return release / 'h3wb'


def changed(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_joints_are_turned_into_the_world(folder, metadata):
    """The check value of the camera: R (0, 0, 1000) is its third column."""
    rotated = [25.74754, -982.24649, -185.81953]

    def change(samples):
        samples['0']['image_path'] = 'S1/Images/Directions 1.54138969/frame_0123.jpg'
        samples['0']['keypoints_3d']['7'] = dict(zip('xyz', rotated, strict=True))

    changed(folder / TRAINING, change)
    sample = next(iter_training(folder, metadata))
    assert sample.view == View(1, 'Directions 1', '54138969', 123)
    np.testing.assert_allclose(sample.joints[7], [0, 0, 1000], atol=1e-4)


def test_all_samples_are_read(folder, metadata):
    samples = list(iter_training(folder, metadata))
    n_moments = sum(min(8, (t.n + 4) // 5) for t in TAKES if t.subject < 8)
    assert [s.id for s in samples] == list(range(4 * n_moments))
    assert {s.view.subject for s in samples} == {1, 5, 6, 7}
    assert [s.points is not None for s in samples] == [i < 100 for i in range(len(samples))]
    for i in range(0, len(samples), 4):  # a moment seen by four cameras
        group = samples[i : i + 4]
        assert len({s.view._replace(camera='') for s in group}) == 1
        assert len({s.view.camera for s in group}) == 4
        for s in group:
            np.testing.assert_allclose(s.joints, group[0].joints, atol=2e-3)


def test_boxes_are_left_top_width_height(folder, metadata):
    def change(samples):
        samples['0']['bbox'] = dict(x_min=346, y_min=180, x_max=523, y_max=581)
        del samples['1']['bbox']

    changed(folder / TRAINING, change)
    samples = iter_training(folder, metadata)
    assert next(samples).box.tolist() == [346, 180, 177, 401]
    assert next(samples).box is None


def test_frames_may_have_any_number_of_digits(folder, metadata):
    def change(samples):
        samples['0']['image_path'] = 'S5/Images/Directions 1.60457274/frame_7.jpg'
        samples['1']['image_path'] = 'S5/Images/Directions 1.60457274/frame_012345.jpg'

    changed(folder / TRAINING, change)
    samples = iter_training(folder, metadata)
    assert [next(samples).view.frame for _ in range(2)] == [7, 12345]


def test_points_in_five_parts(folder):
    whole = json.loads((folder / 'json/2Dto3D_train.json').read_text())
    expected = {i: points.tolist() for i, points in iter_points(folder)}
    os.remove(folder / 'json/2Dto3D_train.json')
    ids = list(whole)
    for part in range(5):
        some = {i: whole[i] for i in ids[part * 26 : (part + 1) * 26]}
        (folder / f'2Dto3D_train_part{part + 1}.json').write_text(json.dumps(some))
    assert {i: points.tolist() for i, points in iter_points(folder)} == expected


def test_files_are_found_wherever_they_are(folder):
    assert find_file(folder, 'RGBto3D_train.json') == str(folder / TRAINING)
    deeper = folder / 'a/json/json'
    deeper.mkdir(parents=True)
    shutil.move(folder / TRAINING, deeper)
    assert find_file(folder, 'RGBto3D_train.json') == str(deeper / 'RGBto3D_train.json')
    (folder / 'z').mkdir()
    shutil.copy(deeper / 'RGBto3D_train.json', folder / 'z')
    assert find_file(folder, 'RGBto3D_train.json') == str(folder / 'z/RGBto3D_train.json')
    assert find_file(folder, 'h3wb_train*.npz') == str(folder / 'h3wb_train.npz')
    assert find_file(folder, 'none.json') is None


def test_truth_of_the_test_set_may_be_absent_or_in_part(folder, metadata):
    assert len(list(iter_test(folder, metadata))) == 32
    path = folder / 'RGBto3D_test_3d.json'
    changed(path, lambda truth: truth.pop('3'))
    assert 3 not in {s.id for s in iter_test(folder, metadata)}
    changed(path, lambda truth: truth.update({'900': truth['4']}))
    with pytest.raises(RawDataError, match='sample 900 is not in .*RGBto3D_test_img.json'):
        list(iter_test(folder, metadata))
    os.remove(path)
    assert list(iter_test(folder, metadata)) == []


def remove_joint(sample):
    del sample['keypoints_3d']['132']


DAMAGE = {
    'another subject': lambda s: s.update(image_path='S9/Images/Directions.54138969/frame_1.jpg'),
    'another camera': lambda s: s.update(image_path='S1/Images/Directions.54138960/frame_1.jpg'),
    'another folder': lambda s: s.update(image_path='S1/Images/../x.54138969/frame_1.jpg'),
    'a strange take': lambda s: s.update(image_path='S1/Images/a{0}.54138969/frame_1.jpg'),
    'a late frame': lambda s: s.update(image_path=f'S1/Images/A.54138969/frame_{10**9}.jpg'),
    'no frame': lambda s: s.update(image_path='S1/Images/Directions.54138969/x.jpg'),
    'no path': lambda s: s.update(image_path=3),
    'no joints': lambda s: s.pop('keypoints_3d'),
    'a joint less': remove_joint,
    'a list': lambda s: s.update(keypoints_3d=[1, 2, 3]),
    'NaN': lambda s: s['keypoints_3d']['5'].update(x=float('nan')),
    'text': lambda s: s['keypoints_3d']['5'].update(x='left'),
    'a huge number': lambda s: s['keypoints_3d']['5'].update(x=10**400),
    'half a box': lambda s: s['bbox'].pop('x_max'),
    'an endless box': lambda s: s['bbox'].update(x_max=float('inf')),
}


@pytest.mark.parametrize('damage', DAMAGE)
def test_contradictions_name_file_and_sample(damage, folder, metadata):
    changed(folder / TRAINING, lambda samples: DAMAGE[damage](samples['2']))
    with pytest.raises(RawDataError, match='RGBto3D_train.json: .*Delete it') as e:
        list(iter_training(folder, metadata))
    assert 'sample 2' in str(e.value) or 'names an image S' in str(e.value)


@pytest.mark.parametrize('key', ['x', '-1', '1.0', '\u0661', '99999999999'])
def test_ids_are_numbers(key, folder, metadata):
    changed(folder / TRAINING, lambda samples: samples.update({key: samples['0']}))
    with pytest.raises(RawDataError, match='is no sample'):
        list(iter_training(folder, metadata))


def test_repeated_ids_are_refused(folder, metadata):
    text = (folder / TRAINING).read_text()
    (folder / TRAINING).write_text(text.replace('"1": {"image', '"0": {"image', 1))
    with pytest.raises(RawDataError, match='sample 0 twice'):
        list(iter_training(folder, metadata))


def test_no_annotations_at_all(folder, metadata):
    shutil.rmtree(folder / 'json')
    os.remove(folder / 'h3wb_train.npz')
    with pytest.raises(RawDataError, match='posepile run h3wb'):
        list(iter_training(folder, metadata))


def test_subjects_and_splits():
    assert SPLIT_OF_SUBJECT == {1: 0, 5: 0, 6: 0, 7: 1, 8: 2}
