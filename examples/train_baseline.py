"""Train a small network to estimate 3D poses, on the CPU in minutes.

    export DATA_ROOT=/tmp/miniature POSEPILE_SEGMENTER=none
    posepile simulate aspset && posepile run aspset
    python examples/train_baseline.py aspset

The network is a light convolutional one with a volumetric soft-argmax head: for each joint it
makes a volume of D x H x W scores, takes the softmax as a distribution, and its mean as the joint's
place (Sun et al., "Integral Human Pose Regression", ECCV 2018). The volume is 2.2 m wide in each
direction, so the poses are metric, relative to the root joint. The printed errors are root-relative
MPJPE in mm. It is a start to build on, and a check that batches can be learned from; not a
contestant on any benchmark.
"""

import argparse
import os
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from posepile.datasets3d import get_dataset
from posepile.metrics.errors import root_relative_mpjpe
from posepile.training import (
    PoseDataset,
    PoseLoader,
    RandomView,
    Schedule,
    SequentialOrder,
    ShuffledOrder,
)
from posepile.training.appearance import ColorJitter
from posepile.util import TRAIN, VALID

VOLUME_SIDE_M = 2.2
DEPTH_BINS = 8


class Network(nn.Module):
    """(B, 3, S, S) images of 0..1 to (B, J, 3) joints in metres, in an arbitrary position."""

    def __init__(self, n_joints, widths=(16, 32, 64, 96)):
        super().__init__()
        layers, n_before = [], 3
        for width in widths[:3]:
            layers += [_block(n_before, width, stride=2)]
            n_before = width
        layers += [_block(n_before, widths[3]), _block(widths[3], widths[3], dilation=2)]
        self.backbone = nn.Sequential(*layers)
        self.head = nn.Conv2d(widths[3], n_joints * DEPTH_BINS, 1)

    def forward(self, images):
        scores = self.head(self.backbone((images - 0.45) / 0.25))
        batch, _, height, width = scores.shape
        volumes = scores.reshape(batch, -1, DEPTH_BINS, height, width)
        return soft_argmax(volumes) * VOLUME_SIDE_M


def _block(n_in, n_out, stride=1, dilation=1):
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
    )


def soft_argmax(volumes):
    """Mean places (B, J, 3) as x, y, z in -0.5 .. 0.5 of the softmax of (B, J, D, H, W) scores."""
    batch, n_joints = volumes.shape[:2]
    weights = volumes.reshape(batch, n_joints, -1).softmax(dim=-1).reshape(volumes.shape)
    means = []
    for kept, summed in ((4, (2, 3)), (3, (2, 4)), (2, (3, 4))):
        places = torch.linspace(-0.5, 0.5, volumes.shape[kept], device=volumes.device)
        means.append((weights.sum(dim=summed) * places).sum(dim=-1))
    return torch.stack(means, dim=-1)


def pose_loss(predicted, true, is_valid):
    """Mean absolute error in metres of joints relative to the mean of the known ones."""
    weights = is_valid.unsqueeze(-1).to(true.dtype)
    n_valid = weights.sum(dim=1, keepdim=True).clamp(min=1)

    def centered(coords):
        return coords - (coords * weights).sum(dim=1, keepdim=True) / n_valid

    difference = functional.l1_loss(centered(predicted), centered(true), reduction='none')
    return (difference * weights).sum() / weights.sum().clamp(min=1) / 3


def train_epoch(network, optimizer, scheduler, loader, i_root):
    """One pass; MPJPE in mm of what was predicted on the way."""
    network.train()
    errors = []
    for batch in loader:
        predicted = network(batch['image'].float() / 255)
        loss = pose_loss(predicted, batch['coords3d'] / 1000, batch['is_valid3d'])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        scheduler.step()
        errors.append(batch_errors(predicted, batch, i_root))
    return np.nanmean(np.concatenate(errors))


@torch.no_grad()
def evaluate(network, loader, i_root):
    """MPJPE in mm over one pass."""
    network.eval()
    errors = [batch_errors(network(b['image'].float() / 255), b, i_root) for b in loader]
    return np.nanmean(np.concatenate(errors))


def batch_errors(predicted, batch, i_root):
    """(B,) mean errors of the poses in mm; NaN where the root is not known."""
    true = np.where(batch['is_valid3d'][..., None], batch['coords3d'], np.nan)
    poses = zip(predicted.detach().numpy() * 1000, true, strict=True)
    return np.array([root_relative_mpjpe(p, t, i_root) for p, t in poses])


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('dataset', help='name of a packed 3D dataset')
    parser.add_argument('--epochs', type=int, default=10)
    parser.add_argument('--passes', type=int, default=6, help='visits of an example per epoch')
    parser.add_argument('--batch-size', type=int, default=16)
    parser.add_argument('--side', type=int, default=96, help='px of the square input')
    parser.add_argument('--workers', type=int, default=1)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--checkpoint', help='file to continue from, written after every epoch')
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)

    source = get_dataset(args.dataset)
    view = RandomView(args.side, scale=(0.85, 1.15), shift=0.05, roll=10)
    train = PoseDataset([source], TRAIN, view=view, effects=[ColorJitter()], seed=args.seed)
    valid = PoseDataset([source], VALID, view=RandomView.fixed(args.side))
    ids = train.joint_info.ids
    i_root = ids.get('pelv', 0)

    order = ShuffledOrder(train.sizes, args.seed)
    loader = PoseLoader(train, Schedule(order, args.batch_size), workers=args.workers)
    checks = PoseLoader(valid, Schedule(SequentialOrder(valid.sizes), args.batch_size))

    network = Network(train.joint_info.n_joints)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-4)
    n_steps = args.epochs * args.passes * len(loader)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=n_steps)
    parts = dict(network=network, optimizer=optimizer, scheduler=scheduler, loader=loader)
    first = load_checkpoint(args.checkpoint, parts)

    print(f'{len(train)} examples to train on, {len(valid)} to validate')
    print('epoch  train MPJPE  val MPJPE     time')
    for epoch in range(first, args.epochs):
        start = time.perf_counter()
        train_error = np.mean(
            [train_epoch(network, optimizer, scheduler, loader, i_root) for _ in range(args.passes)]
        )
        valid_error = evaluate(network, checks, i_root) if len(valid) else np.nan
        seconds = time.perf_counter() - start
        print(
            f'{epoch + 1:5}  {train_error:8.1f} mm  {valid_error:6.1f} mm  {seconds:5.1f} s',
            flush=True,
        )
        save_checkpoint(args.checkpoint, parts, epoch + 1)


def load_checkpoint(path, parts):
    """Bring all parts to the state in the file, if there is one; number of finished epochs."""
    if not path or not os.path.exists(path):
        return 0
    state = torch.load(path, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state['epoch']


def save_checkpoint(path, parts, epoch):
    """Write the states of all parts; the file is whole at any time."""
    if path:
        state = {name: part.state_dict() for name, part in parts.items()}
        torch.save({**state, 'epoch': epoch}, f'{path}.partial')
        os.replace(f'{path}.partial', path)


if __name__ == '__main__':
    main()
