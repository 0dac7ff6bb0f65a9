import os
import pickle
import shutil

import numpy as np
import pytest

from posepile.ds.h3wb.annotations import iter_training
from posepile.ds.h3wb.training_npz import read_training_npz
from posepile.ds.h36m.object_npz import save_objects
from posepile.errors import RawDataError
from posepile.raw.npyfile import load_npz


@pytest.fixture
def path(release):
    return release / 'h3wb/h3wb_train.npz'


@pytest.fixture
def changed(path):
    """Applies a function to the content of the file."""

    def change(function):
        content = {name: array.item() for name, array in load_npz(path).items()}
        function(content)
        save_objects(path, content)

    return change


def by_view(samples):
    return {s.view: s for s in samples}


def test_samples_are_those_of_the_json_file(path, release, metadata):
    from_json = by_view(iter_training(release / 'h3wb', metadata))
    shutil.rmtree(release / 'h3wb/json')
    from_npz = by_view(iter_training(release / 'h3wb', metadata))
    absent = {v for v in from_json if v.subject == 6 and v.camera == '58860488'}
    assert len(absent) == 5
    assert set(from_npz) == set(from_json) - absent
    for view, sample in from_npz.items():
        np.testing.assert_allclose(sample.joints, from_json[view].joints, atol=2e-3)
        assert sample.box is None
    assert sum(s.points is not None for s in from_npz.values()) == 100
    assert [s.id for s in from_npz.values()] == list(range(len(from_npz)))


def test_axis_of_length_one_may_be_absent(path, changed):
    expected = by_view(read_training_npz(path))

    def squeeze(content):
        for takes in content['train_data'].values():
            for take in takes.values():
                take['global_3d'] = take['global_3d'][:, 0]
                for key in set(take) - {'global_3d', 'frame_id'}:
                    take[key]['pose_2d'] = take[key]['pose_2d'][:, 0]

    changed(squeeze)
    found = by_view(read_training_npz(path))
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[v].joints, expected[v].joints) for v in expected)
    assert all(np.array_equal(found[v].points, expected[v].points) for v in list(expected)[:100])


def test_boxes_and_numbers_are_read_where_there_are_any(path, changed):
    first = next(read_training_npz(path)).view
    key = f'S{first.subject}', first.take, first.camera, first.frame

    def add(content):
        content['bbox'] = {key: dict(x_min=346, y_min=180, x_max=523, y_max=581)}
        take = content['train_data'][key[0]][first.take]
        take[first.camera]['sample_id'] = 1000 + np.arange(len(take['frame_id']))

    changed(add)
    samples = list(read_training_npz(path))
    assert samples[0].box.tolist() == [346, 180, 177, 401]
    assert samples[1].box is None
    n = sum(s.view._replace(frame=0) == first._replace(frame=0) for s in samples)
    assert [s.id for s in samples[:n]] == list(range(1000, 1000 + n))
    assert samples[n].id == n


def take_of(content):
    return content['train_data']['S1']['Walking 1']


DAMAGE = {
    'no training data': lambda c: c.pop('train_data'),
    'a list': lambda c: c.update(train_data=[1, 2]),
    'a list of takes': lambda c: c['train_data'].update(S1=[1]),
    'an array of a take': lambda c: c['train_data']['S1'].update({'Walking 1': np.zeros(3)}),
    'an array of a camera': lambda c: take_of(c).update({'54138969': np.zeros(3)}),
    'a number of a subject': lambda c: c['train_data'].update({1: c['train_data']['S1']}),
    'another subject': lambda c: c['train_data'].update(S9=c['train_data']['S1']),
    'a strange take': lambda c: c['train_data']['S1'].update({'../x': take_of(c)}),
    'no frames': lambda c: take_of(c).pop('frame_id'),
    'fractions of frames': lambda c: take_of(c).update(frame_id=np.linspace(0, 1, 8)),
    'negative frames': lambda c: take_of(c).update(frame_id=take_of(c)['frame_id'] - 100),
    'repeated frames': lambda c: take_of(c).update(frame_id=take_of(c)['frame_id'] * 0),
    'late frames': lambda c: take_of(c).update(frame_id=take_of(c)['frame_id'] + 10**9),
    'a frame less': lambda c: take_of(c).update(frame_id=take_of(c)['frame_id'][1:]),
    'few joints': lambda c: take_of(c).update(global_3d=np.zeros((8, 1, 17, 3))),
    'text': lambda c: take_of(c).update(global_3d='x'),
    'NaN': lambda c: take_of(c).update(global_3d=take_of(c)['global_3d'] * np.nan),
    'no pixels': lambda c: take_of(c)['54138969'].pop('pose_2d'),
    'half a number': lambda c: take_of(c)['54138969'].update(sample_id=0.5),
}


@pytest.mark.parametrize('damage', DAMAGE)
def test_only_the_known_structure_is_accepted(damage, path, changed):
    changed(DAMAGE[damage])
    with pytest.raises(RawDataError, match='h3wb_train.npz: .* Delete it and download it again'):
        list(read_training_npz(path))


class Malicious:
    def __reduce__(self):
        return os.mkdir, ('executed',)


def test_nothing_in_the_file_is_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    array = np.empty((), object)
    array[()] = Malicious()
    np.savez(path, train_data=array)
    assert b'mkdir' in pickle.dumps(Malicious())
    with pytest.raises(RawDataError, match='was not loaded'):
        list(read_training_npz(path))
    assert not (tmp_path / 'executed').exists()
