"""The public protocol: known errors give known numbers, worked examples, who is matched."""

import json
import math
import subprocess
import sys

import h5py
import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from posepile.ds.mupots.benchmark import Image, parse_image_path
from posepile.ds.mupots.eval import NUMBER_NAMES, evaluate, main
from posepile.ds.mupots.protocols import BONES, COMPARISONS, with_bone_lengths
from posepile.ds.mupots.simulate_files import write_annotations
from posepile.errors import BadFileError, OptionError, RawDataError
from posepile.metrics.summary import SUMMARY_NAMES
from tests.ds.mupots import literal
from tests.ds.mupots.small_release import ROOT, SmallRelease, image_path

PERFECT_AUC = 3000 / 31


@pytest.fixture
def run(release, tmp_path):
    """(poses, or pairs of key and pose; options) -> tables by name."""

    def run(poses, of=None, **options):
        of = of or release
        return evaluate(of.root, of.save(tmp_path / 'p.npz', poses), **options).tables

    return run


def deeper(pose, by):
    """The pose with the same image, each joint farther from the camera by ``by`` mm."""
    return pose * (1 + np.broadcast_to(by, 17) / np.linalg.norm(pose, axis=1))[:, None]


def numbers(tables):
    return tables['numbers']['All']


def comparison(universal=True, relative=True, rescaled=True):
    words = ['universal' if universal else 'annot3', 'relative' if relative else 'absolute']
    return ', '.join(words + ['rescaled'] * rescaled)


# ---- Known errors


def test_perfect_predictions(release, run):
    tables = run(release.joints)
    assert list(tables) == ['sequences', 'means', 'numbers', 'metrics']
    assert tables['sequences'].columns == [*(f'TS{i}' for i in range(1, 21)), 'Mean']
    assert list(tables['sequences'].rows) == [
        'PCK all', 'PCK matched', 'A-PCK all', 'A-PCK matched',
    ]  # fmt: skip
    for row in ('PCK all', 'PCK matched'):
        assert tables['sequences'].rows[row] == pytest.approx([100] * 21, abs=1e-6)
    assert numbers(tables) == pytest.approx(
        dict(zip(NUMBER_NAMES, [0] * 4 + [100] * 3, strict=True)), abs=1e-6
    )
    metrics = tables['metrics']['All']
    assert list(metrics) == list(SUMMARY_NAMES) and len(metrics) == 19
    assert list(metrics.values()) == pytest.approx([0] * 3 + [100] * 16, abs=1e-6)
    assert list(tables['means'].rows) == [str(c) for c in COMPARISONS] and len(COMPARISONS) == 8
    means = tables['means'][comparison(universal=False, rescaled=False)]
    assert means == pytest.approx(
        dict(MPJPE14=0, MPJPE16=0, MPJPE17=0, PCK=100, AUC=PERFECT_AUC)
        | {'PCK all': 100, 'AUC all': PERFECT_AUC},
        abs=1e-6,
    )


def test_scaled_bones_are_no_error_after_rescaling(release, run):
    """Everything 1.2 times as far and as large, which looks the same; the truth is universal."""
    tables = run({key: 1.2 * pose for key, pose in release.joints.items()})
    means = tables['means'][comparison()]
    assert means['MPJPE17'] == pytest.approx(0, abs=1e-6) and means['PCK'] == 100
    # Absolute, everyone is off by a fifth of the distance of the pelvis.
    off = {key: 0.2 * np.linalg.norm(pose[ROOT]) for key, pose in release.joints.items()}
    expected = mean_of_sequences(off)
    means = tables['means'][comparison(relative=False)]
    assert [means['MPJPE14'], means['MPJPE17']] == pytest.approx([expected] * 2, abs=1e-6)
    assert tables['sequences']['A-PCK all']['Mean'] == 0
    # Without rescaling, each joint is off by a fifth of its distance from the pelvis.
    off = {
        key: 0.2 * np.linalg.norm(pose - pose[ROOT], axis=1).mean()
        for key, pose in release.joints.items()
    }
    means = tables['means'][comparison(universal=False, rescaled=False)]
    assert means['MPJPE17'] == pytest.approx(mean_of_sequences(off), abs=1e-6)


