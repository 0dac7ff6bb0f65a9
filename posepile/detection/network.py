"""Ultralytics' YOLO networks for persons: loading them, and from a batch to instances.

The network's own layers are used as they are; around them, everything works on whole batches and
nothing waits for the GPU until :meth:`PeopleNetwork.people` is asked for.
"""

import contextlib
import itertools
import os
from typing import NamedTuple

import numpy as np

from posepile.detection import ultralytics_setup  # noqa: F401  isort: skip - before torch
import torch

from posepile.detection.files import file_digest
from posepile.detection.suppression import survivors
from posepile.errors import BadFileError, OptionError

_MOST_PEOPLE = 300  # per image, as in Ultralytics


class Output(NamedTuple):
    """What a network makes of a batch: rows of candidates, mask prototypes, and when it is done."""

    rows: torch.Tensor
    prototypes: torch.Tensor | None
    done: object


class People(NamedTuple):
    """The persons in one image, by falling confidence.

    Attributes:
        corners: (n, 4) float32 [x1, y1, x2, y2] in pixels of the network's input.
        confidence: (n,) float32.
        rows: (n,) their rows in the network's output.
    """

    corners: np.ndarray
    confidence: np.ndarray
    rows: np.ndarray


class PeopleNetwork:
    """A detector or segmenter.

    Args:
        path: weights: a ``.pt`` file of Ultralytics, or one of the studio's.
        device: ``'auto'`` (a GPU if there is one), ``'cpu'``, ``'cuda:1'``, ...
        half: compute in float16; None: on GPUs.

    Attributes:
        task: ``'detect'`` or ``'segment'``.
        image_size: length of the longer side of inputs that the network was trained for.
        stride: inputs are multiples of this.
        digest: identifies the weights.
        batch_size: how many images at a time suit the device.

    Raises:
        BadFileError: if the file is no such network, or knows no class ``person``.
        OptionError: if the device is not there.
    """

    def __init__(self, path, device='auto', half=None):
        self.device = _device(device)
        self.half = self.device.type == 'cuda' if half is None else half
        if self.half and self.device.type == 'cpu':
            raise OptionError('Half precision is for GPUs; on the CPU it would only be slower.')
        model, self.task, self.image_size = _load(path)
        self.digest = file_digest(path)
        head = model.model[-1]
        self.stride = int(max(model.stride))
        names = model.names if isinstance(model.names, dict) else dict(enumerate(model.names))
        people = [i for i, name in names.items() if name == 'person']
        if not people:
            raise BadFileError(path, 'is a network without a class "person"', 'Choose another.')
        self._person = people[0]
        self._n_classes = len(names)
        # Of YOLO26's two heads, the one that finds everybody several times is the better one, and
        # the default of Ultralytics' newest versions (not of all).
        model.end2end = False
        self._model = model.eval().fuse(verbose=False).requires_grad_(False).to(self.device)
        self.batch_size = 32 if self.device.type == 'cuda' else 4
        self._is_end2end = bool(getattr(head, 'end2end', False))
        if self.half:
            self._model.half()
        if self.device.type == 'cuda':
            self._model.to(memory_format=torch.channels_last)
            torch.backends.cudnn.deterministic = True  # same image, same result
            self._side_stream = torch.cuda.Stream(self.device)

    def allocate(self, shape):
        """An uninitialised uint8 array for :meth:`start`, from where the device reads fast."""
        return torch.empty(shape, dtype=torch.uint8, pin_memory=self.device.type == 'cuda').numpy()

    def start(self, inputs: np.ndarray, flip=False, n_images=None):
        """Begin with a batch: uint8 (B, rows, columns, 3) RGB, on request mirrored.

        Of the images, only the first ``n_images`` matter (None: all).

        Returns:
            :class:`Output`; on a GPU, the work is still under way.
        """
        if self.device.type == 'cpu':  # a GPU always gets a whole batch
            inputs = inputs[:n_images]
        return self.run(self.prepared(inputs, flip))

    @torch.inference_mode()
    def prepared(self, inputs, flip=False):
        """A batch as the layers want it: (B, 3, rows, columns) from 0 to 1, on the device."""
        batch = torch.from_numpy(inputs).to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        if flip:
            batch = batch.flip(3)
        batch = batch.to(torch.float16 if self.half else torch.float32) / 255
        is_cuda = self.device.type == 'cuda'
        return batch.contiguous(
            memory_format=torch.channels_last if is_cuda else torch.contiguous_format
        )

    @torch.inference_mode()
    def run(self, batch):
        """:class:`Output` of a batch from :meth:`prepared`."""
        if self.device.type == 'cpu':
            # Vectors of numbers are computed in other ways than what is left over behind them, so
            # that the last bits would depend on the place in the batch.
            outputs = [self._forward(image[np.newaxis]) for image in batch]
            rows = torch.cat([rows for rows, _ in outputs])
            prototypes = [p for _, p in outputs if p is not None]
            prototypes = torch.cat(prototypes) if prototypes else None
        else:
            rows, prototypes = self._forward(batch)
        if not self._is_end2end:
            rows = rows.transpose(1, 2)
        done = None
        if self.device.type == 'cuda':
            done = torch.cuda.Event()
            done.record()
        return Output(rows, prototypes, done)

    def _forward(self, batch):
        output = self._model(batch)[0]
        return output if isinstance(output, tuple) else (output, None)

    @contextlib.contextmanager
    def finishing(self, output):
        """In this block, the device works on what comes after ``output`` beside later batches."""
        if output.done is None:
            yield
            return
        with torch.cuda.stream(self._side_stream):
            self._side_stream.wait_event(output.done)
            yield

    @torch.inference_mode()
    def people(self, output, n_images, min_confidence, max_iou) -> list[People]:
        """The persons in each of the first ``n_images`` images of what :meth:`start` returned.

        Args:
            min_confidence: leave out those below.
            max_iou: of two boxes that overlap more, the less confident is left out.
        """
        with self.finishing(output):
            corners, confidence = self._decoded(output.rows)
            image, row = torch.nonzero(confidence[:n_images] >= min_confidence, as_tuple=True)
            found = [x.double() for x in (image, row, confidence[image, row])]
            found = torch.cat([torch.stack(found, 1), corners[image, row].double()], dim=1)
            found = found.cpu().numpy()  # all at once, for each transfer waits for the device
        borders = np.searchsorted(found[:, 0], np.arange(n_images + 1))
        return [_people(found[a:b], max_iou) for a, b in itertools.pairwise(borders)]

    def mask_coefficients(self, output, i_image, rows):
        """(n, M) tensor: weights of the prototypes of some people of an image."""
        first = 6 if self._is_end2end else 4 + self._n_classes
        return output.rows[i_image, torch.from_numpy(rows).to(self.device), first:]

    def _decoded(self, output):
        """Corners (B, N, 4) and confidence of being a person (B, N) of rows (B, N, ...)."""
        if self._is_end2end:  # [x1, y1, x2, y2, confidence, class, coefficients]
            is_person = output[..., 5] == self._person
            return output[..., :4], output[..., 4] * is_person
        # [x, y, w, h, confidence of each class, coefficients]
        centers, sizes = output[..., :2], output[..., 2:4]
        corners = torch.cat([centers - sizes / 2, centers + sizes / 2], -1)
        confidence, best_class = output[..., 4 : 4 + self._n_classes].max(-1)
        return corners, confidence * (best_class == self._person)


