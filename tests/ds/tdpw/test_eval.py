"""The evaluations against their formulas, body by body; and with errors that are known."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posepile.bodymodels import load
from posepile.ds.tdpw.eval import evaluate, main
from tests.ds.tdpw.files import write_predictions, write_streams
from tests.ds.tdpw.literal import ORIENTED, evaluate_pairs, read_truth

pytestmark = pytest.mark.xdist_group('tdpw')

MODES = [
    ('24', dict()),
    ('regressor', dict(joint14=True, use_h36m_regressor=True)),
    ('14', dict(joint14=True)),
    ('14 as published', dict(joint14=True, as_published=True)),
]


@pytest.fixture(scope='session')
def gendered(gendered_release):
    return read_truth(gendered_release)


@pytest.fixture(scope='session')
def genderless(genderless_release):
    return read_truth(genderless_release)


def values_of(report, table='metrics'):
    return report.tables[table]['All']


def assert_agrees(found, expected):
    """The numbers of a table are those of the formulas."""
    for name, value in found.items():
        assert value == pytest.approx(expected[name], abs=1e-6), name


def pairs_of(truths, pred_of):
    return [
        (pred_of(truth, key), truth.bodies[key])
        for truth in truths
        for key in truth.keys
        if truth.counts(*key)
    ]


class RandomBodies:
    """Bodies near the true ones, the same whenever they are asked for."""

    def __init__(self, scale=40.0):
        self._scale = scale
        self._rng = np.random.default_rng(0)
        self._made = {}

    def __call__(self, truth, key):
        if (truth.name, key) not in self._made:
            true, rng = truth.bodies[key], self._rng
            turn = Rotation.from_rotvec(rng.normal(0, 0.2, 3)).as_matrix()
            shift = rng.normal(0, 80, 3)
            noise = Rotation.from_rotvec(rng.normal(0, 0.2, (24, 3))).as_matrix()
            middle = true['joints'].mean(axis=0)

            def moved(points):
                spread = rng.gamma(2.0, self._scale / 2, (len(points), 1))
                points = points + spread * rng.normal(0, 1, points.shape)
                return (points - middle) @ turn.T + middle + shift

            self._made[truth.name, key] = dict(
                joints=moved(true['joints']),
                vertices=moved(true['vertices']),
                orientations=noise @ turn @ true['orientations'],
                joint_uncertainties=rng.uniform(5, 90, 24),
                vertex_uncertainties=rng.uniform(5, 90, 6890),
            )
        return self._made[truth.name, key]


def with_uncertainty(bodies, truth, points, of_points):
    return truth.stacked(
        lambda key: (
            np.column_stack([bodies(truth, key)[points], bodies(truth, key)[of_points]]) / 1000
        )
    )


def uncertainty_numbers(values, ddof):
    n_j, n_v = len(values['MPJPE']), len(values['MVE'])
    return {
        'SDJE': np.std(values['MPJPE'], ddof=ddof) / np.sqrt(n_j),
        'SDVE': np.std(values['MVE'], ddof=ddof) / np.sqrt(n_v),
        'SDJU': np.std(values['MJU'], ddof=ddof) / np.sqrt(n_j),
        'SDVU': np.std(values['MVU'], ddof=ddof) / np.sqrt(n_v),
        'PCCJ': 100 * np.corrcoef(values['MPJPE'], values['MJU'])[0, 1],
        'PCCV': 100 * np.corrcoef(values['MVE'], values['MVU'])[0, 1],
    }


@pytest.mark.parametrize('hips', [False, True])
@pytest.mark.parametrize('mode, options', MODES)
def test_smpl_by_the_formulas(mode, options, hips, gendered, gendered_release, tmp_path):
    rng = np.random.default_rng(1)
    neutral = load('smpl', 'neutral', f'{gendered_release}/body_models')
    parameters = {}
    for truth in gendered:
        for key in truth.keys:
            true = truth.parameters[key]
            parameters[truth.name, key] = dict(
                pose=true['pose'] + rng.normal(0, 0.15, 72),
                betas=rng.normal(0, 1, 12),  # the last two do not count
                trans=true['trans'] + rng.normal(0, 0.06, 3),
            )

    def pred_of(truth, key):
        p = parameters[truth.name, key]
        return neutral(p['pose'], p['betas'][:10], p['trans'])._asdict()

    def content(truth):
        names = ('pose', 'betas', 'trans')
        return {n: truth.stacked(lambda k, n=n: parameters[truth.name, k][n]) for n in names}

    write_predictions(tmp_path, gendered, content)
    report = evaluate(gendered_release, tmp_path, align_at_hips=hips, batch_size=4, **options)
    expected, _ = evaluate_pairs(pairs_of(gendered, pred_of), mode, hips, gendered_release)
    assert tuple(values_of(report)) == (
        *('MPJPE', 'MPJPE_PA', 'PCK', 'AUC', 'NCPS', 'NCPS-AUC', 'APCK', 'AMPJPE', 'MinorPCK'),
        *('MVE', 'MVE_PA', 'MPJAE', 'MPJAE_PA'),
    )
    assert_agrees(values_of(report), expected)
    assert_agrees(values_of(report, 'short'), expected)
    assert list(values_of(report, 'short')) == [
        *('MPJPE', 'MPJPE_PA', 'MVE', 'MVE_PA', 'MPJAE', 'MPJAE_PA')
    ]
    for limit in (50, 100, 150):
        for k, value in enumerate(report.tables['PCK by joint'][f'PCK@{limit}'].values()):
            assert value == pytest.approx(expected[f'PCK@{limit} of {k}'], abs=1e-6)
    for name in ('PCK', 'NCPS'):
        for limit, value in report.tables[f'{name} by threshold'][name].items():
            assert value == pytest.approx(expected[f'{name}{limit}'], abs=1e-6)
    assert 0 < expected['PCK'] < 100  # else there would be little to compare


def test_points_by_the_formulas(gendered, gendered_release, tmp_path):
    bodies = RandomBodies()

    def content(truth):
        return dict(
            jointPositions=with_uncertainty(bodies, truth, 'joints', 'joint_uncertainties'),
            vertices=with_uncertainty(bodies, truth, 'vertices', 'vertex_uncertainties'),
        )

    write_predictions(tmp_path, gendered, content)

    def pred_of(truth, key):
        return {k: v for k, v in bodies(truth, key).items() if k != 'orientations'}

    expected, values = evaluate_pairs(pairs_of(gendered, pred_of))
    expected |= uncertainty_numbers(values, ddof=1)
    found = values_of(evaluate(gendered_release, tmp_path, batch_size=5))
    assert tuple(found)[-8:] == ('SDJE', 'SDVE', 'MJU', 'MVU', 'SDJU', 'SDVU', 'PCCJ', 'PCCV')
    assert tuple(found)[9:11] == ('MVE', 'MVE_PA') and len(found) == 19
    assert_agrees(found, expected)
    published = values_of(evaluate(gendered_release, tmp_path, as_published=True))
    for name in ('MJU', 'MVU', 'SDJU', 'SDVU'):
        assert published[name] == pytest.approx(1000 * found[name])
    for name in set(found) - {'MJU', 'MVU', 'SDJU', 'SDVU'}:
        assert published[name] == pytest.approx(found[name]), name


def test_stream_by_the_formulas(gendered, gendered_release, tmp_path):
    bodies = RandomBodies()

    def frames_of(truth):
        for i in range(truth.n_frames):
            people = [bodies(truth, (p, i)) for p in range(truth.n_people)]
            yield dict(
                joints=np.array([b['joints'] for b in people]),
                vertices=[b['vertices'] for b in people],
                joint_uncertainties=np.array([b['joint_uncertainties'] for b in people]) / 1000,
                vertex_uncertainties=[b['vertex_uncertainties'] / 1000 for b in people],
            )

    write_streams(tmp_path, gendered, frames_of)

    def pred_of(truth, key):
        return {k: v for k, v in bodies(truth, key).items() if k != 'orientations'}

    expected, values = evaluate_pairs(pairs_of(gendered, pred_of))
    expected |= uncertainty_numbers(values, ddof=0)
    found = values_of(evaluate(gendered_release, tmp_path, batch_size=4))
    assert tuple(found) == (
        *('MPJPE', 'MPJPE_PA', 'PCK', 'AUC', 'AMPJPE', 'MVE', 'MVE_PA'),
        *('SDJE', 'SDVE', 'MJU', 'MVU', 'SDJU', 'SDVU', 'PCCJ', 'PCCV'),
    )
    assert_agrees(found, expected)
    assert not (tmp_path / 'metrics').exists()


def test_official_by_the_formulas(gendered, gendered_release, tmp_path):
    bodies = RandomBodies()

    def content(truth):
        return dict(
            jointPositions=truth.stacked(lambda k: bodies(truth, k)['joints'] / 1000),
            orientations=truth.stacked(lambda k: bodies(truth, k)['orientations'][ORIENTED]),
        )

    write_predictions(tmp_path, gendered, content)

    def pred_of(truth, key):
        return {k: bodies(truth, key)[k] for k in ('joints', 'orientations')}

    expected, _ = evaluate_pairs(pairs_of(gendered, pred_of))
    expected['AUC'] = expected['AUC trapezoid']
    found = values_of(evaluate(gendered_release, tmp_path))
    assert tuple(found) == ('MPJPE', 'MPJPE_PA', 'PCK', 'AUC', 'MPJAE', 'MPJAE_PA')
    assert_agrees(found, expected)


# What is known of predictions made from the truth.


def parametric_content(change):
    """Makes the truth's parameters, changed."""

    def content(truth):
        made = {
            k: change({n: v.copy() for n, v in truth.parameters[k].items()}) for k in truth.keys
        }
        return {n: truth.stacked(lambda k, n=n: made[k][n]) for n in ('pose', 'betas', 'trans')}

    return content


