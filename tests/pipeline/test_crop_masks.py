"""The masks step of a dataset: which crops are looked at, for whom, and what is told."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import rlemasklib

from posepile import paths
from posepile.clips import Clip, Person, all_frames
from posepile.joint_info import JointInfo
from posepile.pipeline import crop_masks
from posepile.pipeline.pack import pack
from posepile.pipeline.recipe import Recipe
from posepile.pipeline.stages import make_crops
from posepile.segmentation.stored import open_masks
from posepile.simulate.camera import StudioCamera
from posepile.simulate.scene import Performer, Scene
from posepile.storage import archive, codec
from posepile.storage.results import part_files
from posepile.util import SPLIT_NAMES, TEST, TRAIN, VALID
from tests.segmentation.conftest import network  # noqa: F401 - a fixture
from tests.segmentation.quality import iou

IMSHAPE = (270, 480)
SPLITS = (TRAIN, VALID, TEST, TRAIN)
EMPTY_CLIP = 3  # shows nobody


class Frames:
    """One frame of a scene."""

    imshape = IMSHAPE

    def __init__(self, image):
        self.image = image

    def frames(self, indices, on_bad):
        for i in indices:
            yield i, self.image


def scene_of(i):
    """Two people side by side, or a field without any."""
    rng = np.random.default_rng([77, i])
    places = [] if i == EMPTY_CLIP else [(-380, 0), (380, 200)]
    performers = [Performer.random(rng, 'walk', n_frames=1, position=place) for place in places]
    camera = StudioCamera.look_at([0, -6000, 1400], [0, 0, 900], IMSHAPE, focal=480)
    return Scene(performers, 'field', seed=i), camera


def read_clip(i):
    """A picture of two people, both of them examples; in the last clip, of nobody."""
    scene, camera = scene_of(i)
    frame = scene.render(camera, 0)
    boxes = [frame.box(k) for k in range(len(scene.performers))] or [np.float64([200, 80, 60, 150])]
    joints = np.random.default_rng(i).uniform(100, 200, (1, 2, 2))
    return Clip(
        frames=Frames(frame.image),
        camera=None,
        people=[Person(joints, box[None], index=k) for k, box in enumerate(boxes)],
        split=SPLITS[i],
        crop_path=f'crowd_downscaled/{i}_{{person}}.jpg',
        select=all_frames,
    )


def crowd_recipe(**changes):
    return Recipe(
        name='crowd',
        joint_info=JointInfo('lsho,rsho', 'lsho-rsho'),
        list_clips=lambda: [(f'clip{i}', i) for i in range(len(SPLITS))],
        read_clip=read_clip,
        crops_folder='crowd_downscaled',
        kind='2d',
        **changes,
    )


def segment(network, i_task=0, n_tasks=1, **changes):  # noqa: F811
    from posepile.segmentation.stage import SegmentationOptions

    recipe, options = crowd_recipe(**changes), SegmentationOptions(image_size=256)
    return crop_masks.segment_crops(recipe, lambda: network, options, i_task, n_tasks, batch_size=2)


def product():
    folder = os.path.dirname(paths.packed_paths('crowd')[0])
    contents = {}
    for file in sorted(os.listdir(folder)):
        with open(os.path.join(folder, file), 'rb') as f:
            contents[file] = f.read()
    return contents


@pytest.fixture(autouse=True)
def data_root(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    return tmp_path


@pytest.fixture
def crops():
    make_crops(crowd_recipe())


def test_crops_of_train_and_validation_are_listed_with_their_boxes(crops):
    listed = crop_masks.list_crops(crowd_recipe())
    assert [crop.key for crop in listed] == [
        f'crowd_downscaled/{name}.jpg' for name in ('0_0', '0_1', '1_0', '1_1', '3_0')
    ]
    for crop in listed:
        ((key, load),) = crop.images(lambda key: False)
        loaded = load(256, 32)
        (record,) = crop.records
        annotation = archive.read_file(crop.shard, f'annotations/{record}')
        np.testing.assert_array_equal(loaded.boxes, [codec.unpack(annotation)['bbox']])
        assert key == crop.key and max(loaded.pixels.shape) == 256
        assert list(crop.images(lambda key: True)) == []


def test_examples_of_one_image_are_in_the_order_of_their_numbers():
    """... of more than a hundred people, too, where the paths are in another."""
    n = 103
    clip = read_clip(0)
    joints = clip.people[0].joints
    clip.people = [Person(joints, np.float64([[100 + k, 80, 60, 150]])) for k in range(n)]
    clip.crop_path = 'crowd_downscaled/same.jpg'
    recipe = crowd_recipe()
    object.__setattr__(recipe, 'read_clip', lambda i: clip)
    object.__setattr__(recipe, 'list_clips', lambda: [('clip', 0)])
    make_crops(recipe)
    (crop,) = crop_masks.list_crops(recipe)
    assert [int(path[-11:-8].lstrip('g_')) for path in crop.records] == list(range(n))


def test_masks_are_packed_with_the_examples(crops, network):  # noqa: F811
    notes = segment(network)
    assert notes == ['the person was not found in 1 of 5 crops, such as crowd_downscaled/3_0.jpg']
    pack(crowd_recipe())
    masks = open_masks(crowd_recipe().masks_dir)
    dataset = crowd_recipe().open()
    own, other = [], []
    for split in (TRAIN, VALID):
        for light in dataset.examples[split]:
            example = light.load()
            assert example.mask == masks[example.image_path]
            if example.mask is None:
                assert example.image_path.endswith('3_0.jpg')
                continue
            mask = rlemasklib.decode(example.mask) > 0
            assert mask.shape == example.image.shape[:2]
            clip, person = map(int, example.image_path[-7:-4].split('_'))
            truth = _true_masks(clip, person)
            own.append(iou(mask, truth[person]))
            other.append(iou(mask, truth[1 - person]))
    assert len(own) == 4 and np.mean(own) > 0.7 and min(np.array(own) - other) > 0
    assert [example.load().mask for example in dataset.examples[TEST]] == [None, None]
    record = archive.read_file(
        paths.packed_paths('crowd')[0], 'train/crowd_downscaled/0_0.jpg_00.msgpack'
    )
    assert set(codec.unpack(record)['mask']) == {'size', 'zcounts'}

    pack(crowd_recipe(mask_of='people'))
    for light in crowd_recipe().open().examples[VALID]:
        example = light.load()
        truth = np.any(_true_masks(1, int(example.image_path[-5])), axis=0)
        assert iou(rlemasklib.decode(example.mask) > 0, truth) > 0.7


def _true_masks(i_clip, i_person):
    from posepile.pipeline.crop_geometry import plan_crop
    from posepile.pipeline.warp import warp_mask

    scene, camera = scene_of(i_clip)
    frame = scene.render(camera, 0)
    geometry = plan_crop(None, frame.box(i_person), IMSHAPE)
    return [
        rlemasklib.decode(warp_mask(np.uint8(frame.mask(k)) * np.uint8(255), geometry)) > 0
        for k in range(2)
    ]


@pytest.mark.parametrize('n_tasks', [3, 8])
def test_any_number_of_tasks_packs_the_same_bytes(n_tasks, crops, network):  # noqa: F811
    segment(network)
    pack(crowd_recipe())
    expected = product()
    for path in part_files(crowd_recipe().masks_dir):
        os.remove(path)
    notes = [note for i in reversed(range(n_tasks)) for note in segment(network, i, n_tasks)]
    assert len(part_files(crowd_recipe().masks_dir)) == n_tasks
    assert [note for note in notes if 'not found' in note] == [
        f'the person was not found in 1 of {2 if n_tasks == 3 else 1} crops, such as '
        'crowd_downscaled/3_0.jpg'
    ]
    pack(crowd_recipe())
    assert product() == expected


def test_no_crops_need_no_network(data_root):
    def must_not_load():
        raise AssertionError('loaded')

    notes = crop_masks.segment_crops(crowd_recipe(), must_not_load, None)
    assert notes == ['crowd has no crops that need masks']


@pytest.mark.slow
def test_killed_anywhere_and_started_again_gives_the_same_bytes(crops, data_root, monkeypatch):
    """SIGKILL to the process of the step, later each time."""
    script = """
        import sys, time
        from posepile.storage import results
        from posepile.detection.network import PeopleNetwork
        from posepile.detection.weights import studio_weights
        from tests.pipeline.test_crop_masks import segment
        results._COMMIT_PERIOD = 0
        network = PeopleNetwork(studio_weights('segment'), 'cpu')
        start = network.start
        def slow_start(inputs, **options):
            time.sleep(0.3)
            return start(inputs, **options)
        network.start = slow_start
        print('ready', flush=True)
        segment(network)
        print('done', flush=True)
    """
    command = [sys.executable, '-c', textwrap.dedent(script)]
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
    pack(crowd_recipe())
    expected = product()
    (part,) = part_files(crowd_recipe().masks_dir)
    with open(part, 'rb') as f:
        expected_part = f.read()
    os.remove(part)
    n_killed = 0
    for attempt in range(12):
        process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == 'ready\n'
        try:
            process.wait(timeout=0.25 * 1.5**attempt)
            assert process.returncode == 0
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            n_killed += 1
    assert n_killed > 0 and process.returncode == 0
    with open(part, 'rb') as f:
        assert f.read() == expected_part
    assert os.listdir(os.path.dirname(part)) == [os.path.basename(part)]
    pack(crowd_recipe())
    assert product() == expected


def test_splits_are_what_this_test_takes_them_for():
    assert [SPLIT_NAMES[split] for split in SPLITS] == ['train', 'val', 'test', 'train']
