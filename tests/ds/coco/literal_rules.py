"""The rules of COCO's products once more, person by person, on the content of annotation files."""

import math

BODY = (
    'nose leye reye lear rear lsho rsho lelb relb lwri rwri lhip rhip lkne rkne lank rank'.split()
)
LIMBS = 'rank rkne rhip lhip lkne lank rwri relb lelb lwri'.split()
FACE = 'nose leye reye lear rear'.split()
NAN = (math.nan, math.nan)


def expected_people(content, product, is_train):
    """(image id, number within the image, annotation, joints) of all who belong to a product.

    Joints are (x, y) pairs in the order of the product, NaN where missing.
    """
    counts, survivors = {}, []
    for annotation in content['annotations']:
        flags = annotation['keypoints'][2::3]
        n_visible = len([v for v in flags if v == 2])
        n_labelled = len([v for v in flags if v >= 1 and v <= 2])
        if n_visible >= 17 / 3 and n_labelled >= 17 / 2:
            image_id = annotation['image_id']
            number = counts[image_id] = counts.get(image_id, -1) + 1
            survivors.append((image_id, number, annotation))
    result = []
    for image_id, number, annotation in survivors:
        joints = joints_of(annotation, product)
        box = joint_box(joints)
        if max(box[2], box[3]) < 200:
            continue
        others = [
            joint_box(joints_of(a, product))
            for other_id, other_number, a in survivors
            if other_id == image_id and other_number != number
        ]
        if product == 'coco' and not all(iou(box, other) < 0.1 for other in others):
            continue
        if product.startswith('coco_reduced'):
            by_name = dict(zip(BODY, joints, strict=True))
            n_limbs = len([n for n in LIMBS if not math.isnan(by_name[n][0])])
            if is_train and not n_limbs > 6:
                continue
            names = LIMBS if product.endswith('noface') else LIMBS + FACE
            joints = [by_name[n] for n in names]
        result.append((image_id, number, annotation, joints))
    return result


def joints_of(annotation, product):
    """All annotated joints: 17, or 133 for the whole body."""
    points = triples(annotation['keypoints'])
    joints = [(float(x), float(y)) if v != 0 else NAN for x, y, v in points]
    if product == 'coco_wholebody':
        for part in ('foot', 'face', 'lefthand', 'righthand'):
            for x, y, v in triples(annotation[f'{part}_kpts']):
                is_usable = annotation[f'{part}_valid'] and v > 0
                joints.append((float(x), float(y)) if is_usable else NAN)
    return joints


def triples(numbers):
    return [tuple(numbers[i : i + 3]) for i in range(0, len(numbers), 3)]


def joint_box(joints):
    xs = [x for x, _ in joints if not math.isnan(x)]
    ys = [y for _, y in joints if not math.isnan(y)]
    width, height = 1.25 * (max(xs) - min(xs)), 1.25 * (max(ys) - min(ys))
    return (max(xs) + min(xs)) / 2 - width / 2, (max(ys) + min(ys)) / 2 - height / 2, width, height


def iou(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    union = a[2] * a[3] + b[2] * b[3] - common
    return common / union if union > 0 else 0