def smpl_values(truths, raw, folder, change, **options):
    write_predictions(folder, truths, parametric_content(change))
    return values_of(evaluate(raw, folder, **options))


PERFECT = {
    **dict.fromkeys(('PCK', 'NCPS', 'NCPS-AUC', 'APCK', 'MinorPCK'), 100.0),
    **dict.fromkeys(('MPJPE', 'MPJPE_PA', 'AMPJPE', 'MVE', 'MVE_PA', 'MPJAE', 'MPJAE_PA'), 0.0),
    'AUC': 99.0,  # the middle of the first of 50 bins
}


@pytest.mark.parametrize('options', [options for _, options in MODES])
def test_perfect_parameters(options, genderless, genderless_release, tmp_path):
    found = smpl_values(genderless, genderless_release, tmp_path, lambda p: p, **options)
    assert_agrees(found, PERFECT)


def test_shifted_bodies(genderless, genderless_release, tmp_path):
    def change(parameters):
        return dict(parameters, trans=parameters['trans'] + [0.12, 0, 0.16])

    found = smpl_values(genderless, genderless_release, tmp_path, change)
    assert_agrees(found, PERFECT | {'AMPJPE': 200.0, 'APCK': 0.0})


def test_turned_bodies(genderless, genderless_release, tmp_path):
    """About the pelvis by 10 degrees: aligned, nothing is left of it."""
    turn = Rotation.from_rotvec([0, np.radians(10), 0])

    def change(parameters):
        pose = parameters['pose']
        pose[:3] = (turn * Rotation.from_rotvec(pose[:3])).as_rotvec()
        return parameters

    found = smpl_values(genderless, genderless_release, tmp_path, change)
    assert found['MPJAE'] == pytest.approx(10, abs=1e-6)
    for name in ('MPJAE_PA', 'MPJPE_PA', 'MVE_PA'):
        assert found[name] == pytest.approx(0, abs=1e-5)
    assert found['MPJPE'] > 10 and found['MVE'] > 10


