"""MuPoTS-3D as validation and test data of other products."""

import json

import numpy as np
import pytest

from posepile.ds.mupots import companion
from posepile.ds.mupots.main import list_clips, read_clip
from posepile.ds.tdhp.main import make_recipe
from posepile.ds.tdhp.skeleton import FULL_JOINT_INFO, JOINT_INFO
from posepile.errors import RawDataError
from posepile.pipeline.crops import crops_of
from posepile.pipeline.report import Report
from posepile.simulate.origin import MARKER
from posepile.util import TEST, TRAIN, VALID


@pytest.mark.parametrize('split', [VALID, TEST])
def test_joints_keep_their_names_and_others_are_missing(one_take, split):
    clip, own = companion.read_clip((7, split), FULL_JOINT_INFO), read_clip((7, split))
    for person, other in zip(clip.people, own.people, strict=True):
        assert person.joints.shape == (3, 28, 3)
        for k, name in enumerate(FULL_JOINT_INFO.names):
            for joints, expected in [
                (person.joints, other.joints),
                (person.univ_joints, other.univ_joints),
            ]:
                if name in JOINT_INFO.names:
                    column = expected[:, JOINT_INFO.names.index(name)]
                    np.testing.assert_array_equal(joints[:, k], column)
                else:
                    assert np.isnan(joints[:, k]).all()
        assert clip.select(person.joints).tolist() == own.select(other.joints).tolist() == [0, 1, 2]
    crops = list(crops_of('x', clip, make_recipe('tdhp_full_mupots'), Report()))
    assert len(crops) == 6 and {crop.split for crop in crops} == {split}


def test_clips_of_the_product_that_is_trained_on_3dhp(one_take, tmp_path):
    (tmp_path / '3dhp/S1/Seq1').mkdir(parents=True)
    (tmp_path / '3dhp' / MARKER).write_text(json.dumps({}))
    recipe = make_recipe('tdhp_full_mupots')
    full = make_recipe('tdhp_full')
    clips = recipe.list_clips()
    assert clips[:14] == full.list_clips() and len(clips) == 14 + 40
    assert [name for name, _ in clips[14:16]] == [
        'MuPoTS-3D, TS1/annotated people',
        'MuPoTS-3D, TS1/detected people',
    ]
    assert clips[26][1] == ('mupots', list_clips()[12][1]) == ('mupots', (7, VALID))
    assert recipe.read_clip(clips[26][1]).scene == 'TS7'
    assert (recipe.splits, full.splits) == ((TRAIN, VALID, TEST), (TRAIN,))


def test_release_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    [(name, identity)] = companion.list_clips()
    with pytest.raises(RawDataError, match='mupots.*neither validation nor test.*mupots_yolo'):
        companion.read_clip(identity, FULL_JOINT_INFO)