def mean_of_sequences(values):
    """Mean over the sequences of the means of {key: number}."""
    return np.mean([np.mean([v for k, v in values.items() if k[0] == s]) for s in range(1, 21)])


def test_order_of_people_and_images_does_not_matter(release, run):
    pairs = list(release.joints.items())
    np.random.default_rng(0).shuffle(pairs)
    assert numbers(run(pairs))['MPJPE16'] == pytest.approx(0, abs=1e-6)


def test_missing_people_count_as_wrong_or_not_at_all(release, run):
    """TS2 has three valid people in one frame, TS4 two; one of each is not predicted."""
    poses = {k: p for k, p in release.joints.items() if k not in [(2, 0, 1), (4, 0, 0)]}
    tables = run(poses)
    rows = tables['sequences']
    assert [rows['PCK all'][s] for s in ('TS1', 'TS2', 'TS4')] == pytest.approx([100, 200 / 3, 50])
    assert rows['PCK all']['Mean'] == pytest.approx((18 * 100 + 200 / 3 + 50) / 20, abs=1e-6)
    assert rows['PCK matched']['Mean'] == pytest.approx(100, abs=1e-6)
    assert rows['A-PCK all']['TS2'] == pytest.approx(200 / 3)
    n = len(release.joints)
    assert numbers(tables)['recall'] == pytest.approx(100 * (n - 2) / n, abs=1e-6)
    all_, matched = (tables['means'][comparison()][c] for c in ('AUC all', 'AUC'))
    assert matched == pytest.approx(PERFECT_AUC, abs=1e-6)
    assert all_ == pytest.approx(PERFECT_AUC * (18 + 2 / 3 + 1 / 2) / 20, abs=1e-6)


def test_sequence_without_any_match(release, run):
    """It has no value among the matched, and counts as 0 among all."""
    tables = run({k: p for k, p in release.joints.items() if k[0] != 3})
    rows = tables['sequences']
    assert rows['PCK all']['TS3'] == 0 and rows['PCK all']['Mean'] == pytest.approx(95)
    assert np.isnan([rows['PCK matched']['TS3'], rows['PCK matched']['Mean']]).all()
    assert np.isnan(numbers(tables)['MPJPE14'])
    assert tables['metrics']['All']['PCK@50'] == 100  # of people together


def test_no_predictions_at_all(release, run):
    tables = run({})
    assert tables['sequences'].rows['PCK all'] == [0] * 21
    assert np.isnan(tables['sequences'].rows['A-PCK matched']).all()
    assert numbers(tables)['recall'] == 0
    assert np.isnan(list(tables['metrics']['All'].values())).all()


def test_threshold_is_strict_and_of_14_joints(release, run):
    """150 mm are not less than 150; pelvis, spine and head do not count."""
    by = np.zeros(17)
    by[[0, 5]], by[[15, 16]] = [149.99, 150.01], 1000
    row = run({k: deeper(p, by) for k, p in release.joints.items()})['numbers']['All']
    assert row['A-PCK'] == row['PCK'] == pytest.approx(100 * 13 / 14, abs=1e-6)
    assert row['A-MPJPE14'] == row['MPJPE14'] == pytest.approx(300 / 14, abs=1e-6)
    assert row['MPJPE16'] == pytest.approx(2300 / 16, abs=1e-6)


def test_means_are_over_sequences_and_those_of_the_row_over_people(release, run):
    """In TS2, with three of the people, each joint is 60 mm too deep; elsewhere none is."""
    poses = {k: deeper(p, 60 * (k[0] == 2)) for k, p in release.joints.items()}
    tables = run(poses)
    assert numbers(tables)['A-MPJPE16'] == pytest.approx(60 / 20, abs=1e-6)
    n = len(release.joints)
    assert tables['metrics']['All']['A-MPJPE'] == pytest.approx(60 * 3 / n, abs=1e-6)
    assert tables['metrics']['All']['A-AUC@150'] == pytest.approx(100 - 40 * 3 / n, abs=1e-6)