def test_turned_elbow_is_one_of_nine_orientations(genderless, genderless_release, tmp_path):
    def change(parameters):
        elbow = slice(3 * 18, 3 * 19)
        turned = Rotation.from_rotvec(parameters['pose'][elbow]) * Rotation.from_rotvec([0.3, 0, 0])
        parameters['pose'][elbow] = turned.as_rotvec()
        return parameters

    found = smpl_values(genderless, genderless_release, tmp_path, change)
    assert found['MPJAE'] == pytest.approx(np.degrees(0.3) / 9, abs=1e-6)
    # The joints beyond it, wrist and hand, are the only ones that move.
    assert 0 < found['MPJPE'] < 10


def point_content(make, names=('joints', 'vertices')):
    def content(truth):
        keys = dict(joints='jointPositions', vertices='vertices')
        return {
            keys[n]: truth.stacked(lambda k, n=n: make(truth.bodies[k], n) / 1000) for n in names
        }

    return content


def test_scaled_and_shifted_points(gendered, gendered_release, tmp_path):
    def make(body, name):
        return 1.1 * body[name] + [50, -20, 300]

    write_predictions(tmp_path, gendered, point_content(make))
    found = values_of(evaluate(gendered_release, tmp_path))
    assert found['MPJPE_PA'] == pytest.approx(0, abs=1e-6)
    assert found['MVE_PA'] == pytest.approx(0, abs=1e-6)
    assert found['NCPS'] == 100
    assert found['NCPS-AUC'] == pytest.approx(100)
    mean = np.mean([np.linalg.norm(t['joints'] - t['joints'][0], axis=1).mean()
                    for _, t in pairs_of(gendered, lambda truth, key: None)])  # fmt: skip
    assert found['MPJPE'] == pytest.approx(0.1 * mean)


