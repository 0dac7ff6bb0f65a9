"""From clips to archives with a dataset made on the spot: kills, divisions of work, bad input."""

import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import deltacamera
import numpy as np
import pytest
import rlemasklib

from posepile import paths
from posepile.clips import Clip, Person, all_frames
from posepile.errors import ArchiveError, BadFileError, RawDataError
from posepile.joint_info import JointInfo
from posepile.pipeline import shards
from posepile.pipeline.pack import pack
from posepile.pipeline.recipe import Recipe
from posepile.pipeline.stages import make_crops
from posepile.program import array_task
from posepile.storage import archive
from posepile.storage.archive import read_file
from posepile.util import TEST, TRAIN, VALID

REPOSITORY = Path(__file__).resolve().parents[2]
N_CLIPS = 7
CAMERA = deltacamera.Camera(
    intrinsic_matrix=[[300, 0, 160], [0, 300, 120], [0, 0, 1]], world_up=(0, -1, 0)
)


class NoiseFrames:
    """Frames of noise; those in ``bad`` do not decode."""

    imshape = (240, 320)

    def __init__(self, seed, n, bad=()):
        self.seed, self.n, self.bad = seed, n, bad

    def frames(self, indices, on_bad):
        for i in indices:
            if i in self.bad:
                on_bad(i, 'damaged')
            elif i < self.n:
                rng = np.random.default_rng([self.seed, i])
                yield i, rng.integers(0, 255, (*self.imshape, 3), dtype=np.uint8)


def read_noise_clip(i, **changes):
    rng = np.random.default_rng(i)
    joints = rng.uniform([-300, -300, 3000], [300, 300, 3500], (4, 2, 3))
    person = Person(joints, np.tile([100.0, 60, 80, 120], (4, 1)))
    clip = Clip(
        frames=NoiseFrames(i, 4),
        camera=CAMERA,
        people=[person],
        split=VALID if i == 3 else TRAIN,
        crop_path=f'noise_downscaled/clip{i}/{{frame:06d}}.jpg',
        select=all_frames,
    )
    for name, value in changes.items():
        setattr(person if hasattr(person, name) else clip, name, value)
    return clip


def noise_recipe(read_clip=read_noise_clip, n_clips=N_CLIPS, **changes):
    return Recipe(
        name='noise',
        joint_info=JointInfo('lsho,rsho', 'lsho-rsho'),
        list_clips=lambda: [(f'clip{i}', i) for i in range(n_clips)],
        read_clip=read_clip,
        crops_folder='noise_downscaled',
        **changes,
    )


@pytest.fixture(autouse=True)
def data_root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    return tmp_path


def product(name='noise'):
    """Names and bytes of all files of the packed product."""
    folder = os.path.dirname(paths.packed_paths(name)[0])
    contents = {}
    for file in sorted(os.listdir(folder)):
        with open(os.path.join(folder, file), 'rb') as f:
            contents[file] = f.read()
    return contents


def all_files(root):
    return [os.path.join(d, f) for d, _, files in os.walk(root) for f in files]


@pytest.mark.parametrize('n_tasks', [2, 7, 9])
def test_bytes_do_not_depend_on_the_division_of_the_work(n_tasks, data_root, monkeypatch):
    make_crops(noise_recipe())
    report = pack(noise_recipe())
    assert (report.clips, report.crops, report.frames_seen) == (N_CLIPS, 28, 28)
    expected = product()
    monkeypatch.setenv('DATA_ROOT', str(data_root / 'other'))
    for i in reversed(range(n_tasks)):
        make_crops(noise_recipe(), i, n_tasks)
    pack(noise_recipe())
    assert product() == expected


def test_another_division_of_the_work_repeats_nothing():
    read = []

    def read_clip(i):
        read.append(i)
        return read_noise_clip(i)

    recipe = noise_recipe(read_clip)
    make_crops(recipe, 0, 3)
    for i in range(2):
        make_crops(recipe, i, 2)
    assert sorted(read) == list(range(N_CLIPS))
    assert pack(recipe).clips == N_CLIPS


def test_a_repeated_task_does_nothing():
    recipe = noise_recipe()
    first = make_crops(recipe)

    def must_not_read(i):
        raise AssertionError('read again')

    assert make_crops(noise_recipe(must_not_read)) == first


