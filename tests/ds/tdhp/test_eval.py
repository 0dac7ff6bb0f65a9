"""The benchmark: known errors give known numbers, worked examples, files that do not fit."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from posepile.ds.tdhp.benchmark import Frame, parse_image_path, read_ground_truth
from posepile.ds.tdhp.cameras import test_calibration as calibration_of
from posepile.ds.tdhp.eval import evaluate, main
from posepile.ds.tdhp.protocols import (
    METRIC_NAMES,
    PROTOCOL_COLUMNS,
    auc_of,
    joint_distances,
    metric_row,
    pck_of,
)
from posepile.ds.tdhp.simulate_files import write_test_annotations
from posepile.errors import BadFileError, OptionError, RawDataError

# By sequence: the activities of its frames, 0 where they are not valid. None has activity 5.
TAKES = {1: (1, 0, 1, 2), 2: (2, 2), 3: (3,), 4: (0, 4, 4), 5: (6, 6, 0), 6: (7, 1)}
NAMES = ('Stand/Walk', 'Exercise', 'Sit on Chair', 'Reach/Crouch', 'On Floor', 'Sports', 'Misc.')
PELVIS = 14


@pytest.fixture(scope='module')
def release(tmp_path_factory):
    """The raw folder, and {image path: (17, 3) true world pose} for annot3 and univ_annot3."""
    root = tmp_path_factory.mktemp('3dhp')
    rng = np.random.default_rng(0)
    true, universal = {}, {}
    for number, activities in TAKES.items():
        (root / f'TS{number}').mkdir()
        joints = rng.normal(0, 400, (len(activities), 17, 3)) + [0, 0, 4000]
        univ = joints[:, [PELVIS]] + 0.9 * (joints - joints[:, [PELVIS]])
        write_test_annotations(
            root / f'TS{number}/annot_data.mat',
            np.array(activities) > 0,
            [a or 1 for a in activities],
            joints[..., :2],
            joints,
            univ,
        )
        camera = calibration_of(number)
        for i, activity in enumerate(activities):
            if activity:
                path = f'3dhp/TS{number}/imageSequence/img_{i + 1:06d}.jpg'
                true[path] = joints[i] @ camera.R + camera.t
                universal[path] = univ[i] @ camera.R + camera.t
    return root, true, universal


def save(path, predictions, seed=0):
    """An npz in an order of its own."""
    items = list(predictions.items())
    np.random.default_rng(seed).shuffle(items)
    image_path, poses = zip(*items, strict=True)
    np.savez(path, image_path=np.array(image_path), coords3d_pred_world=np.array(poses))
    return str(path)


def changed(poses, change):
    return {path: change(path, pose.copy()) for path, pose in poses.items()}


def moved(joint, offset):
    def change(path, pose):
        pose[joint] += offset(path) if callable(offset) else offset
        return pose

    return change


def sequence_of(path):
    return int(path.split('/')[1][2:])


def activity_of(path):
    return TAKES[sequence_of(path)][int(path[-10:-4]) - 1]


def protocol(evaluation):
    return evaluation.tables['protocol']['All']


def metrics(evaluation):
    return evaluation.tables['metrics']['All']


# ---- Known errors


def test_perfect_predictions(release, tmp_path):
    root, true, universal = release
    evaluation = evaluate(root, save(tmp_path / 'p.npz', true))
    row = protocol(evaluation)
    assert list(row) == [
        *NAMES,
        'green-screen',
        'no-green-screen',
        'outdoor',
        'PCK',
        'AUC',
        'MPJPE',
    ]
    assert np.isnan(row.pop('On Floor'))
    assert row == pytest.approx(dict.fromkeys(row, 100) | {'AUC': 3000 / 31, 'MPJPE': 0}, abs=1e-6)
    values = metrics(evaluation)
    assert list(values) == list(METRIC_NAMES) and len(values) == 38
    assert list(values.values()) == pytest.approx([0] * 6 + [100] * 32, abs=1e-6)
    assert evaluation.info['poses'] == len(true) == 12
    # The universal skeleton is another truth.
    path = save(tmp_path / 'u.npz', universal)
    assert protocol(evaluate(root, path, universal=True))['MPJPE'] == pytest.approx(0, abs=1e-6)
    distances = [np.linalg.norm(0.1 * (t - t[PELVIS]), axis=-1) for t in true.values()]
    assert protocol(evaluate(root, path))['MPJPE'] == pytest.approx(np.mean(distances), abs=1e-6)


def test_pck_by_activity_and_scene_over_joints_together(release, tmp_path):
    """In activity k, the first k of the 14 joints are 150 mm off, which is not less than 150."""

    def change(path, pose):
        pose[: activity_of(path)] += [0, 0, 150.001]
        pose[15:] += [1000, 0, 0]  # spine and head do not count
        return pose

    root, true, _ = release
    evaluation = evaluate(root, save(tmp_path / 'p.npz', changed(true, change)))
    wrong = {path: activity_of(path) / 14 for path in true}

    def share(condition):
        return 100 * (1 - np.mean([w for path, w in wrong.items() if condition(path)]))

    expected = {
        name: share(lambda p, k=k: activity_of(p) == k)
        for k, name in enumerate(NAMES, start=1)
        if k != 5
    }
    expected |= {
        'green-screen': share(lambda p: sequence_of(p) in (1, 2)),
        'no-green-screen': share(lambda p: sequence_of(p) in (3, 4)),
        'outdoor': share(lambda p: sequence_of(p) in (5, 6)),
        'PCK': share(lambda p: True),
        'AUC': share(lambda p: True) * 30 / 31,
        'MPJPE': np.mean([(150.001 * 14 * w + 2000) / 17 for w in wrong.values()]),
    }
    row = protocol(evaluation)
    del row['On Floor']
    assert row == pytest.approx(expected, abs=1e-6)
    # By sequence, and the joints themselves.
    sequences = evaluation.tables['sequences']
    for number in TAKES:
        expected_pck = share(lambda p, n=number: sequence_of(p) == n)
        assert sequences[f'TS{number}']['PCK'] == pytest.approx(expected_pck, abs=1e-6)
    joints = evaluation.tables['joints']
    assert list(joints.rows) == [f'TS{i}' for i in TAKES] + [
        n for n in NAMES if n != 'On Floor'
    ] + ['All']
    assert list(joints['Exercise'].values()) == [0, 0, 100, 100, 100, 100, 100, 100]
    assert list(joints['Sports'].values()) == [0, 0, 0, 50, 50, 100, 100, 100]
    assert joints['TS3']['Shoulders'] == 50  # of three wrong joints, one is a shoulder


def test_correct_is_what_is_nearer_than_150_mm():
    assert pck_of(np.array([[149.999, 150.0, 0.0, 151.0]])) == 50
    assert np.isnan(pck_of(np.zeros((0, 14))))


def test_worked_example_of_both_areas():
    """Distances of 0, 4.9, 5, 77, 149 and 151 mm."""
    distances = np.array([[0, 4.9, 5, 77, 149, 151.0]])
    # Thresholds that they stay below: 30, 30, 29, 15 (from 80 on), 1, 0 of 31.
    assert auc_of(distances) == pytest.approx(100 * (30 + 30 + 29 + 15 + 1 + 0) / 31 / 6, abs=1e-9)
    thresholds = np.arange(0, 151, 5)
    curve = [np.mean(distances < t) for t in thresholds]
    assert auc_of(distances) == pytest.approx(100 * np.mean(curve), abs=1e-9)


def test_worked_example_of_the_row_of_metrics():
    """Two poses, the second outdoors. Joint offsets from the truth, in mm, by hand."""
    rng = np.random.default_rng(3)
    true = np.round(rng.normal(0, 300, (2, 17, 3)))
    pred = true.copy()
    pred[0, 0, 0] += 60
    pred[1, 1, 1] += 120
    pred[1, 2, 2] -= 180
    pred[1] += [0, 160, 0]  # seen by absolute metrics only
    values = dict(zip(METRIC_NAMES, metric_row(pred, true, np.array([False, True])), strict=True))
    # Absolute: joint 1 is off by 280, joint 2 by (160, -180), the others by 160.
    far = np.hypot(160, 180)
    expected = {
        'MPJPE': (60 + 300) / 34,
        'A-MPJPE': (60 + 280 + far + 15 * 160) / 34,
        'MPJPE outdoor': 300 / 17,
        'A-MPJPE outdoor': (280 + far + 15 * 160) / 17,
        'PCK@50': 100 * 31 / 34,
        'PCK@100': 100 * 32 / 34,
        'PCK@150': 100 * 33 / 34,
        'AUC@50': 100 * 31 / 34,
        'AUC@100': 100 * (31 + 0.4) / 34,
        'AUC@150': 100 * (31 + 0.6 + 0.2) / 34,
        'PCK@50 outdoor': 100 * 15 / 17,
        'PCK@100 outdoor': 100 * 15 / 17,
        'PCK@150 outdoor': 100 * 16 / 17,
        'AUC@50 outdoor': 100 * 15 / 17,
        'AUC@100 outdoor': 100 * 15 / 17,
        'AUC@150 outdoor': 100 * (15 + 0.2) / 17,
        'CPS@100': 50,
        'CPS@150': 50,
        'CPS@200': 100,
        'CPS-AUC@100': 20,
        'CPS-AUC@150': 30,
        'CPS-AUC@200': 100 * (0.7 + 0.1) / 2,
        'CPS@100 outdoor': 0,
        'CPS@150 outdoor': 0,
        'CPS@200 outdoor': 100,
        'CPS-AUC@100 outdoor': 0,
        'CPS-AUC@150 outdoor': 0,
        'CPS-AUC@200 outdoor': 10,
        'A-PCK@150': 50,
        'A-PCK@300': 100,
        'A-AUC@150': 100 * (16 + 0.6) / 34,
        'A-AUC@300': 100 * (16 + 0.8 + 20 / 300 + 1 - far / 300 + 15 * 140 / 300) / 34,
        'A-PCK@150 outdoor': 0,
        'A-PCK@300 outdoor': 100,
        'A-AUC@150 outdoor': 0,
        'A-AUC@300 outdoor': 100 * (20 / 300 + 1 - far / 300 + 15 * 140 / 300) / 17,
    }
    assert set(values) - set(expected) == {'PA-MPJPE', 'PA-MPJPE outdoor'}
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    aligned = [aligned_error(*pair) for pair in zip(pred, true, strict=True)]
    assert values['PA-MPJPE'] == pytest.approx(np.mean(aligned), abs=1e-6)
    assert values['PA-MPJPE outdoor'] == pytest.approx(aligned[1], abs=1e-6)


def aligned_error(pred, true):
    """Mean joint error of one pose after Procrustes alignment with scale."""
    p, t = pred - pred.mean(axis=0), true - true.mean(axis=0)
    rotation, scale = orthogonal_procrustes(p, t)
    assert np.linalg.det(rotation) > 0
    aligned = p @ rotation * (scale / np.sum(p * p))
    return np.linalg.norm(aligned - t, axis=1).mean()


def test_root_is_the_pelvis(release, tmp_path):
    root, true, _ = release
    pred = changed(true, moved(PELVIS, [34, 0, 0]))
    evaluation = evaluate(root, save(tmp_path / 'p.npz', pred))
    assert metrics(evaluation)['MPJPE'] == pytest.approx(32)
    assert metrics(evaluation)['A-MPJPE'] == pytest.approx(2)
    assert protocol(evaluation)['AUC'] == pytest.approx(100 * 24 / 31)  # 34 mm: from 35 on


def test_procrustes_removes_scale_and_rotation_from_the_tables(release, tmp_path):
    root, true, _ = release
    rotation = Rotation.from_rotvec([0.2, -0.1, 0.4]).as_matrix()
    path = save(tmp_path / 'p.npz', {k: 1.3 * p @ rotation + 50 for k, p in true.items()})
    plain, aligned = evaluate(root, path), evaluate(root, path, procrustes=True)
    assert protocol(plain)['MPJPE'] > 100
    assert protocol(aligned)['MPJPE'] == pytest.approx(0, abs=1e-6)
    assert metrics(plain) == metrics(aligned)
    assert metrics(plain)['PA-MPJPE'] == pytest.approx(0, abs=1e-6)
    # A mirror image stays one.
    mirrored = {k: p * [-1, 1, 1] for k, p in true.items()}
    path = save(tmp_path / 'm.npz', mirrored)
    assert protocol(evaluate(root, path, procrustes=True))['MPJPE'] > 50


def test_order_of_the_product_ends_with_the_pelvis(release, tmp_path):
    root, true, _ = release
    own = {k: p[[*range(14), 15, 16, 14]] for k, p in true.items()}
    path = save(tmp_path / 'p.npz', own)
    assert protocol(evaluate(root, path, root_last=True))['MPJPE'] == pytest.approx(0, abs=1e-6)
    assert protocol(evaluate(root, path))['MPJPE'] > 50


def test_seeds(release, tmp_path):
    root, true, _ = release
    for i, offset in enumerate((0, 34, 68), start=1):
        save(tmp_path / f'seed{i}.npz', changed(true, moved(0, [offset, 0, 0])), seed=i)
    evaluation = evaluate(root, str(tmp_path / 'seed1.npz'), n_seeds=3)
    assert list(evaluation.tables) == ['protocol']
    table = evaluation.tables['protocol']
    assert list(table.rows) == ['Mean', 'Std']
    assert table['Mean']['MPJPE'] == pytest.approx(2)
    assert table['Std']['MPJPE'] == pytest.approx(np.std([0, 2, 4]))
    two = evaluate(root, str(tmp_path / 'seed1.npz'), n_seeds=2)
    assert two.tables['protocol']['Mean']['MPJPE'] == pytest.approx(1)
    with pytest.raises(OptionError, match='no part seed1'):
        evaluate(root, str(tmp_path / 'p.npz'), n_seeds=2)


# ---- Files


def test_missing_other_and_repeated_predictions_are_named(release, tmp_path):
    root, true, _ = release
    paths = list(true)
    poses = np.array([true[p] for p in paths])
    others = [*paths[1:], paths[1], '3dhp/TS1/imageSequence/img_000002.jpg']
    np.savez(
        tmp_path / 'p.npz',
        image_path=np.array(others),
        coords3d_pred_world=np.concatenate([poses, poses[:1]]),
    )
    with pytest.raises(BadFileError) as e:
        evaluate(root, str(tmp_path / 'p.npz'))
    text = str(e.value)
    assert '1 missing (3dhp/TS1/imageSequence/img_000001.jpg)' in text
    assert '1 of other images (3dhp/TS1/imageSequence/img_000002.jpg)' in text  # is not valid
    assert f'1 repeated ({paths[1]})' in text


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda p: p[:16], '16 joints'),
        (lambda p: np.where(np.arange(17)[:, None] == 3, np.nan, p), '12 of the poses not finite'),
        (lambda p: p[:, :2], 'not numbers'),
    ],
)
def test_poses_that_cannot_be_evaluated(release, tmp_path, change, message):
    root, true, _ = release
    with pytest.raises(BadFileError, match=message):
        evaluate(root, save(tmp_path / 'p.npz', {k: change(p) for k, p in true.items()}))


def test_hdf5_and_paths_elsewhere(release, tmp_path):
    root, true, _ = release
    with h5py.File(tmp_path / 'p.h5', 'w') as f:
        f['image_path'] = [f'/data/{path}'.encode() for path in true]
        f['coords3d_pred_world'] = np.array(list(true.values()))
    evaluation = evaluate(root, str(tmp_path / 'p.h5'))
    assert protocol(evaluation)['MPJPE'] == pytest.approx(0, abs=1e-6)
    assert parse_image_path('x\\TS6\\imageSequence\\img_000012.png') == Frame(6, 12)
    for other in (
        '3dhp/TS7/imageSequence/img_000001.jpg',
        'S1/Seq1/imageSequence/img_0_000005.jpg',
    ):
        assert parse_image_path(other) is None


def test_sequences_may_be_missing_from_simulated_releases_only(release, tmp_path):
    root, _, _ = release
    for number in (1, 5):
        os.symlink(root / f'TS{number}', tmp_path / f'TS{number}')
    with pytest.raises(RawDataError, match='TS2'):
        read_ground_truth(tmp_path)
    (tmp_path / 'SIMULATED.json').write_text('{}')
    truth = read_ground_truth(tmp_path)
    assert truth.sequences.tolist() == [1, 1, 1, 5, 5] and truth.scenes.tolist() == [0, 0, 0, 2, 2]
    assert truth.activities.tolist() == [1, 1, 2, 6, 6]
    for number in (1, 5):
        os.unlink(tmp_path / f'TS{number}')
    with pytest.raises(RawDataError, match='no valid test frames'):
        read_ground_truth(tmp_path)


# ---- Command line


def test_command_line(release, tmp_path, capsys):
    root, true, universal = release
    path = save(tmp_path / 'p.npz', universal)
    command = ['--pred-path', path, '--data-dir', str(root), '--corrected-TS6']
    assert main([*command, '--universal-skeleton', '--json']) == 0
    result = json.loads(capsys.readouterr().out)
    assert result['protocol']['All']['PCK'] == 100
    assert result['protocol']['All']['On Floor'] is None
    assert result['info']['universal_skeleton'] is True
    assert main([*command, '--markdown']) == 0
    assert capsys.readouterr().out.startswith('|  | Stand/Walk |')
    assert main([*command, '--latex']) == 0
    assert main(['--predictions', str(tmp_path / 'none.npz'), '--data-dir', str(root)]) == 1
    assert 'none.npz' in capsys.readouterr().err


def test_as_a_program(release, tmp_path):
    root, true, _ = release
    os.symlink(root, tmp_path / '3dhp')
    path = save(tmp_path / 'p.npz', true)
    result = subprocess.run(
        [sys.executable, '-m', 'posepile.cli', 'eval', 'tdhp', '--predictions', path],
        capture_output=True,
        text=True,
        env=os.environ | {'DATA_ROOT': str(tmp_path)},
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split('\n')[0].split()[-3:] == ['PCK', 'AUC', 'MPJPE']
    assert result.stdout.split('\n')[1].split()[-3:] == ['100.0', '96.8', '0.0']


def test_column_names():
    assert len(PROTOCOL_COLUMNS) == 13
    assert joint_distances(np.zeros((2, 17, 3)), np.ones((2, 17, 3))).tolist() == [[0] * 17] * 2