def test_no_uncertainties(gendered, gendered_release, tmp_path):
    write_predictions(tmp_path, gendered, point_content(lambda body, name: body[name]))
    found = values_of(evaluate(gendered_release, tmp_path))
    assert [found[n] for n in ('MJU', 'MVU', 'SDJU', 'SDVU')] == [0, 0, 0, 0]
    assert np.isnan(found['PCCJ']) and np.isnan(found['PCCV'])


ONE_EACH = {1: 30, 4: 50.5, 7: 120, 16: 198, 18: 249, 21: 0, 3: 45, 9: 700}


def test_known_distances(gendered, gendered_release, tmp_path):
    """Joints at known distances from their places; by hand."""

    def content(truth):
        joints = truth.stacked(lambda k: truth.simple[k])
        for joint, length in ONE_EACH.items():
            joints[:, :, joint] += np.array([2, -1, 2]) / 3 * length
        return dict(jointPositions=joints / 1000)

    write_predictions(tmp_path, gendered, content)
    report = evaluate(gendered_release, tmp_path)
    found, row = values_of(report), values_of(report, 'summary')
    total = 30 + 50.5 + 120 + 198 + 249 + 45 + 700
    # 7 major joints are in place: bin 0. The others are in bins 7, 12, 30, 49 and beyond.
    auc = 7 * 0.99 + (1 - 7.5 / 50) + (1 - 12.5 / 50) + (1 - 30.5 / 50) + (1 - 49.5 / 50)
    assert_agrees(
        {n: v for n, v in found.items() if not n.startswith(('NCPS', 'MPJPE_PA'))},
        {
            'MPJPE': total / 24,
            'AMPJPE': total / 24,
            'PCK': 100 * 8 / 12,
            'AUC': 100 * auc / 12,
            'APCK': 100 * 10 / 12,
            'MinorPCK': 100 * 11 / 12,
        },
    )
    assert row['MPJPE'] == pytest.approx(total / 24)
    assert row['PCK@50'] == pytest.approx(100 * 19 / 24)
    assert row['AUC@100'] == pytest.approx(100 * (17 + 0.7 + 0.495 + 0.55) / 24)
    assert row['CPS@200'] == 0
    expected = dict.fromkeys(['lhip', 'rhip', 'rkne', 'rank', 'rsho', 'relb', 'lwri', 'rwri'], 100)
    expected |= dict.fromkeys(['lkne', 'lank', 'lsho', 'lelb'], 0)
    assert report.tables['PCK by joint']['PCK@50'] == pytest.approx(expected)
    assert list(report.tables['PCK by threshold']['PCK'].values()) == pytest.approx(
        [100 * 8 / 12] + [100 * 9 / 12] * 10 + [100 * 10 / 12] + [100 * 11 / 12] * 1 + [100] * 2
    )


