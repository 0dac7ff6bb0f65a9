import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posepile.ds.h36m.benchmark import ACTIVITIES, View, parse_image_path, read_ground_truth
from posepile.ds.h36m.eval import AVERAGE, METRIC_NAMES, evaluate, main
from posepile.errors import BadFileError, OptionError, RawDataError
from tests.ds.h36m.small_files import CAMERAS, random_poses, take_name, write_pose_cdf

# Pelvis first, by number among the 32 recorded joints.
RECORDED = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
# The order of h36m_alljoints, pelvis last.
RECORDED_25 = [
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    12,
    13,
    14,
    15,
    17,
    18,
    19,
    21,
    22,
    25,
    26,
    27,
    29,
    30,
]
RECORDED_25 += [0]
SHIFTED = ('Greeting', 'SittingDown 1', 'Waiting 1')


@pytest.fixture(scope='module')
def release(tmp_path_factory):
    """The raw folder, and {path of an image: (32, 3) recorded pose}."""
    root = tmp_path_factory.mktemp('h36m')
    rng = np.random.default_rng(0)
    poses = {}
    for subject in (9, 11):
        for action in range(2, 17):
            for sub in (1, 2):
                take = take_name(subject, action, sub)
                recorded = random_poses(rng, int(rng.integers(60, 200)))
                path = root / f'S{subject}/MyPoseFeatures/D3_Positions/{take}.cdf'
                write_pose_cdf(str(path), recorded)
                for camera in CAMERAS:
                    for i in range(0, len(recorded), 64):
                        image = f'h36m/S{subject}/Images/{take}.{camera}/frame_{i:06d}.jpg'
                        poses[image] = recorded[i].astype(np.float64)
    (root / 'S9/MyPoseFeatures/D3_Positions/_ALL.cdf').write_text('is none of the takes')
    return root, poses


def poses17(release):
    return {path: pose[RECORDED] for path, pose in release[1].items()}


def save(path, predictions, seed=0):
    """An npz in an order of its own."""
    items = list(predictions.items())
    np.random.default_rng(seed).shuffle(items)
    image_path, poses = zip(*items, strict=True)
    np.savez(path, image_path=np.array(image_path), coords3d_pred_world=np.array(poses))
    return str(path)


def changed(release, change):
    return {path: change(path, pose) for path, pose in poses17(release).items()}


def metrics_of(evaluation):
    return evaluation.tables['metrics'][AVERAGE]


def activity_of(image_path):
    return image_path.split('/')[3].partition(' ')[0].partition('.')[0]


# ---- Known errors


def test_perfect_predictions(release, tmp_path):
    evaluation = evaluate(release[0], save(tmp_path / 'p.npz', poses17(release)))
    assert list(evaluation.tables['protocol'].rows) == ['MPJPE']
    assert list(evaluation.tables['protocol']['MPJPE']) == [*ACTIVITIES, 'Average']
    np.testing.assert_allclose(evaluation.tables['protocol'].rows['MPJPE'], 0, atol=1e-9)
    values = metrics_of(evaluation)
    assert list(values) == list(METRIC_NAMES) and len(values) == 19
    np.testing.assert_allclose(list(values.values()), [0] * 3 + [100] * 16, atol=1e-9)
    assert evaluation.info['poses'] == len(release[1])


def test_translation_is_seen_by_absolute_metrics_only(release, tmp_path):
    predictions = changed(release, lambda path, pose: pose + [60, 0, 80])
    values = metrics_of(evaluate(release[0], save(tmp_path / 'p.npz', predictions)))
    expected = dict.fromkeys(METRIC_NAMES, 100.0)
    expected |= {'MPJPE': 0, 'PA-MPJPE': 0, 'A-MPJPE': 100}
    expected |= {'A-AUC@150': 100 / 3, 'A-AUC@300': 200 / 3}
    assert values == pytest.approx(expected, abs=1e-9)


