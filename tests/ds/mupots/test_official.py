"""The tables of the official evaluation: worked examples."""

import os
import shutil

import numpy as np
import pytest

from posepile.ds.mupots.eval import evaluate
from posepile.ds.mupots.official import COLUMNS
from posepile.ds.mupots.simulate_files import write_occlusions
from posepile.errors import RawDataError
from tests.ds.mupots.small_release import SHAPES, SmallRelease
from tests.ds.mupots.test_eval import deeper

NAMES = [f'{m}{v}' for m in ('all', 'matched') for v in ('', ' visible', ' occluded')]


@pytest.fixture(scope='module')
def labelled(tmp_path_factory):
    """A release in which only right arms (2, 3, 4) are occluded, in TS1 and TS4 only; the
    universal pose is the pose in mm."""
    release = SmallRelease(tmp_path_factory.mktemp('labelled') / 'mupots')
    for sequence in range(1, 21):
        n_frames, n_people = SHAPES.get(sequence, (1, 1))
        labels = np.zeros((n_frames, n_people, 17), bool)
        if sequence in (1, 4):
            labels[..., 2:5] = True
        write_occlusions(f'{release.root}/TS{sequence}/occlusion.mat', labels)
    return release


def tables_of(release, poses, path):
    return evaluate(release.root, release.save(path, poses), official=True).tables


def turned(pose, joint, parent):
    """The pose with the last bone of a limb turned back: its end is off by twice its length."""
    pose = pose.copy()
    pose[joint] = 2 * pose[parent] - pose[joint]
    return pose


def test_perfect_predictions(labelled, tmp_path):
    tables = tables_of(labelled, labelled.univ, tmp_path / 'p.npz')
    assert list(tables) == NAMES
    for name, table in tables.items():
        assert table.columns == list(COLUMNS) == [
            'Head', 'Neck', 'Shoulders', 'Elbows', 'Wrists', 'Hips', 'Knees', 'Ankles',
            'PCK', 'AUC', 'MPJPE',
        ]  # fmt: skip
        assert list(table.rows) == [*(f'TS{i}, {name}' for i in range(1, 21)), f'Mean, {name}']
        row = table[f'Mean, {name}']
        assert [row['PCK'], row['AUC'], row['MPJPE']] == pytest.approx([100, 3000 / 31, 0])
    occluded = tables['all occluded']
    assert np.isnan(occluded['TS2, all occluded']['PCK'])
    assert np.isnan(occluded['Mean, all occluded']['Knees'])
    assert occluded['Mean, all occluded']['Wrists'] == 100


def test_people_who_are_not_matched(labelled, tmp_path):
    """One of TS4's two people: 100 m off, or not counted."""
    poses = {k: p for k, p in labelled.univ.items() if k != (4, 0, 1)}
    tables = tables_of(labelled, poses, tmp_path / 'p.npz')
    row = tables['all']['TS4, all']
    assert list(row.values()) == pytest.approx([50] * 9 + [1500 / 31, 50_000], abs=1e-6)
    row = tables['matched']['TS4, matched']
    assert list(row.values()) == pytest.approx([100] * 9 + [3000 / 31, 0], abs=1e-6)
    assert tables['all']['Mean, all']['PCK'] == pytest.approx(97.5, abs=1e-6)
    # Occluded joints are in TS1 and TS4 only, visible ones everywhere.
    assert tables['all occluded']['Mean, all occluded']['PCK'] == pytest.approx(75, abs=1e-6)
    assert tables['all visible']['Mean, all visible']['PCK'] == pytest.approx(97.5, abs=1e-6)