@pytest.mark.parametrize('delay', [0.02, 0.1, 0.3])
@pytest.mark.slow
def test_killed_and_restarted_gives_the_same_bytes(delay, data_root, monkeypatch):
    make_crops(noise_recipe())
    pack(noise_recipe())
    expected = product()
    other = data_root / 'other'
    monkeypatch.setenv('DATA_ROOT', str(other))
    script = """
        from tests.pipeline.test_shards_and_pack import *
        import time
        shards._COMMIT_PERIOD = 0.05
        def slow_clip(i):
            print(i, flush=True)
            time.sleep(0.05)
            return read_noise_clip(i)
        print('ready', flush=True)
        make_crops(noise_recipe(slow_clip))
        pack(noise_recipe())
    """
    for attempt in range(30):
        process = subprocess.Popen(
            [sys.executable, '-c', textwrap.dedent(script)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        process.stdout.readline()
        try:
            process.wait(timeout=delay * 1.25**attempt)
            assert process.returncode == 0
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert attempt > 0
    assert product() == expected
    leftovers = [f for f in all_files(other) if 'partial' in f or 'journal' in f]
    assert not leftovers


def test_shard_continues_after_a_kill_between_its_renames():
    """finish() renames contents first, the index last; in between, the task must not lose any."""
    recipe = noise_recipe()
    path = shards.shard_path(recipe.shards_dir, 0, 1)
    writer = shards.ShardWriter(path, recipe.fingerprint())
    with writer.clip():
        writer.add('images/a.jpg', b'abc')
    writer._commit()
    writer._archive.close()
    os.replace(f'{path}.partial-shard-00000', f'{path}-shard-00000')
    writer = shards.ShardWriter(path, recipe.fingerprint())
    writer.finish()
    assert read_file(path, 'images/a.jpg') == b'abc'


def test_other_options_are_refused():
    make_crops(noise_recipe())
    changed = noise_recipe(expansion=2.0)
    with pytest.raises(ArchiveError, match='other options.*--force crops'):
        make_crops(changed)
    with pytest.raises(ArchiveError, match='other options'):
        pack(changed)


def test_packing_unfinished_crops_is_refused():
    make_crops(noise_recipe(), 0, 2)
    with pytest.raises(ArchiveError, match='3 clips have not been cropped yet'):
        pack(noise_recipe())


def test_unreadable_clip_is_counted_and_the_rest_goes_on():
    def read_clip(i):
        if i == 2:
            raise RawDataError('clip2.c3d', 'is truncated')
        return read_noise_clip(i)

    recipe = noise_recipe(read_clip)
    make_crops(recipe)
    report = pack(recipe)
    assert (report.clips, report.clips_failed, report.crops) == (6, 1, 24)
    assert report.skipped == ['clip2: clip2.c3d: is truncated.']


def test_clip_that_fails_half_way_leaves_no_crop():
    class BreakingFrames(NoiseFrames):
        def frames(self, indices, on_bad):
            yield from super().frames(indices[:2], on_bad)
            raise RawDataError('video.mkv', 'broke')

    def read_clip(i):
        return read_noise_clip(i, **({'frames': BreakingFrames(i, 4)} if i == 1 else {}))

    recipe = noise_recipe(read_clip)
    make_crops(recipe)
    report = pack(recipe)
    assert (report.clips, report.clips_failed, report.crops) == (6, 1, 24)
    paths_of_clip1 = [e for e in recipe.open().examples[TRAIN] if 'clip1/' in e.image_path]
    assert not paths_of_clip1


@pytest.mark.parametrize(
    'changes, reason',
    [
        (dict(boxes=np.full((4, 4), np.nan)), 'box'),
        (dict(joints=np.full((4, 2, 3), np.nan)), 'no joint'),
        (dict(frames=NoiseFrames(0, 4, bad=(0, 1, 2, 3))), 'damaged'),
        (dict(boxes=np.tile([9000.0, 9000, 5, 5], (4, 1))), 'off the image'),
    ],
)
def test_unusable_people_and_frames_are_listed(changes, reason):
    recipe = noise_recipe(lambda i: read_noise_clip(i, **(changes if i == 0 else {})))
    report = make_crops(recipe)
    assert report.crops == 24
    assert sum(reason in line for line in report.skipped) == 4


def test_short_video_costs_only_its_missing_frames():
    recipe = noise_recipe(lambda i: read_noise_clip(i, frames=NoiseFrames(i, 3)))
    report = make_crops(recipe)
    assert (report.crops, report.frames_lost) == (3 * N_CLIPS, N_CLIPS)
    assert len(report.skipped) == N_CLIPS


def test_nothing_selected_is_an_error():
    recipe = noise_recipe(lambda i: read_noise_clip(i, select=lambda joints: []))
    make_crops(recipe)
    with pytest.raises(ArchiveError, match='not a single crop'):
        pack(recipe)


def test_partly_missing_joint_is_stored_as_missing():
    def read_clip(i):
        clip = read_noise_clip(i)
        clip.people[0].joints[:, 1, 2] = np.nan
        return clip

    recipe = noise_recipe(read_clip)
    make_crops(recipe)
    pack(recipe)
    coords = recipe.open().examples[TRAIN][0].load(load_image=False).world_coords
    assert np.isfinite(coords[0]).all() and np.isnan(coords[1]).all()


def test_two_people_share_a_frame_and_its_decoding():
    def read_clip(i):
        clip = read_noise_clip(i, crop_path=f'noise_downscaled/{i}/{{frame}}_{{person:02d}}.jpg')
        first = clip.people[0]
        clip.people.append(Person(first.joints + 50, first.boxes + 10, index=1))
        return clip

    recipe = noise_recipe(read_clip)
    report = make_crops(recipe)
    assert (report.frames_kept, report.crops) == (28, 56)
    pack(recipe)
    assert recipe.open().examples[TRAIN][1].image_path == 'noise_downscaled/0/0_01.jpg'


@pytest.mark.parametrize('n_tasks', [1, 2])
def test_clips_of_several_splits_share_images(n_tasks):
    """Clips 0 and 1, in one shard or in two, are of the same frames; of clip 2, nothing is left."""

    def read_clip(i):
        split = (VALID, TEST, TRAIN)[i]
        return read_noise_clip(0, split=split, frames=NoiseFrames(0, 4, bad=range(4 * (i == 2))))

    recipe = noise_recipe(read_clip, n_clips=3)
    for i_task in range(n_tasks):
        make_crops(recipe, i_task, n_tasks)
    assert pack(recipe).crops == 8
    ds = recipe.open()
    val, test = ([e.load() for e in ds.examples[split]] for split in (VALID, TEST))
    assert [e.image_path for e in val] == [e.image_path for e in test]
    assert len({e.image_path for e in val}) == 4
    np.testing.assert_array_equal(val[1].image, test[1].image)


def test_different_images_of_one_name_are_an_error():
    def read_clip(i):
        return read_noise_clip(0, split=(VALID, TEST)[i], frames=NoiseFrames(i, 4))

    with pytest.raises(ArchiveError, match='two clips have different images called noise_down'):
        make_crops(noise_recipe(read_clip, n_clips=2))


def test_masks_made_elsewhere_are_attached(data_root):
    recipe = noise_recipe(mask_key_components=2)
    make_crops(recipe)
    masks = {
        f'clip{i}/{k:06d}.jpg': rlemasklib.encode(np.eye(8, dtype=np.uint8))
        for i in range(N_CLIPS)
        for k in range(4)
    }
    folder = data_root / 'noise_downscaled' / 'masks'
    folder.mkdir(parents=True)
    with open(folder / 'masks_000000.pkl', 'wb') as f:
        pickle.dump(masks, f)
    pack(recipe)
    mask = recipe.open().examples[TRAIN][0].load(load_image=False).mask
    np.testing.assert_array_equal(rlemasklib.decode(mask), np.eye(8))
    del masks['clip0/000000.jpg']
    with open(folder / 'masks_000000.pkl', 'wb') as f:
        pickle.dump(masks, f)
    with pytest.raises(BadFileError, match='none of the crop noise_downscaled/clip0/000000.jpg'):
        pack(recipe)


def test_compact_stores_float16_and_whole_pixels():
    make_crops(noise_recipe())
    pack(noise_recipe(), compact=True)
    ex = noise_recipe().open().examples[TRAIN][0].load(load_image=False)
    assert np.all(ex.bbox == np.round(ex.bbox))
    exact = read_noise_clip(0).people[0].joints[0]
    assert 1e-3 < np.abs(ex.world_coords - exact).max() < 1  # mm, what float16 may lose


def test_bone_lengths_and_counts_in_the_metadata():
    recipe = noise_recipe()
    make_crops(recipe)
    pack(recipe)
    ds = recipe.open()
    assert ds.metadata['posepile']['examples'] == {'train': 24, 'val': 4, 'test': 0}
    lengths = [
        np.linalg.norm(np.diff(read_noise_clip(i).people[0].joints, axis=1), axis=-1)
        for i in range(N_CLIPS)
        if i != 3
    ]
    np.testing.assert_allclose(ds.train_bones, [np.mean(lengths)], rtol=1e-5)


def test_report_lies_beside_the_archives(data_root):
    make_crops(noise_recipe())
    pack(noise_recipe())
    assert json.loads((data_root / 'packed/noise/report.json').read_text())['crops'] == 28


@pytest.mark.parametrize('i, n', [('x', '3'), ('3', '3'), ('-1', '3')])
def test_wrong_task_numbers(i, n, monkeypatch):
    monkeypatch.setenv('SLURM_ARRAY_TASK_ID', i)
    monkeypatch.setenv('SLURM_ARRAY_TASK_COUNT', n)
    with pytest.raises(ValueError, match='SLURM_ARRAY_TASK_ID'):
        array_task()


def test_mask_files_are_united_and_the_test_split_needs_none(data_root):
    recipe = noise_recipe(
        lambda i: read_noise_clip(i, split=TEST if i == 3 else TRAIN), mask_key_components=2
    )
    make_crops(recipe)
    folder = data_root / 'noise_downscaled/masks'
    folder.mkdir(parents=True)
    masks = {i: rlemasklib.encode(np.eye(8 + i, dtype=np.uint8)) for i in range(N_CLIPS)}
    for i in set(range(N_CLIPS)) - {3}:
        with open(folder / f'{i}.pkl', 'wb') as f:
            pickle.dump({f'clip{i}/{k:06d}.jpg': masks[i] for k in range(4)}, f)
    pack(recipe)
    examples = recipe.open().examples
    sizes = [ex.load(load_image=False).mask['size'][0] for ex in examples[TRAIN]]
    assert sizes == [8 + i for i in range(N_CLIPS) if i != 3 for _ in range(4)]
    assert [ex.load(load_image=False).mask for ex in examples[TEST]] == [None] * 4


def test_bone_lengths_without_train_examples():
    recipe = noise_recipe(lambda i: read_noise_clip(i, split=VALID))
    make_crops(recipe)
    pack(recipe)
    ds = recipe.open()
    assert ds.train_bones is None
    joints = [read_noise_clip(i).people[0].joints for i in range(N_CLIPS)]
    expected = np.mean(np.linalg.norm(np.diff(joints, axis=2), axis=-1))
    np.testing.assert_allclose(ds.trainval_bones, [expected], rtol=1e-5)


def test_old_annotations_never_stand_beside_new_images(monkeypatch):
    """Packing again and failing between the two archives leaves a dataset that is not packed."""
    make_crops(noise_recipe())
    pack(noise_recipe())
    annotations_path, images_path = paths.packed_paths('noise')
    close = archive.ArchiveWriter.close

    def close_images_only(writer):
        if writer.path == annotations_path:
            raise ArchiveError(annotations_path, 'no space is left')
        close(writer)

    monkeypatch.setattr(archive.ArchiveWriter, 'close', close_images_only)
    with pytest.raises(ArchiveError, match='no space'):
        pack(noise_recipe())
    assert os.path.exists(images_path) and not os.path.exists(annotations_path)


def test_masks_are_found_by_the_path_below_the_folder_of_the_crops(data_root):
    recipe = noise_recipe(n_clips=1)
    make_crops(recipe)
    folder = data_root / 'noise_downscaled/masks'
    folder.mkdir(parents=True)
    mask = rlemasklib.encode(np.eye(8, dtype=np.uint8))
    with open(folder / 'all.pkl', 'wb') as f:
        pickle.dump({f'clip0/{k:06d}.jpg': mask for k in range(4)}, f)
    pack(recipe)
    found = recipe.open().examples[TRAIN][3].load(load_image=False).mask
    np.testing.assert_array_equal(rlemasklib.decode(found), np.eye(8))

    with open(folder / 'all.pkl', 'wb') as f:
        pickle.dump([mask], f)
    with pytest.raises(BadFileError, match='all.pkl.*dictionary'):
        pack(recipe)
