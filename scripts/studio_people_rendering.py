"""Renders pictures of the studio in several processes.

Used by ``train_studio_people.py``. Groups of training pictures are kept in files that are named
by kind and number, so that none is rendered twice. (No torch here: its import takes longer than a
group.)
"""

import concurrent.futures
import functools
import multiprocessing
import os

import cv2
import numpy as np
from studio_people_scenes import training_group
from tqdm import tqdm

from posepile.atomic import replacing


def render_file(folder, kind, number):
    """Kind and path of a file with a group of pictures, which is made if it is not there."""
    path = os.path.join(folder, f'{kind}-{number:06d}.npy')
    if not os.path.exists(path):
        pictures = training_group(kind, number)
        with replacing(path) as temporary, open(temporary, 'wb') as f:
            np.save(f, pictures)
    return kind, path


def in_processes(function, jobs, n_processes, title):
    """Yields ``function(*job)`` of all jobs in order, computed in processes, with a bar."""
    with processes(n_processes) as pool:
        results = pool.map(functools.partial(_call, function), jobs, chunksize=4)
        yield from tqdm(results, title, len(jobs), mininterval=5)


def processes(n):
    """A pool of processes that do not wait for one another."""
    # They are started afresh: forked ones would inherit the threads of torch and OpenCV.
    return concurrent.futures.ProcessPoolExecutor(
        n, multiprocessing.get_context('spawn'), initializer=_use_one_thread
    )


def _call(function, job):
    return function(*job)


def _use_one_thread():
    cv2.setNumThreads(1)