def test_translations_by_activity_average_over_poses_not_activities(release, tmp_path):
    """One joint is off by as many mm as its activity's number; the others' means stay apart."""

    def change(path, pose):
        pose = pose.copy()
        pose[5] += [0, 17 * ACTIVITIES.index(activity_of(path)), 0]
        return pose

    predictions = changed(release, change)
    evaluation = evaluate(release[0], save(tmp_path / 'p.npz', predictions))
    of_poses = [ACTIVITIES.index(activity_of(path)) for path in predictions]
    assert len(set(of_poses)) == 15 and abs(np.mean(of_poses) - 7) > 0.05
    expected = [*range(15), np.mean(of_poses)]
    np.testing.assert_allclose(evaluation.tables['protocol'].rows['MPJPE'], expected, atol=1e-9)


def test_error_of_the_root_is_one_of_all_others(release, tmp_path):
    def change(path, pose):
        pose = pose.copy()
        pose[0, 0] += 34
        return pose

    values = metrics_of(evaluate(release[0], save(tmp_path / 'p.npz', changed(release, change))))
    assert values['MPJPE'] == pytest.approx(32) and values['A-MPJPE'] == pytest.approx(2)
    assert values['AUC@50'] == pytest.approx(100 * (1 + 16 * (1 - 34 / 50)) / 17)


def test_thresholds_are_strict_and_areas_exact(release, tmp_path):
    """Joints of integer coordinates are 100, 150 and 75 mm off."""
    raw = tmp_path / 'h36m'
    rng = np.random.default_rng(1)
    truth = np.round(random_poses(rng, 64))
    for action in range(2, 17):
        for sub in (1, 2):
            name = take_name(11, action, sub)
            write_pose_cdf(str(raw / f'S11/MyPoseFeatures/D3_Positions/{name}.cdf'), truth)
    pose = truth[0, RECORDED].astype(np.float64)
    pose[3, 0] += 100
    pose[4, 1] -= 150
    pose[5, 2] += 75
    views = read_ground_truth(raw, (11,))
    path = save(tmp_path / 'p.npz', {view.image_path: pose for view in views})
    values = metrics_of(evaluate(raw, path, only_s11=True))
    expected = {
        'MPJPE': 325 / 17,
        'A-MPJPE': 325 / 17,
        'PCK@50': 1400 / 17,
        'PCK@100': 1500 / 17,
        'PCK@150': 1600 / 17,
        'AUC@50': 1400 / 17,
        'AUC@100': 1425 / 17,
        'AUC@150': (1400 + 100 / 3 + 50) / 17,
        'CPS@100': 0,
        'CPS@150': 0,
        'CPS@200': 100,
        'CPS-AUC@100': 0,
        'CPS-AUC@150': 0,
        'CPS-AUC@200': 25,
        'A-PCK@150': 1600 / 17,
        'A-PCK@300': 100,
        'A-AUC@150': (1400 + 100 / 3 + 50) / 17,
        'A-AUC@300': (1400 + 200 / 3 + 50 + 75) / 17,
    }
    values.pop('PA-MPJPE')
    assert values == pytest.approx(expected, abs=1e-9)


def test_scale_and_rotation_are_removed_by_procrustes_only(release, tmp_path):
    rotation = Rotation.from_rotvec([0.2, -0.1, 0.4]).as_matrix()

    def change(path, pose):
        return 1.2 * (pose - pose[0]) @ rotation + pose[0]

    predictions = changed(release, change)
    path = save(tmp_path / 'p.npz', predictions)
    moved = [
        np.linalg.norm(p - t, axis=-1).mean()
        for p, t in zip(predictions.values(), poses17(release).values(), strict=True)
    ]
    plain, aligned = evaluate(release[0], path), evaluate(release[0], path, procrustes=True)
    assert plain.tables['protocol']['MPJPE'][AVERAGE] == pytest.approx(np.mean(moved))
    np.testing.assert_allclose(aligned.tables['protocol'].rows['PA-MPJPE'], 0, atol=1e-9)
    # The row of metrics is the same with and without the option.
    assert metrics_of(plain) == metrics_of(aligned)
    assert metrics_of(plain)['PA-MPJPE'] == pytest.approx(0, abs=1e-9)
    assert metrics_of(plain)['MPJPE'] == pytest.approx(np.mean(moved))


