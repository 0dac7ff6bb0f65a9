"""The incomplete 2D poses that the task I2D->3D is trained with."""

import numpy as np

from posepile.ds.h3wb.skeleton import FACE, LEFT_HAND, N_JOINTS, RIGHT_HAND

#: What is dropped, and how often: single joints, the face, a hand.
PROBABILITIES = (0.4, 0.2, 0.2, 0.2)
#: How likely each of the single joints is dropped.
JOINT_PROBABILITY = 0.25


def random_visibility(rng, n_poses) -> np.ndarray:
    """Which joints a training step sees, drawn as in the official program.

    In each pose either single joints are dropped, or the face, or the left or the right hand.

    Args:
        rng: NumPy Generator.
        n_poses: N.

    Returns:
        (N, 133) bool.
    """
    case = rng.choice(len(PROBABILITIES), n_poses, p=PROBABILITIES)
    visible = rng.random((n_poses, N_JOINTS)) >= JOINT_PROBABILITY
    visible[case != 0] = True
    for i, part in enumerate((FACE, LEFT_HAND, RIGHT_HAND), 1):
        visible[case == i, part] = False
    return visible
