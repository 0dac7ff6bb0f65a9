"""Finding people: the whole stage beside the bare network on batches that lie ready on the device.

    python benchmarks/people.py [--device cpu] [--weights studio] [--seconds 20] [--json FILE]

The stage reads, decodes, scales, runs the network, works out boxes or masks and writes its file;
the floor runs the same network on preloaded batches of the same shape and nothing else. A ratio of
1 means that everything but the network costs no time. Where the weights are not at hand, the
network has random ones and the confidence is set so that about four people per image come out:
speed does not depend on the values.
"""

import argparse
import copy
import dataclasses
import itertools
import json
import os
import tempfile
import time

import numpy as np
import torch

from posepile.cluster.resources import n_cores
from posepile.detection.network import PeopleNetwork
from posepile.detection.sources import ArchiveImage, Video, load_encoded
from posepile.detection.stage import DetectionOptions, detect_people
from posepile.detection.weights import STUDIO, studio_weights, weights_folder
from posepile.raw.images import encode_jpeg
from posepile.segmentation.stage import SegmentationOptions, segment_people
from posepile.simulate.crowd import random_crowd
from posepile.simulate.writers import write_video
from posepile.storage import archive

_FRAME = (1080, 1920)
_CROP = (652, 652)
_N_SCENES = 12
_PEOPLE_PER_IMAGE = 4


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--device', default='auto')
    parser.add_argument(
        '--weights', default='yolo26x', help="'studio', or the stem of Ultralytics' names (yolo26x)"
    )
    parser.add_argument('--batch-size', type=int)
    parser.add_argument('--seconds', type=float, default=20, help='of the network, per case')
    parser.add_argument('--json', metavar='FILE', help='also write the figures to this file')
    args = parser.parse_args()
    rows = []
    print(f'{"case":32}{"network":>10}{"stage":>10}{"ratio":>8}   (images per second)', flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for row in measure_all(args, folder):
            print(
                f'{row["case"]:32}{row["floor"]:10.2f}{row["stage"]:10.2f}{row["ratio"]:8.3f}',
                flush=True,
            )
            rows.append(row)
            if args.json:  # after each case, for the run may be cut short
                with open(args.json, 'w') as f:
                    json.dump(rows, f, indent=1)


def measure_all(args, folder):
    material = Material(folder)
    for task, run in (('detect', detect_people), ('segment', segment_people)):
        network = make_network(task, args, folder)
        batch_size = args.batch_size or network.batch_size
        shape = _CROP if task == 'segment' else _FRAME
        images = material.images(shape)
        inputs = batch_of(network, images, batch_size)
        options = options_for(network, task, inputs)
        rate = bare_rate(network, inputs, args.seconds / 10)
        n_images = max(2, round(args.seconds / 2 * rate / batch_size)) * batch_size
        makers = {'archive': material.archive_sources}
        if task == 'detect':
            makers['video'] = material.video_sources
        for name, make_sources in makers.items():
            sources = make_sources(shape, n_images)
            n_images = sum(getattr(source, 'n_frames', 1) for source in sources)
            sources = [getattr(source, 'video', source) for source in sources]
            floors, stages = [], []
            for i in range(2):  # in turns, so that a change of the machine's pace hits both
                floors.append(bare_rate(network, inputs, args.seconds / 2))
                start = time.perf_counter()
                out = os.path.join(folder, f'{task}-{name}-{i}')
                n, skipped = run(sources, out, network, options, batch_size=batch_size)
                stages.append(n / (time.perf_counter() - start))
                assert n == n_images and not skipped, (n, n_images, skipped)
            floor, stage = float(np.mean(floors)), float(np.mean(stages))
            yield dict(
                case=f'{task}, {name} of {shape[1]}x{shape[0]}',
                weights=args.weights, device=device_name(network), cores=n_cores(),
                half=network.half, batch_size=batch_size, input=list(inputs.shape[1:3]),
                images=n_images, floor=floor, stage=stage, ratio=stage / floor,
            )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class RepeatedImage(ArchiveImage):
    """An image of an archive under another name, for archives of any length."""

    member: str
    boxes: np.ndarray | None

    def _load(self, image_size, stride):
        data = archive.read_file(self.archive, self.member)
        return load_encoded(data, image_size, stride, self.key, self.boxes)


@dataclasses.dataclass(frozen=True)
class CountedVideo:
    video: Video
    n_frames: int


class Material:
    """Scenes with people, as images in an archive and as a video."""

    def __init__(self, folder):
        self._folder = folder
        self._images = {}

    def images(self, shape):
        if shape not in self._images:
            rng = np.random.default_rng(0)
            height = 0.6 * shape[0] if shape == _CROP else None
            scenes = [random_crowd(rng, shape, _PEOPLE_PER_IMAGE, height) for _ in range(_N_SCENES)]
            self._images[shape] = [scene.render(camera, 0).image for scene, camera in scenes]
        return self._images[shape]

    def archive_sources(self, shape, n_images):
        path = os.path.join(self._folder, f'images-{shape[0]}.barecat')
        if not os.path.exists(path):
            with archive.ArchiveWriter(path) as writer:
                for i, image in enumerate(self.images(shape)):
                    writer.add(f'{i:02d}.jpg', encode_jpeg(image))
        h, w = shape
        # In a crop, the person in the middle is looked for.
        boxes = np.array([[0.35 * w, 0.2 * h, 0.3 * w, 0.6 * h]]) if shape == _CROP else None
        return [
            RepeatedImage(f'{i:07d}.jpg', path, f'{i % _N_SCENES:02d}.jpg', boxes)
            for i in range(n_images)
        ]

    def video_sources(self, shape, n_images):
        # A video that moves: the view glides over the scenes.
        path = os.path.join(self._folder, f'{shape[0]}.mp4')
        n_frames = min(n_images, 600)
        if not os.path.exists(path):
            write_video(path, itertools.islice(self._gliding(shape), n_frames), 30)
        n_videos = max(1, n_images // n_frames)
        return [
            CountedVideo(Video(f'{i}.mp4', path, threads=n_cores()), n_frames)
            for i in range(n_videos)
        ]

    def _gliding(self, shape):
        for image in itertools.cycle(self.images(shape)):
            for shift in range(0, 120, 4):
                yield np.roll(image, shift, axis=1)


def make_network(task, args, folder):
    if args.weights == STUDIO:
        return PeopleNetwork(studio_weights(task), args.device)
    name = args.weights + ('-seg' if task == 'segment' else '')
    path = os.path.join(weights_folder(), f'{name}.pt')
    if not os.path.exists(path):
        path = os.path.join(folder, f'{name}.pt')
        save_random(name, path)
    return PeopleNetwork(path, args.device)


def save_random(name, path):
    """Ultralytics' architecture with random weights."""
    from ultralytics.nn import tasks

    is_segmenter = name.endswith('-seg')
    config = tasks.yaml_model_load(f'{name}.yaml')
    torch.manual_seed(0)
    model_class = tasks.SegmentationModel if is_segmenter else tasks.DetectionModel
    model = model_class(copy.deepcopy(config), ch=3, nc=80, verbose=False)
    with torch.no_grad():
        for parameter in model.model[-1].parameters():
            if parameter.ndim == 4:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5)
    names = ['person', *(f'class {i}' for i in range(1, 80))]
    torch.save(
        dict(
            posepile_network=1, task='segment' if is_segmenter else 'detect', config=config,
            image_size=640, names=names, state_dict=model.state_dict(),
        ),
        path,
    )  # fmt: skip


def batch_of(network, images, batch_size):
    """A network input batch of these images, repeated."""
    loaded = [load_encoded(encode_jpeg(i), network.image_size, network.stride, '') for i in images]
    pixels = itertools.islice(itertools.cycle(x.pixels for x in loaded), batch_size)
    return np.stack(list(pixels))


def options_for(network, task, inputs):
    """Options with which about ``_PEOPLE_PER_IMAGE`` people are found."""
    make = SegmentationOptions if task == 'segment' else DetectionOptions
    people = network.people(network.start(inputs), len(inputs), 0.0, 0.7)
    confidence = np.sort(np.concatenate([p.confidence for p in people]))[::-1]
    wanted = min(len(confidence) - 1, _PEOPLE_PER_IMAGE * len(inputs))
    return make(confidence=max(0.0, float(confidence[wanted]))) if len(confidence) else make()


def bare_rate(network, inputs, seconds):
    """Images per second of the network alone, on batches that lie on the device."""
    batch = network.prepared(inputs)
    at_once = 4 if network.device.type == 'cuda' else 1
    network.run(batch)
    synchronize(network)
    n_batches = 0
    start = time.perf_counter()
    while n_batches == 0 or time.perf_counter() - start < seconds:
        for _ in range(at_once):
            network.run(batch)
        synchronize(network)
        n_batches += at_once
    return n_batches * len(inputs) / (time.perf_counter() - start)


def synchronize(network):
    if network.device.type == 'cuda':
        torch.cuda.synchronize(network.device)


def device_name(network):
    if network.device.type == 'cuda':
        return torch.cuda.get_device_name(network.device)
    return 'CPU'


if __name__ == '__main__':
    main()
