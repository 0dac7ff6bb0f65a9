"""Networks find what Ultralytics' own program finds, and files of weights cannot do any harm."""

import os
import pickle

import numpy as np
import pytest
import torch

from posepile.detection.letterbox import Letterbox
from posepile.detection.network import PeopleNetwork
from posepile.errors import BadFileError, OptionError
from tests.detection import networks


def found_by_us(network, image, image_size, confidence, iou):
    letterbox = Letterbox.of(image.shape[:2], image_size, network.stride)
    output = network.start(letterbox.place(image)[np.newaxis])
    (people,) = network.people(output, 1, confidence, iou)
    boxes = letterbox.corners_to_boxes(people.corners)
    return np.concatenate([boxes, people.confidence[:, np.newaxis]], axis=1)


def found_by_ultralytics(path, image, image_size, confidence, iou):
    from ultralytics import YOLO

    yolo = YOLO(path, task='detect')
    person = next(i for i, name in yolo.names.items() if name == 'person')
    (result,) = yolo.predict(
        image[..., ::-1], imgsz=image_size, conf=confidence, iou=iou, classes=[person],
        max_det=300, device='cpu', verbose=False, save=False,
    )  # fmt: skip
    corners = result.boxes.xyxy.numpy()
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    return np.concatenate([boxes, result.boxes.conf.numpy()[:, np.newaxis]], axis=1)


def by_confidence(rows):
    """Without what has no area, which Ultralytics keeps."""
    rows = rows[(rows[:, 2:4] > 1e-3).all(axis=1)]
    return rows[np.argsort(-rows[:, 4])]


@pytest.mark.parametrize(
    'width, height', [(96, 96), (96, 64), (60, 80), (77, 150)], ids=lambda side: str(side)
)
@pytest.mark.parametrize('name', ['two heads', 'end2end', 'classic'])
def test_results_are_those_of_ultralytics(weights, name, width, height):
    path = weights[name]
    network = PeopleNetwork(path, 'cpu')
    assert network._is_end2end == (name == 'end2end')
    # Ultralytics suppresses nothing behind a head that is trained to find everybody once.
    iou = 1.0 if name == 'end2end' else 0.6
    image = networks.picture(width, height, 1)
    expected = by_confidence(found_by_ultralytics(path, image, 96, 0.3, iou))
    found = by_confidence(found_by_us(network, image, 96, 0.3, iou))
    assert len(expected) > 5
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)


def test_an_image_does_not_depend_on_its_batch(network, classic):
    images = np.stack([networks.picture(96, 64, i) for i in range(4)])
    for net in (network, classic):
        alone = []
        for image in images:
            batch = np.zeros_like(images)
            batch[0] = image
            alone += net.people(net.start(batch), 1, 0.1, 0.7)
        together = net.people(net.start(images), 4, 0.1, 0.7)
        for a, b in zip(alone, together, strict=True):
            assert len(a.confidence) > 5
            for x, y in zip(a, b, strict=True):
                np.testing.assert_array_equal(x, y)


def test_confidence_falls_and_most_is_an_upper_bound(classic):
    (people,) = classic.people(classic.start(networks.picture(96, 96)[np.newaxis]), 1, 0.3, 1.0)
    assert (np.diff(people.confidence) <= 0).all() and people.confidence[-1] >= 0.3
    assert len(people.confidence) <= 300
    (fewer,) = classic.people(classic.start(networks.picture(96, 96)[np.newaxis]), 1, 0.5, 1.0)
    np.testing.assert_array_equal(fewer.corners, people.corners[people.confidence >= 0.5])


def test_own_format_is_the_network_that_was_saved(weights):
    from ultralytics.nn.tasks import DetectionModel

    network = PeopleNetwork(weights['own'], 'cpu')
    assert (network.task, network.image_size, network.stride) == ('detect', 96, 32)
    image = networks.picture(96, 96)
    saved = networks.model(True, ['person']).eval()
    assert isinstance(saved, DetectionModel)
    rows = saved(torch.from_numpy(image).permute(2, 0, 1)[np.newaxis] / 255)[0].transpose(1, 2)
    found = network.start(image[np.newaxis]).rows
    np.testing.assert_allclose(found, rows.detach(), atol=1e-3)


