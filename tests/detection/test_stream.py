"""Images into batches."""

import threading
import time

import numpy as np
import pytest

from posepile.detection.letterbox import Letterbox
from posepile.detection.sources import Loaded
from posepile.detection.stream import batches, lagged
from posepile.errors import RawDataError


class Source:
    """An image of one colour; every seventh cannot be read."""

    loaded = 0

    def __init__(self, i, n_shapes):
        self.i, self.rows = i, 32 * (1 + i * 7919 % n_shapes)

    def images(self, is_known):
        if not is_known(str(self.i)):
            yield str(self.i), self.load

    def load(self, image_size, stride):
        Source.loaded += 1
        if self.i % 7 == 3:
            raise RawDataError(str(self.i), 'is broken')
        letterbox = Letterbox((self.rows, 32), (32, self.rows), (0, 0), (self.rows, 32))
        return Loaded(letterbox, np.full((self.rows, 32, 3), self.i % 256, np.uint8))


def loading_threads():
    return [t for t in threading.enumerate() if t.name.startswith('load')]


def batched(sources, batch_size=4, is_known=lambda key: False, threads=3):
    def allocate(shape):
        return np.full(shape, 99, np.uint8)

    return batches(sources, is_known, 32, 32, batch_size, allocate, threads)


@pytest.mark.parametrize('batch_size', [1, 3, 8])
@pytest.mark.parametrize('n_shapes', [1, 5, 60])
@pytest.mark.parametrize('n', [0, 1, 200])
def test_each_image_is_in_one_batch_of_its_shape(n, n_shapes, batch_size):
    seen, skipped = [], []
    for batch in batched([Source(i, n_shapes) for i in range(n)], batch_size):
        skipped += batch.skipped
        if not batch.keys:
            continue
        assert len(batch.inputs) == batch_size >= len(batch.keys)
        for key, letterbox, pixels in zip(
            batch.keys, batch.letterboxes, batch.inputs, strict=False
        ):
            assert (
                pixels.shape[:2] == letterbox.input_shape == (Source(int(key), n_shapes).rows, 32)
            )
            assert (pixels == int(key) % 256).all()
        assert not batch.inputs[len(batch.keys) :].any()
        seen += batch.keys
    broken = [str(i) for i in range(n) if i % 7 == 3]
    assert sorted(seen + broken, key=int) == [str(i) for i in range(n)]
    assert [key for key, _ in skipped] == broken
    assert all('is broken' in reason for _, reason in skipped)


def test_what_is_known_is_not_loaded():
    found = batched([Source(i, 1) for i in range(20)], is_known=lambda key: int(key) % 2 == 0)
    assert [key for batch in found for key in batch.keys] == [
        str(i) for i in range(20) if i % 2 and i % 7 != 3
    ]


@pytest.mark.parametrize('n_shapes', [1, 1000])
def test_only_so_much_is_loaded_ahead(n_shapes):
    Source.loaded = 0
    found = batched((Source(i, n_shapes) for i in range(1000)), batch_size=4)
    n_given = 0
    for _ in range(5):
        n_given += len(next(found).keys)
        time.sleep(0.05)  # to let it run ahead
        # Four batches that wait, two that are ready and one on the way; images that are loading.
        assert Source.loaded * 6 / 7 <= n_given + (4 + 2 + 2) * 4 + 2 * (4 + 3)
    found.close()
    assert not loading_threads()


def test_errors_come_through_and_threads_end():
    class Broken(Source):
        def load(self, image_size, stride):
            raise ZeroDivisionError('a defect')

    with pytest.raises(ZeroDivisionError, match='a defect'):
        list(batched([Source(0, 1), Broken(1, 1), *(Source(i, 1) for i in range(2, 500))]))

    def failing():
        yield Source(0, 1)
        raise OSError('no more')

    with pytest.raises(OSError, match='no more'):
        list(batched(failing()))
    assert not loading_threads()


def test_lag():
    made = []

    def make():
        for i in range(5):
            made.append(i)
            yield i

    got = []
    for item in lagged(make(), 2):
        got.append(item)
        assert len(made) == min(item + 3, 5)
    assert got == list(range(5))
    assert list(lagged([], 3)) == []
