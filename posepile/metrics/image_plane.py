"""Errors of 2D poses in the image: PCKh, object keypoint similarity and average precision.

Joints are (..., J, 2) in pixels, NaN where one is missing; masks and weights are as in
``posepile.metrics.errors``.
"""

import contextlib
import io
import math

import numpy as np

from posepile.metrics.errors import joint_errors, mean_over_joints
from posepile.metrics.rates import correct
from posepile.util.arrays import as_float64

#: Falloff of each of the 17 joints of COCO, in the order of that dataset.
COCO_SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1e3

#: The numbers of :func:`oks_average_precision`, in the order of COCO's own summary.
AP_NAMES = ('AP', 'AP50', 'AP75', 'AP_M', 'AP_L', 'AR', 'AR50', 'AR75', 'AR_M', 'AR_L')


def pckh(pred, true, head_sizes, mask=None, *, threshold=0.5, inclusive=True, weights=None):
    """Fraction of joints within a share of the head's size (Andriluka et al., CVPR 2014).

    Args:
        head_sizes: (...) px, one per pose. In MPII it is 0.6 times the diagonal of the head's box.
        threshold: the share; 0.5 makes PCKh@0.5.
    """
    xp, head_sizes, distances = as_float64(head_sizes, joint_errors(pred, true, mask))
    near = correct(distances / head_sizes[..., np.newaxis], threshold, inclusive=inclusive)
    return mean_over_joints(near, weights)


def oks(pred, true, areas, sigmas=COCO_SIGMAS, mask=None):
    """Object keypoint similarity, (...) from 0 to 1.

    The mean over the joints of exp(-d^2 / (2 area (2 sigma)^2)), d being the distance, as COCO
    computes it.

    Args:
        areas: (...) px^2, of each person's segment.
        sigmas: (J).
    """
    xp, areas, sigmas, distances = as_float64(areas, sigmas, joint_errors(pred, true, mask))
    variances = 2 * (areas[..., np.newaxis] + float(np.spacing(1))) * xp.square(2 * sigmas)
    return mean_over_joints(xp.exp(-xp.square(distances) / variances))


def oks_average_precision(
    true_images,
    true_joints,
    areas,
    pred_images,
    pred_joints,
    scores,
    *,
    sigmas=COCO_SIGMAS,
    boxes=None,
    crowd=None,
) -> dict:
    """Average precision and recall of predicted people by OKS, as computed by pycocotools.

    Args:
        true_images: (N) names of the image of each true person.
        true_joints: (N, J, 2) px, NaN where a joint is not labelled. People without any labelled
            joint need not be found, and finding them is no mistake.
        areas: (N) px^2; medium people have 32^2 to 96^2, large ones more.
        pred_images: (M) names of the image of each predicted person.
        pred_joints: (M, J, 2) px, finite.
        scores: (M) confidence of each person. The 20 best of each image count.
        sigmas: (J).
        boxes: (N, 4) [left, top, width, height], by which people without labels are found.
        crowd: (N) bool, whether an annotation is of a crowd.

    Returns:
        dict of :data:`AP_NAMES`; NaN where there are no people of that size.

    Raises:
        ValueError: if a predicted joint is not finite, or lengths disagree.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    true_joints, pred_joints = (np.asarray(j, np.float64) for j in (true_joints, pred_joints))
    n_joints = len(sigmas)
    if not np.isfinite(pred_joints).all():
        raise ValueError('Predicted joints must be finite.')
    numbers = {name: i for i, name in enumerate(dict.fromkeys([*true_images, *pred_images]), 1)}
    boxes = np.zeros((len(true_joints), 4)) if boxes is None else boxes
    crowd = np.zeros(len(true_joints), bool) if crowd is None else crowd

    truth, results = [], []
    people = zip(true_images, true_joints, areas, boxes, crowd, strict=True)
    for image, joints, area, box, is_crowd in people:
        labelled = np.isfinite(joints).all(axis=-1)
        annotation = _keypoints(
            numbers[image], np.where(labelled[:, None], joints, 0), 2 * labelled
        )
        annotation |= dict(area=float(area), bbox=[float(x) for x in box], iscrowd=int(is_crowd))
        truth.append(annotation | dict(id=len(truth) + 1, num_keypoints=int(labelled.sum())))
    for image, joints, score in zip(pred_images, pred_joints, scores, strict=True):
        result = _keypoints(numbers[image], joints, np.full(n_joints, 2)) | dict(score=float(score))
        extent = np.ptp(joints, axis=0)
        # COCO takes the size of a prediction from the extent of its joints.
        result |= dict(id=len(results) + 1, area=float(extent[0] * extent[1]))
        results.append(result | dict(bbox=[*joints.min(axis=0).tolist(), *extent.tolist()]))

    with contextlib.redirect_stdout(io.StringIO()):
        datasets = []
        for annotations in (truth, results):
            dataset = COCO()
            dataset.dataset = dict(
                images=[dict(id=i) for i in numbers.values()],
                categories=[dict(id=1, name='person')],
                annotations=annotations,
            )
            dataset.createIndex()
            datasets.append(dataset)
        evaluation = COCOeval(*datasets, iouType='keypoints')
        evaluation.params.kpt_oks_sigmas = np.asarray(sigmas, np.float64)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = [math.nan if value < 0 else float(value) for value in evaluation.stats]
    return dict(zip(AP_NAMES, values, strict=True))


def _keypoints(image, joints, visibility):
    triplets = np.column_stack([joints, visibility])
    return dict(image_id=image, category_id=1, keypoints=triplets.ravel().tolist())
