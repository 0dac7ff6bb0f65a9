"""Scores of single bodies, exactly at the limits."""

import numpy as np
import pytest

from posepile.bodymodels.families import FAMILIES
from posepile.ds.tdpw.bodies import Bodies
from posepile.ds.tdpw.joint_sets import joint_set
from posepile.ds.tdpw.scores import Comparison, binned_auc_scores

SMPL_NAMES = FAMILIES['smpl'].joint_names


def bodies(moved=None):
    """A body of whole millimetres, of which some joints are moved by whole millimetres."""
    joints = np.random.default_rng(0).integers(-800, 800, (1, 24, 3)).astype(float)
    for name, shift in (moved or {}).items():
        joints[0, SMPL_NAMES.index(name)] += shift
    return Bodies(joints)


def scores(moved, **options):
    return Comparison(bodies(moved), bodies(), joint_set(**options)).joint_scores()


def test_joints_at_the_very_threshold_are_correct():
    found = scores(
        {'lwri': [30, 0, 40], 'rwri': [0, 0, 51], 'spin': [0, -50, 0], 'neck': [51, 0, 0]}
    )
    assert found['PCK@50'].mean() == pytest.approx(100 * 11 / 12)
    assert found['PCK@51'].mean() == 100
    assert found['MinorPCK'].mean() == pytest.approx(100 * 11 / 12)
    found = scores({'lwri': [90, 0, 120], 'rwri': [0, 0, 151]})
    assert found['APCK'].mean() == pytest.approx(100 * 11 / 12)
    assert found['PCK@150'].mean() == pytest.approx(100 * 11 / 12)


def test_root_moves_all_but_what_is_absolute():
    found = scores({'pelv': [0, 0, 10]})
    assert found['MPJPE'].mean() == pytest.approx(10 * 23 / 24)
    assert found['AMPJPE'].mean() == pytest.approx(10 / 24)
    found = scores({'lhip': [0, 0, 10]}, align_at_hips=True)
    assert found['MPJPE'].mean() == pytest.approx(5)


def test_worst_of_the_major_joints_decides():
    found = scores({'neck': [0, 0, 5000]})
    aligned = found['MPJPE_PA'][0]
    major = [
        SMPL_NAMES.index(s + n) for s in 'lr' for n in ('hip', 'kne', 'ank', 'sho', 'elb', 'wri')
    ]
    worst = aligned[major].max()
    assert aligned.max() > worst
    assert found['NCPS-AUC'] == pytest.approx(100 * max(0, 1 - worst / 300))
    for limit in (50, 75, 100, 125, 150):
        assert found[f'NCPS@{limit}'] == 100 * (worst <= limit)


def test_bins_of_the_area():
    width = 199 / 50
    distances = [0, width - 1e-9, width, 1.5 * width, 199 - 1e-9, 199, 1000]
    expected = [0.99, 0.99, 0.97, 0.97, 0.01, 0, 0]
    np.testing.assert_allclose(binned_auc_scores(distances), expected, atol=1e-12)


def test_names_of_joint_sets():
    everything = joint_set()
    assert everything.names == SMPL_NAMES and everything.root == (0,)
    major = {everything.names[i] for i in everything.major}
    assert major == {s + n for s in 'lr' for n in ('hip', 'kne', 'ank', 'sho', 'elb', 'wri')}
    fourteen = joint_set(joint14=True)
    assert {fourteen.names[i] for i in fourteen.major} == major
    assert {fourteen.names[i] for i in fourteen.minor} == {'neck', 'head'}
    assert SMPL_NAMES[fourteen.root[0]] == 'pelv'
    hips = joint_set(joint14=True, align_at_hips=True)
    assert [SMPL_NAMES[i] for i in hips.root] == ['lhip', 'rhip']
    published = joint_set(joint14=True, as_published=True)
    assert {published.names[i] for i in published.minor} == {'lwri', 'rwri'}
    assert [SMPL_NAMES[i] for i in published.root] == ['lhip']
    published = joint_set(joint14=True, align_at_hips=True, as_published=True)
    assert [SMPL_NAMES[i] for i in published.root] == ['lkne', 'rkne']


def test_regressed_joints_are_those_of_lsp(gendered_release):
    from posepile.bodymodels import load_regressor

    regressor = load_regressor('h36m', f'{gendered_release}/body_models')
    chosen = joint_set(joint14=True, regressor=regressor)
    assert chosen.names == (
        *('rank', 'rkne', 'rhip', 'lhip', 'lkne', 'lank'),
        *('rwri', 'relb', 'rsho', 'lsho', 'lelb', 'lwri', 'neck', 'htop'),
    )
    assert chosen.minor == (12, 13)
    hips = joint_set(joint14=True, regressor=regressor, align_at_hips=True)
    assert {regressor.joint_names[i] for i in hips.root} == {'lhip', 'rhip'}
    # Uncertainties of regressed joints are means of those of vertices.
    body = Bodies(np.zeros((2, 24, 3)), vertex_uncertainties=np.full((2, 6890), 7.0))
    np.testing.assert_allclose(chosen.uncertainties(body), 7)