def slow_procrustes(true, pred):
    """One pose, as the benchmark defines it: scale from the signed trace."""
    x0, y0 = true - true.mean(0), pred - pred.mean(0)
    norm_x, norm_y = np.linalg.norm(x0), np.linalg.norm(y0)
    u, s, vt = np.linalg.svd((x0 / norm_x).T @ (y0 / norm_y))
    if np.linalg.det(vt.T @ u.T) < 0:
        vt[-1] *= -1
        s[-1] *= -1
    return s.sum() * norm_x / norm_y * y0 @ (vt.T @ u.T) + true.mean(0)


def test_noise_mirrors_and_outliers_agree_with_a_slow_evaluation(release, tmp_path):
    rng = np.random.default_rng(5)

    def change(path, pose):
        pred = pose + rng.normal(0, 40, pose.shape)
        if rng.random() < 0.2:
            pred[rng.integers(17)] += 2000
        if rng.random() < 0.2:
            pred = pred * [-1, 1, 1]
        return pred

    predictions = changed(release, change)
    path = save(tmp_path / 'p.npz', predictions)
    true = list(poses17(release).values())
    pairs = list(zip(predictions.values(), true, strict=True))
    pa = [np.linalg.norm(slow_procrustes(t, p) - t, axis=-1).mean() for p, t in pairs]
    d = np.array([np.linalg.norm((p - p[0]) - (t - t[0]), axis=-1) for p, t in pairs])
    worst = d.max(axis=1)
    a = np.array([np.linalg.norm(p - t, axis=-1) for p, t in pairs])
    expected = [d.mean(), np.mean(pa), a.mean()]
    expected += [100 * np.mean(d / t < 1) for t in (50, 100, 150)]
    expected += [100 * np.mean(np.maximum(0, 1 - d / t)) for t in (50, 100, 150)]
    expected += [100 * np.mean(worst / t < 1) for t in (100, 150, 200)]
    expected += [100 * np.mean(np.maximum(0, 1 - worst / t)) for t in (100, 150, 200)]
    expected += [100 * np.mean(a / t < 1) for t in (150, 300)]
    expected += [100 * np.mean(np.maximum(0, 1 - a / t)) for t in (150, 300)]
    evaluation = evaluate(release[0], path, procrustes=True)
    np.testing.assert_allclose(list(metrics_of(evaluation).values()), expected)
    activities = np.array([activity_of(p) for p in predictions])
    by_activity = [np.mean(np.array(pa)[activities == name]) for name in ACTIVITIES]
    np.testing.assert_allclose(
        evaluation.tables['protocol'].rows['PA-MPJPE'], [*by_activity, np.mean(pa)]
    )


def test_pose_in_one_point_stays_as_it_is(release, tmp_path):
    predictions = changed(release, lambda path, pose: np.tile(pose[:1], (17, 1)))
    values = metrics_of(evaluate(release[0], save(tmp_path / 'p.npz', predictions)))
    assert values['PA-MPJPE'] == values['MPJPE'] > 0


# ---- Joint orders and ground truths


def test_25_joints_are_reduced_by_name_whatever_the_order_of_17_would_be(release, tmp_path):
    predictions = {path: pose[RECORDED_25] for path, pose in release[1].items()}
    path = save(tmp_path / 'p.npz', predictions)
    for root_last in False, True:
        assert metrics_of(evaluate(release[0], path, root_last=root_last))['A-MPJPE'] == 0


