from __future__ import annotations

import numpy as np
import pytest

from headrace.errors import InvalidInput
from headrace.streaming.order import Order, default_lanes


def _all(order: Order, epoch: int = 0) -> list[int]:
    ordinals: list[int] = order.ordinals(np.arange(order.num_samples), epoch=epoch).tolist()
    return ordinals


@pytest.mark.parametrize("mode", ["block", "global"])
def test_epoch_and_seed_give_another_order_of_the_same_samples(mode: str) -> None:
    orders = [
        _all(Order(1_000, mode, seed, lanes=4, block_rows=16, window_blocks=3), epoch)  # type: ignore[arg-type]
        for seed, epoch in ((1, 0), (1, 1), (2, 0))
    ]
    assert all(sorted(order) == list(range(1_000)) for order in orders)
    assert len(set(map(tuple, orders))) == 3


def test_order_is_the_same_for_ever() -> None:
    """Written down once: another result needs another ORDER_VERSION, because states name positions."""
    block = Order(40, "block", 7, lanes=3, block_rows=4, window_blocks=2)
    expected = "7 37 31 6 10 17 4 8 19 20 9 16 5 11 30 21 39 18 23 38"
    expected += " 33 22 12 2 24 15 34 27 29 35 25 28 1 36 14 32 26 13 0 3"
    assert _all(block) == [int(ordinal) for ordinal in expected.split()]
    large = Order(10**9, "global", 7).ordinals(np.array([0, 1, 10**9 - 1]), epoch=2)
    assert large.tolist() == [285644131, 374858605, 806426428]


def test_mode_none_is_the_plan_s_own_order() -> None:
    assert _all(Order(5, "none", 1)) == [0, 1, 2, 3, 4]


def test_a_lane_reads_the_blocks_of_one_window_before_those_of_the_next() -> None:
    order = Order(4_096, "block", 3, lanes=4, block_rows=32, window_blocks=4)
    lanes = np.array(_all(order)).reshape(1_024, 4) // 32  # [places, lanes], blocks
    for lane in range(4):
        windows = [set(lanes[start : start + 128, lane].tolist()) for start in range(0, 1_024, 128)]
        assert [len(window) for window in windows] == [4] * 8
        assert len(set().union(*windows)) == 32


def test_the_short_block_and_the_tail_stand_at_the_end() -> None:
    order = Order(1_003, "block", 3, lanes=4, block_rows=100, window_blocks=1)
    ordinals = _all(order)
    assert ordinals[-3:] == [1_000, 1_001, 1_002]


def test_positions_outside_are_refused() -> None:
    for position in (-1, 10):
        with pytest.raises(IndexError, match="from 0 to 9"):
            Order(10, "global", 1).ordinals(np.array([position]), epoch=0)


def test_an_empty_order_has_no_positions() -> None:
    for mode in ("none", "global", "block"):
        assert _all(Order(0, mode, 1)) == []


def test_sizes_from_one_are_asked_for() -> None:
    with pytest.raises(InvalidInput, match="lanes, blocks and windows from 1"):
        Order(10, "block", 1, lanes=0)


def test_an_order_goes_through_json() -> None:
    order = Order(1_003, "block", 3, lanes=4, block_rows=100, window_blocks=1)
    assert Order.from_json(order.to_json()) == order


def test_lanes_are_the_largest_divisor_that_leaves_a_window_to_each() -> None:
    def lanes(batch: int, samples: int) -> int:
        return default_lanes(global_batch=batch, num_samples=samples, block_rows=256, window_blocks=8)

    assert lanes(512, 2_000_000) == 128
    assert lanes(500, 2_000_000) == 125
    assert lanes(514, 2_000_000) == 2
    assert lanes(512, 256 * 8 * 20) == 16
    assert lanes(512, 10) == 1
