"""Predictions that are missing, damaged or not fit for what is asked; smoothing."""

import logging
import os
import shutil

import numpy as np
import pytest

from posepile.ds.tdpw.eval import evaluate, main
from posepile.ds.tdpw.smoothing import smoothed
from posepile.errors import BadFileError, OptionError, RawDataError
from tests.ds.tdpw.files import write_predictions, write_streams
from tests.ds.tdpw.literal import read_truth

pytestmark = pytest.mark.xdist_group('tdpw')

TWO_PEOPLE = 'test/downtown_arguing_00.pkl'


@pytest.fixture(scope='session')
def truths(gendered_release):
    return read_truth(gendered_release)


def joints_of(truth):
    return truth.stacked(lambda key: truth.simple[key] / 1000)


@pytest.fixture
def predict(truths, tmp_path):
    """Write predictions of joints; (function of phase and (P, N, 24, 3) metres) -> folder."""

    def write(change=lambda phase, joints: joints, only=None):
        chosen = [t for t in truths if only is None or t.phase in only]
        return write_predictions(
            tmp_path / 'predictions',
            chosen,
            lambda t: dict(jointPositions=change(t.phase, joints_of(t))),
        )

    return write


def in_test(function):
    return lambda phase, joints: function(joints) if phase == 'test' else joints


def test_missing_sequences_are_named(predict, gendered_release):
    folder = predict(only=['validation'])
    with pytest.raises(BadFileError) as e:
        evaluate(gendered_release, folder)
    assert '2 of 3 sequences (courtyard_golf_00, downtown_arguing_00)' in str(e.value)
    with pytest.raises(BadFileError, match='1 of 1 sequences .downtown_arguing_00.'):
        evaluate(gendered_release, folder, testset_only=True, protocol='simple')


def test_only_the_test_folder_is_read_for_the_test_set(predict, gendered_release, tmp_path):
    folder = predict(only=['test'])
    (folder / 'validation').mkdir()
    shutil.copy(folder / TWO_PEOPLE, folder / 'validation' / 'downtown_arguing_00.pkl')
    evaluate(gendered_release, folder, testset_only=True)
    with pytest.raises(BadFileError, match='a second file of downtown_arguing_00'):
        evaluate(gendered_release, folder)


def test_folders_may_have_other_names(predict, gendered_release):
    folder = predict()
    os.rename(folder / 'validation', folder / 'val')
    shutil.move(folder / TWO_PEOPLE, folder)
    assert evaluate(gendered_release, folder).info['poses'] == 22


def test_other_files_are_passed_over(predict, gendered_release, caplog):
    folder = predict()
    shutil.copy(folder / TWO_PEOPLE, folder / 'test' / 'downtown_cafe_01.pkl')
    (folder / 'notes.txt').write_text('x')
    with caplog.at_level(logging.WARNING):
        assert evaluate(gendered_release, folder).info['poses'] == 22
    assert 'not evaluated: downtown_cafe_01.pkl' in caplog.text
    assert 'notes' not in caplog.text


def test_joints_alone_need_no_body_model(predict, blank_release):
    os.remove(blank_release / '3dpw' / 'body_models')
    folder = predict()
    assert evaluate(blank_release / '3dpw', folder).info['poses'] == 22
    with pytest.raises(RawDataError, match='docs/body-models.md'):
        evaluate(blank_release / '3dpw', folder, protocol='points')


def test_missing_person(predict, gendered_release):
    folder = predict(in_test(lambda joints: joints[:1]))
    with pytest.raises(BadFileError, match='jointPositions has 1 of the 2 people') as e:
        evaluate(gendered_release, folder)
    assert TWO_PEOPLE in str(e.value)


def test_more_people_than_there_are(predict, gendered_release):
    folder = predict(in_test(lambda joints: np.concatenate([joints, joints + 1])))
    assert evaluate(gendered_release, folder).tables['metrics']['All']['AMPJPE'] < 1e-9


def test_missing_frames_are_named(predict, gendered_release):
    folder = predict(in_test(lambda joints: joints[:, :4]))
    with pytest.raises(BadFileError) as e:
        evaluate(gendered_release, folder)
    assert 'is missing for 2 poses' in str(e.value)
    assert 'imageFiles/downtown_arguing_00/image_00004.jpg person 0' in str(e.value)