def test_pelvis_first_or_last(release, tmp_path):
    last = changed(release, lambda path, pose: np.roll(pose, -1, axis=0))
    path = save(tmp_path / 'p.npz', last)
    assert metrics_of(evaluate(release[0], path, root_last=True))['A-MPJPE'] == 0
    assert metrics_of(evaluate(release[0], path))['A-MPJPE'] > 100


def test_published_and_corrected_ground_truth(release, tmp_path):
    """The takes of S9 that are shifted, and no other."""

    def change(path, pose):
        is_shifted = path.split('/')[1] == 'S9' and path.split('/')[3].split('.')[0] in SHIFTED
        return pose - [200, 0, 0] if is_shifted else pose

    path = save(tmp_path / 'p.npz', changed(release, change))
    assert metrics_of(evaluate(release[0], path, corrected=True))['A-MPJPE'] == 0
    evaluation = evaluate(release[0], path, per_action=True)
    by_activity = evaluation.tables['metrics']
    assert list(by_activity.rows) == [*ACTIVITIES, 'Average']
    affected = {name for name in ACTIVITIES if by_activity[name]['A-MPJPE'] > 1e-9}
    assert affected == {'Greeting', 'SittingDown', 'Waiting'}
    assert by_activity['Average'] == metrics_of(evaluate(release[0], path))


# ---- Files of predictions


def test_order_and_the_rest_of_the_path_do_not_matter(release, tmp_path):
    rng = np.random.default_rng(2)
    predictions = changed(release, lambda path, pose: pose + rng.normal(0, 30, pose.shape))
    expected = metrics_of(evaluate(release[0], save(tmp_path / 'a.npz', predictions)))
    prefixes = '/data/h36m/', 'h36m_downscaled/', '', './', 'D:\\data\\h36m\\'
    for seed, prefix in enumerate(prefixes):
        renamed = {path.replace('h36m/', prefix): pose for path, pose in predictions.items()}
        if '\\' in prefix:
            renamed = {path.replace('/', '\\'): pose for path, pose in renamed.items()}
        path = save(tmp_path / 'any name.at all.npz', renamed, seed)
        assert metrics_of(evaluate(release[0], path)) == pytest.approx(expected)


@pytest.mark.parametrize('form', ['h5', 'npz of bytes', 'npz of objects', 'misnamed h5', 'float32'])
def test_forms_of_files(release, tmp_path, form):
    image_path = list(poses17(release))
    poses = np.array(list(poses17(release).values())) + [0, 30, 40]
    path = tmp_path / 'p'
    if 'h5' in form:
        path = path.with_suffix('.npz' if form == 'misnamed h5' else '.h5')
        with h5py.File(path, 'w') as f:
            f['image_path'] = image_path
            f['coords3d_pred_world'] = poses
            f['coords3d_true_world'] = np.zeros(3)
    else:
        dtype = {'npz of bytes': 'S', 'npz of objects': object}.get(form, str)
        path = path.with_suffix('.npz')
        if form == 'float32':
            poses = poses.astype(np.float32)
        np.savez(path, image_path=np.array(image_path, dtype), coords3d_pred_world=poses)
    assert metrics_of(evaluate(release[0], str(path)))['A-MPJPE'] == pytest.approx(50, abs=1e-4)


class RunsOnLoad:
    def __reduce__(self):
        return os.system, ('touch hacked',)