def test_worked_example_of_bone_rescaling():
    """An upper arm of 300 mm along x is predicted along y, 500 mm long; the forearm is right."""
    true = np.zeros((1, 17, 3))
    # Head top above the neck, shoulders beside it, arms along x, legs down.
    for joint, place in {
        0: (0, -700, 0), 1: (0, -450, 0), 2: (-200, -450, 0), 3: (-500, -450, 0),
        4: (-750, -450, 0), 5: (200, -450, 0), 6: (500, -450, 0), 7: (750, -450, 0),
        8: (-100, 0, 0), 9: (-100, 400, 0), 10: (-100, 800, 0), 11: (100, 0, 0),
        12: (100, 400, 0), 13: (100, 800, 0), 14: (0, 0, 0), 15: (0, -200, 0), 16: (0, -580, 0),
    }.items():  # fmt: skip
        true[0, joint] = place
    pred = true.copy()
    pred[0, 3] = pred[0, 2] + [0, 500, 0]
    pred[0, 4] = pred[0, 3] + [-1, 0, 0]
    pred[0, 0] *= 3  # farther away in the same direction
    pred += [10, 20, 4000]
    errors = np.linalg.norm(with_bone_lengths(pred, true) - true - [10, 20, 4000], axis=-1)[0]
    expected = np.zeros(17)
    expected[[3, 4]] = 300 * math.sqrt(2)
    np.testing.assert_allclose(errors, expected, atol=1e-9)
    assert len(BONES) == 16 and {joint for joint, _ in BONES} == set(range(17)) - {ROOT}
    # A bone without length has no direction, and stays without.
    pred[0, 13] = pred[0, 12]
    changed = with_bone_lengths(pred, true)
    np.testing.assert_array_equal(changed[0, 13], changed[0, 12])


def test_worked_example_of_the_row_of_metrics(release, run):
    """The only person of TS7 has a joint 60 mm too deep, that of TS8 one 120 and one 180 mm."""
    off = {7: {0: 60}, 8: {1: 120, 2: 180}}
    poses = {}
    for key, pose in release.joints.items():
        by = np.zeros(17)
        for joint, distance in off.get(key[0], {}).items():
            by[joint] = distance
        poses[key] = deeper(pose, by)
    row = run(poses)['metrics']['All']
    n = len(release.joints)
    joints = 17 * n
    aligned = [aligned_error(poses[k], release.joints[k]) for k in poses]
    expected = {
        'MPJPE': 360 / joints,
        'PA-MPJPE': np.mean(aligned),
        'A-MPJPE': 360 / joints,
        'PCK@50': 100 - 300 / joints,
        'PCK@100': 100 - 200 / joints,
        'PCK@150': 100 - 100 / joints,
        'AUC@50': 100 - 300 / joints,
        'AUC@100': 100 - 100 * (2 + 0.6) / joints,
        'AUC@150': 100 - 100 * (1 + 0.8 + 0.4) / joints,
        'CPS@100': 100 - 100 / n,
        'CPS@150': 100 - 100 / n,
        'CPS@200': 100,
        'CPS-AUC@100': 100 - 100 * (1 + 0.6) / n,
        'CPS-AUC@150': 100 - 100 * (1 + 0.4) / n,
        'CPS-AUC@200': 100 - 100 * (0.9 + 0.3) / n,
        'A-PCK@150': 100 - 100 / joints,
        'A-PCK@300': 100,
        'A-AUC@150': 100 - 100 * (1 + 0.8 + 0.4) / joints,
        'A-AUC@300': 100 - 100 * (0.6 + 0.4 + 0.2) / joints,
    }
    assert row == pytest.approx(expected, abs=1e-6)
    # Who is not matched is not in the row.
    poses.pop((9, 0, 0))
    assert run(poses)['metrics']['All']['MPJPE'] == pytest.approx(360 / (joints - 17), abs=1e-6)


