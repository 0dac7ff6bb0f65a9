"""Masks of the studio's network agree with the truth of scenes that it has never seen."""

import numpy as np
import pytest

from tests.segmentation.quality import Quality, crowd_crops, measure

pytestmark = pytest.mark.slow


def test_masks_of_the_right_people(network):
    """The more of a person is to be seen, the better; ``python -m tests.segmentation.quality``
    tells more."""
    crops = crowd_crops(40, closeness=0.2)
    whole = measure(crops, network)
    for seen, mean_iou, right in ((0.5, 0.8, 0.97), (0.8, 0.85, 0.99)):
        pairs = zip(crops, whole.all_ious, strict=True)
        quality = Quality.of((crop, ious) for crop, ious in pairs if crop.seen >= seen)
        print(f'{seen:.0%} or more to be seen: {quality}')
        assert len(quality.ious) > 70 and len(quality.is_right) > 40
        assert np.mean(quality.ious) >= mean_iou
        assert np.mean(quality.is_right) >= right
