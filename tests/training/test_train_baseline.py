"""The training example learns, and goes on after an interruption as if there had been none."""

import importlib.util
import os
import re

import numpy as np
import pytest
import torch

from posepile.util import TRAIN, VALID
from tests.storage.packed_samples import make_example, write_dataset

SCRIPT = os.path.join(os.path.dirname(__file__), '..', '..', 'examples', 'train_baseline.py')


@pytest.fixture(scope='module')
def script():
    spec = importlib.util.spec_from_file_location('train_baseline', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def arguments(tmp_path):
    splits = [TRAIN] * 48 + [VALID] * 8
    examples = [(split, *make_example(i)) for i, split in enumerate(splits)]
    path = write_dataset(tmp_path, examples=examples)
    return [path, '--side', '64', '--epochs', '4', '--passes', '6', '--workers', '0']


@pytest.fixture
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def errors_in(out):
    """[(train, val) MPJPE] of the printed epochs."""
    rows = re.findall(r'^ +\d+ +([\d.]+) mm +([\d.]+) mm', out, re.M)
    return [(float(train), float(val)) for train, val in rows]


@pytest.mark.slow
def test_errors_fall(script, arguments, capsys, one_thread):
    script.main(arguments)
    errors = errors_in(capsys.readouterr().out)
    assert len(errors) == 4
    assert errors[-1][0] < 0.75 * errors[0][0]
    assert errors[-1][1] < errors[0][1]


@pytest.mark.slow
def test_interrupted_training_gives_the_same_numbers(
    script, arguments, capsys, tmp_path, monkeypatch, one_thread
):
    arguments = [*arguments, '--passes', '2', '--checkpoint', str(tmp_path / 'checkpoint.pt')]
    script.main(arguments)
    expected = errors_in(capsys.readouterr().out)
    os.remove(tmp_path / 'checkpoint.pt')
    save = script.save_checkpoint

    def save_and_die(path, parts, epoch):
        save(path, parts, epoch)
        if epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(script, 'save_checkpoint', save_and_die)
    with pytest.raises(KeyboardInterrupt):
        script.main(arguments)
    monkeypatch.undo()
    script.main(arguments)
    assert errors_in(capsys.readouterr().out) == expected


def test_soft_argmax_finds_peaks(script):
    volumes = torch.full((1, 2, 5, 9, 7), -30.0)
    volumes[0, 0, 4, 2, 3] = 30
    volumes[0, 1, 0, 8, 0] = volumes[0, 1, 0, 8, 6] = 30
    found = script.soft_argmax(volumes)[0].numpy()
    np.testing.assert_allclose(found, [[0, -0.25, 0.5], [0, 0.5, -0.5]], atol=1e-6)


def test_the_loss_knows_what_is_missing_and_no_position(script):
    true = torch.randn(3, 5, 3)
    is_valid = torch.tensor([[True] * 5, [True, False, True, True, True], [False] * 5])
    moved = true + torch.randn(3, 1, 3)
    moved[1, 1] += 100
    moved[2] += 7
    moved.requires_grad_()
    loss = script.pose_loss(moved, true * is_valid[..., None], is_valid)
    assert loss.item() < 1e-6
    loss.backward()
    assert torch.isfinite(moved.grad).all()
    worse = moved.detach() + 0.1 * torch.randn(3, 5, 3)
    assert script.pose_loss(worse, true, is_valid) > 0.02
