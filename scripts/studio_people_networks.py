"""The networks that find people: their architecture, files, and use on pictures.

Used by ``train_studio_people.py``. Import after :func:`keep_to_itself`.
"""

import copy
import os
import shutil

import numpy as np

from posepile.atomic import replacing

NAMES = {0: 'person'}
_TASK_FILES = {'detect': 'yolo26.yaml', 'segment': 'yolo26-seg.yaml'}
_SCALE = [0.5, 0.1875, 1024]  # depth, width, most channels; the smallest made has width 0.25


def keep_to_itself(folder):
    """Keeps Ultralytics from the network, from other programs, and from the user's settings.

    Its settings then lie in ``folder``. To be called before anything imports it.
    """
    os.environ.update(
        YOLO_CONFIG_DIR=folder, YOLO_OFFLINE='true', YOLO_AUTOINSTALL='false', WANDB_MODE='disabled'
    )
    from ultralytics.utils import SETTINGS, USER_CONFIG_DIR

    SETTINGS.update({k: False for k, v in SETTINGS.items() if isinstance(v, bool)})
    # It would fetch this font although nothing is to be drawn with it.
    import matplotlib

    font = os.path.join(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf')
    shutil.copyfile(font, USER_CONFIG_DIR / 'Arial.ttf')


def make_config(task):
    """The architecture: YOLO26 of reduced width, for one class."""
    import ultralytics
    from ultralytics.utils import YAML

    folder = os.path.join(os.path.dirname(ultralytics.__file__), 'cfg', 'models', '26')
    config = YAML.load(os.path.join(folder, _TASK_FILES[task]))
    return {**config, 'nc': len(NAMES), 'scales': {'studio': _SCALE}, 'scale': 'studio'}


def build(task, config):
    """An untrained network of Ultralytics' class for the task."""
    from ultralytics.nn.tasks import DetectionModel, SegmentationModel

    network_class = {'detect': DetectionModel, 'segment': SegmentationModel}[task]
    network = network_class(copy.deepcopy(config), ch=3, nc=len(NAMES), verbose=False)
    network.names = NAMES
    return network


def without_masks(segmenter):
    """The detector that finds the same boxes as a segmenter: without what only masks need."""
    detector = build('detect', make_config('detect'))
    state = segmenter.state_dict()
    detector.load_state_dict({name: state[name] for name in detector.state_dict()})
    return detector


def save(path, task, network, image_size):
    """Writes a file of plain tensors, text and numbers; see :func:`load`."""
    import torch

    state = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in network.state_dict().items()
    }
    content = dict(
        posepile_network=1, task=task, config=make_config(task), image_size=image_size,
        names=list(NAMES.values()), state_dict=state,
    )  # fmt: skip
    with replacing(path) as temporary:
        torch.save(content, temporary)


def load(path):
    """The network in a file, its task and the size of image it is meant for."""
    import torch

    content = torch.load(path, map_location='cpu', weights_only=True)
    network = build(content['task'], content['config'])
    network.load_state_dict(content['state_dict'])
    return network.eval(), content['task'], content['image_size']


def find_people(network, task, images, image_size, device, with_nms=False, confidence=0.01):
    """Yields (boxes, confidences, masks) of each RGB image; masks are None in detection.

    Boxes (n, 4) are [left, top, width, height] and masks (n, h, w) bool, both at the size of the
    image. The images must share a size. The networks have two heads: one that finds everybody
    once, and one whose duplicates are removed by non-maximum suppression at IoU 0.7.
    """
    from ultralytics.models.yolo.detect import DetectionPredictor
    from ultralytics.models.yolo.segment import SegmentationPredictor

    predictor_class = {'detect': DetectionPredictor, 'segment': SegmentationPredictor}[task]
    predictor = predictor_class(
        overrides=dict(
            task=task, mode='predict', imgsz=image_size, conf=confidence, max_det=60, save=False,
            verbose=False, device=device, retina_masks=True, iou=0.7,
            nms=None if with_nms else False,
        )
    )  # fmt: skip
    network = copy.deepcopy(network)  # the predictor fuses layers in place
    for i in range(0, len(images), 16):
        batch = [np.ascontiguousarray(image[..., ::-1]) for image in images[i : i + 16]]
        for result in predictor(batch, model=network):
            boxes = result.boxes.xyxy.cpu().numpy().astype(np.float64)
            boxes[:, 2:] -= boxes[:, :2]
            masks = None
            if task == 'segment':
                masks = np.zeros((len(boxes), *result.orig_shape), bool)
                if result.masks is not None:
                    masks[:] = result.masks.data.cpu().numpy() > 0
            yield boxes, result.boxes.conf.cpu().numpy(), masks