def _people(found, max_iou):
    """People of one image from rows [image, row, confidence, corners], after suppression."""
    # Each image by itself and ties in the order of the rows, so that it does not matter with
    # which others an image shares its batch.
    found = found[np.argsort(-found[:, 2], kind='stable')]
    found = found[(found[:, 5:] > found[:, 3:5]).all(axis=1)]
    found = found[survivors(found[:, 3:], found[:, 2], max_iou)[:_MOST_PEOPLE]]
    return People(
        found[:, 3:].astype(np.float32), found[:, 2].astype(np.float32), found[:, 1].astype(int)
    )


def _device(name):
    if name == 'auto':
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as e:
        reason = str(e).splitlines()[0]
        raise OptionError(
            f'The device {name!r} cannot be used ({reason}). Use --device auto or --device cpu.'
        ) from e
    return device


def _load(path):
    """Model, task and image size in a file of weights."""
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise BadFileError(path, 'there is no such file of weights', 'Check the path.')
    from ultralytics.nn import tasks

    # Without it, the file would be read unsafely, and nothing said.
    if not getattr(getattr(tasks, '_SafeLoad', None), 'SUPPORTED', False):
        raise OptionError(
            'These versions of PyTorch and Ultralytics cannot read weights safely. Install PyTorch '
            '2.6 and Ultralytics 8.4, or newer ones.'
        )
    try:
        # Only the classes of YOLO networks are admitted: a file of weights cannot run code.
        checkpoint, _ = tasks.torch_safe_load(path, safe_only=True)
        if 'posepile_network' in checkpoint:
            return _built(checkpoint)
        model = checkpoint.get('ema') or checkpoint.get('model')
        arguments = checkpoint.get('train_args') or {}
        task = getattr(model, 'task', None) or arguments.get('task')
        image_size = int(np.max(arguments.get('imgsz', 640)))
    except Exception as e:  # noqa: BLE001 - damaged pickles raise almost anything
        reason = ' '.join(str(e).split())[:300]
        raise BadFileError(
            path,
            f'is no file of YOLO weights that can be read safely ({type(e).__name__}: {reason})',
            'Download it again, or choose another network.',
        ) from e
    if not isinstance(model, torch.nn.Module):
        raise BadFileError(path, 'holds no network', 'Choose a YOLO .pt file.')
    if task not in ('detect', 'segment'):
        raise BadFileError(path, f'is a network for the task {task!r}', 'Choose another network.')
    return model.float(), task, image_size


def _built(checkpoint):
    from ultralytics.nn.tasks import DetectionModel, SegmentationModel

    task, config = checkpoint['task'], checkpoint['config']
    model_class = {'detect': DetectionModel, 'segment': SegmentationModel}[task]
    # Ultralytics evaluates the one as Python, and calls whatever is named by the others.
    if 'activation' in config:
        raise ValueError('an activation is not allowed')
    for *_, name, _ in [*config['backbone'], *config['head']]:
        if not _is_layer(name):
            raise ValueError(f'{name!r} is no layer')
    model = model_class(config, ch=3, nc=len(checkpoint['names']), verbose=False)
    model.load_state_dict(checkpoint['state_dict'])
    model.names = dict(enumerate(checkpoint['names']))
    return model.float(), task, int(checkpoint['image_size'])


def _is_layer(name):
    from ultralytics.nn import modules

    found = getattr(*((torch.nn, name[3:]) if name.startswith('nn.') else (modules, name)), None)
    return isinstance(found, type) and issubclass(found, torch.nn.Module)
