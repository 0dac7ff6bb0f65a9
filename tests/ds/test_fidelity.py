"""Every product of every dataset folder, from simulated raw release to archive, against truth.

A new dataset folder is tested by being there.
"""

import os

import pytest

from posepile import paths
from posepile.cli import main
from posepile.datasets2d import Pose2DDataset
from posepile.datasets3d import Pose3DDataset
from posepile.detection.network import PeopleNetwork
from posepile.detection.weights import studio_weights
from posepile.pipeline.crop_masks import segment_crops
from posepile.pipeline.pack import pack
from posepile.pipeline.stages import make_crops
from posepile.registry import list_datasets
from posepile.simulate.fidelity import check_product
from posepile.simulate.true_images import check_images, load_true_images
from posepile.simulate.truth import load_truth
from posepile.storage.access import dataset_module
from posepile.storage.verify import verify
from posepile.storage.verify_images import verify_images
from posepile.util import SPLIT_NAMES

PRODUCTS = [
    pytest.param(info, id=info.name, marks=pytest.mark.xdist_group(info.dataset))
    for info in list_datasets()
]
OF_POSES = [product for product in PRODUCTS if product.values[0].has_poses]
OF_IMAGES = [product for product in PRODUCTS if not product.values[0].has_poses]


@pytest.mark.slow
@pytest.mark.parametrize('info', OF_POSES)
def test_product_equals_the_truth(info, simulated_root, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(simulated_root(info.name)))
    recipe = dataset_module(info.name).make_recipe(name=info.name)
    assert recipe.name == info.name
    assert recipe.kind == info.kind
    assert recipe.joint_info.n_joints == info.joints
    assert {SPLIT_NAMES[split] for split in recipe.splits} == set(info.splits)
    for i in range(3):
        make_crops(recipe, i, 3)
    has_estimated_masks = any(person.is_mask_estimated for person in load_truth(info.name))
    if has_estimated_masks:
        segment_crops(recipe, lambda: PeopleNetwork(studio_weights('segment')), None)
    pack(recipe, simulated=True)

    report = check_product(info.name)
    # Joints 0.01 mm, projection 0.05 px, boxes 0.5 px, markers in the pixels 1 px,
    # the same examples, splits and missing joints, masks of networks with a mean IoU of 0.85: the
    # tolerances are check_product's defaults.
    assert report.problems() == []
    assert report.examples == len(load_truth(info.name)) > 0
    if any(person.markers is not None for person in load_truth(info.name)):
        assert report.markers_sought > 2 * report.examples
    assert (report.estimated_masks > 0) == has_estimated_masks
    if has_estimated_masks:
        assert report.estimated_masks_found > 0.95 * report.estimated_masks

    ds = recipe.open()
    assert ds.metadata['posepile']['simulated'] is True
    assert isinstance(ds, Pose3DDataset if info.kind == '3d' else Pose2DDataset)
    assert ds.joint_info.names == recipe.joint_info.names
    assert not verify(*paths.packed_paths(info.name), deep=True).problems


@pytest.mark.slow
@pytest.mark.parametrize('info', OF_IMAGES)
def test_collection_of_images_equals_the_truth(info, simulated_root, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(simulated_root(info.name)))
    assert main(['run', info.name]) == 0
    report = check_images(info.name)
    assert report.problems() == []
    assert report.images == len(load_true_images(info.name)) > 0
    collection = dataset_module(info.name).make_dataset(name=info.name)
    assert collection.kind == info.kind
    assert collection.metadata['posepile']['simulated'] is True
    assert verify_images(collection.path, deep=True).ok


@pytest.mark.parametrize('info', PRODUCTS)
def test_folder_is_complete(info):
    for file in ('dataset.toml', 'main.sh', 'main.py', 'simulate.py'):
        assert os.path.exists(os.path.join(info.folder, file))
    assert os.path.exists(os.path.join(info.folder, 'eval.py')) == info.evaluation
    assert os.access(os.path.join(info.folder, 'main.sh'), os.X_OK)
