"""Bring datasets onto another skeleton, and drop examples that cannot be right."""

import copy
import logging

import numpy as np

from posepile.util import TRAIN
from posepile.util.geom3d import are_bones_plausible
from posepile.util.sparse_coords import SparseCoords

logger = logging.getLogger(__name__)

#: Two names of the middle of the trunk that stand for each other.
_TRUNK_NAMES = 'tors', 'spin'


def get_coord_mapping(src_joint_info, dst_joint_info, suffix='') -> np.ndarray:
    """Find for every destination joint the source joint that it is taken from.

    That is the joint of the same name with ``suffix``, else the one of the same name. ``tors``
    and ``spin`` may also stand for each other; ``tors`` goes first.

    Returns:
        (J_dst, J_src) float32 with a single 1 in each row; a row of NaN for a joint that the
        source lacks.
    """
    mapping = np.zeros((dst_joint_info.n_joints, src_joint_info.n_joints), np.float32)
    for i, name in enumerate(dst_joint_info.names):
        names = _TRUNK_NAMES if name in _TRUNK_NAMES else (name,)
        candidates = [n + suffix for n in names] + list(names)
        sources = [src_joint_info.ids[n] for n in candidates if n in src_joint_info.ids]
        if sources:
            mapping[i, sources[0]] = 1
        else:
            mapping[i] = np.nan
    return mapping


def convert_coords(coords, mapping):
    """Rearrange (..., J_src, D) joints by a mapping of :func:`get_coord_mapping`.

    Returns:
        (..., J_dst, D) array of the same floating-point type, NaN for joints without a source;
        or :class:`SparseCoords` if ``coords`` are sparse, in which case only index lists change.
    """
    sources, is_missing = _sources(mapping)
    if isinstance(coords, SparseCoords):
        return _convert_sparse(coords, sources, is_missing)
    coords = np.asarray(coords)
    if not np.issubdtype(coords.dtype, np.floating):
        coords = coords.astype(np.float32)
    if coords.shape[-2] == 0:  # nothing to gather from, so every joint is missing
        return np.full((*coords.shape[:-2], len(sources), coords.shape[-1]), np.nan, coords.dtype)
    converted = coords[..., sources, :]
    converted[..., is_missing, :] = np.nan
    return converted


def convert_example(ex, mapping):
    """Convert whichever of ``coords``, ``world_coords``, ``univ_coords`` there are, in place.

    Raises:
        TypeError: if the example lies in an archive.
    """
    _check_in_memory(ex)
    for attribute in ('coords', 'world_coords', 'univ_coords'):
        coords = getattr(ex, attribute, None)
        if coords is not None:
            setattr(ex, attribute, convert_coords(coords, mapping))
    return ex


def convert_dataset(dataset, dst_joint_info, update_bones=True):
    """Convert all splits of a dataset to another skeleton, in place.

    Args:
        dataset: a 2D or 3D dataset in memory; coordinates may be dense or sparse.
        dst_joint_info: the new skeleton.
        update_bones: whether to recompute the mean bone lengths, if the dataset has any.

    Returns:
        ``dataset`` itself. See :func:`converted_dataset` for one that leaves it alone.

    Raises:
        TypeError: if its examples lie in an archive.
    """
    mapping = get_coord_mapping(dataset.joint_info, dst_joint_info)
    for examples in dataset.examples.values():
        for ex in examples:
            convert_example(ex, mapping)
    dataset.joint_info = dst_joint_info
    if update_bones and hasattr(dataset, 'update_bones'):
        dataset.update_bones()
    return dataset


def convert_sparse_dataset(dataset, dst_joint_info, update_bones=False):
    """:func:`convert_dataset` for examples with :class:`SparseCoords`; bones stay by default."""
    return convert_dataset(dataset, dst_joint_info, update_bones)


def converted_dataset(dataset, dst_joint_info, update_bones=True):
    """Like :func:`convert_dataset`, but on a copy: the given dataset and its examples stay.

    What conversion does not touch (cameras, masks, images) is shared between the two.
    """
    dataset = copy.copy(dataset)
    dataset.examples = {
        split: [copy.copy(ex) for ex in examples] for split, examples in dataset.examples.items()
    }
    return convert_dataset(dataset, dst_joint_info, update_bones)


