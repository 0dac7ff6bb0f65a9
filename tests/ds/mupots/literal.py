"""The protocols of MuPoTS-3D spelt out person by person, as slowly as can be."""

import math

import numpy as np

BONES = [(15, 14), (1, 15), (0, 1), (16, 1), (2, 1), (3, 2), (4, 3), (5, 1), (6, 5), (7, 6),
         (8, 14), (9, 8), (10, 9), (11, 14), (12, 11), (13, 12)]  # fmt: skip


def match(release, predictions):
    """{key of a true person: its predicted pose, or None}, for (key of the image, pose) pairs."""
    taken, matches = set(), {}
    for key, pixels in release.pixels.items():
        K = release.matrices[key[0]]
        best, best_count = None, 0
        for i, (image, pose) in enumerate(predictions):
            if i in taken or image[:2] != key[:2]:
                continue
            count = 0
            for j in range(1, 14):
                x, y, z = pose[j]
                u, v = K[0, 0] * x / z + K[0, 2], K[1, 1] * y / z + K[1, 2]
                near = max(abs(u - pixels[j][0]), abs(v - pixels[j][1])) < 40
                count += near and (u, v) != (0, 0) and tuple(pixels[j]) != (0, 0)
            if count > best_count:
                best, best_count = i, count
        if best is not None:
            taken.add(best)
        matches[key] = None if best is None else predictions[best][1]
    return matches


def distances(pred, true, relative, rescaled):
    """17 distances in mm."""
    if rescaled:
        new = {14: pred[14]}
        for joint, parent in BONES:
            direction = (pred[joint] - pred[parent]) / math.dist(pred[joint], pred[parent])
            new[joint] = new[parent] + direction * math.dist(true[joint], true[parent])
        pred = [new[j] for j in range(17)]
    offset = pred[14] - true[14] if relative else 0
    return [math.dist(pred[j] - offset, true[j]) for j in range(17)]


def person_scores(d):
    """MPJPE14, MPJPE16, MPJPE17, PCK and AUC of a person."""
    return (
        sum(d[:14]) / 14,
        (sum(d[:14]) + d[15] + d[16]) / 16,
        sum(d) / 17,
        100 * sum(e < 150 for e in d[:14]) / 14,
        100 * sum(max(0, 1 - math.floor(30 * e / 150 + 1) / 31) for e in d[:14]) / 14,
    )


def sequence_scores(release, matches, universal, relative, rescaled):
    """{sequence: (scores of the matched, number of them, number of the annotated)}."""
    result = {}
    for sequence in range(1, 21):
        keys = [k for k in release.joints if k[0] == sequence]
        found = [k for k in keys if matches[k] is not None]
        truth = release.univ if universal else release.joints
        of_people = [
            person_scores(distances(matches[k], truth[k], relative, rescaled)) for k in found
        ]
        result[sequence] = np.mean(of_people, axis=0), len(found), len(keys)
    return result
