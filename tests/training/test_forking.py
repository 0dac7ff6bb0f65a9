"""A thread pool does not survive a fork, the children have to."""

import multiprocessing

import cv2
import numpy as np

from posepile.training.forking import make_forks_safe


def blur(connection):
    image = np.random.default_rng(0).integers(0, 255, (900, 900, 3), np.uint8)
    warped = cv2.warpPerspective(image, np.eye(3), (900, 900))
    connection.send((cv2.getNumThreads(), int(warped.sum())))


def test_a_forked_child_can_use_opencv_after_its_parent_did():
    make_forks_safe()
    n_before = cv2.getNumThreads()
    cv2.setNumThreads(4)
    try:
        image = np.zeros((900, 900, 3), np.uint8)
        cv2.warpPerspective(image, np.eye(3), (900, 900))  # now the pool has its threads
        ours, theirs = multiprocessing.Pipe()
        child = multiprocessing.get_context('fork').Process(target=blur, args=(theirs,))
        child.start()
        try:
            assert ours.poll(30), 'the child waits for threads that it does not have'
            n_threads, total = ours.recv()
        finally:
            child.kill()
            child.join()
        assert n_threads == 1 and total > 0
        assert cv2.getNumThreads() == 4  # the parent has them again
    finally:
        cv2.setNumThreads(n_before)
