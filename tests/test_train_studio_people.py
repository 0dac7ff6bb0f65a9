"""The script that trains the studio's networks: its pictures, loss, checkpoints and figures."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

SCRIPTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'scripts')


@pytest.fixture
def scenes(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import studio_people_scenes

    return studio_people_scenes


@pytest.fixture
def score(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import studio_people_score

    return studio_people_score


@pytest.fixture
def networks(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.setenv('YOLO_CONFIG_DIR', str(tmp_path))
    monkeypatch.setenv('YOLO_OFFLINE', 'true')
    import studio_people_networks

    return studio_people_networks


def segmenter(networks):
    import torch

    torch.manual_seed(0)
    return networks.build('segment', networks.make_config('segment'))


# ---------------------------------------------------------------- pictures


def test_pictures_depend_on_their_number_alone(scenes, monkeypatch):
    sample, again = scenes.held_out_sample('crop', 7), scenes.held_out_sample('crop', 7)
    np.testing.assert_array_equal(sample.image, again.image)
    np.testing.assert_array_equal(sample.masks, again.masks)
    assert np.any(scenes.held_out_sample('crop', 8).image != sample.image)
    monkeypatch.setattr(scenes, 'GROUP', 2)
    group = scenes.training_group('view', 3)
    np.testing.assert_array_equal(group, scenes.training_group('view', 3))
    assert np.any(group[0] != group[1])
    assert group.shape == (2, 320, 320, 4) and group[..., 3].max() <= 7


def test_frames_have_grey_bars_without_people(scenes, monkeypatch):
    monkeypatch.setattr(scenes, 'GROUP', 3)
    group = scenes.training_group('frame', 1)
    assert group.shape == (3, 384, 640, 4)
    for bar in (group[:, :12], group[:, 372:]):
        assert np.all(bar[..., :3] == scenes.GREY) and np.all(bar[..., 3] == 0)
    assert np.any(group[:, 12:372, :, 3] > 0)


def test_everybody_at_a_gathering_is_in_the_frame(scenes):
    from posepile.simulate.background import Background

    n_people = []
    for i in range(6):
        rng = np.random.default_rng(i)
        background = Background.random(rng, ('room', 'clutter')[i % 2])
        scene, camera = scenes.random_gathering(rng, 3 + i % 3, background)
        boxes = np.array([scene.full_box(camera, 0, k) for k in range(len(scene.performers))])
        assert boxes[:, :2].min() >= 0
        assert np.all(boxes[:, :2] + boxes[:, 2:] <= [639, 359])
        assert 60 <= boxes[:, 3].min() and boxes[:, 3].max() <= 300
        n_people.append(len(boxes))
    assert n_people == [3, 4, 5, 3, 4, 5]


def test_visible_part_is_that_of_what_would_be_seen_alone(scenes):
    samples = [scenes.held_out_sample('gathering', i) for i in range(6)]
    visible = np.concatenate([s.visible for s in samples])
    assert np.all((visible > 0) & (visible <= 1))
    assert np.any(visible == 1) and np.any(visible < 0.9)


# ---------------------------------------------------------------- labels, loss and checkpoints


def people():
    """Ids of three pictures: overlapping people, one too small to count, one alone, nobody."""
    import torch

    ids = torch.zeros(3, 96, 128)
    ids[0, 10:80, 10:40] = 1
    ids[0, 20:90, 35:70] = 3
    ids[0, 5:9, 5:9] = 2
    ids[0, 30:60, 90:120] = 5
    ids[1, 40:90, 60:90] = 2
    return ids


def test_labels_are_the_boxes_and_masks_of_those_who_count(networks):
    from studio_people_loss import find_labels

    ids = people()
    labels = find_labels(ids)
    assert labels.is_there.nonzero().tolist() == [[0, 0], [0, 2], [0, 4], [1, 1]]
    assert labels.boxes[0, 2].tolist() == [35, 20, 70, 90]
    assert labels.boxes[0, 0].tolist() == [10, 10, 35 + 5, 80]
    assert labels.boxes[2].abs().sum() == 0
    assert labels.masks[0].unique().tolist() == [0, 1, 3, 5]
    assert labels.masks[1, 45 // 4, 70 // 4] == 2


def test_loss_is_that_of_ultralytics(networks):
    import torch
    from studio_people_loss import PeopleLoss, find_labels
    from ultralytics.cfg import get_cfg
    from ultralytics.utils.loss import E2ELoss, v8SegmentationLoss

    network = segmenter(networks).train()
    network.args = get_cfg()
    network.args.overlap_mask = True
    labels = find_labels(people())
    predictions = network(torch.rand(3, 3, 96, 128))
    ours, parts = PeopleLoss(network, most_masks=70)(predictions, labels, 0.8)

    picture, person = labels.is_there.nonzero(as_tuple=True)
    low, high = labels.boxes[picture, person].split(2, dim=1)
    boxes = torch.cat([(low + high) / 2, high - low], dim=1) / torch.tensor([128, 96, 128, 96])
    masks = labels.masks.clone()  # numbered without gaps
    for i in range(3):
        for new, old in enumerate(person[picture == i].tolist()):
            masks[i][labels.masks[i] == old + 1] = new + 1
    batch = dict(
        batch_idx=picture.float(), cls=torch.zeros(len(boxes), 1), bboxes=boxes, masks=masks,
        sem_masks=torch.zeros(masks.shape),
    )  # fmt: skip
    theirs, their_parts = E2ELoss(network, v8SegmentationLoss)(predictions, batch)
    assert ours.item() == pytest.approx(theirs.sum().item() / 3, rel=1e-5)
    expected = [their_parts[f'{n}_loss'].item() for n in ('box', 'seg', 'cls', 'l1', 'sem')]
    assert parts.tolist() == pytest.approx(expected, rel=1e-4)

    parameters = list(network.parameters())
    our_slopes = torch.autograd.grad(ours, parameters, retain_graph=True)
    their_slopes = torch.autograd.grad(theirs.sum() / 3, parameters)
    for a, b in zip(our_slopes, their_slopes, strict=True):
        assert torch.linalg.norm(a - b) <= 1e-4 * torch.linalg.norm(b) + 1e-6


def test_masks_of_some_anchors_are_right_on_average(networks):
    import torch
    from studio_people_loss import PeopleLoss, find_labels

    network = segmenter(networks).train()
    labels = find_labels(people())
    predictions = network(torch.rand(3, 3, 96, 128))
    everything = PeopleLoss(network, most_masks=70)(predictions, labels, 1.0)[0]
    some = PeopleLoss(network, most_masks=2)
    drawn = [some(predictions, labels, 1.0)[0].item() for _ in range(30)]
    assert np.std(drawn) > 0
    assert np.mean(drawn) == pytest.approx(everything.item(), rel=0.1)


def test_loss_never_waits_for_the_device(networks):
    """Nothing in it depends on values: they are not known while shapes alone are traced."""
    import torch
    from studio_people_loss import PeopleLoss, find_labels
    from torch._subclasses.fake_tensor import FakeTensorMode

    network = segmenter(networks).train()
    judge = PeopleLoss(network)
    with FakeTensorMode(allow_non_fake_inputs=True):
        labels = find_labels(torch.zeros(2, 64, 96))
        loss, _ = judge(network(torch.rand(2, 3, 64, 96)), labels, 0.5)
        loss.backward()
        with pytest.raises(RuntimeError):  # this is how it would show
            labels.is_there.nonzero().tolist()


@pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason='there is no GPU')
def test_training_never_waits_for_the_gpu(networks):
    import torch
    from studio_people_training import Training

    training = Training(segmenter(networks), torch.device('cuda'))
    pictures = torch.randint(0, 7, (4, 128, 128, 4), dtype=torch.uint8, device='cuda')
    training.step(pictures, 0.0)
    torch.cuda.set_sync_debug_mode('error')
    try:
        training.step(pictures, 0.5)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    assert torch.isfinite(training._sums).all()


def test_pictures_without_people_have_a_loss_and_slopes(networks):
    import torch
    from studio_people_loss import PeopleLoss, find_labels

    network = segmenter(networks).train()
    loss, _ = PeopleLoss(network)(
        network(torch.rand(2, 3, 64, 64)), find_labels(torch.zeros(2, 64, 64)), 0.5
    )
    loss.backward()
    assert torch.isfinite(loss) and loss > 0
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_pictures_and_ids_are_moved_alike(networks):
    import torch
    from studio_people_training import augmented

    torch.manual_seed(0)
    pictures = torch.zeros(8, 96, 96, 4, dtype=torch.uint8)
    pictures[:, 30:70, 20:50, :3], pictures[:, 30:70, 20:50, 3] = 255, 1
    images, ids = augmented(pictures)
    assert images.shape == (8, 3, 96, 96) and ids.shape == (8, 96, 96)
    assert set(ids.unique().tolist()) == {0, 1}
    assert len({float(i.sum()) for i in ids}) > 4
    for image, mask in zip(images, ids == 1, strict=True):
        assert image[:, mask].mean() > image[:, ~mask].mean() + 0.2


def test_training_continues_from_its_checkpoint(networks, tmp_path):
    import torch
    from studio_people_training import Plan, Training

    torch.manual_seed(1)
    pictures = torch.randint(0, 256, (2, 64, 64, 4), dtype=torch.uint8)
    pictures[..., 3] = 0
    pictures[:, 20:50, 20:50, 3] = 1
    first = Training(segmenter(networks), torch.device('cpu'))
    start = torch.cat([v.flatten() for v in first._floats[1]])
    for i in range(3):
        first.step(pictures, i / 5)
    path = tmp_path / 'checkpoint.pt'
    first.save(path, Plan(iterations=5))
    assert path.stat().st_size < 16e6
    assert not torch.equal(torch.cat([v.flatten() for v in first._floats[1]]), start)

    second = Training(segmenter(networks), torch.device('cpu'))
    assert second.load(path) == Plan(iterations=5)
    assert (second.iteration, second.samples) == (3, 6)
    for own, other in zip(first._floats, second._floats, strict=True):
        for a, b in zip(own, other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)
    for a, b in zip(first._parameters, second._parameters, strict=True):
        torch.testing.assert_close(
            first._optimizer.state[a], second._optimizer.state[b], rtol=1e-2, atol=1e-12
        )
    losses = []
    for training in (first, second):
        training._sums.zero_()
        training.step(pictures, 3 / 5)
        losses.append(training._sums.tolist())
    assert losses[0] == pytest.approx(losses[1], rel=0.2)  # anchors may change


def test_schedule_by_iterations_or_by_the_clock(networks):
    from studio_people_training import Plan

    assert Plan(iterations=8).progress(2, 1e9) == 0.25
    assert Plan(minutes=2).progress(2, 30) == 0.25
    assert Plan(minutes=2).progress(2, 150) == 1


def test_detector_finds_the_boxes_of_the_segmenter(networks):
    import torch

    network = segmenter(networks)
    detector = networks.without_masks(network)
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        (found, _), _ = network.eval()(image)
        boxes, _ = detector.eval()(image)
    torch.testing.assert_close(found[:, :5], boxes)  # and 32 coefficients of masks


# ---------------------------------------------------------------- figures


def sample_of(scenes, *boxes, visible=None):
    boxes = np.array(boxes, float).reshape(-1, 4)
    masks = np.zeros((len(boxes), 100, 100), bool)
    for mask, (left, top, width, height) in zip(masks, boxes.astype(int), strict=True):
        mask[top : top + height, left : left + width] = True
    visible = np.ones(len(boxes)) if visible is None else np.array(visible)
    return scenes.Sample(np.zeros((100, 100, 3), np.uint8), masks, boxes, visible)


def test_figures_of_perfect_and_of_poor_detections(scenes, score):
    sample = sample_of(scenes, [0, 0, 30, 30], [50, 50, 30, 40], [90, 0, 5, 5])
    perfect = score.Found(sample.boxes[:2], np.array([0.9, 0.8]), sample.masks[:2])
    # The third person is too small to count: finding it or not changes nothing.
    generous = score.Found(
        sample.boxes[[0, 2, 1]], np.array([0.9, 0.85, 0.8]), sample.masks[[0, 2, 1]]
    )
    for found in (perfect, generous):
        result = score.summarise([sample], [found], 5)
        assert result['people'] == 2
        for name in ('box_ap50', 'mask_ap50', 'recall', 'mask_iou'):
            assert result[name]['value'] == 1, name
        assert result['wrong_per_picture']['value'] == 0
    # One of two is found, and something that is not there, with more confidence.
    boxes = np.array([[60, 0, 20, 20], [0, 0, 30, 30]], float)
    poor = score.Found(boxes, np.array([0.9, 0.8]), None)
    result = score.summarise([sample], [poor], 5)
    assert result['recall']['value'] == 0.5
    assert result['wrong_per_picture']['value'] == 1
    assert result['box_ap50']['value'] == pytest.approx(0.5 * 51 / 101, abs=1e-3)


def test_recall_is_told_by_visible_part(scenes, score):
    boxes = [0, 0, 30, 30], [50, 50, 30, 40], [0, 50, 30, 30], [60, 0, 30, 30]
    sample = sample_of(scenes, *boxes, visible=[1, 0.95, 0.5, 0.3])
    found = score.Found(sample.boxes[[0, 2]], np.array([0.9, 0.8]), None)
    recall = score.summarise([sample], [found], 5)['recall_by_visible_part']
    assert {k: (v['people'], v['value']) for k, v in recall.items()} == {
        'below 0.4': (1, 0), '0.4 to 0.7': (1, 1), '0.95 and more': (2, 0.5),
    }  # fmt: skip
    assert score.shares_by_part([sample]) == {
        'below 0.4': 0.25, '0.4 to 0.7': 0.25, '0.7 to 0.95': 0, '0.95 and more': 0.5,
    }  # fmt: skip


def test_recall_is_one_to_one_confident_and_tight(scenes, score):
    sample = sample_of(scenes, [0, 0, 40, 40], [2, 0, 40, 40])
    for boxes, confidences, n_matched in (
        ([[1, 0, 40, 40]], [0.9], 1),  # one detection is not two people
        ([[0, 0, 40, 40], [2, 0, 40, 40]], [0.9, 0.3], 2),
        ([[0, 0, 40, 40], [2, 0, 40, 40]], [0.9, 0.1], 1),  # too unsure
        ([[0, 0, 40, 27]], [0.9], 0),  # too loose
    ):
        found = score.Found(np.array(boxes, float), np.array(confidences), None)
        assert len(score.matches(sample, found)[0]) == n_matched


# ---------------------------------------------------------------- the script


def run_script(*arguments, folder):
    return subprocess.run(
        [sys.executable, os.path.join(SCRIPTS, 'train_studio_people.py'), *map(str, arguments)],
        capture_output=True, text=True, cwd=folder,
    )  # fmt: skip


@pytest.mark.slow
def test_quick_run_that_is_interrupted_and_resumed(tmp_path):
    import torch

    options = ['--quick', '--device', 'cpu', '--processes', 2]
    options += ['--out', tmp_path / 'out', '--work-dir', tmp_path / 'work']
    stopped = run_script(*options, '--stop-after', 0.001, folder=tmp_path)
    assert stopped.returncode == 0, stopped.stderr[-3000:]
    assert 'continue with --resume' in stopped.stdout
    assert os.listdir(tmp_path / 'out') == []
    pictures = {e.name: e.stat().st_mtime_ns for e in os.scandir(tmp_path / 'work' / 'pictures')}
    assert len(pictures) == 4

    result = run_script(*options, '--resume', folder=tmp_path)
    assert result.returncode == 0, result.stderr[-3000:]
    assert 'Continuing after 1 iterations' in result.stdout
    assert pictures == {
        e.name: e.stat().st_mtime_ns for e in os.scandir(tmp_path / 'work' / 'pictures')
    }
    assert sorted(os.listdir(tmp_path)) == ['out', 'work']  # no downloads, no logs beside them
    report = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert report['training']['iterations'] == 4
    assert report['targets']['reached'] == dict(box_ap50=False, mask_ap50=False, recall=False)
    assert set(report['figures']) == {'gathering', 'crowd', 'crop'}
    for name, task in (('detector', 'detect'), ('segmenter', 'segment')):
        path = tmp_path / 'out' / f'{name}.pt'
        assert report['bytes'][name] == path.stat().st_size
        content = torch.load(path, weights_only=True)
        assert (content['posepile_network'], content['task']) == (1, task)
        floating = [t for t in content['state_dict'].values() if t.is_floating_point()]
        assert floating and all(t.dtype == torch.float16 for t in floating)


@pytest.mark.parametrize(
    'options, message',
    [(['--quick'], '--out'), (['--resume'], '--work-dir'), (['--stop-after', '3'], '--work-dir')],
)
def test_options_that_would_lose_work_are_refused(options, message, tmp_path):
    result = run_script(*options, folder=tmp_path)
    assert result.returncode == 2 and message in result.stderr
