"""Batches of ranks: nothing twice, nothing lost, whatever happens in between."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posepile.training import Schedule, SequentialOrder, ShuffledOrder

batch_sizes, world_sizes = st.integers(1, 9), st.integers(1, 6)


def schedules(order, batch_size, world_size, state=None, **options):
    made = [
        Schedule(order, batch_size, rank=rank, world_size=world_size, **options)
        for rank in range(world_size)
    ]
    for schedule in made:
        schedule.load_state_dict(state or made[0].state_dict())
    return made


@given(st.integers(0, 150), batch_sizes, world_sizes, st.integers(0, 3))
def test_ranks_share_an_epoch(n, batch_size, world_size, epoch):
    ranks = schedules(ShuffledOrder([n]), batch_size, world_size, dict(epoch=epoch, position=0))
    keys = [key for schedule in ranks for batch in schedule for key in batch]
    assert sorted(keys) == [(0, i, epoch) for i in range(n)]
    for schedule in ranks:
        batches = list(schedule)
        assert len(batches) == len(schedule)
        assert all(len(batch) == batch_size for batch in batches[:-1])
        assert all(batches)


@given(st.integers(1, 150), batch_sizes, world_sizes)
def test_drop_last_gives_all_ranks_the_same(n, batch_size, world_size):
    if n < batch_size * world_size:
        with pytest.raises(ValueError, match='do not fill a batch'):
            Schedule(ShuffledOrder([n]), batch_size, world_size=world_size, drop_last=True)
        return
    ranks = schedules(ShuffledOrder([n]), batch_size, world_size, drop_last=True)
    batches = [batch for schedule in ranks for batch in schedule]
    assert {len(schedule) for schedule in ranks} == {n // (batch_size * world_size)}
    assert {len(batch) for batch in batches} == {batch_size}
    keys = [key for batch in batches for key in batch]
    assert len(set(keys)) == len(keys)


@given(
    st.integers(1, 150),
    st.lists(st.tuples(batch_sizes, world_sizes, st.integers(0, 5)), max_size=5),
)
def test_interrupted_epochs_go_on_with_other_ranks_and_batch_sizes(n, parts):
    order = ShuffledOrder([n // 2, n - n // 2], seed=1)
    seen, state = [], dict(epoch=0, position=0)
    for batch_size, world_size, n_steps in [*parts, (4, 3, 1000)]:
        ranks = schedules(order, batch_size, world_size, state)
        for schedule in ranks:
            for i in range(min(n_steps, len(schedule))):
                seen += schedule.batch(i)
        state = ranks[0].state_after(min(n_steps, len(ranks[0])))
        if state['epoch'] == 1:
            break
    assert state == dict(epoch=1, position=0)
    assert sorted(seen) == sorted(map(tuple, order.keys(0, np.arange(n)).tolist()))


def test_ranks_agree_on_the_state_up_to_the_end():
    order = SequentialOrder([13])  # three ranks: 5, 4 and 4 examples, so 3, 2 and 2 batches
    ranks = schedules(order, 2, 3)
    assert [len(schedule) for schedule in ranks] == [3, 2, 2]
    for n_batches in range(4):
        states = [schedule.state_after(n_batches) for schedule in ranks]
        assert states[0] == states[1] == states[2]
    state = ranks[0].state_after(2)
    for schedule in ranks:
        schedule.load_state_dict(state)
    assert [list(schedule) for schedule in ranks] == [[[(0, 12, 0)]], [], []]


def test_what_cannot_be_is_refused():
    order = SequentialOrder([4])
    with pytest.raises(ValueError, match='rank 2 of 2'):
        Schedule(order, 1, rank=2, world_size=2)
    with pytest.raises(ValueError, match='batch_size'):
        Schedule(order, 0)
    schedule = Schedule(order, 3)
    with pytest.raises(IndexError):
        schedule.batch(2)
    with pytest.raises(ValueError, match='4 positions'):
        schedule.load_state_dict(dict(epoch=0, position=5))
