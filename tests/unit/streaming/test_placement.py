from __future__ import annotations

import numpy as np
import pytest

from headrace.errors import InvalidInput
from headrace.streaming.placement import Placement, Share


def _shares(start: int, end: int, *, batch: int, lanes: int, world: int) -> list[Share]:
    return [Placement(rank, world).share(start, end, batch=batch, lanes=lanes) for rank in range(world)]


def test_ranks_take_neighbouring_lanes() -> None:
    first, second = _shares(8, 16, batch=8, lanes=4, world=2)
    assert first.positions.tolist() == [8, 9, 12, 13]
    assert second.positions.tolist() == [10, 11, 14, 15]
    assert not first.is_padding.any()


def test_a_rank_keeps_its_lanes_when_a_resume_starts_between_rounds() -> None:
    for share in _shares(9, 17, batch=8, lanes=4, world=2):
        assert len(set((share.positions % 4).tolist())) == 2
        assert len(share.positions) == 4


def test_ranks_that_do_not_divide_the_lanes_take_slots() -> None:
    shares = _shares(8, 16, batch=8, lanes=4, world=3)
    assert [share.positions.tolist() for share in shares] == [[8, 9], [10, 11, 12], [13, 14, 15]]
    assert not any(share.is_padding.any() for share in shares)


def test_the_last_step_repeats_its_own_samples_for_ranks_that_get_fewer() -> None:
    shares = _shares(96, 101, batch=48, lanes=24, world=4)
    assert [share.positions.tolist() for share in shares] == [[96, 96], [97, 96], [98, 96], [99, 100]]
    assert [share.is_padding.tolist() for share in shares] == [[False, True]] * 3 + [[False, False]]


def test_more_ranks_than_samples_leave_some_with_padding_only() -> None:
    shares = _shares(96, 98, batch=48, lanes=24, world=4)
    assert sorted(g for share in shares for g in share.positions[~share.is_padding].tolist()) == [96, 97]
    assert [len(share.positions) for share in shares] == [1] * 4


def test_a_rank_outside_of_the_world_is_refused() -> None:
    for rank in (-1, 2):
        with pytest.raises(InvalidInput, match="0 <= rank < world size"):
            Placement(rank, 2)


def test_all_positions_are_whole_numbers() -> None:
    assert all(share.positions.dtype == np.int64 for share in _shares(0, 5, batch=8, lanes=4, world=3))