def test_files_cannot_run_code(release, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez('p.npz', image_path=np.array([RunsOnLoad()]), coords3d_pred_world=np.zeros(1))
    with pytest.raises(BadFileError, match='system'):
        evaluate(release[0], 'p.npz')
    assert not os.path.exists('hacked')


def test_missing_extra_and_repeated_predictions_are_named(release, tmp_path):
    predictions = poses17(release)
    gone = 'h36m/S9/Images/Greeting 1.55011271/frame_000000.jpg'
    pose = predictions.pop(gone)
    odd = 'h36m/S9/Images/Greeting 1.55011271/frame_000001.jpg'
    with pytest.raises(BadFileError, match='1 missing') as e:
        evaluate(release[0], save(tmp_path / 'p.npz', predictions))
    assert gone in str(e.value)
    with pytest.raises(BadFileError, match='1 missing .*1 of other images') as e:
        evaluate(release[0], save(tmp_path / 'p.npz', predictions | {odd: pose}))
    assert gone in str(e.value) and odd in str(e.value)
    predictions[gone] = pose
    again = '/elsewhere/' + gone
    with pytest.raises(BadFileError, match='1 repeated .*Greeting 1.55011271/frame_000000'):
        evaluate(release[0], save(tmp_path / 'p.npz', predictions | {again: pose}))
    with pytest.raises(BadFileError, match='a photograph.jpg'):
        evaluate(release[0], save(tmp_path / 'p.npz', predictions | {'a photograph.jpg': pose}))
    few = dict(list(predictions.items())[:-20])
    with pytest.raises(BadFileError, match='20 missing .* and 15 more'):
        evaluate(release[0], save(tmp_path / 'p.npz', few))


def test_only_s11(release, tmp_path):
    everything = save(tmp_path / 'a.npz', poses17(release))
    s11 = {path: pose for path, pose in poses17(release).items() if 'S11' in path}
    for path in everything, save(tmp_path / 'b.npz', s11):
        evaluation = evaluate(release[0], path, only_s11=True)
        assert evaluation.info['poses'] == len(s11) and metrics_of(evaluation)['A-MPJPE'] == 0
    with pytest.raises(BadFileError, match='missing'):
        evaluate(release[0], str(tmp_path / 'b.npz'))


BAD = {
    'no such file': None,
    'no npz': b'text',
    'truncated HDF5': b'\x89HDF\r\n\x1a\n' + bytes(40),
    'no array image_path': dict(coords3d_pred_world=np.zeros((1, 17, 3))),
    'no array coords3d_pred_world': dict(image_path=np.array(['a'])),
    'not numbers': dict(image_path=np.array(['a']), coords3d_pred_world=np.zeros((1, 51))),
    '2 image paths for 1 poses': dict(
        image_path=np.array(['a', 'b']), coords3d_pred_world=np.zeros((1, 17, 3))
    ),
    '16 joints': dict(image_path=np.array(['a']), coords3d_pred_world=np.zeros((1, 16, 3))),
    'not text': dict(image_path=np.array([3]), coords3d_pred_world=np.zeros((1, 17, 3))),
}


@pytest.mark.parametrize('problem', BAD)
def test_unusable_files(release, tmp_path, problem):
    path = tmp_path / 'p.npz'
    if isinstance(BAD[problem], bytes):
        path.write_bytes(BAD[problem])
    elif BAD[problem] is not None:
        np.savez(path, **BAD[problem])
    message = {'no such file': 'no such', 'truncated HDF5': 'damaged HDF5'}.get(problem, problem)
    with pytest.raises(BadFileError, match=message) as e:
        evaluate(release[0], str(path))
    assert 'p.npz' in str(e.value)


def test_predictions_that_are_not_finite_are_named(release, tmp_path):
    bad = 'h36m/S11/Images/Photo.60457274/frame_000000.jpg'
    predictions = poses17(release)
    predictions[bad] = predictions[bad] * np.nan
    with pytest.raises(BadFileError, match='1 of the poses not finite') as e:
        evaluate(release[0], save(tmp_path / 'p.npz', predictions))
    assert bad in str(e.value)


def test_ground_truth_that_is_not_whole(release, tmp_path):
    with pytest.raises(RawDataError, match='posepile run h36m'):
        read_ground_truth(tmp_path)
    poses = random_poses(np.random.default_rng(0), 3)
    write_pose_cdf(str(tmp_path / 'S9/MyPoseFeatures/D3_Positions/Photo.cdf'), poses)
    with pytest.raises(RawDataError, match='1 takes of S9 where 30'):
        read_ground_truth(tmp_path)
    (tmp_path / 'SIMULATED.json').write_text('{}')
    assert len(read_ground_truth(tmp_path, (9,))) == 4


def test_paths_of_images():
    view = View(9, 'Greeting 1', '54138969', 64)
    assert parse_image_path(view.image_path) == view
    assert view.image_path == 'h36m/S9/Images/Greeting 1.54138969/frame_000064.jpg'
    for other in 'S9/frame_000064.jpg', 'h36m/S9/Images/Greeting 1.54138969/frame_x.jpg', '':
        assert parse_image_path(other) is None


# ---- Seeds and forms of output


def test_seeds(release, tmp_path):
    offsets = [17, 34, 68]
    for i, offset in enumerate(offsets, 1):

        def change(path, pose, offset=offset):
            pose = pose.copy()
            pose[8, 2] += offset
            return pose

        (tmp_path / f'seed{i}').mkdir()
        save(tmp_path / f'seed{i}/p.npz', changed(release, change), seed=i)
    evaluation = evaluate(release[0], str(tmp_path / 'seed1/p.npz'), n_seeds=3)
    assert list(evaluation.tables) == ['protocol']
    np.testing.assert_allclose(evaluation.tables['protocol'].rows['Mean'], 7 / 3)
    np.testing.assert_allclose(evaluation.tables['protocol'].rows['Std'], np.std([1, 2, 4]))
    with pytest.raises(BadFileError, match='seed4'):
        evaluate(release[0], str(tmp_path / 'seed1/p.npz'), n_seeds=4)
    with pytest.raises(OptionError, match='seed1'):
        evaluate(release[0], str(tmp_path / 'seed2/p.npz'), n_seeds=2)


def test_command_line(release, tmp_path):
    predictions = changed(release, lambda path, pose: pose + [0, 30, 40])
    path = save(tmp_path / 'p.npz', predictions)
    root = tmp_path / 'root'
    root.mkdir()
    (root / 'h36m').symlink_to(release[0])
    env = dict(os.environ, DATA_ROOT=str(root))
    command = [sys.executable, '-m', 'posepile.ds.h36m.eval', '--pred-path', path]
    out = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    protocol, metrics = out.split('\n\n')
    head, row = protocol.splitlines()
    assert head.split() == [*ACTIVITIES, 'Average'] and row.split() == ['MPJPE'] + ['0.0'] * 16
    head, row = metrics.splitlines()
    assert head.split() == list(METRIC_NAMES)
    assert row.split()[:4] == ['Average', '0.00', '0.00', '50.00'] and len(row.split()) == 20
    failed = subprocess.run([*command, '--seeds', '2'], env=env, capture_output=True, text=True)
    assert failed.returncode == 1 and failed.stderr.count('\n') == 1 and 'seed1' in failed.stderr


@pytest.mark.parametrize('form', ['json', 'markdown', 'latex'])
def test_other_forms(release, tmp_path, capsys, form):
    predictions = changed(release, lambda path, pose: pose + [0, 30, 40])
    options = ['--predictions', save(tmp_path / 'p.npz', predictions), '--data-dir']
    assert main([*options, str(release[0]), f'--{form}', '--per-action', '--only-S11']) == 0
    out = capsys.readouterr().out
    if form == 'json':
        record = json.loads(out)
        assert record['metrics']['Walking']['A-MPJPE'] == pytest.approx(50)
        assert list(record['protocol']['MPJPE']) == [*ACTIVITIES, 'Average']
        assert record['info']['subjects'] == [11]
    elif form == 'markdown':
        assert '| SittingDown | 0.00 | 0.00 | 50.00 | 100.00 |' in out
        assert out.count('| --- | ---: |') == 2
    else:
        assert 'SittingDown & 0.00 & 0.00 & 50.00 & 100.00' in out
        assert out.count('\\toprule') == 2
