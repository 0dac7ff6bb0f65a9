import json
import os
import subprocess
import sys

import numpy as np
import pytest

from posepile.ds.h3wb.eval import evaluate, main
from posepile.ds.h3wb.metrics import METRIC_NAMES, whole_body_errors
from posepile.ds.h3wb.predictions import fold_of_name, task_of_name
from posepile.ds.h36m.simulate_cameras import CAMERA_IDS, studio_camera
from posepile.errors import BadFileError, OptionError, RawDataError

FILES = {'2D': '2Dto3D_test_3d.json', 'I2D': 'I2Dto3D_test_3d.json', 'RGB': 'RGBto3D_test_3d.json'}
TRAINING = 'json/RGBto3D_train.json'


def literal_errors(pred, true):
    """The definition, one joint at a time."""
    sums = {name: [] for name in (*METRIC_NAMES, 'left', 'right')}
    for p, t in zip(pred, true, strict=True):
        d = p - t
        d = d - (d[11] + d[12]) / 2
        for j in range(133):
            sums['Whole-body'].append(np.sqrt(np.sum(d[j] ** 2)))
            if j <= 22:
                sums['Body'].append(np.sqrt(np.sum(d[j] ** 2)))
            elif j <= 90:
                sums['Face'].append(np.sqrt(np.sum(d[j] ** 2)))
                sums['Nose-aligned face'].append(np.sqrt(np.sum((d[j] - d[0]) ** 2)))
            else:
                sums['Hands'].append(np.sqrt(np.sum(d[j] ** 2)))
                side, root = ('left', 91) if j <= 111 else ('right', 112)
                sums[side].append(np.sqrt(np.sum((d[j] - d[root]) ** 2)))
    means = {name: np.mean(values) for name, values in sums.items() if values}
    means['Wrist-aligned hands'] = (means['left'] + means['right']) / 2
    return [means[name] for name in METRIC_NAMES]


@pytest.fixture
def folder(release):
    return release / 'h3wb'


@pytest.fixture
def write(tmp_path):
    """Writes poses by sample as a prediction file of a given name."""

    def write(name, poses):
        content = {
            str(i): {
                'keypoints_3d': {
                    str(j): dict(zip('xyz', point, strict=True))
                    for j, point in enumerate(np.asarray(pose).tolist())
                }
            }
            for i, pose in poses.items()
        }
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return str(path)

    return write


def truth(path):
    samples = json.loads(path.read_text())
    return {
        int(i): np.array([[s['keypoints_3d'][str(j)][a] for a in 'xyz'] for j in range(133)])
        for i, s in samples.items()
    }


def test_metrics_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 500, (7, 133, 3))
    pred = true + rng.normal(0, 60, true.shape)
    np.testing.assert_allclose(whole_body_errors(pred, true), literal_errors(pred, true))


def test_known_errors():
    true = np.random.default_rng(1).normal(0, 500, (4, 133, 3))
    np.testing.assert_allclose(whole_body_errors(true + [10, -20, 5], true), [0] * 6, atol=1e-9)

    pred = true.copy()
    pred[:, 23:91] += [3, 4, 0]  # the face as a whole
    np.testing.assert_allclose(whole_body_errors(pred, true), [5 * 68 / 133, 0, 5, 5, 0, 0])
    pred[:, 0] += [3, 4, 0]  # and the nose
    expected = [5 * 69 / 133, 5 / 23, 5, 0, 0, 0]
    np.testing.assert_allclose(whole_body_errors(pred, true), expected, atol=1e-9)

    pred = true.copy()
    pred[:, 91:112] += [0, 0, 10]  # the left hand, but not the wrist of the body
    np.testing.assert_allclose(whole_body_errors(pred, true)[4:], [5, 0], atol=1e-9)
    pred[:, 112] += [0, 0, 21]  # the root of the right one: all others are off from it
    np.testing.assert_allclose(whole_body_errors(pred, true)[5], 20 * 21 / 21 / 2)

    pred = true.copy()
    pred[:, 11] += [8, 0, 0]  # a hip: the pelvis moves by half of it
    expected = [(132 * 4 + 4) / 133, 4, 4, 0, 4, 0]
    np.testing.assert_allclose(whole_body_errors(pred, true), expected, atol=1e-9)


def test_scale_is_not_taken_away():
    true = np.random.default_rng(2).normal(0, 500, (4, 133, 3))
    centred = true - true[:, 11:13].mean(axis=1, keepdims=True)
    expected = 0.1 * np.linalg.norm(centred, axis=-1).mean()
    assert whole_body_errors(1.1 * true, true)[0] == pytest.approx(expected)


@pytest.mark.parametrize('task, name', [('2D', 'task1'), ('I2D', 'my_I2D'), ('RGB', 'RGBto3D')])
def test_official_files(task, name, folder, release, write):
    true = truth(folder / FILES[task])
    rng = np.random.default_rng(3)
    pred = {i: true[i] + rng.normal(0, 50, (133, 3)) + 1000 for i in sorted(true, reverse=True)}
    report = evaluate(release, write(f'{name}.json', pred))
    expected = literal_errors([pred[i] for i in true], list(true.values()))
    np.testing.assert_allclose(list(report.values.values()), expected)
    assert list(report.values) == list(METRIC_NAMES)
    assert report.info['task'] == task and report.info['poses'] == len(true)
    assert report.title == f'H3WB {task}->3D, test'