def aligned_error(pred, true):
    p, t = pred - pred.mean(axis=0), true - true.mean(axis=0)
    rotation, scale = orthogonal_procrustes(p, t)
    assert np.linalg.det(rotation) > 0
    return np.linalg.norm(p @ rotation * (scale / np.sum(p * p)) - t, axis=1).mean()


# ---- Against the protocol spelt out


@pytest.mark.parametrize('seed', [0, 1])
def test_everything_agrees_with_the_protocol_spelt_out(release, run, seed):
    """Noisy predictions, some missing, some of nobody, some twice, in any order."""
    rng = np.random.default_rng(seed)
    pairs = []
    for key, pose in release.joints.items():
        if rng.random() < 0.2 and key[0] != 6:
            continue
        for _ in range(1 + (rng.random() < 0.4)):
            noisy = deeper(pose + rng.normal(0, 30, pose.shape), rng.normal(0, 120, 17))
            pairs.append((key, noisy))
    for key in [(1, 1, 0), (2, 1, 0), (8, 0, 5)]:  # also where nobody is annotated
        pairs.append((key, rng.uniform(-400, 400, (17, 3)) + [0, 0, 3000]))
    rng.shuffle(pairs)
    for sequence in range(1, 21):  # each has someone, so that no mean is NaN
        if not any(k[0] == sequence and k in release.joints for k, _ in pairs):
            key = next(k for k in release.joints if k[0] == sequence)
            pairs.append((key, release.joints[key] + 20))
    tables = run(pairs)
    matches = literal.match(release, pairs)
    assert 0 < sum(m is None for m in matches.values()) < len(matches) / 2
    for universal in (True, False):
        for relative in (True, False):
            for rescaled in (True, False):
                combination = universal, relative, rescaled
                of = literal.sequence_scores(release, matches, *combination)
                finals = np.mean([mean for mean, _, _ in of.values()], axis=0)
                whole = np.mean([mean[3:] * m / n for mean, m, n in of.values()], axis=0)
                actual = tables['means'].rows[comparison(*combination)]
                assert actual == pytest.approx([*finals, *whole], abs=1e-6)
                if universal and rescaled:
                    name = 'PCK' if relative else 'A-PCK'
                    rows = tables['sequences'].rows
                    expected = [mean[3] * m / n for mean, m, n in of.values()]
                    assert rows[f'{name} all'][:20] == pytest.approx(expected, abs=1e-6)
                    expected = [mean[3] for mean, _, _ in of.values()]
                    assert rows[f'{name} matched'][:20] == pytest.approx(expected, abs=1e-6)


# ---- Who is matched


def test_of_equally_good_predictions_the_first_is_taken(release, run):
    """The same picture twice: the truth, and everything half as far again."""
    key = (7, 0, 0)
    others = [(k, p) for k, p in release.joints.items() if k != key]
    right, wrong = (key, release.joints[key]), (key, 1.5 * release.joints[key])
    assert numbers(run([*others, right, wrong]))['A-MPJPE14'] == pytest.approx(0, abs=1e-6)
    off = 0.5 * np.linalg.norm(release.joints[key][:14], axis=1).mean()
    assert numbers(run([*others, wrong, right]))['A-MPJPE14'] == pytest.approx(off / 20, abs=1e-6)


def test_annotated_people_choose_in_order(release, run):
    """Of two predictions, both fit TS4's second person; of one of them more joints are near those
    of the first person, who takes it. The other one is left for the second."""
    first, second = (4, 0, 0), (4, 0, 1)
    mixed = release.joints[second].copy()
    mixed[1:9] = release.joints[first][1:9]  # 8 of the 13 joints are the first one's
    rest = release.joints[second].copy()
    rest[1:8] += [500, 0, 0]  # 6 are near
    others = [(k, p) for k, p in release.joints.items() if k not in (first, second)]
    row = run([*others, (first, rest), (first, mixed)])['numbers']['All']
    assert row['recall'] == 100
    d0 = np.linalg.norm(mixed - release.joints[first], axis=1)[:14].mean()
    assert row['A-MPJPE14'] == pytest.approx((d0 + 7 * 500 / 14) / 2 / 20, abs=1e-6)


