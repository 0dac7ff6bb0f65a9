"""MuCo-3DHP: composites of four people each, cut out of MPI-INF-3DHP."""

import functools

import numpy as np
import rlemasklib

from posepile.clips import Clip, Person
from posepile.ds.muco import people, studio, tree
from posepile.ds.muco.boxes import RULE, detections_in
from posepile.ds.muco.origins import load_origins, moments_of
from posepile.ds.muco.products import find_product
from posepile.ds.mupots import companion
from posepile.ds.tdhp import tree as recordings
from posepile.ds.tdhp.main import Chosen
from posepile.ds.tdhp.skeleton import FULL_JOINT_INFO, JOINT_INFO, SOURCE_JOINTS, columns
from posepile.errors import RawDataError
from posepile.pipeline import stages
from posepile.pipeline.crop_geometry import Framing
from posepile.pipeline.person_boxes import person_boxes
from posepile.pipeline.recipe import Recipe
from posepile.raw.images import image_size, read_image
from posepile.util import TEST, TRAIN, VALID

#: Crops are cut from the image plane as it is; there is room to shift them by a fifth.
FRAMING = Framing(turns=False, box_side=256 / 0.85, max_enlargement=1)
_EXPANSION = 1.2 / 1.1


def make_recipe(name='muco'):
    """Recipe of ``muco``, ``muco_3dhp_200k``, ``muco_17_150k`` or ``muco_full``."""
    product = find_product(name)
    joint_info = FULL_JOINT_INFO if product.is_full_skeleton else JOINT_INFO
    return Recipe(
        name=name,
        joint_info=joint_info,
        list_clips=functools.partial(list_clips, product.end, product.has_mupots),
        read_clip=functools.partial(read_clip, joint_info=joint_info),
        crops_folder='muco_downscaled',
        splits=(TRAIN, VALID, TEST) if product.has_mupots else (TRAIN,),
        expansion=_EXPANSION,
        framing=FRAMING,
        mask_of='nobody',  # but those of the release itself
    )


def make_dataset(name='muco'):
    """Open a packed product."""
    return make_recipe(name).open()


def list_clips(end=10**6, with_mupots=False):
    """(name, number) of the composites with numbers 1, 2, ... below ``end``.

    Args:
        with_mupots: whether to add the clips of MuPoTS-3D, whose arguments are no numbers.
    """
    n = min(len(load_origins()), end - 1)
    clips = [(f'composite {number:06d}', number) for number in range(1, n + 1)]
    return clips + companion.list_clips() if with_mupots else clips


def read_clip(identity, joint_info=FULL_JOINT_INFO):
    """A clip of :func:`list_clips` with the joints of ``joint_info``."""
    if isinstance(identity, int):
        return read_composite(identity, joint_info)
    return companion.read_clip(identity, joint_info)


def read_composite(number, joint_info=FULL_JOINT_INFO):
    """A composite as a clip in which its four people come one after the other.

    Each keeps the camera of their own recording; the masks of all are of everybody together.

    Raises:
        RawDataError: if a picture of which the composite was made is missing: its person is not in
            it then; or if annotations, masks or detections are missing or damaged.
    """
    moments = moments_of(number)
    for moment in moments:
        if not studio.has_picture(moment, recordings.IMAGES):
            problem = 'is missing, and so is the person in the composite'
            raise RawDataError(moment.path(recordings.IMAGES), problem)
    calibrations = [studio.calibration_of(m) for m in moments]
    poses, univ_poses = np.swapaxes([studio.pose_of(m) for m in moments], 0, 1)
    pixels = np.array([c.project(p) for c, p in zip(calibrations, poses, strict=True)])
    masks, chairs = zip(*map(people.masks_of, moments), strict=True)
    imshape = calibrations[0].imshape
    own = people.own_boxes(poses, pixels, imshape, masks, chairs)
    boxes = person_boxes(own, detections_in(number), RULE).boxes
    everybody = rlemasklib.union([*masks, *chairs])
    chosen = columns(joint_info, SOURCE_JOINTS)

    def in_world(joints):
        pairs = zip(calibrations, joints[:, chosen], strict=True)
        return np.array([c.to_world(p) for c, p in pairs])

    person = Person(in_world(poses), boxes, [everybody] * len(moments), in_world(univ_poses))
    stem = tree.sorted_path(number).removesuffix('.jpg')
    return Clip(
        frames=OneImage(tree.image_path(number)),
        camera=[c.camera() for c in calibrations],
        people=[person],
        split=TRAIN,
        crop_path=f'muco_downscaled/{stem}_{{frame}}.jpg',
        select=Chosen(tuple(np.flatnonzero(np.isfinite(boxes[:, 0])).tolist())),
    )


class OneImage:
    """A source of frames that are all the same image, decoded once."""

    def __init__(self, path):
        self.path = path

    @property
    def imshape(self):
        width, height = image_size(self.path)
        return height, width

    def frames(self, indices, on_bad=None):
        """See :meth:`posepile.raw.frames.FrameSource.frames`."""
        image = None
        for i in indices:
            image = read_image(self.path) if image is None else image
            yield i, image


if __name__ == '__main__':
    stages.main(make_recipe)
