"""Networks with the heads of YOLO26 and YOLO11 on hardly any layers, with random weights."""

import copy

import cv2
import numpy as np
import torch

#: Name of a file: is it end to end, names of classes, is it in this project's own format.
KINDS = {
    'two heads': (True, ['bicycle', 'person'], False),
    'end2end': (True, ['bicycle', 'person'], False),
    'classic': (False, ['dog', 'person', 'cat'], False),
    'own': (True, ['person'], True),
    'nobody': (True, ['dog', 'cat'], False),
}
IMAGE_SIZE = 96


def save_networks(folder):
    """Files of weights by name."""
    return {name: _save(str(folder / f'{name}.pt'), *kind) for name, kind in KINDS.items()}


def config(is_end2end, n_classes):
    """What Ultralytics builds a network from: five layers, of which three are looked at."""
    layers = [[-1, 1, 'Conv', [c, 3, 2]] for c in (8, 8, 16, 16, 16)]
    head = dict(end2end=True, reg_max=1) if is_end2end else {}
    return head | dict(nc=n_classes, backbone=layers, head=[[[2, 3, 4], 1, 'Detect', [n_classes]]])


def model(is_end2end, names, seed=0):
    """A network whose boxes overlap, with confidences of all sizes."""
    from ultralytics.nn.tasks import DetectionModel

    built = DetectionModel(config(is_end2end, len(names)), ch=3, nc=len(names), verbose=False)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            is_box = 'cv2' in name
            if parameter.ndim == 4 and 'dfl' not in name:
                gain = 0.4 if is_box and name.endswith('.2.weight') else 1.5
                parameter.normal_(0, gain * parameter[0].numel() ** -0.5)
            elif name.endswith('bias') and 'model.5' in name:
                # Distances from a cell to the sides of its box should be positive.
                parameter.normal_(1.5 if is_box else -0.5, 0.3)
        _normalise(built)
    built.names = dict(enumerate(names))
    return built


def _normalise(built):
    """What comes out of each layer for some pictures gets a variance of one."""
    pictures = np.stack([picture(96, 96, 1000 + i) for i in range(8)])
    for layer in built.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    built.train()(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255)
    built.eval()


def picture(width, height, seed=0):
    """uint8 RGB image with something of all sizes in it."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 128.0)
    for size in (3, 6, 12, 24):
        image += cv2.resize(rng.normal(0, 40, (size, size, 3)), (width, height))
    return image.clip(0, 255).astype(np.uint8)


def _save(path, is_end2end, names, is_own):
    built = model(is_end2end, names)
    if 'end2end' in path:  # without the head whose boxes need suppression
        built.end2end = True
        built.fuse(verbose=False)
    if is_own:
        content = dict(
            posepile_network=1, task='detect', config=config(is_end2end, len(names)),
            image_size=IMAGE_SIZE, names=names, state_dict=built.state_dict(),
        )  # fmt: skip
    else:
        arguments = dict(task='detect', imgsz=IMAGE_SIZE)
        content = dict(model=copy.deepcopy(built), train_args=arguments, ema=None)
    torch.save(content, path)
    return path
