"""The reader: which takes and frames, variants, what is missing, and what clients import."""

import dataclasses
import os
import pickle

import numpy as np
import pytest
import rlemasklib

from posepile.cluster.plan import plan_of
from posepile.datasets3d import get_dataset, get_joint_info
from posepile.ds.h36m import frames, main, tree
from posepile.ds.h36m.boxes import load_boxes
from posepile.ds.h36m.main import (
    correct_boxes,
    correct_world_coords,
    get_activity_names,
    get_cameras,
    make_recipe,
    recipe_of,
)
from posepile.ds.h36m.metadata import CAMERA_IDS
from posepile.ds.h36m.simulate_takes import performer_of
from posepile.ds.h36m.variants import Variant, find_variant, list_variants, variant_named
from posepile.errors import OptionError, RawDataError, UnknownDatasetError
from posepile.pipeline.pack import pack
from posepile.pipeline.stages import make_crops
from posepile.raw.images import read_image
from posepile.raw.video import VideoFrames
from posepile.registry import find_dataset
from posepile.util import TEST, TRAIN, VALID


def crop_all(recipe):
    make_crops(recipe)
    return pack(recipe)


def clips(variant):
    recipe = recipe_of(variant)
    return {name: recipe.read_clip(argument) for name, argument in recipe.list_clips()}


def clip_of(name, variant):
    recipe = recipe_of(variant)
    return recipe.read_clip(dict(recipe.list_clips())[name])


def kept_frames(clip):
    [person] = clip.people
    return clip.select(person.joints[: len(person.boxes)]).tolist()


def take(subject, action, subaction):
    from .conftest import TAKES

    return next(t for t in TAKES if t.key == (subject, action, subaction))


def test_every_view_of_every_take_in_order(blank_release):
    names = [name for name, _ in make_recipe().list_clips()]
    assert len(names) == len(set(names)) == 9 * 4
    assert names[:2] == ['S1/TakingPhoto 1.54138969', 'S1/TakingPhoto 1.55011271']
    assert names[-1] == 'S11/Directions.60457274'
    assert [n for n in names if n.startswith('S9') and n.endswith('54138969')] == [
        f'S9/{name}.54138969' for name in ('Greeting', 'Greeting 1', 'SittingDown 1')
    ]


def test_selection_and_names(blank_release):
    of = clips(Variant())
    # Frame 40 has no box: the masks end at 38.
    photo = of['S1/TakingPhoto 1.58860488']
    assert (photo.split, photo.activity) == (TRAIN, 'TakingPhoto')
    assert photo.crop_path.format(frame=5, person=0) == (
        'h36m_downscaled/S1/Images/TakingPhoto 1.58860488/frame_000005.jpg'
    )
    kept = kept_frames(photo)
    assert kept[0] == 0 and max(kept) == 35 and all(i % 5 == 0 for i in kept)
    assert all(kept_frames(of[f'S1/TakingPhoto 1.{cam}']) == kept for cam in CAMERA_IDS)
    joints = photo.people[0].joints
    for before, i in zip(kept, kept[1:], strict=False):
        moved = np.linalg.norm(joints - joints[before], axis=-1).max(axis=-1)
        assert moved[i] >= 100 and all(moved[k] < 100 for k in range(before, i, 5))
    assert kept_frames(of['S5/Directions 2.54138969']) == [0]  # stands still
    assert len(kept_frames(of['S6/Waiting 3.54138969'])) > 2
    sitting = of['S9/SittingDown 1.54138969']
    assert (sitting.split, sitting.activity) == (TEST, 'SittingDown')
    assert kept_frames(sitting) == [0, 64]
    assert kept_frames(of['S9/Greeting.54138969']) == [0, 64]


def test_25_joints_have_the_frames_of_the_17(blank_release):
    """Fingers and toes move further than what decides."""
    few, all_joints = clips(Variant()), clips(variant_named('h36m_alljoints'))
    for name, clip in all_joints.items():
        assert kept_frames(clip) == kept_frames(few[name])
        names = main.ALL_JOINT_INFO.names
        columns = [names.index({'tors': 'spin'}.get(n, n)) for n in main.JOINT_INFO.names]
        assert sorted(set(range(25)) - set(columns)) == [
            names.index(n) for n in ('rfoo', 'rtoe', 'lfoo', 'ltoe', 'lthu', 'lfin', 'rthu', 'rfin')
        ]
        np.testing.assert_array_equal(clip.people[0].joints[:, columns], few[name].people[0].joints)


def test_joints_stand_where_the_studio_has_them(blank_release):
    landmarks = ['rwri', 'lank', 'htop', 'pelv']
    for key in ((1, 12, 1), (9, 5, 1), (9, 5, 2), (9, 10, 2)):
        true = performer_of(take(*key)).joints(landmarks)
        name = f'S{key[0]}/{take(*key).name}.54138969'
        columns = [main.JOINT_INFO.names.index(n) for n in landmarks]
        offset = [200, 0, 0] if key in ((9, 5, 2), (9, 10, 2)) else [0, 0, 0]
        for corrected, expected in ((True, true), (False, true + offset)):
            joints = clip_of(name, Variant(correct_S9=corrected)).people[0].joints[:, columns]
            np.testing.assert_allclose(joints, expected, atol=1e-3)


