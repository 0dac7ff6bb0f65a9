"""``posepile run``, and the way from the recordings to composites and on to crops."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import rlemasklib

from posepile.cluster.plan import plan_of
from posepile.ds.muco import arrange, composites, fetch, frames
from posepile.ds.muco.main import make_recipe
from posepile.ds.muco.origins import moments_of
from posepile.ds.tdhp.fetch import Download
from posepile.pipeline.stages import make_crops
from posepile.raw.images import image_size
from posepile.registry import find_dataset
from posepile.simulate.fidelity import check_product
from posepile.simulate.truth import load_truth
from posepile.storage.results import ResultWriter, part_path
from posepile.util import TEST, TRAIN, VALID

pytestmark = pytest.mark.xdist_group('muco')


@pytest.mark.slow
def test_run(simulated_root, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(simulated_root('muco')))
    monkeypatch.setenv('POSEPILE_TASKS', '2')
    command = [sys.executable, '-m', 'posepile.cli', 'run', 'muco_17_150k', '--jobs', '2']
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert check_product('muco_17_150k').problems() == []


@pytest.mark.slow
def test_composites_of_our_own(simulated_root, tmp_path, monkeypatch):
    """All steps from the simulated recordings: who is seen is found and becomes an example."""
    shutil.copytree(simulated_root('muco') / '3dhp', tmp_path / '3dhp')
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    assert arrange.main(['--first-frame', '0', '--per-camera', '3']) == 0
    report = frames.extract_frames(1000)
    assert report.skipped == []
    composites.make_composites(1000)
    folder = tmp_path / 'muco/unaugmented_set_001'
    truth = json.loads((folder / 'chunk_00001_visible.json').read_text())
    assert len(truth) >= 9  # of the cameras that see four moments or more
    assert all(len(c['far_to_near']) == 4 for c in truth.values())
    assert {image_size(path) for path in folder.glob('*.jpg')} == {(1024, 1024)}

    writer = ResultWriter(part_path(tmp_path / 'muco/detections'), dict(kind='detections'))
    for number, composite in truth.items():
        boxes = rlemasklib.to_bbox([encoded(mask) for mask in composite['masks']])
        rows = [[*box, 0.9] for box in boxes if box[2] * box[3] > 0]
        writer.add({f'unaugmented_set_001/{number}.jpg': np.float32(rows).reshape(-1, 5)})
    writer.finish()
    report = make_crops(make_recipe('muco'))
    masks = [encoded(mask) for composite in truth.values() for mask in composite['masks']]
    n_seen = np.count_nonzero(rlemasklib.area(masks) > 1000)
    assert report.clips_failed == 0
    # Some boxes are too large for people with all joints in a line, or with more foreground.
    assert 0.8 * n_seen < report.crops <= n_seen


def encoded(mask):
    return dict(mask, counts=mask['counts'].encode())


@pytest.mark.parametrize('name', ['muco', 'muco_3dhp_200k', 'muco_17_150k', 'muco_full'])
def test_steps(name, tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    steps = plan_of(find_dataset(name))
    names = ['download', 'arrange', 'frames', 'composites', 'detect']
    has_mupots = name in ('muco_17_150k', 'muco_full')
    names += ['mupots', 'intrinsics', 'detect_mupots'] * has_mupots + ['crops', 'pack']
    assert [step.name for step in steps] == names
    command = list(steps[4].command)
    patterns = command[command.index('--pattern') + 1]
    assert ('1[0-4]????.jpg' in patterns) == (name == 'muco_17_150k')
    assert ('1?????.jpg' in patterns) == (name == 'muco_3dhp_200k')


def test_everything_but_the_ceiling_is_fetched(tmp_path, monkeypatch, capsys):
    wanted = fetch.wanted_downloads()
    assert len(wanted) == 16 * (2 + 3 * 2)
    provided = {path for download in wanted for path in download.provides}
    assert len(provided) == 16 * (2 + 3 * 11)
    assert 'S8/Seq2/ChairMasks/video_10.avi' in provided
    assert not any('video_11' in path for path in provided)
    assert Download('S1/Seq1/annot.mat', ('S1/Seq1/annot.mat',)) in wanted
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    assert fetch.main([]) == 1
    assert 'accepted the licence' in capsys.readouterr().err
    assert not (tmp_path / '3dhp').exists()


@pytest.mark.slow
def test_what_happens_in_the_simulation(simulated_root, monkeypatch):
    """Who comes out of each composite; the others are as they are for a reason."""
    root = simulated_root('muco')
    monkeypatch.setenv('DATA_ROOT', str(root))
    found = {}
    for person in load_truth('muco'):
        number, index = person.crop_path.rpartition('/')[2].removesuffix('.jpg').split('_')
        found.setdefault(int(number), []).append(int(index))
    assert found[1] == found[2] == found[9] == [0, 1, 2, 3]
    assert found[4] == [1, 2, 3]  # the first is hidden by the third, the same moment
    assert 5 not in found  # an image is missing
    assert 6 not in found  # a mask is missing
    assert found[7] == [2, 3]  # one detection for the first two
    assert 8 not in found  # nobody was detected
    assert {len(m) for m in map(moments_of, range(1, 10))} == {4}
    assert (root / 'muco/unaugmented_set_001/00/0000/000002.jpg').exists()
    boxes = np.array([p.box for p in load_truth('muco')])
    assert np.any(boxes[:, 0] + boxes[:, 2] > 1000)  # at the border of 1024 px
    of_17 = load_truth('muco_17_150k')
    assert {p.split for p in of_17} == {TRAIN, VALID, TEST}
    assert {p.joints.shape for p in of_17} == {(17, 3)}
    of_28 = [p for p in load_truth('muco_full') if p.split == VALID]
    assert all(np.isnan(p.joints).any(axis=1).sum() == 11 for p in of_28)
