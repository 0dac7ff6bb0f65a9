"""Trains the studio's segmenter on pictures that lie on the device.

Used by ``train_studio_people.py``. Pictures are changed at random, labelled and learned from
where they are, by AdamW with a rate that falls along a cosine; the result is the running average
of the weights. Every iteration has random numbers of its own, so training continues from a
checkpoint as if it had not been interrupted, except for the rounding of what is saved.
"""

import copy
import dataclasses
import itertools
import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from studio_people_loss import PeopleLoss, find_labels
from studio_people_scenes import GREY

from posepile.atomic import replacing

BATCH_SIZES = {
    'cuda': {'frame': 96, 'crop': 128, 'view': 192},
    'cpu': {'frame': 6, 'crop': 10, 'view': 14},
}
_TURNS = ('frame', 'crop', 'frame', 'view')  # every second batch is of whole frames
_PEAK_RATES = {'cuda': 2e-3, 'cpu': 8e-4}  # smaller batches make smaller steps
_WARM_UP = 200  # iterations
_AVERAGED = 1000  # iterations that the average of the weights reaches back, about
_CHECKPOINT_EVERY = 60  # seconds
_SHARES_OF_MANY = 0.8, 0.1  # of the head that finds people several times: at first, at last


@dataclasses.dataclass
class Plan:
    """How long to train: a number of iterations, or minutes (summed over interruptions).

    With minutes, the schedule follows the clock, and as many iterations are made as fit.
    """

    iterations: int | None = None
    minutes: float | None = None

    def progress(self, iteration, seconds):
        """The part of training that is over, 0 to 1."""
        if self.iterations:
            return min(iteration / self.iterations, 1)
        return min(seconds / (60 * self.minutes), 1)


class Training:
    """A segmenter that is being trained.

    Attributes:
        network: as trained; average: running average of its weights, the result.
        iteration, seconds, samples: how much is done.
        history: list of (iteration, mean of each part of the loss since the entry before).
    """

    def __init__(self, network, device, most_masks=16, compiled=False):
        self.device = device
        self.network = network.to(device).train()
        if device.type == 'cuda':
            torch.backends.cudnn.benchmark = True
            torch.backends.cuda.matmul.allow_tf32 = True
        self.network.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        self._forward = torch.compile(self.network, dynamic=False) if compiled else self.network
        self._loss = PeopleLoss(self.network, most_masks)
        self._parameters = list(self.network.parameters())
        groups = [
            dict(params=[p for p in self._parameters if p.ndim > 1], weight_decay=0.03),
            dict(params=[p for p in self._parameters if p.ndim <= 1], weight_decay=0.0),
        ]
        self._optimizer = torch.optim.AdamW(
            groups, lr=0.0, betas=(0.9, 0.99), fused=device.type == 'cuda'
        )
        self._floats = [_floats(self.average), _floats(self.network)]
        self.iteration, self.samples, self.seconds, self.history = 0, 0, 0.0, []
        self._sums = torch.zeros(len(PeopleLoss.names), device=device)
        self._n_summed = 0

    def run(self, pictures, plan, checkpoint, stop_at=math.inf, log_every=100):
        """Trains until the plan is fulfilled.

        Args:
            pictures: see :class:`studio_people_pictures.Pictures`.
            plan: the :class:`Plan`.
            checkpoint: path; written every minute and when the time is up.
            stop_at: value of ``time.monotonic()`` at which to stop anyway.

        Returns:
            Whether the plan is fulfilled.
        """
        sizes = BATCH_SIZES[self.device.type]
        start = time.monotonic() - self.seconds
        next_checkpoint = time.monotonic() + _CHECKPOINT_EVERY
        while (progress := plan.progress(self.iteration, self.seconds)) < 1:
            pictures.poll()
            kind = _TURNS[self.iteration % len(_TURNS)]
            rng = np.random.default_rng([1, self.iteration])
            self.step(pictures.draw(kind, sizes[kind], rng), progress)
            self.seconds = time.monotonic() - start
            if self.iteration % log_every == 0:
                self._note(len(pictures))
            if time.monotonic() > min(next_checkpoint, stop_at):
                self.save(checkpoint, plan)
                next_checkpoint = time.monotonic() + _CHECKPOINT_EVERY
            if time.monotonic() > stop_at:
                return False
        self.save(checkpoint, plan)
        return True

    def step(self, pictures, progress):
        """One iteration on pictures (B, h, w, 4) uint8; ``progress`` is the part that is over."""
        torch.manual_seed(self.iteration)
        rate = _PEAK_RATES[self.device.type] * min(1, (self.iteration + 1) / _WARM_UP)
        for group in self._optimizer.param_groups:
            group['lr'] = rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        images, ids = augmented(pictures)
        labels = find_labels(ids)
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16):
            predictions = self._forward(images)
        first, last = _SHARES_OF_MANY
        loss, parts = self._loss(predictions, labels, first + (last - first) * progress)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 10.0)
        self._optimizer.step()
        self.iteration += 1
        self.samples += len(pictures)
        # At first the average reaches back less far, to forget the random weights.
        share = 1 - (1 - 1 / _AVERAGED) * (1 - math.exp(-2 * self.iteration / _AVERAGED))
        with torch.no_grad():
            torch._foreach_lerp_(*self._floats, share)
        self._sums += parts
        self._n_summed += 1

    def _note(self, n_pictures):
        """Adds to the history and prints it; waits for the device."""
        means = [round(v, 3) for v in (self._sums / self._n_summed).tolist()]
        self._sums.zero_()
        self._n_summed = 0
        self.history.append([self.iteration, *means])
        text = ', '.join(f'{n} {v}' for n, v in zip(PeopleLoss.names, means, strict=True))
        print(
            f'{self.iteration} in {self.seconds:.0f} s: {text}; {n_pictures} pictures', flush=True
        )

    def save(self, path, plan):
        """Writes a checkpoint, about 8 bytes per weight: all in half precision."""
        moments = [self._optimizer.state[p] for p in self._parameters if p in self._optimizer.state]
        content = dict(
            network=[v.half() for v in _floats(self.network)],
            average=[v.half() for v in _floats(self.average)],
            # Squares of gradients are beyond the range of halves.
            moments=[[m['exp_avg'].bfloat16(), m['exp_avg_sq'].bfloat16()] for m in moments],
            iteration=self.iteration, samples=self.samples, seconds=self.seconds,
            history=self.history, plan=dataclasses.asdict(plan),
        )  # fmt: skip
        with replacing(path) as temporary:
            torch.save(content, temporary)

    def load(self, path):
        """Continues from a checkpoint; returns its :class:`Plan`."""
        content = torch.load(path, map_location=self.device, weights_only=True)
        with torch.no_grad():
            for own, name in zip(self._floats, ('average', 'network'), strict=True):
                for tensor, saved in zip(own, content[name], strict=True):
                    tensor.copy_(saved)
        self.iteration, self.samples = content['iteration'], content['samples']
        self.seconds, self.history = content['seconds'], content['history']
        for p, (first, second) in zip(self._parameters, content['moments'], strict=True):
            self._optimizer.state[p] = dict(
                step=torch.tensor(float(self.iteration), device=self.device),
                exp_avg=torch.empty_like(p).copy_(first),
                exp_avg_sq=torch.empty_like(p).copy_(second),
            )
        return Plan(**content['plan'])


