"""A miniature of the MPI-INF-3DHP release, in its layout, from the synthetic studio.

Images of the training cameras have half the real size, with intrinsics to match; those of the
test set, and its cameras, are as they are. What happens in which sequence stands in
:mod:`posepile.ds.tdhp.simulate_takes`.
"""

import dataclasses
import os
import os.path as osp
import pickle

import numpy as np

from posepile.ds.tdhp import simulate_boxes as boxes
from posepile.ds.tdhp import simulate_files as files
from posepile.ds.tdhp import simulate_masks as masks
from posepile.ds.tdhp.simulate_cameras import (
    N_CAMERAS,
    VNECT_CAMERAS,
    camera_of_test_sequence,
    in_studio,
    training_cameras,
    write_calibration,
)
from posepile.ds.tdhp.simulate_takes import (
    FPS,
    SOURCE_LANDMARKS,
    TEST_LANDMARKS,
    Sequence,
    performer_of,
    release_joints,
    takes_of,
    universal,
)
from posepile.simulate.background import Background
from posepile.simulate.markers import draw_markers
from posepile.simulate.scene import Scene
from posepile.simulate.truth import TruePerson, camera_dict, load_truth
from posepile.simulate.writers import write_jpeg, write_video
from posepile.util import TEST, TRAIN, VALID

RAW_FOLDERS = ('3dhp',)
BUILDS_ON = ('mupots',)

#: Rows of the training annotations that make the joints of the products.
JOINTS_17 = (7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 3, 6, 4)
JOINTS_28 = (
    0, 1, 2, 8, 12, 13, 17, 21, 22, 26, 27, 7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20,
    3, 6, 4,
)  # fmt: skip
#: The same of the test annotations.
TEST_JOINTS_17 = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 14)

_TRAINING_ROOT, _TEST_ROOT = 4, 14
_LEAST_VISIBLE = 9  # of 28 joints


