"""Put a simulated raw release where the real one would be."""

import importlib
import json
import os
import os.path as osp
import shutil

from posepile import paths
from posepile.cluster import lock
from posepile.cluster.state import steps_of
from posepile.errors import OptionError
from posepile.registry import find_dataset, read_dataset
from posepile.simulate.origin import MARKER, simulation_arguments
from posepile.simulate.true_images import save_true_images
from posepile.simulate.truth import save_truth


def simulate_release(info, seed=0, size='tiny', markers=False, force=False) -> list[str]:
    """Simulate the raw release of a dataset below DATA_ROOT, and store its truth.

    The releases of the datasets that its simulator names in ``BUILDS_ON`` come first; they stay as
    they are if they were simulated with the same arguments.

    Args:
        info: :class:`posepile.registry.DatasetInfo` of the dataset or one of its variants.
        size: ``'tiny'`` (seconds) or ``'small'`` (a minute or two).
        markers: draw a marker on every joint, so that tests find them again in the crops.
        force: replace a release simulated earlier with other arguments. Real data is never
            replaced.

    Returns:
        The raw folders made or found, relative to DATA_ROOT.

    Raises:
        OptionError: if other data is in the way.
        LockedError: if a run works on one of the dataset's products.
    """
    paths.check_data_root()
    simulator = importlib.import_module(f'{info.module}.simulate')
    made = []
    for other in getattr(simulator, 'BUILDS_ON', ()):
        made += simulate_release(find_dataset(other), seed, size, markers, force)
    with lock.held(product.name for product in read_dataset(info.folder)):
        return made + _simulate(info, simulator, seed, size, markers, force)


def _simulate(info, simulator, seed, size, markers, force):
    root = paths.data_root()
    made_with = dict(dataset=info.dataset, seed=seed, size=size, markers=markers)
    folders = simulator.RAW_FOLDERS
    found = [simulation_arguments(osp.join(root, folder)) for folder in folders]
    if all(marker == made_with for marker in found):
        return list(folders)
    for folder, marker in zip(folders, found, strict=True):
        _check_replaceable(osp.join(root, folder), marker, force)

    workplace = osp.join(paths.state_dir(info.dataset), '.simulating')
    shutil.rmtree(workplace, ignore_errors=True)
    os.makedirs(workplace)
    truth = simulator.simulate(workplace, seed=seed, size=size, markers=markers)
    for product, people in truth.items():
        for step in steps_of(product):
            step.delete()
        if info.has_poses:
            save_truth(product, people)
        else:
            save_true_images(product, people)
    for folder in folders:
        with open(osp.join(workplace, folder, MARKER), 'w') as f:
            json.dump(made_with, f)
        shutil.rmtree(osp.join(root, folder), ignore_errors=True)
        os.replace(osp.join(workplace, folder), osp.join(root, folder))
    shutil.rmtree(workplace)
    return list(folders)


def _check_replaceable(folder, marker, force):
    if not osp.exists(folder) or (marker is not None and force):
        return
    if marker is None and not os.listdir(folder):
        return
    if marker is None:
        raise OptionError(
            f'{folder} holds data that was not simulated and is never replaced. Set DATA_ROOT to '
            'another directory to simulate.'
        )
    raise OptionError(
        f'{folder} holds a release simulated with other arguments ({_words(marker)}). '
        'Add --force to replace it.'
    )


def _words(marker):
    return ', '.join(f'{key} {value}' for key, value in marker.items())
