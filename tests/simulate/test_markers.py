"""Markers can be found again where they were drawn."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.simulate.markers import draw_markers
from tests.simulate.marker_centroid import find_marker


def noise_image(seed=0):
    return np.random.default_rng(seed).integers(0, 255, (80, 100, 3), dtype=np.uint8)


@given(
    st.floats(12, 87), st.floats(12, 67), st.sampled_from([2.0, 3.0, 4.5]), st.integers(0, 9),
    st.floats(-1.5, 1.5), st.floats(-1.5, 1.5),
)  # fmt: skip
@settings(deadline=None, max_examples=150)
def test_centroid_is_the_point(x, y, radius, seed, dx, dy):
    image = draw_markers(noise_image(seed) // 2, [(x, y)], radius)
    found = find_marker(image, (x + dx, y + dy), radius)
    np.testing.assert_allclose(found, (x, y), atol=0.05)


def test_markers_at_the_border_and_beyond_do_no_harm():
    image = noise_image()
    points = [(-40, 5), (0, 0), (99.6, 79.2), (np.nan, 3), (50, 1e9), (-2.5, 40)]
    drawn = draw_markers(image.copy(), points)
    assert drawn.shape == image.shape
    assert (drawn[0, 0] == 255).all() and (drawn[79, 99] == 255).all()
    np.testing.assert_array_equal(drawn[20:60, 20:80], image[20:60, 20:80])


def test_nothing_is_found_where_nothing_is():
    assert np.isnan(find_marker(np.zeros((50, 50, 3), np.uint8), (25, 25))).all()


def test_colour_of_markers():
    image = draw_markers(np.zeros((20, 20, 3), np.uint8), [(10, 10)], 3, (255, 0, 40))
    assert image[10, 10].tolist() == [255, 0, 40]