def test_visible_and_occluded_joints(labelled, tmp_path):
    """The right wrists (occluded) in TS1 and the left ankles (visible) in TS5 point backwards."""
    poses = {}
    for key, pose in labelled.univ.items():
        limb = {1: (4, 3), 5: (13, 12)}.get(key[0])
        poses[key] = turned(pose, *limb) if limb else pose
        if limb:
            assert np.linalg.norm(poses[key] - pose, axis=1).max() > 150
    tables = tables_of(labelled, poses, tmp_path / 'p.npz')
    occluded, visible = tables['all occluded'], tables['all visible']
    assert occluded['TS1, all occluded']['PCK'] == pytest.approx(100 * 2 / 3)
    assert occluded['TS1, all occluded']['Wrists'] == 0
    assert visible['TS1, all visible']['PCK'] == 100
    assert visible['TS5, all visible']['PCK'] == pytest.approx(100 * 13 / 14)
    assert visible['TS5, all visible']['Ankles'] == 50
    both = tables['all']['TS1, all']
    assert both['PCK'] == pytest.approx(100 * 13 / 14) and both['Wrists'] == 50
    assert occluded['Mean, all occluded']['PCK'] == pytest.approx(100 * (2 / 3 + 1) / 2)
    mean = visible['Mean, all visible']
    assert mean['PCK'] == pytest.approx((19 * 100 + 100 * 13 / 14) / 20)
    assert mean['Ankles'] == pytest.approx((19 * 100 + 50) / 20)
    lengths = [
        2 * np.linalg.norm(pose[4] - pose[3]) for k, pose in labelled.univ.items() if k[0] == 1
    ]
    assert both['MPJPE'] == pytest.approx(np.mean(lengths) / 14, abs=1e-6)


def test_bones_are_rescaled_and_poses_relative(labelled, tmp_path):
    poses = {k: 1.3 * p for k, p in labelled.joints.items()}
    tables = tables_of(labelled, poses, tmp_path / 'p.npz')
    assert tables['all']['Mean, all']['MPJPE'] == pytest.approx(0, abs=1e-6)


def test_without_any_match_among_the_matched(labelled, tmp_path):
    poses = {k: p for k, p in labelled.univ.items() if k[0] != 1}
    tables = tables_of(labelled, poses, tmp_path / 'p.npz')
    matched = tables['matched']
    assert np.isnan([matched['TS1, matched']['PCK'], matched['Mean, matched']['PCK']]).all()
    assert tables['all']['TS1, all']['PCK'] == 0
    # A sequence without occluded joints in the truth is no part of that mean, in any case.
    occluded = tables['all occluded']['Mean, all occluded']
    assert occluded['PCK'] == pytest.approx(50)


def test_public_and_official_protocol_agree(release, tmp_path):
    rng = np.random.default_rng(3)
    poses = {
        k: deeper(p, rng.normal(0, 150, 17)) for k, p in release.joints.items() if k != (2, 0, 2)
    }
    public = evaluate(release.root, release.save(tmp_path / 'p.npz', poses)).tables
    official = tables_of(release, poses, tmp_path / 'p.npz')
    for mode in ('all', 'matched'):
        own = [row['PCK'] for row in map(official[mode].__getitem__, official[mode].rows)]
        assert own == pytest.approx(public['sequences'].rows[f'PCK {mode}'], abs=1e-9)
    means = public['means']['universal, relative, rescaled']
    assert official['all']['Mean, all']['AUC'] == pytest.approx(means['AUC all'], abs=1e-9)
    assert official['matched']['Mean, matched']['MPJPE'] == pytest.approx(means['MPJPE14'])


def test_labels_are_needed_for_the_official_tables_only(release, tmp_path):
    root = tmp_path / 'mupots'
    shutil.copytree(release.root, root)
    path = release.save(tmp_path / 'p.npz', release.joints)
    shutil.copy(root / 'TS3/occlusion.mat', root / 'TS2/occlusion.mat')
    with pytest.raises(RawDataError, match=r'TS2/occlusion.mat.*\(3, 1\) frames and people'):
        evaluate(root, path, official=True)
    os.remove(root / 'TS2/occlusion.mat')
    with pytest.raises(RawDataError, match='TS2/occlusion.mat'):
        evaluate(root, path, official=True)
    assert evaluate(root, path).tables['numbers']['All']['recall'] == 100
