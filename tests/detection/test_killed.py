"""Real processes, killed at any moment or let run for long."""

import json
import os
import signal
import subprocess
import sys
import time

import av
import numpy as np
import pytest

from posepile.detection import open_detections
from posepile.raw.images import encode_jpeg
from posepile.storage.results import part_files
from tests.detection.networks import picture
from tests.raw.test_video import make_video

pytestmark = pytest.mark.slow


#: The program, but what it has found is safe after each batch instead of every two seconds.
COMMITTING = """
import sys
from posepile.storage import results
results._COMMIT_PERIOD = 0
from posepile.detection.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def start(folder, out, weights, *options, program=('-m', 'posepile.detection')):
    command = [sys.executable, *program, 'find', str(folder), '--out', str(out)]
    options = ['--weights', weights['two heads'], '--device', 'cpu', '--image-size', '96', *options]
    environment = os.environ | dict(OMP_NUM_THREADS='1')
    return subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )


def finish(process):
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error.decode()
    return out.decode()


def content(out):
    (path,) = part_files(out)
    with open(path, 'rb') as f:
        return f.read()


@pytest.fixture(scope='module')
def many(tmp_path_factory):
    """Some hundred images of five shapes, some of them broken, and two videos."""
    folder = tmp_path_factory.mktemp('many')
    shapes = [(96, 64), (64, 96), (80, 80), (200, 120), (30, 90)]
    for i in range(1500):
        data = encode_jpeg(picture(*shapes[i % 5], i % 50))
        (folder / f'{i:04d}.jpg').write_bytes(data[:200] if i % 100 == 7 else data)
    make_video(folder / 'a.mp4', n=50)
    with open(make_video(folder / 'half.avi', 'mpeg4', n=50), 'rb') as f:
        data = f.read()
    (folder / 'half.avi').write_bytes(data[: len(data) // 2])
    return folder


def test_killed_at_random_moments(many, weights, tmp_path):
    process = start(many, tmp_path / 'whole', weights)
    seconds = -wait_for_results(tmp_path / 'whole', process)
    finish(process)
    seconds += time.monotonic()
    n_killed, n_begun = 0, set()
    rng = np.random.default_rng(0)
    while not part_files(tmp_path / 'killed'):
        process = start(many, tmp_path / 'killed', weights, program=('-c', COMMITTING))
        wait_for_results(tmp_path / 'killed', process)  # from when there is something to lose
        time.sleep(rng.uniform(0, seconds / 4))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        n_killed += process.returncode == -signal.SIGKILL
        if n_killed > 8:
            finish(start(many, tmp_path / 'killed', weights))
        try:
            n_begun.add(len(open_detections(tmp_path / 'killed', unfinished=True)))
        except Exception as e:  # noqa: BLE001 - killed before there was anything
            assert 'no ' in str(e), e
    assert n_killed > 0 and len(n_begun) > 1
    assert content(tmp_path / 'killed') == content(tmp_path / 'whole')
    assert len(open_detections(tmp_path / 'whole')) > 1500
    assert len(open_detections(tmp_path / 'whole').skipped()) >= 16


def wait_for_results(out, process):
    """Wait until the process has begun its file; returns when that was."""
    while not list(out.glob('*.partial')) and process.poll() is None:
        time.sleep(0.02)
    return time.monotonic()


def test_interrupted_from_the_keyboard(many, weights, tmp_path):
    process = start(many, tmp_path / 'out', weights)
    wait_for_results(tmp_path / 'out', process)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode in (0, 130) and b'Traceback' not in error


MEASURE = """
import json, sys
import torch
torch.set_num_threads(1)
from posepile.detection.network import PeopleNetwork
from posepile.detection.sources import list_sources
from posepile.detection.stage import DetectionOptions, detect_people
network = PeopleNetwork(sys.argv[1], 'cpu')
options = DetectionOptions(0.5, 0.5, 32)
n, _ = detect_people(list_sources(sys.argv[2]), sys.argv[3], network, options, batch_size=32)
with open('/proc/self/status') as f:  # getrusage would tell the peak of our parent
    (peak,) = [int(line.split()[1]) / 1024 for line in f if line.startswith('VmHWM')]
print(json.dumps([n, peak]))
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='reads the peak from /proc')
def test_memory_does_not_grow_with_a_video(weights, tmp_path):
    peaks = {}
    frames = [av.VideoFrame.from_ndarray(picture(128, 96, i), format='rgb24') for i in range(20)]
    for n in (1000, 20_000):
        path = tmp_path / f'{n}.mp4'
        with av.open(str(path), 'w') as container:
            stream = container.add_stream('libx264', rate=25, options={'preset': 'ultrafast'})
            stream.width, stream.height, stream.pix_fmt = 128, 96, 'yuv420p'
            for i in range(n):
                frame = frames[i % 20]
                frame.pts = None
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        done = subprocess.run(
            [sys.executable, '-c', MEASURE, weights['two heads'], path, tmp_path / f'out{n}'],
            stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        n_images, peaks[n] = json.loads(done.stdout)
        assert n_images == n
    print('peak memory in MiB:', peaks)
    # Twenty thousand frames are 700 MiB as they are decoded, and 60 MiB as inputs.
    assert peaks[20_000] < peaks[1000] + 30