def test_sets_of_the_tasks_are_different(folder):
    ids = {task: set(truth(folder / name)) for task, name in FILES.items()}
    n = len(ids['RGB'])
    assert ids['RGB'] == set(range(n))
    assert ids['2D'] == {i // 4 * 8 + i % 4 for i in range(n // 2)}
    assert ids['I2D'] == {i // 4 * 8 + i % 4 + 4 for i in range(n // 2)}


@pytest.mark.parametrize('fold', range(1, 6))
def test_folds_of_the_cross_validation(fold, folder, release, write):
    true = truth(folder / TRAINING)
    ids = sorted(true)
    fifth = ids[len(ids) * (fold - 1) // 5 : len(ids) * fold // 5]
    path = write(f'task2_cv{fold}.json', {i: true[i] + np.eye(133, 3) for i in fifth})
    report = evaluate(release, path)
    np.testing.assert_allclose(
        list(report.values.values()),
        literal_errors([true[i] + np.eye(133, 3) for i in fifth], [true[i] for i in fifth]),
    )
    assert report.info['fold'] == fold and report.info['poses'] == len(fifth)
    os.remove(folder / TRAINING)
    assert evaluate(release, path).values == report.values  # of the file with 2D joints
    with pytest.raises(BadFileError, match='samples are missing'):
        evaluate(release, path, fold=fold % 5 + 1)


def test_validation_is_s7(folder, release, write):
    samples = json.loads((folder / TRAINING).read_text())
    of_s7 = [int(i) for i, s in samples.items() if s['image_path'].startswith('S7')]
    true = truth(folder / TRAINING)
    path = write('task3.json', {i: true[i] for i in of_s7})
    report = evaluate(release, path, split='val')
    assert report.info['poses'] == len(of_s7) > 0
    assert report['Whole-body'] == 0
    (folder / TRAINING).write_text(json.dumps({'0': samples['0']}))
    with pytest.raises(RawDataError, match='no samples of fold None, split val'):
        evaluate(release, path, split='val')
    with pytest.raises(OptionError, match='exclude each other'):
        evaluate(release, path, split='val', fold=2)


def test_missing_and_extra_samples_are_named(folder, release, write, caplog):
    true = truth(folder / FILES['2D'])
    some = {i: pose for i, pose in true.items() if i not in (2, 9)}
    some[77] = true[0]
    path = write('2D.json', some)
    with pytest.raises(BadFileError) as e:
        evaluate(release, path)
    assert f'2 of {len(true)} samples are missing (2, 9)' in str(e.value)
    assert '1 are not of this set (77)' in str(e.value)
    report = evaluate(release, path, skip_missing=True)
    assert (report.info['missing'], report.info['extra']) == (2, 1)
    assert '2 predictions left out: 2, 9' in caplog.text
    assert '1 predictions of other samples: 77' in caplog.text
    with pytest.raises(BadFileError, match=f'{len(true)} of {len(true)} samples are missing'):
        evaluate(release, write('none_2D.json', {99: true[0]}), skip_missing=True)


def test_predictions_by_image(folder, release, tmp_path):
    """In the world, in any order, by any path of the image."""
    images = json.loads((folder / 'json/RGBto3D_test_img.json').read_text())
    true = truth(folder / FILES['RGB'])
    rng = np.random.default_rng(4)
    paths, poses, noises = [], [], []
    for i in rng.permutation(len(true)).tolist():
        image = images[str(i)]['image_path']
        number = int(image[-8:-4])
        stem, camera_id = os.path.dirname(image).rsplit('.', 1)
        R = studio_camera(8, CAMERA_IDS.index(camera_id)).R
        noise = rng.normal(0, 30, (133, 3))
        paths.append(f'h3wb_downscaled/{stem}.{camera_id}/frame_{number:06d}.jpg')
        poses.append((true[i] + noise) @ R)
        noises.append(noise)
    path = tmp_path / 'mine.npz'
    np.savez(path, image_path=np.array(paths), coords3d_pred_world=np.float32(poses))
    report = evaluate(release, path)
    expected = literal_errors(noises, np.zeros_like(noises))
    np.testing.assert_allclose(list(report.values.values()), expected, atol=1e-3)
    assert report.info['task'] == 'RGB'

    np.savez(path, image_path=np.array(paths[1:]), coords3d_pred_world=np.float32(poses[1:]))
    with pytest.raises(BadFileError, match='1 of 32 samples are missing .h36m/S8/Images/'):
        evaluate(release, path)
    with pytest.raises(OptionError, match='task RGB, not 2D'):
        evaluate(release, path, task='2D')


@pytest.mark.parametrize(
    'arrays, problem',
    [
        (dict(image_path=['x.jpg']), "'x.jpg' is no path of an image"),
        (dict(image_path=['S8/Images/A.54138969/frame_1.jpg'] * 2, n=2), 'occurs twice'),
        (dict(joints=17), 'has 17 joints; 133'),
        (dict(value=np.nan), 'not finite'),
    ],
)
def test_bad_predictions_by_image(arrays, problem, release, tmp_path):
    paths = arrays.get('image_path', ['S8/Images/A.54138969/frame_1.jpg'])
    poses = np.full((arrays.get('n', 1), arrays.get('joints', 133), 3), arrays.get('value', 0.0))
    np.savez(tmp_path / 'mine.npz', image_path=paths, coords3d_pred_world=poses)
    with pytest.raises(BadFileError, match=problem):
        evaluate(release, tmp_path / 'mine.npz')


def test_folds_and_validation_by_image(folder, release, tmp_path, metadata):
    from posepile.ds.h3wb.annotations import iter_training

    samples = list(iter_training(folder, metadata))
    n = len(samples)
    for chosen, options in (
        (samples[n // 5 : n * 2 // 5], dict(fold=2)),
        ([s for s in samples if s.view.subject == 7], dict(split='val')),
    ):
        np.savez(
            tmp_path / 'mine.npz',
            image_path=[s.view.image_path for s in chosen],
            coords3d_pred_world=np.array([s.joints for s in chosen]),
        )
        report = evaluate(release, tmp_path / 'mine.npz', **options)
        assert report.info['poses'] == len(chosen)
        assert report['Whole-body'] < 1e-9


@pytest.mark.parametrize(
    'name, task',
    [
        ('task1.json', '2D'),
        ('task2_pred.json', 'I2D'),
        ('my_task3.json', 'RGB'),
        ('2Dto3D_test_3d.json', '2D'),
        ('I2Dto3D_test_3d.json', 'I2D'),
        ('RGBto3D_test_3d.json', 'RGB'),
        ('RGB/2D.json', '2D'),
        ('task2_I2D.json', 'I2D'),
        ('mine.json', None),
    ],
)
def test_task_of_names(name, task):
    assert task_of_name(f'some/{name}') == task


def test_names_that_contradict_themselves():
    with pytest.raises(OptionError, match=r'several tasks \(2D, RGB\).*--task'):
        task_of_name('task1_RGB.json')
    with pytest.raises(OptionError, match=r'several folds \(1, 2\)'):
        fold_of_name('cv1_cv2.json')
    assert fold_of_name('task1_cv4.json') == 4
    assert fold_of_name('cv12.json') is None


def test_options_take_precedence_over_the_name(folder, release, write):
    true = truth(folder / FILES['I2D'])
    assert evaluate(release, write('task1_RGB.json', true), task='I2D').info['task'] == 'I2D'
    with pytest.raises(OptionError, match='does not tell the task'):
        evaluate(release, write('mine.json', true))


def test_bad_json_predictions(folder, release, write, tmp_path):
    true = truth(folder / FILES['2D'])
    true[0] = true[0][:132]
    with pytest.raises(BadFileError, match='keypoints_3d of sample 0 .* Write it again'):
        evaluate(release, write('2D.json', true))
    (tmp_path / '2D.json').write_text('{"0": {')
    with pytest.raises(BadFileError, match='is no JSON object'):
        evaluate(release, tmp_path / '2D.json')
    with pytest.raises(BadFileError, match='there is no such prediction file'):
        evaluate(release, tmp_path / 'none_2D.json')


def test_no_truth(folder, release, write, tmp_path):
    path = write('2D.json', {0: np.zeros((133, 3))})
    os.remove(folder / FILES['2D'])
    with pytest.raises(RawDataError, match='2Dto3D_test_3d.json: the truth of this evaluation'):
        evaluate(release, path)
    os.remove(folder / FILES['RGB'])
    poses = np.zeros((1, 133, 3))
    np.savez(tmp_path / 'p.npz', image_path=['S8/Images/A.54138969/frame_1.jpg'],
             coords3d_pred_world=poses)  # fmt: skip
    with pytest.raises(RawDataError, match='RGBto3D_test_3d.json: the truth of this evaluation'):
        evaluate(release, tmp_path / 'p.npz')


def test_command(folder, release, write, capsys):
    true = truth(folder / FILES['2D'])
    path = write('task1.json', {i: pose + np.eye(133, 3) for i, pose in true.items()})
    assert main(['--predictions', path, '--json']) == 0
    content = json.loads(capsys.readouterr().out)
    assert content['metrics'] == evaluate(release, path).values
    for form in ('markdown', 'latex'):
        assert main(['--predictions', path, f'--{form}', '--data-root', str(release)]) == 0
        assert 'Wrist-aligned hands' in capsys.readouterr().out
    result = subprocess.run(
        [sys.executable, '-m', 'posepile.ds.h3wb.eval', '--predictions', path + 'x'],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stdout == '' and len(result.stderr.splitlines()) == 1
