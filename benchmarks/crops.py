"""What a crop costs on one core, and how good it is.

    python benchmarks/crops.py [--seconds 3] [--json FILE]

Beside each time stands the floor: decoding the source once and encoding the crops. A ratio of 1
would mean that laying out and resampling crops took no time at all. Quality is the PSNR against
a reference that averages 16 x 16 cubic samples of the linear-light source per pixel; beside it
stands that of the plain recipe, the same with 2 x 2 samples. Sources are JPEGs of the synthetic
studio with the grain of a photograph.
"""

import argparse
import json
import time
from dataclasses import dataclass

import cv2
import numpy as np
from deltacamera import BrownConradyEx, Camera, FisheyeKannalaBrandt

from posepile.pipeline.crop_geometry import plan_crop
from posepile.pipeline.warp import GAMMA, warp
from posepile.raw.images import decode_image, encode_jpeg
from posepile.simulate.camera import StudioCamera
from posepile.simulate.scene import Performer, Scene

_GRAIN = 3  # standard deviation of the noise in grey levels
_STATURE = 1700  # mm


@dataclass(frozen=True)
class Case:
    """Attributes: width and height of the source, height of the people, their number, and the
    distortion of the lens."""

    size: tuple
    height: int
    n_people: int = 1
    distortion: tuple | None = None


CASES = {
    '1000x1002, 480 px, distorted': Case((1000, 1002), 480, distortion=(-0.2, 0.2, 1e-3, 1e-3, 0)),
    '3840x2160, 1500 px': Case((3840, 2160), 1500),
    '1920x1080, 150 px': Case((1920, 1080), 150),
    '1408x1408 fisheye, 500 px': Case((1408, 1408), 500, distortion=(0.05, 0.01, -0.005, 0.001)),
    '1920x1080, five of 250 px': Case((1920, 1080), 250, n_people=5),
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--seconds', type=float, default=3, help='time spent on each case')
    parser.add_argument('--json', metavar='FILE', help='also write the figures to this file')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    print(f'{"":30}{"ms per crop":>12}{"":8}{"ratio to floor":>16}{"":6}{"PSNR, dB":>10}')
    print(
        f'{"case":30}{"image":>8}{"+ mask":>8}{"floor":>8}{"image":>8}{"+ mask":>8}'
        f'{"ours":>10}{"plain":>8}'
    )
    rows = []
    for name, case in CASES.items():
        row = measure(name, case, args.seconds)
        rows.append(row)
        print(
            f'{name:30}{row["ms"]:8.1f}{row["masked_ms"]:8.1f}{row["floor_ms"]:8.1f}'
            f'{row["ratio"]:8.2f}{row["masked_ratio"]:8.2f}{row["psnr"]:10.1f}'
            f'{row["plain_psnr"]:8.1f}',
            flush=True,
        )
    if args.json:
        with open(args.json, 'w') as f:
            json.dump(rows, f, indent=1)


def measure(name, case, seconds):
    """Median times of one case, its variants measured in turns."""
    source, camera, boxes, masks = photograph(case)

    def crops(with_masks):
        image = decode_image(source)
        for box, mask in zip(boxes, masks, strict=True):
            geometry = plan_crop(camera, box, image.shape[:2])
            encode_jpeg(warp(image, mask if with_masks else None, geometry)[0])

    image = decode_image(source)
    plans = [plan_crop(camera, box, image.shape[:2]) for box in boxes]
    finished = [warp(image, None, plan)[0] for plan in plans]

    def floor():
        decode_image(source)
        for crop in finished:
            encode_jpeg(crop)

    variants = dict(ms=lambda: crops(False), masked_ms=lambda: crops(True), floor_ms=floor)
    times = {key: [] for key in variants}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times['floor_ms']) < 3:
        for key, function in variants.items():
            start = time.perf_counter()
            function()
            times[key].append(time.perf_counter() - start)
    row = {key: 1000 * float(np.median(t)) / len(boxes) for key, t in times.items()}
    reference, plain = (averaged_samples(image, plans[0], n) for n in (16, 2))
    return row | dict(
        case=name,
        ratio=row['ms'] / row['floor_ms'],
        masked_ratio=row['masked_ms'] / row['floor_ms'],
        psnr=psnr(finished[0], reference),
        plain_psnr=psnr(plain, reference),
        crop=list(plans[0].imshape),
        source_bytes=len(source),
    )


def photograph(case):
    """(JPEG, camera, boxes, masks as arrays of 0 and 255) of people standing in a street."""
    rng = np.random.default_rng(0)
    spread = np.arange(case.n_people) - (case.n_people - 1) / 2
    focal = 1.1 * max(case.size)  # of an ordinary lens
    distance = focal * _STATURE / case.height
    aside = 0.9 * case.size[0] / max(case.n_people, 2) * _STATURE / case.height
    people = [Performer.random(rng, 'reach', n_frames=1, position=(s * aside, 0.0)) for s in spread]
    view = StudioCamera.look_at(
        [0, -distance, 1000], [0, 0, 900], case.size[::-1], focal=focal,
        distortion=case.distortion,
    )  # fmt: skip
    frame = Scene(people, 'street', seed=0).render(view, 0)
    grain = rng.normal(0, _GRAIN, frame.image.shape)
    image = np.clip(frame.image + grain, 0, 255).astype(np.uint8)
    model = {None: None, 4: FisheyeKannalaBrandt, 5: BrownConradyEx}[
        case.distortion and len(case.distortion)
    ]
    camera = Camera(
        optical_center=view.t,
        rot_world_to_cam=view.R,
        intrinsic_matrix=view.K,
        distortion_model=model and model(np.float32(case.distortion)),
    )
    masks = [frame.mask(k).astype(np.uint8) * 255 for k in range(case.n_people)]
    return encode_jpeg(image), camera, [frame.box(k) for k in range(case.n_people)], masks


def averaged_samples(image, geometry, n):
    """The crop from n x n cubic samples of the linear-light source for each pixel."""
    linear = ((np.arange(256) / 255) ** GAMMA).astype(np.float32)[image]
    height, width = geometry.imshape
    total = np.zeros((height, width, 3), np.float64)
    for j in range(n):
        for i in range(n):
            intrinsics = geometry.intrinsics.copy()
            intrinsics[:2, 2] -= (np.array([i, j]) + 0.5) / n - 0.5
            lens = geometry.lens
            if lens.distortion is None:
                matrix = lens.intrinsics @ geometry.rotation.T @ np.linalg.inv(intrinsics)
                x, y = np.meshgrid(np.arange(width), np.arange(height))
                points = np.stack([x, y, np.ones_like(x)], axis=-1) @ matrix.T
                maps = np.moveaxis(points[..., :2] / points[..., 2:], -1, 0).astype(np.float32)
            else:
                maps = lens.maps(geometry.rotation, intrinsics, (width, height))
            total += cv2.remap(linear, *maps, cv2.INTER_CUBIC)
    return np.uint8(255 * np.clip(total / n**2, 0, 1) ** (1 / GAMMA))


def psnr(a, b):
    """Peak signal-to-noise ratio in dB."""
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


if __name__ == '__main__':
    main()