def test_near_is_less_than_40_px_both_ways_and_by_joints_1_to_13(release, run):
    key = (9, 0, 0)
    pose, K = release.joints[key], release.matrices[9]

    def shifted(px, joints=slice(None)):
        moved = pose.copy()
        moved[joints] += (np.array([*px, 0]) / [K[0, 0], K[1, 1], 1] * pose[:, 2:])[joints]
        return {**release.joints, key: moved}

    def recall(*args):
        return numbers(run(shifted(*args)))['recall']

    n = len(release.joints)
    assert recall((39.999, -39.999)) == 100
    assert recall((40.001, 0)) == recall((0, -40.001)) == pytest.approx(100 * (n - 1) / n)
    far = list(range(1, 14))
    assert recall((50, 0), far) == pytest.approx(100 * (n - 1) / n)  # head top, pelvis ... do not
    assert recall((50, 0), far[:-1]) == 100  # a single joint will do


def test_joints_at_the_corner_are_missing(tmp_path, run):
    """(0, 0) in the annotations does not mean that the prediction is near there."""
    release = SmallRelease(tmp_path / 'r')
    folder = tmp_path / 'r/TS12'
    key = (12, 0, 0)
    zeros = np.zeros((1, 1, 17, 2))
    K = release.matrices[12]
    (tmp_path / 'r/camera_intrinsics.json').write_text(
        json.dumps({f'TS{s}': m.tolist() for s, m in release.matrices.items()})
    )
    joints = release.joints[key][None, None]
    write_annotations(f'{folder}/annot.mat', np.ones((1, 1), bool), zeros, joints, joints)
    at_corner = np.tile([-K[0, 2] / K[0, 0] * 3000, -K[1, 2] / K[1, 1] * 3000, 3000], (17, 1))
    n = len(release.joints)
    row = numbers(run({**release.joints, key: at_corner + [10, 0, 0]}, of=release))
    assert row['recall'] == pytest.approx(100 * (n - 1) / n)


def test_what_is_behind_the_camera_is_in_no_image(release, run):
    key = (9, 0, 0)
    n = len(release.joints)
    row = numbers(run({**release.joints, key: -release.joints[key]}))  # projects to the same
    assert row['recall'] == pytest.approx(100 * (n - 1) / n)


def test_predictions_of_nobody_do_not_matter(release, run):
    nobody = release.joints[7, 0, 0] + [2000, 0, 0]
    pairs = [*release.joints.items()]
    pairs += [((2, 1, 0), nobody), ((7, 0, 1), nobody), ((1, 1, 0), release.joints[1, 0, 0])]
    tables = run(pairs)
    assert tables['sequences']['A-PCK all']['Mean'] == pytest.approx(100, abs=1e-6)


# ---- Files and options


def test_missing_images_and_people_are_named(release, run, caplog):
    run({k: p for k, p in release.joints.items() if k not in [(4, 0, 1), (7, 0, 0)]})
    n = len(release.joints)
    assert f'nobody is predicted in 1 annotated images ({image_path((7, 0, 0))})' in caplog.text
    expected = f'2 of {n} annotated people are matched by no prediction, in '
    assert f'{expected}{image_path((4, 0))}, {image_path((7, 0))}' in caplog.text
    caplog.clear()
    run(release.joints)
    assert caplog.text == ''


