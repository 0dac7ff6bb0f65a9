"""Work in processes: in order, in bounded memory, and failing where the work fails."""

import math

import pytest

from posepile.storage.in_processes import available_cores, map_in_processes


@pytest.mark.parametrize('n_processes', [0, 1, 2])
def test_order(n_processes):
    # Functions of the standard library: what pytest imports cannot be imported by its name.
    found = list(map_in_processes(math.factorial, range(30), n_processes, math.sqrt, (4,)))
    assert found == [(i, math.factorial(i)) for i in range(30)]


@pytest.mark.parametrize('n_processes', [1, 2])
def test_items_are_taken_as_they_are_needed(n_processes):
    taken = []

    def items():
        for i in range(1000):
            taken.append(i)
            yield i

    results = map_in_processes(math.sqrt, items(), n_processes, int, ())
    for _ in range(3):
        next(results)
    assert len(taken) <= 3 + 2 * n_processes
    results.close()


@pytest.mark.parametrize('n_processes', [1, 2])
def test_errors_of_the_work(n_processes):
    with pytest.raises(ValueError, match='math domain'):
        list(map_in_processes(math.sqrt, [4, 1, -1, 9], n_processes, int, ()))


def test_available_cores():
    assert available_cores() >= 1