def _floats(network):
    """All weights and running statistics."""
    values = itertools.chain(network.parameters(), network.buffers())
    return [v.detach() for v in values if v.is_floating_point()]


def augmented(pictures):
    """Pictures at another place and size, mirrored, sheared, and in other colours.

    Args:
        pictures: (B, h, w, 4) uint8 RGB and ids.

    Returns:
        (B, 3, h, w) float images from 0 to 1, and (B, h, w) float ids.
    """
    n, h, w, _ = pictures.shape
    device = pictures.device

    def spread(*shape):
        return torch.rand(*shape, device=device) * 2 - 1

    values = pictures.permute(0, 3, 1, 2).float()
    images, ids = values[:, :3] / 255, values[:, 3:]
    scale = torch.exp(spread(n) * math.log(1.35))
    mirrored = torch.where(spread(n) < 0, -scale, scale)
    rows = [mirrored, spread(n) * 0.05, spread(n) * 0.2], [scale * 0, scale, spread(n) * 0.2]
    theta = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    grid = F.affine_grid(theta, (n, 1, h, w), align_corners=False)
    grey = GREY / 255
    images = F.grid_sample(images - grey, grid, align_corners=False) + grey
    ids = F.grid_sample(ids, grid, mode='nearest', align_corners=False)[:, 0]
    gain = torch.exp(spread(n, 1, 1, 1) * 0.35 + spread(n, 3, 1, 1) * 0.12)
    offset, colourful = spread(n, 1, 1, 1) * 0.12, spread(n, 1, 1, 1) * 0.6 + 0.8
    mean = images.mean(dim=1, keepdim=True)
    images = (mean + (images - mean) * colourful) * gain + offset
    images = images + torch.randn_like(images) * torch.rand(n, 1, 1, 1, device=device) * 0.03
    return images.clamp(0, 1), ids