def test_missing_frames_that_do_not_count(predict, truths, gendered_release):
    """People may have different numbers of frames, as lists have."""
    folder = predict(in_test(lambda joints: [joints[0], joints[1]]))
    golf = next(t for t in truths if t.phase == 'train')
    joints = joints_of(golf)
    joints[0, 2] = np.nan  # where the camera is not aligned
    write_predictions(folder, [golf], lambda t: dict(jointPositions=joints))
    assert evaluate(gendered_release, folder).info['poses'] == 22
    joints[0, 1, 5, 2] = np.nan
    write_predictions(folder, [golf], lambda t: dict(jointPositions=joints))
    with pytest.raises(BadFileError, match=r'is not finite for 1 poses \(.*image_00001.jpg pers'):
        evaluate(gendered_release, folder)


@pytest.mark.parametrize(
    'content, problem',
    [
        (dict(joints=np.zeros((1, 6, 24, 3))), 'none of pose, vertices, orientations'),
        (dict(jointPositions=np.zeros((1, 6, 17, 3))), r'\(6, 17, 3\), not \(frames, 24, 3\)'),
        (dict(jointPositions=np.zeros((1, 6, 24, 4))), r'\(6, 24, 4\), not \(frames, 24, 3\)'),
        (dict(jointPositions=[['x'] * 6]), 'jointPositions: is an array of'),
        (dict(jointPositions=[[[1.0], [1.0, 2.0]]]), 'jointPositions: '),
        (dict(vertices=np.zeros((1, 6, 6890, 3))), 'has no jointPositions'),
        (
            dict(pose=np.zeros((1, 6, 72)), betas=np.zeros((1, 6, 9)), trans=np.zeros((1, 6, 3))),
            'not .frames, 10 or more.',
        ),
        ([1, 2], 'no dictionary, but list'),
    ],
)
def test_files_of_other_shapes(content, problem, truths, gendered_release, tmp_path):
    write_predictions(tmp_path, truths, lambda t: content)
    with pytest.raises(BadFileError, match=problem):
        evaluate(gendered_release, tmp_path)


class Evil:
    def __reduce__(self):
        return os.mkdir, ('owned',)


