"""What a crop costs on one core, beside the floor: decoding its source and encoding the crop.

    python benchmarks/crops.py [--seconds 3] [--json FILE]

The sources are JPEGs of the synthetic studio. A ratio of 1 would mean that laying out and
resampling the crop took no time at all.
"""

import argparse
import json
import time

import cv2
import numpy as np
from deltacamera import BrownConradyEx, Camera

from posepile.pipeline.crop_geometry import plan_crop
from posepile.pipeline.warp import warp_image
from posepile.raw.images import decode_image, encode_jpeg
from posepile.simulate.camera import StudioCamera
from posepile.simulate.scene import Performer, Scene

#: name: (image width and height, height of the person in it, lens distortion)
CASES = {
    'studio 1000x1002, 480 px, distorted': ((1000, 1002), 480, (-0.2, 0.2, 0.001, 0.001, 0)),
    '1920x1080, 150 px': ((1920, 1080), 150, None),
    '1920x1080, 600 px': ((1920, 1080), 600, None),
    '3840x2160, 1500 px': ((3840, 2160), 1500, None),
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--seconds', type=float, default=3, help='time spent on each case')
    parser.add_argument('--json', metavar='FILE', help='also write the figures to this file')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rows = [measure(name, *case, args.seconds) for name, case in CASES.items()]
    print(f'{"case":40}{"ms per crop":>12}{"floor":>8}{"ratio":>8}')
    for row in rows:
        print(f'{row["case"]:40}{row["crop_ms"]:12.1f}{row["floor_ms"]:8.1f}{row["ratio"]:8.2f}')
    if args.json:
        with open(args.json, 'w') as f:
            json.dump(rows, f, indent=1)


def measure(name, size, person_height, distortion, seconds):
    """Median times of one case; crop and floor are measured in turns."""
    source, camera, box = photograph(size, person_height, distortion)

    def crop():
        image = decode_image(source)
        geometry = plan_crop(camera, box, image.shape[:2])
        return encode_jpeg(warp_image(image, geometry))

    finished = decode_image(crop())

    def floor():
        decode_image(source)
        encode_jpeg(finished)

    times = {crop: [], floor: []}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[floor]) < 3:
        for function, measured in times.items():
            start = time.perf_counter()
            function()
            measured.append(time.perf_counter() - start)
    crop_ms, floor_ms = (1000 * float(np.median(times[f])) for f in (crop, floor))
    return dict(case=name, crop_ms=crop_ms, floor_ms=floor_ms, ratio=crop_ms / floor_ms)


def photograph(size, person_height, distortion):
    """(JPEG, camera, box) of one standing person of about the given height in pixels."""
    rng = np.random.default_rng(0)
    scene = Scene([Performer.random(rng, 'still', n_frames=1)], 'street', seed=0)
    distance = 4000
    view = StudioCamera.look_at(
        [0, -distance, 1000], [0, 0, 900], size[::-1], focal=person_height * distance / 1700
    )
    frame = scene.render(view, 0)
    camera = Camera(
        optical_center=view.t,
        rot_world_to_cam=view.R,
        intrinsic_matrix=view.K,
        distortion_model=distortion and BrownConradyEx(np.float32(distortion)),
    )
    return encode_jpeg(frame.image), camera, frame.box(0)


if __name__ == '__main__':
    main()
