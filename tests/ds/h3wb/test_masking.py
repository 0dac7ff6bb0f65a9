import numpy as np

from posepile.ds.h3wb.masking import random_visibility


def test_one_thing_is_dropped_from_each_pose():
    visible = random_visibility(np.random.default_rng(0), 20_000)
    assert visible.shape == (20_000, 133)
    parts = [slice(23, 91), slice(91, 112), slice(112, 133)]
    is_part = np.zeros(len(visible), bool)
    for part in parts:
        expected = np.ones(133, bool)
        expected[part] = False
        is_case = (visible == expected).all(axis=1)
        assert abs(is_case.mean() - 0.2) < 0.01
        is_part |= is_case
    single = visible[~is_part]
    np.testing.assert_allclose(single.mean(axis=0), 0.75, atol=0.03)
    assert abs(np.corrcoef(single[:, 30], single[:, 31])[0, 1]) < 0.05


def test_it_is_decided_by_the_generator():
    first, second = (random_visibility(np.random.default_rng(s), 50) for s in (1, 1))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, random_visibility(np.random.default_rng(2), 50))
