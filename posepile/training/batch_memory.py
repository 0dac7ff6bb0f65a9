"""Memory for the images of batches that is used again when nobody needs a batch any more.

Pages that a process has never touched cost more than writing to them does: the system has to find
and clear each one, and for memory that processes share both sides pay. So a worker keeps a few
blocks. It fills one, sends its number, and takes it again when the training loop's process has
dropped the last tensor that looks into it, which that process tells by a byte in shared memory.
"""

import itertools
import os
import uuid
import weakref

import numpy as np
import torch
from torch.utils.data import get_worker_info

#: Arrays of so many bytes are handed over in shared memory, smaller ones through the pipe.
_LARGE = 1 << 16
_FREE, _TAKEN = 0, 1

_numbers = itertools.count()
_memories = weakref.WeakValueDictionary()  # what arrives from a worker finds its memory here


class BatchMemory:
    """Blocks of one loader; each of its processes has its own.

    Args:
        n_blocks: of each process. When all are in use, ordinary memory is taken.
    """

    def __init__(self, n_blocks):
        self._number = f'{os.getpid()}-{next(_numbers)}'
        self._n_blocks = n_blocks
        self._own = None
        self._received = {}
        _memories[self._number] = self

    def __getstate__(self):
        return dict(_number=self._number, _n_blocks=self._n_blocks, _own=None, _received={})

    def take(self, shape) -> np.ndarray:
        """A uint8 array of this shape with any content.

        Its memory is free again when nothing refers to it; if it has been packed, when nothing
        refers to the tensor that was made of it.
        """
        if self._own is None or self._own.pid != os.getpid():
            self._own = _Blocks(self._n_blocks, is_shared=get_worker_info() is not None)
        return self._own.take(shape)

    def pack(self, images, arrays):
        """Make a batch for the process of the training loop.

        Args:
            images: (B, H, W, 3) uint8, got from :meth:`take`.
            arrays: the other entries of the batch, {name: array}.

        Returns:
            In the process of the training loop, {name: tensor} with ``image`` (B, 3, H, W) in the
            memory format channels_last. In a worker, what becomes that by being sent there.
        """
        if get_worker_info() is None:
            return _as_tensors(images, arrays)
        return _Parcel(self._number, self._own, images, arrays)

    def _unpack(self, sender, place, images, arrays):
        if place is not None:
            i_block, shape, shared = place
            if shared is not None:
                self._received[sender, i_block] = [tensor.numpy() for tensor in shared]
            state, block = self._received[sender, i_block]
            images = _view(block, shape)
            _free_with(images, state, i_block)
        return _as_tensors(images, arrays)


class _Blocks:
    """Blocks of this process."""

    def __init__(self, n_blocks, is_shared):
        self.pid = os.getpid()
        self.name = uuid.uuid4().hex
        self._is_shared = is_shared
        self._state = self._new(n_blocks)
        self._state[:] = _FREE
        self._blocks = [self._new(0)] * n_blocks
        self._known = set()  # to the process of the training loop
        self._places = {}  # of what was taken and still exists: number of the block, finalizer

    def _new(self, size):
        tensor = torch.empty(size, dtype=torch.uint8)
        return tensor.share_memory_() if self._is_shared else tensor

    def take(self, shape):
        size = int(np.prod(shape))
        free = np.flatnonzero(self._state.numpy() == _FREE)
        if len(free) == 0:
            return np.empty(shape, np.uint8)
        i = int(free[0])
        if len(self._blocks[i]) < size:
            self._blocks[i] = self._new(size)
            self._known.discard(i)
        self._state[i] = _TAKEN
        images = _view(self._blocks[i].numpy(), shape)
        finalizer = _free_with(images, self._state.numpy(), i)
        self._places[id(images)] = i, finalizer
        weakref.finalize(images, self._places.pop, id(images), None).atexit = False
        return images

    def hand_over(self, images):
        """Number, shape and memory of a block that the receiver is to free; None if in none.

        Its memory is told once.
        """
        i, finalizer = self._places.get(id(images), (None, None))
        if i is None:
            return None
        finalizer.detach()
        memory = None if i in self._known else (self._state, self._blocks[i])
        self._known.add(i)
        return i, images.shape, memory


class _Parcel:
    """A batch on its way: pickled in a worker, it is a dict of tensors when unpickled."""

    def __init__(self, number, blocks, images, arrays):
        place = blocks.hand_over(images)
        images = _shared_if_large(images) if place is None else None
        arrays = {name: _shared_if_large(array) for name, array in arrays.items()}
        self._content = number, blocks.name, place, images, arrays

    def __reduce__(self):
        return _unpack, self._content


def _unpack(number, *content):
    return _memories[number]._unpack(*content)


def _as_tensors(images, arrays):
    batch = {'image': torch.as_tensor(images).permute(0, 3, 1, 2)}
    return batch | {name: torch.as_tensor(array) for name, array in arrays.items()}


def _shared_if_large(array):
    return array if array.nbytes < _LARGE else torch.from_numpy(array)


def _view(block, shape):
    return block[: int(np.prod(shape))].reshape(shape)


def _free_with(array, state, i_block):
    """Free a block when the array is no more, in the process that says so now."""
    finalizer = weakref.finalize(array, _free, state, i_block, os.getpid())
    finalizer.atexit = False
    return finalizer


def _free(state, i_block, pid):
    if os.getpid() == pid:  # a forked child also drops what it has inherited
        state[i_block] = _FREE