def test_simple_by_the_formulas(gendered, gendered_release, tmp_path):
    bodies = RandomBodies()

    def content(truth):
        return dict(jointPositions=truth.stacked(lambda k: bodies(truth, k)['joints'] / 1000))

    write_predictions(tmp_path, gendered, content)
    pairs = [
        (dict(joints=bodies(truth, key)['joints']), dict(joints=truth.simple[key]))
        for truth in gendered
        for key in truth.keys
        if truth.counts(*key)
    ]
    expected, _ = evaluate_pairs(pairs)
    report = evaluate(gendered_release, tmp_path)
    assert tuple(values_of(report)) == (
        *('MPJPE', 'MPJPE_PA', 'PCK', 'AUC', 'NCPS', 'NCPS-AUC', 'APCK', 'AMPJPE', 'MinorPCK'),
    )
    assert_agrees(values_of(report), expected)
    row = values_of(report, 'summary')
    d = np.array([np.linalg.norm((p['joints'] - p['joints'][0]) - (t['joints'] - t['joints'][0]),
                                 axis=1) for p, t in pairs])  # fmt: skip
    assert len(row) == 19
    assert row['CPS@150'] == pytest.approx(100 * np.mean(d.max(axis=1) < 150))
    assert row['CPS-AUC@200'] == pytest.approx(
        100 * np.mean(np.maximum(0, 1 - d.max(axis=1) / 200))
    )
    assert row['AUC@150'] == pytest.approx(100 * np.mean(np.maximum(0, 1 - d / 150)))
    with np.load(tmp_path / 'arrays.npz') as arrays:
        assert set(arrays) == {'true', 'pred'}
        np.testing.assert_allclose(
            np.linalg.norm(arrays['pred'] - arrays['true'], axis=2), d, atol=1e-9
        )
        np.testing.assert_array_equal(arrays['pred'][:, 0], 0)


def test_file_beside_the_predictions(gendered, gendered_release, tmp_path):
    def content(truth):
        return dict(jointPositions=truth.stacked(lambda k: truth.simple[k] / 1000))

    write_predictions(tmp_path, gendered, content)
    evaluate(gendered_release, tmp_path)
    lines = (tmp_path / 'metrics').read_text().splitlines()
    numbers = '0.00000 & 0.00000 & 100.00000 & 99.00000 & 100.00000 & 100.00000 & 100.00000'
    assert lines[-1] == f'{numbers} & 0.00000 & 100.00000'
    assert lines[0] == '3DPW, all phases, joints'


def test_sequences_and_curves(gendered, gendered_release, tmp_path):
    def content(truth):
        joints = truth.stacked(lambda k: truth.simple[k])
        if truth.phase == 'train':
            joints[:, :, 1:] += [0, 0, 24]
        return dict(jointPositions=joints / 1000)

    write_predictions(tmp_path, gendered, content)
    report = evaluate(gendered_release, tmp_path, per_sequence=True)
    rows = report.tables['sequences']
    assert rows['courtyard_golf_00']['MPJPE'] == pytest.approx(23)
    assert rows['downtown_arguing_00']['MPJPE'] == pytest.approx(0, abs=1e-9)
    # 5 of 22 poses count in that sequence: not the mean of the sequences.
    assert report.info['poses'] == 22
    assert values_of(report)['MPJPE'] == pytest.approx(23 * 5 / 22)
    thresholds, fractions = report.curves['PCK']
    at = dict(zip(thresholds, fractions, strict=True))
    assert at[22] == pytest.approx(1 - 5 / 22 * 23 / 24)
    assert at[26] == pytest.approx(1)
    only_test = evaluate(gendered_release, tmp_path, testset_only=True)
    assert values_of(only_test)['MPJPE'] == pytest.approx(0, abs=1e-9)
    assert only_test.info['poses'] == 11
    assert only_test.title.startswith('3DPW, test set')


def test_command_line_and_seeds(gendered, gendered_release, tmp_path, capsys):
    for seed, z in ((1, 0.01), (2, 0.03)):

        def content(truth, z=z):
            joints = truth.stacked(lambda k: truth.simple[k] / 1000)
            return dict(jointPositions=joints + [0, 0, z])

        write_predictions(tmp_path / f'seed{seed}', gendered, content)
    common = ['--data-dir', gendered_release, '--procrustes', '--json']
    assert main(['--pred-path', str(tmp_path / 'seed1'), *common, '--batch-size', '7']) == 0
    record = json.loads(capsys.readouterr().out)
    assert record['metrics']['All']['AMPJPE'] == pytest.approx(10)
    assert record['info']['protocol'] == 'simple'
    arguments = ['--predictions', str(tmp_path / 'seed1'), *common, '--seeds', '2']
    assert main([*arguments, '--plot', str(tmp_path / 'pck.png')]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record['metrics']['All mean']['AMPJPE'] == pytest.approx(20)
    assert record['metrics']['All std']['AMPJPE'] == pytest.approx(10)
    assert (tmp_path / 'pck.png').stat().st_size > 1000
