"""Images into batches of network inputs, loaded ahead by threads.

All batches have the same number of images (the last ones are filled up with empty ones), because
what a network finds in an image on a GPU can depend in the last bits on the size of its batch: so
results depend on neither the division of the work nor on interruptions.
"""

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from posepile.detection.letterbox import Letterbox
from posepile.errors import BadFileError

_FULL_BUCKETS = 4  # inputs that wait for others of their shape: at most this many batches


@dataclass
class Batch:
    """Images of equal input shape.

    Attributes:
        keys: of the images, n of them.
        letterboxes: how each was fitted into its input.
        boxes: (k, 4) boxes [left, top, width, height] of the people that are looked for in each
            image; None: all people are.
        inputs: uint8 array (batch size, rows, columns, 3), of which the first n are filled.
        skipped: (key, reason) of images that turned out unreadable on the way.
    """

    keys: list[str] = field(default_factory=list)
    letterboxes: list[Letterbox] = field(default_factory=list)
    boxes: list[np.ndarray | None] = field(default_factory=list)
    inputs: np.ndarray | None = None
    skipped: list[tuple[str, str]] = field(default_factory=list)


def batches(
    sources: Iterable,
    is_known: Callable[[str], bool],
    image_size: int,
    stride: int,
    batch_size: int,
    allocate: Callable[[tuple], np.ndarray],
    threads: int,
) -> Iterator[Batch]:
    """Load the images of ``sources`` (see :mod:`posepile.detection.sources`) batch by batch.

    Memory holds a few batches, whatever the number of images.

    Args:
        is_known: keys for which it is true are passed over.
        allocate: makes an uninitialised uint8 array of a shape.
        threads: number of images that are loaded at a time.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix='load') as pool:
        loading = _prefetched(
            (
                (key, pool.submit(loader, image_size, stride))
                for source in sources
                for key, loader in source.images(is_known)
            ),
            batch_size + threads,
        )
        with contextlib.closing(loading):
            ready = _prefetched(_grouped(loading, batch_size, allocate), 2)
            with contextlib.closing(ready):
                yield from ready


def _grouped(loading, batch_size, allocate):
    waiting = {}  # input shape -> inputs that wait for their batch to be full
    n_waiting = 0
    skipped = []

    def batch_of(shape):
        inputs = allocate((batch_size, *shape, 3))
        images = waiting.pop(shape)
        for i, (_, image) in enumerate(images):
            inputs[i] = image.pixels
        inputs[len(images) :] = 0
        result = Batch(
            [key for key, _ in images],
            [image.letterbox for _, image in images],
            [image.boxes for _, image in images],
            inputs,
            skipped[:],
        )
        skipped.clear()
        return result

    for key, future in loading:
        try:
            image = future.result()
        except BadFileError as e:
            skipped.append((key, str(e)))
            continue
        shape = image.letterbox.input_shape
        bucket = waiting.setdefault(shape, [])
        bucket.append((key, image))
        n_waiting += 1
        if n_waiting >= _FULL_BUCKETS * batch_size and len(bucket) < batch_size:
            shape = max(waiting, key=lambda s: len(waiting[s]))
            bucket = waiting[shape]
        elif len(bucket) < batch_size:
            continue
        n_waiting -= len(bucket)
        yield batch_of(shape)
    for shape in list(waiting):
        yield batch_of(shape)
    if skipped:
        yield Batch(skipped=skipped)


class _Raised:
    def __init__(self, exception):
        self.exception = exception


_END = object()


def _prefetched(items, size):
    """The items, made by a thread that runs ahead by up to ``size`` of them."""
    made = queue.Queue(size)
    stopped = threading.Event()

    def put(item):
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                made.put(item, timeout=0.1)
                return

    def work():
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
            put(_END)
        except BaseException as e:  # noqa: BLE001 - raised again in the thread that consumes
            put(_Raised(e))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not _END:
            if isinstance(item, _Raised):
                raise item.exception
            yield item
    finally:
        stopped.set()
        with contextlib.suppress(queue.Empty):
            while True:  # what was loaded in vain need not wait for the garbage collector
                made.get_nowait()
        thread.join()


def lagged(items: Iterable, lag: int) -> Iterator:
    """Pairs up making and using: an item is given out when ``lag`` later ones have been made."""
    held = deque()
    for item in items:
        held.append(item)
        if len(held) > lag:
            yield held.popleft()
    yield from held