def test_several_networks_in_one_process(weights):
    for name in ('two heads', 'own', 'classic', 'two heads'):
        assert PeopleNetwork(weights[name], 'cpu').task == 'detect'


class Hostile:
    """When unpickled, creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


def hostile_config(weights, **changes):
    content = torch.load(weights['own'], weights_only=True)
    return content | dict(config=content['config'] | changes)


def layer(name, *args):
    return dict(backbone=[[-1, 1, name, [*args]]])


@pytest.mark.parametrize('kind', ['zip', 'pickle', 'loaded before', 'activation', 'layer'])
def test_weights_cannot_run_code(weights, tmp_path, tmp_path_factory, kind):
    elsewhere = str(tmp_path_factory.mktemp('elsewhere') / 'data.pt')
    victim, path = str(tmp_path / 'victim'), str(tmp_path / 'weights.pt')
    if kind == 'zip':
        torch.save({'model': Hostile(victim)}, path)
    elif kind == 'pickle':
        with open(path, 'wb') as f:
            pickle.dump({'model': Hostile(victim)}, f, protocol=2)
    elif kind == 'loaded before':  # Ultralytics goes on to trust the classes that it has met
        PeopleNetwork(weights['classic'], 'cpu')
        torch.save({'model': HostileModel(victim)}, path)
    elif kind == 'activation':  # which Ultralytics evaluates as Python
        torch.save(hostile_config(weights, activation=f'open({victim!r}, "w")'), path)
    else:  # which Ultralytics looks up among all that its module knows
        torch.save(dict(model=Hostile(victim)), elsewhere)
        torch.save(hostile_config(weights, **layer('torch_safe_load', repr(elsewhere))), path)
    with pytest.raises(BadFileError, match='weights.pt: is no file of YOLO weights'):
        PeopleNetwork(path, 'cpu')
    assert os.listdir(tmp_path) == ['weights.pt']


class HostileModel:
    """When unpickled, a detection model whose activation creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        from ultralytics.nn.tasks import DetectionModel

        config = networks.config(False, 1) | dict(activation=f'open({self.path!r}, "w")')
        return DetectionModel, (config, 3, 1, False)


def test_hostile_files_are_hostile(tmp_path):
    """Else the test above would show nothing."""
    victim, path = str(tmp_path / 'victim'), str(tmp_path / 'weights.pt')
    torch.save({'model': Hostile(victim)}, path)
    torch.load(path, weights_only=False)
    assert os.path.exists(victim)


@pytest.mark.parametrize(
    'content',
    [b'', b'no network', b'PK\x03\x04 cut short', pickle.dumps([1, 2], 2), pickle.dumps('text', 2)],
    ids=['empty', 'text', 'zip', 'list', 'string'],
)
def test_not_a_network(tmp_path, content):
    path = tmp_path / 'weights.pt'
    path.write_bytes(content)
    with pytest.raises(BadFileError, match='weights.pt: is no file of YOLO weights'):
        PeopleNetwork(path, 'cpu')


@pytest.mark.parametrize('content', [{}, {'a': torch.zeros(3)}, {'posepile_network': 1}])
def test_tensors_without_a_network(tmp_path, content):
    torch.save(content, tmp_path / 'weights.pt')
    with pytest.raises(BadFileError, match='weights.pt'):
        PeopleNetwork(tmp_path / 'weights.pt', 'cpu')


def test_truncated_weights(tmp_path, weights):
    path = tmp_path / 'weights.pt'
    with open(weights['classic'], 'rb') as f:
        path.write_bytes(f.read()[:5000])
    with pytest.raises(BadFileError, match='weights.pt'):
        PeopleNetwork(path, 'cpu')


def test_weights_that_are_not_there_or_know_no_people(tmp_path, weights):
    with pytest.raises(BadFileError, match='no such file of weights'):
        PeopleNetwork(tmp_path / 'weights.pt', 'cpu')
    with pytest.raises(BadFileError, match='without a class "person"'):
        PeopleNetwork(weights['nobody'], 'cpu')


def test_devices(weights):
    for device in ('cuda:99', 'tpu'):
        with pytest.raises(OptionError, match='--device'):
            PeopleNetwork(weights['own'], device)
    with pytest.raises(OptionError, match='Half'):
        PeopleNetwork(weights['own'], 'cpu', half=True)
