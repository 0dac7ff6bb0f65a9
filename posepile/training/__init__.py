"""From packed datasets to training batches, for PyTorch.

>>> from posepile.training import PoseDataset, PoseLoader, Schedule, ShuffledOrder
>>> dataset = PoseDataset([ds3d, ds2d], view=RandomView(side=256))
>>> order = ShuffledOrder(dataset.sizes, seed=0)
>>> loader = PoseLoader(dataset, Schedule(order, batch_size=32), workers=4)

What an example looks like depends on the seed, the example and how often it has come up; never
on the number of workers or ranks, or on interruptions. docs/training.md tells the rest.
"""

from posepile.training.augmentation import RandomView
from posepile.training.datasets import PoseDataset, PoseStream
from posepile.training.loader import PoseLoader
from posepile.training.mixing import MixedOrder
from posepile.training.order import SequentialOrder, ShuffledOrder
from posepile.training.permutation import Permutation
from posepile.training.schedule import Schedule

__all__ = [
    'MixedOrder',
    'Permutation',
    'PoseDataset',
    'PoseLoader',
    'PoseStream',
    'RandomView',
    'Schedule',
    'SequentialOrder',
    'ShuffledOrder',
]
