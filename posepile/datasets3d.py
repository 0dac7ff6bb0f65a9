"""3D pose datasets as training code sees them.

>>> ds = get_dataset('aspset')                      # a packed dataset below DATA_ROOT
>>> example = ds.examples[TRAIN][0].load()
>>> example.get_world_coords(), example.camera, example.bbox, example.get_image()

Neither this module nor what it imports loads a deep-learning framework.
"""

import copy
import functools

import numpy as np

from posepile.util import TEST, TRAIN, VALID


class Pose3DExample:
    """One person in one image.

    Attributes:
        image_path: path relative to DATA_ROOT; it is also the key in the image archive.
        world_coords: (J, 3) joints in world space, mm, NaN where missing; a
            :class:`~posepile.util.sparse_coords.SparseCoords`; or None for purely parametric
            data. :meth:`get_world_coords` gives the array in each case.
        bbox: (4,) person box [left, top, width, height], pixels.
        camera: :class:`deltacamera.Camera` of this image; never shared with another example.
        mask: run-length encoded mask of the person (pycocotools dictionary) or None.
        univ_coords: joints of a skeleton with normalised bone lengths, like ``world_coords``.
        instance_mask: RLE of this person only where ``mask`` covers several.
        image: (H, W, 3) uint8 RGB, or None if it has to be read from ``image_path``.
        parameters: body-model parameters (``type``, ``gender``, ``pose``, ``shape``, ``trans``)
            or None.
        custom: free for the user.
    """

    def __init__(
        self,
        image_path,
        world_coords,
        bbox,
        camera,
        *,
        activity_name='unknown',
        scene_name='unknown',
        mask=None,
        univ_coords=None,
        instance_mask=None,
        image=None,
        parameters=None,
    ):
        self.image_path = image_path
        self.world_coords = world_coords
        self.bbox = np.asarray(bbox)
        self.camera = camera
        self.activity_name = activity_name
        self.scene_name = scene_name
        self.mask = mask
        self.univ_coords = univ_coords
        self.instance_mask = instance_mask
        self.image = image
        self.parameters = parameters
        self.custom = None

    def get_world_coords(self):
        """(J, 3) world coordinates in mm with NaN for missing joints, or None."""
        to_array = getattr(self.world_coords, 'to_array', None)
        return self.world_coords if to_array is None else to_array()

    def get_image(self):
        """(H, W, 3) uint8 RGB image, read from ``image_path`` below DATA_ROOT if need be."""
        return _image_of(self)

    def load(self):
        """Return self: in-memory and archived examples are used alike."""
        return self


class Pose3DDataset:
    """Examples of three splits that share a skeleton.

    Attributes:
        joint_info: the skeleton, a :class:`~posepile.joint_info.JointInfo`.
        examples: ``{TRAIN: sequence, VALID: sequence, TEST: sequence}``.
        train_bones, trainval_bones: mean length in mm of each edge of the skeleton over the
            train (and validation) examples, float32; None where there are no such examples.

    Args:
        compute_bone_lengths: fill in the two arrays (takes a pass over the examples).
    """

    def __init__(
        self,
        joint_info,
        train_examples=None,
        valid_examples=None,
        test_examples=None,
        compute_bone_lengths=True,
    ):
        self.joint_info = joint_info
        self.examples = _examples_by_split(train_examples, valid_examples, test_examples)
        self.train_bones = None
        self.trainval_bones = None
        if compute_bone_lengths and joint_info.stick_figure_edges:
            self.update_bones()

    @classmethod
    def open(cls, annotations_path, images_path=None):
        """Open a packed dataset; its examples are read on demand.

        Args:
            annotations_path: Barecat archive of the annotations.
            images_path: Barecat archive of the images; None: images are files below DATA_ROOT.

        Raises:
            ArchiveError: if an archive is missing, damaged, or not of this layout.
        """
        from posepile.storage.lazy import Pose3DDatasetBarecat

        return Pose3DDatasetBarecat(annotations_path, images_path)

    def iter_examples(self):
        """All examples: train, then validation, then test."""
        for split in (TRAIN, VALID, TEST):
            yield from self.examples[split]

    def update_bones(self):
        """Recompute :attr:`train_bones` and :attr:`trainval_bones` from the examples."""
        from posepile.util.bones import compute_mean_bones

        train, valid = self.examples[TRAIN], self.examples[VALID]
        self.train_bones = compute_mean_bones(train, self.joint_info) if len(train) else None
        if not len(valid):
            self.trainval_bones = self.train_bones
        else:
            self.trainval_bones = compute_mean_bones([*train, *valid], self.joint_info)


def get_dataset(name, *args, **kwargs):
    """Get a dataset by its name or by the path of its file.

    Args:
        name: name of a dataset folder or variant (``'aspset'``); or the path of an annotation
            archive (``*.barecat``, its images in FLAGS.image_barecat_path if that is set, else
            beside it) or of a pickle that an earlier program made (``*.pkl``). Relative paths of
            archives start at the working directory, those of pickles at DATA_ROOT.
        args, kwargs: options of the dataset, as its ``make_dataset`` takes them after the name.
            ``train_subjects``, ``valid_subjects`` and ``test_subjects`` come from FLAGS if they
            are set there and the dataset takes them.

    Raises:
        UnknownDatasetError: no dataset has this name (the nearest names are suggested).
        ArchiveError: it has not been packed yet, or its archives are damaged.
    """
    from posepile.storage.access import get_packed_dataset

    return get_packed_dataset(name, '3d', *args, **kwargs)


@functools.lru_cache
def get_joint_info(name, *args, **kwargs):
    """The skeleton of a dataset, named as for :func:`get_dataset`. Memoised.

    It does not need the data of a dataset folder, and of an archive only the metadata.
    """
    from posepile.storage.access import get_joint_info_of

    return get_joint_info_of(name, *args, **kwargs)


@functools.lru_cache
def get_dataset_cached(name, *args, **kwargs):
    """Like :func:`get_dataset`, but every call with the same arguments gives the same object."""
    return get_dataset(name, *args, **kwargs)


def get_compressed_dataset(name, *args, **kwargs):
    """:func:`get_dataset` held in memory in reduced precision (see ``util.sparse_coords``)."""
    from posepile.util.sparse_coords import compress_dataset

    ds = get_dataset(name, *args, **kwargs)
    in_memory = Pose3DDataset(ds.joint_info, compute_bone_lengths=False)
    in_memory.examples = {
        split: [_without_image(ex) for ex in examples] for split, examples in ds.examples.items()
    }
    in_memory.train_bones, in_memory.trainval_bones = ds.train_bones, ds.trainval_bones
    compress_dataset(in_memory)
    return in_memory


def _without_image(ex):
    ex = copy.copy(ex.load(load_image=False) if hasattr(ex, 'path') else ex)
    ex.image = None
    return ex


def _examples_by_split(train, valid, test):
    return {
        split: [] if examples is None else examples
        for split, examples in ((TRAIN, train), (VALID, valid), (TEST, test))
    }


def _image_of(ex):
    if getattr(ex, 'image', None) is not None:
        return ex.image
    from posepile.util.improc import imread

    return imread(ex.image_path)


def __getattr__(name):
    # Archive-backed classes live with the storage code, which imports this module.
    if name in ('Pose3DDatasetBarecat', 'Pose3DExampleBarecat'):
        from posepile.storage import lazy

        return getattr(lazy, name)
    if name in ('dict_to_example', 'example_to_dict'):
        from posepile.storage import records

        return getattr(records, name.replace('example', 'example3d'))
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