def simulate(root, seed=0, size='tiny', markers=False):
    """Write ``<root>/3dhp`` and return the truth about each product.

    Args:
        size: ``tiny`` (three training and three test sequences) or ``small`` (11 and 6).
        markers: draw a marker on each of the 17 joints.
    """
    root = osp.join(root, '3dhp')
    truth = {'tdhp': [], 'tdhp_full': []}
    detections = boxes.Detections(np.random.default_rng([seed, 4]))
    studio = empty_studio(seed)
    outdoors = Scene([], 'field', seed=seed, supersample=1)
    for take in takes_of(size):
        if isinstance(take, Sequence):
            os.makedirs(osp.join(root, take.folder))
            _simulate_training(root, take, studio, seed, markers, detections, truth)
        else:
            os.makedirs(osp.join(root, take.folder, 'imageSequence'))
            scene = outdoors if take.number > 4 else studio
            truth['tdhp'] += _simulate_test(root, take, scene, seed, markers, detections)
    with open(osp.join(root, 'yolov3_person_detections.pkl'), 'wb') as f:
        pickle.dump(detections.of_images, f, protocol=4)
    for video, of_frames in detections.of_videos.items():
        path = osp.join(root, 'yolov4_detections_full', f'{video}.pkl')
        os.makedirs(osp.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            pickle.dump(of_frames, f, protocol=4)
    truth['tdhp_full_mupots'] = truth['tdhp_full'] + _mupots_people()
    return truth


def _mupots_people():
    """Those of MuPoTS-3D, whose simulation has left the truth about them; other joints are NaN."""
    source_joints = [JOINTS_28.index(joint) for joint in JOINTS_17]
    people = []
    for person in load_truth('mupots_yolo'):
        joints = np.full((len(JOINTS_28), 3), np.nan)
        joints[source_joints] = person.joints
        people.append(dataclasses.replace(person, joints=joints))
    return people


def empty_studio(seed):
    """A bare room with green walls."""
    background = Background.random(np.random.default_rng([seed, 3]), 'room')
    walls = np.zeros_like(background.walls) + np.uint8([45, 150, 70])
    return Scene(
        [],
        dataclasses.replace(background, room=(5000, 5000, 4200), props=[], walls=walls),
        supersample=1,
    )


def _simulate_training(root, take, studio, seed, markers, detections, truth):
    """Write the files of a sequence; adds what must come of it to ``truth``."""
    folder = osp.join(root, take.folder)
    cameras = training_cameras(np.random.default_rng([seed, take.subject, take.sequence]))
    write_calibration(osp.join(folder, 'camera.calibration'), cameras)
    performer = performer_of(take, seed)
    world = release_joints(performer, SOURCE_LANDMARKS)
    in_cameras = [camera.world_to_camera(world) for camera in cameras]
    files.write_training_annotations(
        osp.join(folder, 'annot.mat'),
        [c.camera_to_image(points) for c, points in zip(cameras, in_cameras, strict=True)],
        in_cameras,
        [universal(points, _TRAINING_ROOT, performer.body.stature) for points in in_cameras],
    )
    scene = studio.with_performers([performer])
    for i_camera in range(N_CAMERAS):
        if take.video_length(i_camera):
            view = _View(take, i_camera, cameras[i_camera], scene, world)
            view.write(folder, markers)
            for name, people in view.true_people(detections, markers).items():
                truth[name] += people


class _View:
    """What one camera sees of a training sequence."""

    def __init__(self, take, i_camera, camera, scene, world):
        self.take, self.i_camera, self.camera, self.scene = take, i_camera, camera, scene
        self.n = take.video_length(i_camera)
        self.world = world[: self.n]
        in_camera = camera.world_to_camera(self.world)
        self.pixels = camera.camera_to_image(in_camera)
        inside = (self.pixels >= 0) & (self.pixels <= camera.imshape[::-1])
        self.is_visible = inside.all(axis=2) & (in_camera[..., 2] > 0)
        self.kept = {'tdhp_full': self._kept_by_full_rule()}
        if i_camera in VNECT_CAMERAS:
            self.kept['tdhp'] = self._kept_by_main_rule()
        self.foregrounds = {}

    def _kept_by_main_rule(self):
        """Of every fifth frame, those with all joints in the image and motion since the last."""
        joints, kept = self.world[:, JOINTS_17], []
        for i in range(0, self.n, 5):
            if self.is_visible[i, JOINTS_17].all() and (
                not kept or _has_moved(joints[i], joints[kept[-1]])
            ):
                kept.append(i)
        return kept

    def _kept_by_full_rule(self):
        """Those with motion since the last; then, those with enough joints in the image."""
        kept = [0]
        for i in range(self.n):
            if _has_moved(self.world[i, JOINTS_28], self.world[kept[-1], JOINTS_28]):
                kept.append(i)
        return [i for i in kept if self.is_visible[i].sum() >= _LEAST_VISIBLE]

    def write(self, folder, markers):
        """Write the videos. Frames that nothing is made of are as the one before."""
        wanted = {j for kept in self.kept.values() for i in kept for j in (i, i + 1)} | {0}
        name = f'video_{self.i_camera}.avi'
        for kind in ('imageSequence', 'FGmasks', 'ChairMasks'):
            os.makedirs(osp.join(folder, kind), exist_ok=True)
        write_video(
            osp.join(folder, 'imageSequence', name), self._images(wanted, markers), FPS, 'mpeg4'
        )
        n_masks = self.take.mask_length(self.i_camera)
        if n_masks:
            pictures = (self.foregrounds.get(i) for i in range(n_masks))
            # The real videos are coarser; edges in these are where they belong.
            write_video(
                osp.join(folder, 'FGmasks', name),
                (None if p is None else masks.foreground_picture(p) for p in pictures),
                FPS,
                'mjpeg',
                quality=1,
                pixel_format='yuvj444p',
            )
        chair = masks.chair_picture(self.scene, in_studio(self.camera))
        write_video(osp.join(folder, 'ChairMasks', name), [chair] + [None] * (self.n - 1), FPS,
                    'mjpeg')  # fmt: skip

    def _images(self, wanted, markers):
        camera = in_studio(self.camera)
        for i in range(self.n):
            if i not in wanted:
                yield None
                continue
            frame = self.scene.render(camera, i)
            self.foregrounds[i] = masks.Foreground.of(
                frame, self.pixels[i], self.take.is_mask_in_two
            )
            if markers:
                draw_markers(frame.image, self.pixels[i, JOINTS_17])
            yield frame.image

    def true_people(self, detections, markers):
        """The examples of each product that must come of this view."""
        result = {}
        stem = f'{self.take.folder}/imageSequence'
        for name, kept in self.kept.items():
            is_full = name == 'tdhp_full'
            joints = JOINTS_28 if is_full else JOINTS_17
            people = []
            for i in kept:
                own = boxes.around(self.pixels[i, joints])
                if is_full:
                    key, folder = f'{stem}/video_{self.i_camera}', '3dhp_full_downscaled'
                    box = detections.box_in_video(key, i, own, self.n)
                    crop = f'{stem}/video_{self.i_camera}/{i:06d}.jpg'
                else:
                    crop, folder = f'{stem}/img_{self.i_camera}_{i:06d}.jpg', '3dhp_downscaled'
                    box = detections.box_in_image(crop, own)
                mask = None
                if i < self.take.mask_length(self.i_camera):
                    mask = self.foregrounds[i].mask(None if is_full else box)
                people.append(
                    TruePerson(
                        crop_path=f'{folder}/{crop}',
                        split=VALID if self.take.is_validation and not is_full else TRAIN,
                        joints=self.world[i, joints],
                        box=box,
                        imshape=self.camera.imshape,
                        camera=camera_dict(self.camera),
                        mask=mask,
                        markers=self.pixels[i, JOINTS_17] if markers else None,
                    )
                )
            result[name] = people
        return result


def _has_moved(pose, last):
    return np.linalg.norm(pose - last, axis=1).max() >= 100


def _simulate_test(root, take, scene, seed, markers, detections):
    """Write the files of a test sequence; returns the examples that must come of it."""
    performer = performer_of(take, seed)
    camera = camera_of_test_sequence(take.number)
    world = release_joints(performer, TEST_LANDMARKS)
    in_camera = camera.world_to_camera(world)
    pixels = camera.camera_to_image(in_camera)
    n = len(take.activities)
    folder = osp.join(root, take.folder)
    files.write_test_annotations(
        osp.join(folder, 'annot_data.mat'),
        np.array(take.activities) > 0,
        [a or 1 for a in take.activities],
        pixels[:n],
        in_camera[:n],
        universal(in_camera, _TEST_ROOT, performer.body.stature)[:n],
    )
    people = []
    scene = scene.with_performers([performer])
    for i in range(n + take.excess):
        image = scene.render(in_studio(camera), i).image
        if markers:
            draw_markers(image, pixels[i])
        image_path = f'{take.folder}/imageSequence/img_{i + 1:06d}.jpg'
        write_jpeg(osp.join(root, image_path), image)
        if i < n and take.activities[i]:
            people.append(
                TruePerson(
                    crop_path=f'3dhp/{image_path}',
                    split=TEST,
                    joints=world[i, TEST_JOINTS_17],
                    box=detections.box_in_image(image_path, boxes.around(pixels[i])),
                    imshape=camera.imshape,
                    camera=camera_dict(camera),
                    markers=pixels[i] if markers else None,
                    is_cropped=False,
                )
            )
    return people
