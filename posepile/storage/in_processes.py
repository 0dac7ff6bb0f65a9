"""A function applied to a stream of items by several processes, in order and in bounded memory."""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from posepile.errors import PosePileError


class WorkerDiedError(PosePileError):
    """A process ended without an answer, usually because it was killed for want of memory."""


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_processes(
    function: Callable, items: Iterable, n_processes: int, initializer: Callable, arguments: tuple
) -> Iterator[tuple]:
    """Yield (item, function(item)) in the order of the items.

    Args:
        function: a function of a module; what it raises is raised here.
        n_processes: with one or less, everything happens in this process.
        initializer: called with ``arguments`` in each process before its first item.

    Raises:
        WorkerDiedError: if a process is killed or crashes.
    """
    if n_processes <= 1:
        initializer(*arguments)
        for item in items:
            yield item, function(item)
        return
    # Forking a process that has threads may hang, and OpenCV starts some.
    context = multiprocessing.get_context('spawn')
    pending = deque()
    with ProcessPoolExecutor(
        n_processes, mp_context=context, initializer=initializer, initargs=arguments
    ) as pool:
        try:
            for item in items:
                pending.append((item, pool.submit(function, item)))
                if len(pending) >= 2 * n_processes:
                    item, future = pending.popleft()
                    yield item, future.result()
            while pending:
                item, future = pending.popleft()
                yield item, future.result()
        except BrokenProcessPool as e:
            raise WorkerDiedError(
                'A process that was checking files ended without an answer; it may have been '
                'killed for want of memory. Use fewer at a time, for example --jobs 1.'
            ) from e
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
