"""OpenCV's threads and worker processes.

OpenCV keeps a pool of threads from its first parallel call on. A forked child inherits the pool
without the threads, and waits for them forever at its next call. So the pool is given up before
this process forks, and the child stays with its one thread.
"""

import functools
import os

import cv2


@functools.cache
def make_forks_safe():
    """Arrange this for all forks of this process from now on. Only the first call does."""
    remembered = []

    def give_up_threads():
        remembered.append(cv2.getNumThreads())
        cv2.setNumThreads(1)

    def take_threads_again():
        cv2.setNumThreads(remembered.pop())

    os.register_at_fork(
        before=give_up_threads,
        after_in_parent=take_threads_again,
        after_in_child=remembered.clear,
    )


def quiet_worker(worker_id=0):
    """Keep a worker process to one thread; all workers together have the cores.

    PyTorch does the same to its own threads.
    """
    cv2.setNumThreads(1)