def test_validation_subjects_are_sampled_as_test_subjects(blank_release):
    variant = Variant('other', train_subjects=(1, 5), valid_subjects=(8,), test_subjects=(11,))
    recipe = recipe_of(variant)
    assert recipe.splits == (TRAIN, VALID, TEST)
    of = clips(variant)
    assert {name.partition('/')[0] for name in of} == {'S1', 'S5', 'S8', 'S11'}
    assert kept_frames(of['S8/WalkTogether 2.54138969']) == [0, 64]
    assert of['S8/WalkTogether 2.54138969'].split == VALID
    crop_all(recipe)


def test_subjects_are_checked():
    with pytest.raises(OptionError, match='different ones of 1, 5'):
        Variant(valid_subjects=(9,))
    with pytest.raises(OptionError, match='different ones of 1, 5'):
        Variant(test_subjects=(2,))


def test_variants_of_the_table():
    variants = {v.name: v for v in list_variants()}
    assert list(variants)[0] == 'h36m'
    assert variants['h36m'] == Variant()
    assert variants['h36m_masked'].crops_folder == 'h36m_downscaled'
    assert variants['h36m_incorrect_S9'].crops_folder == 'h36m_downscaled_incorrect_S9'
    assert variants['h36m_partial'].crops_folder == 'h36m_downscaled_partial'
    assert make_recipe('h36m_partial').expansion == 1.8
    assert [n for n, v in variants.items() if v.masks] == ['h36m_masked', 'h36m_alljoints']
    with pytest.raises(UnknownDatasetError, match='h36m_masked'):
        make_recipe('h36m_nothing')


def test_subjects_choose_the_variant(blank_release):
    wanted = find_variant('h36m', train_subjects=[9, 1, 5, 6, 7, 8], test_subjects=[11])
    assert wanted.name == 'h36m_protocol1'
    assert find_variant('h36m_alljoints', (1, 5, 6, 7, 8), (), (9, 11)).name == 'h36m_alljoints'
    with pytest.raises(UnknownDatasetError, match=r'train_subjects = \[1\].*dataset.toml'):
        find_variant('h36m', train_subjects=[1])
    some = [c for c in make_recipe('h36m_protocol1').list_clips() if 'Greeting 1' in c[0]]
    some += [c for c in make_recipe('h36m_protocol1').list_clips() if 'S11' in c[0]]
    crop_all(dataclasses.replace(make_recipe('h36m_protocol1'), list_clips=lambda: some))
    ds = get_dataset('h36m', train_subjects=(1, 5, 6, 7, 8, 9), test_subjects=(11,))
    assert {e.image_path.split('/')[1] for e in ds.examples[TRAIN]} == {'S9'}
    assert {e.image_path.split('/')[1] for e in ds.examples[TEST]} == {'S11'}


def test_products_and_their_skeletons(blank_release):
    report = crop_all(make_recipe())
    assert (report.clips, report.clips_failed, report.skipped) == (36, 0, [])
    ds = get_dataset('h36m')
    assert len(ds.examples[VALID]) == 0
    assert len(ds.examples[TEST]) == 4 * (2 + 1 + 2 + 1)
    example = ds.examples[TEST][0].load()
    assert example.activity_name == 'Directions'
    assert example.world_coords.shape == (17, 3)
    assert len(ds.train_bones) == len(ds.joint_info.stick_figure_edges) == 16
    assert get_joint_info('h36m').names[-1] == 'pelv'
    info = get_joint_info('h36m_alljoints')
    assert info.n_joints == 25 and info.names[10] == 'spin' and info.names[-1] == 'pelv'
    assert {'lthu', 'rfin', 'ltoe'} <= set(info.names)
    edges = {frozenset((info.names[a], info.names[b])) for a, b in info.stick_figure_edges}
    assert len(edges) == 24  # most are listed twice, as the chains lead along them twice
    assert frozenset(('rwri', 'rfin')) in edges and frozenset(('lfoo', 'ltoe')) in edges


def test_masks_are_of_the_masked_products_only(blank_release):
    """Even where a person has put masks in place."""
    folder = blank_release / 'h36m_downscaled' / 'masks'
    os.makedirs(folder)
    key = 'S5/Images/Directions 2.{}/frame_000000.jpg'
    rle = rlemasklib.encode(np.ones((10, 10), np.uint8))
    masks = {key.format(camera): rle for camera in CAMERA_IDS}
    (folder / 'masks_000000.pkl').write_bytes(pickle.dumps(masks))
    for name, has_masks in (('h36m', False), ('h36m_masked', True)):
        variant = Variant(name, masks=has_masks, train_subjects=(5,), test_subjects=())
        crop_all(recipe_of(variant))
        for example in get_dataset(name).examples[TRAIN]:
            assert (example.load(load_image=False).mask is not None) == has_masks