def filter_dataset_by_plausibility(
    dataset,
    relsmall_thresh=0.1,
    relbig_thresh=3,
    absbig_thresh=150,
    min_joints_in_box=4,
    set_to_nan_instead_of_removal=False,
    piano1=False,
    surreal_always_plausible=True,
) -> int:
    """Drop train examples whose joints lie outside their box or whose bones cannot be right.

    Works in place and recomputes the mean bone lengths before and after. Bones are judged by
    :func:`posepile.util.geom3d.are_bones_plausible` against the mean over the train examples.

    Args:
        dataset: a 3D dataset in memory.
        relsmall_thresh, relbig_thresh, absbig_thresh: what an implausible bone is.
        min_joints_in_box: least number of joints that must project into the box.
        set_to_nan_instead_of_removal: remove the two ends of implausible bones and keep the
            example, as long as enough joints remain in the box.
        piano1: whether to keep the Panoptic sequence ``161029_piano1``.
        surreal_always_plausible: keep all examples with ``surreal`` in their image path.

    Returns:
        The number of examples that were removed.
    """
    dataset.update_bones()
    edges = np.array(dataset.joint_info.stick_figure_edges, np.int64).reshape(-1, 2)

    def should_keep(ex):
        if surreal_always_plausible and 'surreal' in ex.image_path:
            return True
        if not piano1 and '161029_piano1' in ex.image_path:
            return False
        if _count_joints_in_box(ex) < min_joints_in_box:
            return False

        is_plausible = are_bones_plausible(
            ex.get_world_coords(),
            dataset.train_bones,
            dataset.joint_info,
            relsmall_thresh,
            relbig_thresh,
            absbig_thresh,
        )
        if np.all(is_plausible):
            return True
        logger.info('Implausible bones: %s', ex.image_path)
        if not set_to_nan_instead_of_removal:
            return False
        _invalidate_joints(ex, np.unique(edges[~is_plausible]))
        return _count_joints_in_box(ex) >= min_joints_in_box

    examples = dataset.examples[TRAIN]
    dataset.examples[TRAIN] = [ex for ex in examples if should_keep(ex)]
    n_removed = len(examples) - len(dataset.examples[TRAIN])
    logger.info(
        'Removed %d of %d implausible train examples (%.2f%%).',
        n_removed,
        len(examples),
        100 * n_removed / max(len(examples), 1),
    )
    dataset.update_bones()
    return n_removed


def _check_in_memory(ex):
    # An archived example is read anew at every access, so a change to it would be lost.
    if hasattr(ex, 'path'):
        raise TypeError(
            f'{ex.path} lies in an archive and cannot be changed. Change what its load() returns, '
            'or a dataset in memory, such as get_compressed_dataset gives.'
        )


def _count_joints_in_box(ex):
    import boxlib

    world_coords = ex.get_world_coords()
    if world_coords is None:
        return 0
    image_coords = ex.camera.world_to_image(np.asarray(world_coords, np.float32))
    bbox = np.asarray(ex.bbox, np.float32)  # compressed boxes are too coarse to add up in float16
    return np.count_nonzero(boxlib.contains(bbox, image_coords))


def _invalidate_joints(ex, indices):
    _check_in_memory(ex)
    if isinstance(ex.world_coords, SparseCoords):
        ex.world_coords.invalidate_coords(indices)
    else:
        ex.world_coords = np.array(ex.world_coords)  # may be a read-only view of a record
        ex.world_coords[indices] = np.nan


def _sources(mapping):
    """Source index of each destination joint, and which destination joints have none."""
    is_missing = np.isnan(mapping).any(axis=1)
    if mapping.shape[1] == 0:
        return np.zeros(len(mapping), np.int64), np.ones(len(mapping), bool)
    return np.where(is_missing, 0, np.nan_to_num(mapping).argmax(axis=1)), is_missing


def _convert_sparse(coords, sources, is_missing):
    # A source joint may serve two destinations, so this goes from destinations to stored rows.
    row_of_source = np.full(coords.shape[0], -1)
    row_of_source[coords.i_valid_joints] = np.arange(len(coords.i_valid_joints))
    rows = np.full(len(sources), -1)
    rows[~is_missing] = row_of_source[sources[~is_missing]]
    destinations = np.flatnonzero(rows >= 0)
    destinations = destinations[np.argsort(rows[destinations], kind='stable')]
    shape = (len(sources), *coords.shape[1:])
    return SparseCoords.from_rows(shape, destinations, coords.valid_coords[rows[destinations]])