def test_poses_of_other_images_are_named_and_refused(release, run):
    pose = release.joints[7, 0, 0]
    for key in [(7, 1, 0), (21, 0, 0)]:  # a frame, and a sequence, that there is not
        with pytest.raises(BadFileError, match=f'1 of the poses are of other .*{image_path(key)}'):
            run([*release.joints.items(), (key, pose)])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda p: p[:, :16], '16 joints'),
        (lambda p: np.where(np.arange(len(p))[:, None, None] == 1, np.nan, p), '1 of the poses'),
        (lambda p: p[..., :2], 'not numbers'),
    ],
)
def test_poses_that_cannot_be_evaluated(release, tmp_path, change, message):
    path = tmp_path / 'p.npz'
    poses = change(np.array(list(release.joints.values())))
    names = [image_path(k) for k in release.joints]
    np.savez(path, image_path=names, coords3d_pred_world=poses)
    with pytest.raises(BadFileError, match=message):
        evaluate(release.root, path)


def test_order_of_the_product_ends_with_the_pelvis(release, run):
    own = {k: p[[*range(14), 15, 16, 14]] for k, p in release.joints.items()}
    assert numbers(run(own, root_last=True))['A-MPJPE16'] == pytest.approx(0, abs=1e-6)
    assert numbers(run(own))['A-MPJPE16'] > 10


def test_hdf5_and_paths_elsewhere(release, tmp_path):
    with h5py.File(tmp_path / 'p.h5', 'w') as f:
        f['image_path'] = [f'/data/{image_path(k)}'.encode() for k in release.joints]
        f['coords3d_pred_world'] = np.array(list(release.joints.values()))
    report = evaluate(release.root, tmp_path / 'p.h5')
    assert numbers(report.tables)['recall'] == 100
    n = len(release.joints)
    assert report.info == dict(people=n, matched=n, predictions=n)


@pytest.mark.parametrize(
    ('path', 'image'),
    [
        ('mupots/TS3/img_000012.jpg', Image(3, 12)),
        ('C:\\data\\mupots\\TS20\\img_000000.jpg', Image(20, 0)),
        ('TS1/img_000001.jpg', Image(1, 1)),
        ('3dhp/TS1/imageSequence/img_000001.jpg', None),
        ('mupots/TS21/img_000001.jpg', None),
        ('mupots/TS0/img_000001.jpg', None),
        ('mupots/XTS1/img_000001.jpg', None),
    ],
)
def test_image_paths(path, image):
    assert parse_image_path(path) == image


def test_seeds(release, tmp_path):
    for i, by in enumerate((0, 14, 28), start=1):
        poses = {k: deeper(p, [by, *[0] * 16]) for k, p in release.joints.items()}
        release.save(tmp_path / f'seed{i}.npz', poses)
    report = evaluate(release.root, tmp_path / 'seed1.npz', n_seeds=3)
    table = report.tables['numbers']
    assert list(table.rows) == ['All mean', 'All std'] and report.info['seeds'] == 3
    assert table['All mean']['A-MPJPE14'] == pytest.approx(1, abs=1e-6)
    assert table['All std']['A-MPJPE14'] == pytest.approx(np.std([0, 1, 2]), abs=1e-6)
    with pytest.raises(OptionError, match='no part seed1'):
        evaluate(release.root, tmp_path / 'p.npz', n_seeds=2)


def test_release_that_is_not_there(tmp_path, release):
    with pytest.raises(RawDataError, match='TS1/annot.mat'):
        evaluate(tmp_path, release.save(tmp_path / 'p.npz', release.joints))


def test_program(release, tmp_path, capsys):
    path = release.save(
        tmp_path / 'p.npz', {k: p for k, p in release.joints.items() if k != (7, 0, 0)}
    )
    result = subprocess.run(
        [sys.executable, '-m', 'posepile.cli', 'eval', 'mupots', '--predictions', path, '--json']
        + ['--data-dir', release.root],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    record = json.loads(result.stdout)
    assert record['sequences']['PCK all']['TS7'] == 0
    assert record['sequences']['PCK matched']['TS7'] is None
    assert image_path((7, 0, 0)) in result.stderr
    plot = str(tmp_path / 'curves.png')
    args = ['--pred-path', path, '--data-dir', release.root, '--latex', '--plot', plot]
    assert main(args) == 0
    assert '\\begin{tabular}' in capsys.readouterr().out
    with open(plot, 'rb') as f:
        assert f.read(4) == b'\x89PNG'
