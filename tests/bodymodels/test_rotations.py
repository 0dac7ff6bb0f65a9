import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posepile.bodymodels.rotations import (
    LAYOUTS,
    matrix_from_6d,
    matrix_to_6d,
    matrix_to_rotvec,
    rotvec_to_matrix,
)
from posepile.errors import OptionError

vectors = arrays(np.float64, (2, 4, 3), elements=st.floats(-1.8, 1.8))


def test_a_quarter_turn():
    """About x: y becomes z."""
    matrix = rotvec_to_matrix([np.pi / 2, 0, 0])
    np.testing.assert_allclose(matrix, [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-15)
    np.testing.assert_allclose(matrix_to_rotvec(matrix), [np.pi / 2, 0, 0], atol=1e-15)


@given(vectors)
def test_there_and_back(rotvec):
    """Angles below pi come back."""
    rotvec = np.where(np.linalg.norm(rotvec, axis=-1, keepdims=True) < 3.1, rotvec, 0)
    matrix = rotvec_to_matrix(rotvec)
    assert matrix.shape == (2, 4, 3, 3)
    np.testing.assert_allclose(
        matrix @ np.swapaxes(matrix, -1, -2), np.eye(3) + 0 * matrix, atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(matrix), 1, atol=1e-12)
    np.testing.assert_allclose(matrix_to_rotvec(matrix), rotvec, atol=1e-7)


@pytest.mark.parametrize('angle', [np.pi, np.pi - 1e-9, 1e-12, 0.0])
def test_difficult_angles(angle):
    rotvec = np.array([0.6, 0, 0.8]) * angle
    matrix = rotvec_to_matrix(matrix_to_rotvec(rotvec_to_matrix(rotvec)))
    np.testing.assert_allclose(matrix, rotvec_to_matrix(rotvec), atol=1e-8)


unit = st.tuples(st.floats(0, np.pi), st.floats(-np.pi, np.pi)).map(
    lambda a: np.array([np.sin(a[0]) * np.cos(a[1]), np.sin(a[0]) * np.sin(a[1]), np.cos(a[0])])
)


@given(unit, st.floats(-200, 0))
def test_small_angles_keep_all_their_digits(axis, exponent):
    rotvec = axis * 10.0**exponent
    back = matrix_to_rotvec(rotvec_to_matrix(rotvec))
    np.testing.assert_allclose(back, rotvec, rtol=0, atol=1e-15 * 10.0**exponent)


@given(unit, st.floats(-16, 0))
def test_angles_near_pi(axis, exponent):
    """At pi itself both directions of the axis are right."""
    rotvec = axis * (np.pi - 10.0**exponent)
    back = matrix_to_rotvec(rotvec_to_matrix(rotvec))
    error = np.abs(back - rotvec).max()
    if exponent < -14:
        error = min(error, np.abs(back + rotvec).max())
    assert error < 1e-13


@given(unit, st.floats(0, np.pi))
def test_the_matrix_is_the_rotation_that_its_vector_says(axis, angle):
    """Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    expected = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    np.testing.assert_allclose(rotvec_to_matrix(axis * angle), expected, rtol=0, atol=1e-14)


def test_mirrors_are_refused():
    with pytest.raises(ValueError):
        matrix_to_rotvec(np.diag([1.0, 1, -1]))


@pytest.mark.parametrize('layout', LAYOUTS)
@given(vectors)
def test_six_numbers(layout, rotvec):
    matrix = rotvec_to_matrix(rotvec)
    six = matrix_to_6d(matrix, layout)
    assert six.shape == (2, 4, 6)
    np.testing.assert_allclose(matrix_from_6d(six, layout), matrix, atol=1e-12)


def test_layouts_by_example():
    matrix = np.arange(9.0).reshape(3, 3)
    assert matrix_to_6d(matrix, 'columns').tolist() == [0, 3, 6, 1, 4, 7]
    assert matrix_to_6d(matrix, 'interleaved').tolist() == [0, 1, 3, 4, 6, 7]
    assert matrix_to_6d(matrix, 'rows').tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(OptionError, match='interleaved'):
        matrix_to_6d(matrix, 'zhou')
    with pytest.raises(OptionError, match='interleaved'):
        matrix_from_6d(np.zeros(6), 'zhou')


@pytest.mark.parametrize('layout', LAYOUTS)
def test_any_six_numbers_give_a_rotation(layout):
    numbers = np.random.default_rng(0).normal(size=(50, 6))
    matrix = matrix_from_6d(numbers, layout)
    np.testing.assert_allclose(np.linalg.det(matrix), 1, atol=1e-12)
    product = matrix @ np.swapaxes(matrix, -1, -2)
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(3), (50, 3, 3)), atol=1e-12)
    back = matrix_to_6d(matrix, layout)
    # The first direction is kept, only its length changes.
    first = {'columns': slice(3), 'rows': slice(3), 'interleaved': slice(0, 6, 2)}[layout]
    a = numbers[:, first]
    np.testing.assert_allclose(
        back[:, first], a / np.linalg.norm(a, axis=1, keepdims=True), atol=1e-12
    )
    assert np.isnan(matrix_from_6d(np.zeros(6), layout)).all()
