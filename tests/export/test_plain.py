"""Examples as JSON, and back, for any numbers."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posepile.datasets2d import Pose2DExample
from posepile.datasets3d import Pose3DExample
from posepile.export.plain import (
    camera_from_plain,
    from_plain,
    plain_camera,
    plain_numbers,
    to_plain,
)
from posepile.util.sparse_coords import SparseCoords
from tests.export.samples import assert_same_example, examples2d, examples3d
from tests.storage.packed_samples import make_example

float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(arrays(np.float32, (3, 2), elements=float32s))
def test_float32_numbers_are_exact(array):
    text = json.dumps(plain_numbers(array))
    np.testing.assert_array_equal(np.array(json.loads(text), np.float32), array)


def test_numbers_have_nine_digits_at_most():
    assert plain_numbers(np.float32([0.1, 1234.567])) == [0.100000001, 1234.56702]
    assert plain_numbers(np.float16([[0.5]])) == [[0.5]] and plain_numbers(np.int32([3])) == [3]


@given(arrays(np.float64, 4, elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_float64_numbers_are_exact(array):
    np.testing.assert_array_equal(json.loads(json.dumps(plain_numbers(array))), array)


@given(
    coords=arrays(np.float32, (5, 3), elements=float32s),
    missing=st.sets(st.integers(0, 4)),
    univ=arrays(np.float32, (5, 3), elements=float32s) | st.none(),
    box=arrays(np.float32, 4, elements=float32s),
    center=arrays(np.float32, 3, elements=st.floats(-1e6, 1e6, width=32)),
    parameters=st.none()
    | st.fixed_dictionaries(
        dict(
            type=st.sampled_from(['smpl', 'smplx']),
            pose=arrays(np.float32, 72, elements=float32s),
            kid_factor=st.floats(0, 1),
        )
    ),
    scene=st.text(st.characters(blacklist_categories=['Cs'])),
)
def test_3d_examples(coords, missing, univ, box, center, parameters, scene):
    coords[list(missing)] = np.nan
    template, _ = make_example(1)
    camera = camera_from_plain(dict(plain_camera(template.camera), optical_center=center.tolist()))
    example = Pose3DExample(
        'a/b.jpg',
        coords,
        box,
        camera,
        univ_coords=univ,
        parameters=parameters,
        scene_name=scene,
    )
    text = json.dumps(to_plain(example), allow_nan=False)
    assert_same_example(from_plain(json.loads(text), '3d'), example)


@pytest.mark.parametrize('triples, kind', [(examples3d(), '3d'), (examples2d(), '2d')])
def test_all_kinds_of_annotation(triples, kind):
    for _, example, _ in triples:
        text = json.dumps(to_plain(example), allow_nan=False)
        assert_same_example(from_plain(json.loads(text), kind), example)


def test_sparse_coordinates_and_unmasked_2d():
    example, _ = make_example(2)
    dense = example.world_coords
    example.world_coords = SparseCoords(dense)
    back = from_plain(to_plain(example), '3d')
    np.testing.assert_array_equal(back.world_coords, dense)
    bare = Pose2DExample('x.jpg', np.float32([[1, 2], [np.nan, np.nan]]))
    plain = to_plain(bare)
    assert set(plain) == {'image_path', 'joints'} and plain['joints'] == [[1, 2], None]
    assert from_plain(plain, '2d').bbox is None


def test_parametric_example():
    example, _ = make_example(0)
    example.world_coords = None
    example.parameters = dict(type='smpl', pose=np.zeros(72, np.float32), fitter=object())
    lost = Counter()
    plain = to_plain(example, lost)
    assert lost == {'parameters.fitter': 1} and 'joints' not in plain
    assert from_plain(plain, '3d').world_coords is None