def test_missing_subject_is_an_error(blank_release):
    for kind in (tree.POSES, tree.VIDEOS):
        for name in os.listdir(f'{tree.subject_dir(7)}/{kind}'):
            os.remove(f'{tree.subject_dir(7)}/{kind}/{name}')
    with pytest.raises(RawDataError, match='S7.*posepile run h36m'):
        make_recipe().list_clips()
    names = [n for n, _ in recipe_of(Variant(train_subjects=(1, 5, 6, 8))).list_clips()]
    assert len(names) == 8 * 4


def test_missing_and_damaged_files_are_listed_and_the_others_go_on(blank_release):
    os.remove(f'{tree.subject_dir(5)}/Videos/Directions 2.55011271.mp4')
    os.remove(f'{tree.subject_dir(6)}/{tree.POSES}/Waiting 3.cdf')
    os.remove(f'{tree.subject_dir(7)}/{tree.BOX_MASKS}/Phoning 2.60457274.mat')
    path = f'{tree.subject_dir(11)}/Videos/Directions.54138969.mp4'
    with open(path, 'r+b') as f:
        f.truncate(100)
    report = crop_all(make_recipe())
    assert report.clips_failed == 1 + 4 + 1 + 1
    text = '\n'.join(report.skipped)
    for what in (
        'S5/Directions 2.55011271.mp4: there is no such video file'.replace('S5/', 'S5/Videos/'),
        'Waiting 3.cdf: there is no such pose file',
        'Phoning 2.60457274.mat: there is no such file of box masks',
        'Directions.54138969.mp4: is no video, or a damaged one',
    ):
        assert what in text
    assert report.clips == 36 - 7


def test_metadata_that_is_missing_is_told_for_each_clip(blank_release):
    os.remove(tree.metadata_path())
    report = make_crops(make_recipe())
    assert report.clips_failed == 36 and 'code-v1.2.zip' in report.skipped[0]


def test_extracted_images_serve_where_videos_are_gone(blank_release):
    video = f'{tree.subject_dir(9)}/Videos/Greeting.54138969.mp4'
    reports = [frames.extract_frames(i, 2) for i in range(2)]
    assert sum(r.clips for r in reports) == 36
    folder = f'{tree.subject_dir(9)}/Images/Greeting.54138969'
    wanted = [i for i in range(140) if i % 5 == 0 or i % 64 == 0]
    assert sorted(os.listdir(folder)) == [f'frame_{i:06d}.jpg' for i in wanted]
    [(_, image)] = VideoFrames(video).frames([64])
    stored = read_image(f'{folder}/frame_000064.jpg')
    assert np.abs(stored.astype(int) - image).mean() < 2
    assert not [n for n in os.listdir(f'{tree.subject_dir(1)}/Images') if '_ALL' in n]
    time = os.stat(f'{folder}/frame_000064.jpg').st_mtime_ns
    os.remove(video)
    assert frames.extract_frames().clips == 35
    assert os.stat(f'{folder}/frame_000064.jpg').st_mtime_ns == time
    report = crop_all(make_recipe())
    assert (report.clips, report.skipped) == (36, [])


def test_interrupted_extraction_is_done_again(blank_release, monkeypatch):
    def broken(image, quality):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(frames, 'encode_jpeg', broken)
        with pytest.raises(KeyboardInterrupt):
            frames.extract_frames()
    assert os.listdir(f'{tree.subject_dir(1)}/Images') == []
    assert get_activity_names(1) == ['TakingPhoto 1']
    assert frames.extract_frames(0, 36).clips == 1
    assert len(os.listdir(f'{tree.subject_dir(1)}/Images')) == 1


def test_what_clients_import(blank_release):
    assert get_activity_names(9) == ['Greeting', 'Greeting 1', 'SittingDown 1']
    cameras = get_cameras()
    assert [len(of_camera) for of_camera in cameras] == [11] * 4
    assert get_cameras()[0][0] is not cameras[0][0]
    again = get_cameras(tree.metadata_path())[2][8]
    np.testing.assert_array_equal(again.t, cameras[2][8].t)
    name = 'Greeting'
    path = f'h36m/S9/Images/{name}.58860488'
    published = main.load_poses(9, name)[::64, main.SOURCE_JOINTS]
    coords = correct_world_coords(published, path)
    boxes = correct_boxes(load_boxes(9, f'{name}.58860488')[::64], path, coords, cameras[2][8])
    clip = clips(Variant())[f'S9/{name}.58860488']
    np.testing.assert_allclose(coords, clip.people[0].joints[::64])
    np.testing.assert_allclose(boxes, clip.people[0].boxes[::64])


@pytest.mark.parametrize('variant', list_variants(), ids=lambda v: v.name)
def test_pipeline_looks_for_masks_where_they_are_wanted(variant):
    steps = [request.name for request in plan_of(find_dataset(variant.name))]
    expected = ['download', 'extract', 'boxes', 'crops', 'masks', 'pack']
    assert steps == [step for step in expected if variant.masks or step != 'masks']
