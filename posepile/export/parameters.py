"""Body-model parameters for formats with typed columns."""

import numpy as np

TEXTS = ('type', 'gender')
LISTS = ('pose', 'shape', 'trans', 'expression')
NUMBERS = ('kid_factor', 'scale')


def split_parameters(parameters, lost) -> dict:
    """The parameters that typed formats have a place for, None for those that are not there.

    Args:
        lost: counter of what does not fit: other keys, and values of another shape.

    Returns:
        TEXTS as text, LISTS as flat float32 arrays (pose in radians, trans in metres), NUMBERS as
        floats.
    """
    typed = dict.fromkeys((*TEXTS, *LISTS, *NUMBERS))
    for key, value in parameters.items():
        if value is None:
            continue
        if key in TEXTS and isinstance(value, str):
            typed[key] = value
        elif key in LISTS and np.asarray(value).dtype.kind in 'iuf':
            typed[key] = np.asarray(value, np.float32).ravel()
        elif key in NUMBERS and np.size(value) == 1:
            typed[key] = float(np.asarray(value).item())
        else:
            lost[f'parameters.{key}'] += 1
    return typed