def test_files_cannot_run_programs(truths, gendered_release, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_predictions(tmp_path, truths, lambda t: dict(jointPositions=Evil()))
    with pytest.raises(RawDataError, match='mkdir'):
        evaluate(gendered_release, tmp_path)
    assert not (tmp_path / 'owned').exists()


def test_no_predictions(gendered_release, tmp_path):
    with pytest.raises(BadFileError, match='has no predictions'):
        evaluate(gendered_release, tmp_path)
    with pytest.raises(BadFileError, match='has no predictions'):
        evaluate(gendered_release, tmp_path / 'nowhere')


def stream(truth):
    for i in range(truth.n_frames):
        people = [truth.bodies[p, i] for p in range(truth.n_people)]
        yield dict(
            joints=np.array([b['joints'] for b in people]),
            vertices=np.array([b['vertices'] for b in people]),
            joint_uncertainties=np.full((len(people), 24), 0.02),
            vertex_uncertainties=np.full((len(people), 6890), 0.03),
        )


def test_streams(truths, gendered_release, tmp_path):
    write_streams(tmp_path, truths, stream)
    found = evaluate(gendered_release, tmp_path).tables['metrics']['All']
    assert found['MJU'] == pytest.approx(20) and found['MVU'] == pytest.approx(30)
    assert found['MPJPE'] == pytest.approx(0, abs=1e-9)
    assert np.isnan(found['PCCJ'])  # they are all alike


@pytest.mark.parametrize(
    'change, problem',
    [
        (lambda frames: frames[:4], 'is missing for 2 poses .*image_00004.jpg person 0'),
        (lambda frames: [{k: v[:1] for k, v in f.items()} for f in frames],
         'is missing for 1 poses .*image_00000.jpg person 1'),
        (lambda frames: [{k: v for k, v in f.items() if 'joint_' not in k} for f in frames],
         'frame 0 has no joint_uncertainties'),
        (lambda frames: [dict(f, joints=f['joints'] * np.nan) for f in frames], 'not finite'),
        (lambda frames: [dict(f, joints=f['joints'][:, :17]) for f in frames],
         r'\(17, 3\), not \(24, 3\)'),
    ],
)  # fmt: skip
def test_streams_that_lack_something(change, problem, truths, gendered_release, tmp_path):
    write_streams(
        tmp_path,
        truths,
        lambda t: change(list(stream(t))) if t.phase == 'test' else stream(t),
    )
    with pytest.raises(BadFileError, match=problem):
        evaluate(gendered_release, tmp_path)


@pytest.mark.parametrize(
    'options, problem',
    [
        (dict(use_h36m_regressor=True), 'add --joint14'),
        (dict(joint14=True), 'Leave out --joint14'),
        (dict(align_at_hips=True), 'Leave out --joint14 and --align-at-hips'),
        (dict(protocol='points', smoothing='causal'), 'Smoothing is for joints alone'),
        (dict(n_seeds=3), 'no part seed1'),
    ],
)
def test_options_that_do_not_go_together(options, problem, predict, gendered_release):
    with pytest.raises(OptionError, match=problem):
        evaluate(gendered_release, predict(), **options)


def test_error_on_the_command_line(predict, gendered_release, capsys):
    folder = predict(in_test(lambda joints: joints[:1]))
    assert main(['--predictions', str(folder), '--data-dir', gendered_release]) == 1
    assert 'posepile: error:' in capsys.readouterr().err


def test_result_is_printed_even_if_no_file_can_be_left(predict, gendered_release, caplog):
    folder = predict()
    (folder / 'metrics').mkdir()
    with caplog.at_level(logging.WARNING):
        assert evaluate(gendered_release, folder).info['poses'] == 22
    assert 'metrics cannot be written' in caplog.text


def test_no_frame_counts(blank_release, predict):
    import posepile.bodymodels.python2_pickle as python2_pickle
    from posepile.raw.unpickle import restricted_load

    for path in (blank_release / '3dpw' / 'sequenceFiles').glob('*/*.pkl'):
        content = restricted_load(path)
        content['campose_valid'] = [np.zeros_like(v) for v in content['campose_valid']]
        path.write_bytes(python2_pickle.dumps(content))
    with pytest.raises(RawDataError, match='no person counts'):
        evaluate(blank_release / '3dpw', predict())


# Smoothing


def mirrored(i, n):
    i = abs(i)
    return 2 * (n - 1) - i if i >= n else i


def literally_smoothed(x, weights, ages):
    """Frame i: the sum of weight times the frame that is so many frames older."""
    n = len(x)
    return np.array(
        [
            sum(w * x[mirrored(i - a, n)] for w, a in zip(weights, ages, strict=True))
            for i in range(n)
        ]
    )


@pytest.mark.parametrize(
    'kind, as_published, weights, ages',
    [
        ('causal', False, np.array([6, 2, 1, 1, 0.5]) / 10.5, [0, 1, 2, 3, 4]),
        ('causal', True, np.array([6, 2, 1, 1, 0.5]) / 10.5, [-1, 0, 1, 2, 3]),
        ('acausal', False, np.array([1, 2, 4, 8, 16, 32, 16, 8, 4, 2, 1]) / 94, range(-5, 6)),
    ],
)
def test_smoothing(kind, as_published, weights, ages, truths, gendered_release, tmp_path):
    x = np.random.default_rng(0).normal(size=(9, 24, 3))
    found = smoothed(x, kind, as_published)
    np.testing.assert_allclose(found, literally_smoothed(x, weights, ages), atol=1e-12)

    rng = np.random.default_rng(1)
    jitter = {t.name: rng.normal(0, 0.1, joints_of(t).shape) for t in truths}
    write_predictions(
        tmp_path, truths, lambda t: dict(jointPositions=joints_of(t) + jitter[t.name])
    )
    report = evaluate(gendered_release, tmp_path, smoothing=kind, as_published=as_published)
    errors = []
    for t in truths:
        for p in range(t.n_people):
            track = 1000 * (joints_of(t) + jitter[t.name])[p]
            for i, pred in enumerate(literally_smoothed(track, weights, ages)):
                if t.counts(p, i):
                    errors.append(np.linalg.norm(pred - t.simple[p, i], axis=1))
    found = report.tables['metrics']['All']['AMPJPE']
    assert found == pytest.approx(np.mean(errors), abs=1e-6)


def test_smoothing_does_not_reach_over_what_is_missing(truths, gendered_release, tmp_path):
    def content(t):
        joints = joints_of(t)
        if t.phase == 'train':
            joints[0, 2] = np.nan
        return dict(jointPositions=joints)

    write_predictions(tmp_path, truths, content)
    evaluate(gendered_release, tmp_path)
    with pytest.raises(BadFileError, match='not finite for .*image_00003.jpg person 0'):
        evaluate(gendered_release, tmp_path, smoothing='causal')


@pytest.mark.parametrize('kind', ['causal', 'acausal'])
def test_smoothing_options(kind, predict, gendered_release, capsys):
    folder = str(predict())
    assert main(['--pred-path', folder, '--data-dir', gendered_release, f'--{kind}-smoothing']) == 0
    assert 'MPJPE' in capsys.readouterr().out
