"""The order, the placement and the plan against the reference in plain whole numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite

from headrace.streaming.order import Order
from headrace.streaming.permutations import permute
from headrace.streaming.placement import Placement
from headrace.streaming.plan import PlanRules, build_plan
from headrace.streaming.schedule import tasks
from proofs.order.virtual_rows import VirtualRows
from tests.order_reference import dealt, drawn_rows, epoch_ordinals, permutation

_SEEDS = st.integers(0, 2**63 - 1)
_EPOCHS = st.integers(0, 2**40)


@composite
def _orders(draw: DrawFn) -> Order:
    num_samples = draw(st.integers(0, 300) | st.integers(0, 3_500))
    return Order(
        num_samples,
        draw(st.sampled_from(["block", "block", "block", "global", "none"])),
        draw(_SEEDS),
        draw(st.integers(1, max(1, min(num_samples, 128)))),
        draw(st.integers(1, 40) | st.integers(1, 1_500)),
        draw(st.integers(1, 12)),
    )


def _reference(order: Order, epoch: int) -> list[int]:
    return epoch_ordinals(
        order.num_samples,
        mode=order.mode,
        seed=order.seed,
        epoch=epoch,
        lanes=order.lanes,
        block_rows=order.block_rows,
        window_blocks=order.window_blocks,
    )


@settings(max_examples=60)
@given(_orders(), _EPOCHS, st.data())
@example(Order(3_333, "block", 1, 1, 1_100, 2), 0, None)  # a window above 1,023 rows, so that a Feistel network walks
@example(Order(2_049, "global", 1), 3, None)
def test_order_is_the_reference_at_every_position(order: Order, epoch: int, data: st.DataObject | None) -> None:
    expected = _reference(order, epoch)
    assert sorted(expected) == list(range(order.num_samples))
    assert order.ordinals(np.arange(order.num_samples), epoch=epoch).tolist() == expected
    if data is not None and order.num_samples:  # any positions in any order, as often as one likes
        some = data.draw(st.lists(st.integers(0, order.num_samples - 1), max_size=20))
        assert order.ordinals(np.array(some, dtype=np.int64), epoch=epoch).tolist() == [expected[g] for g in some]


@settings(max_examples=40)
@given(st.binary(min_size=64, max_size=64), st.integers(1, 5_000))
@example(bytes(64), 1_023)
@example(bytes(64), 1_024)
@example(bytes(64), 1_025)
@example(bytes(64), 4_096)
def test_permutation_is_the_reference(key: bytes, size: int) -> None:
    assert permute(key, np.arange(size), size).tolist() == permutation(key, size)


@given(
    st.integers(0, 10_000),
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(1, 128),
    st.integers(1, 40),
)
@example(960, 48, 48, 24, 8)
@example(0, 512, 511, 128, 3)
def test_placement_is_the_reference(start: int, batch: int, rows: int, lanes: int, world: int) -> None:
    end = start + min(rows, batch)
    expected = dealt(start, end, batch=batch, lanes=lanes, world=world)
    for rank, (own, repeated) in enumerate(expected):
        share = Placement(rank, world).share(start, end, batch=batch, lanes=lanes)
        assert share.positions.tolist() == own + repeated
        assert share.is_padding.tolist() == [False] * len(own) + [True] * len(repeated)
    assert sorted(g for own, _ in expected for g in own) == list(range(start, end))


@settings(max_examples=40)
@given(
    st.integers(1, 60) | st.integers(1, 1_500),
    st.sampled_from([None, 2, 3, 7]),
    st.sampled_from([None, 1, 10, 257]),
    st.sets(st.integers(0, 40)) | st.sets(st.integers(0, 1_499)),
    st.booleans(),
    _SEEDS,
    st.integers(0, 3),
)
@example(1, None, None, {0}, True, 0, 0)  # nothing left to draw
def test_plan_is_the_reference(
    tmp_path_factory: pytest.TempPathFactory,
    num_rows: int,
    divisor: int | None,
    max_samples: int | None,
    without: set[int],
    is_weighted: bool,
    seed: int,
    epoch: int,
) -> None:
    """A filter, a limit, rows of an epoch's first part, weights."""
    folder = tmp_path_factory.mktemp("plans")
    kept = [row for row in range(num_rows) if divisor is None or row % divisor == 0][:max_samples]
    gone = sorted(row for row in without if row < num_rows)
    kept = [row for row in kept if row not in without]
    weights = [0.25 * (row % 9) + (row == kept[0] if kept else 1) for row in range(num_rows)]
    plan = build_plan(
        VirtualRows(num_rows),
        rules=PlanRules(
            None if divisor is None else f"id % {divisor} = 0", max_samples, weights if is_weighted else None
        ),
        folder=folder,
        seed=seed,
        without=np.array(gone, dtype=np.int64),
        without_id="test",
    )
    assert plan.num_samples == len(kept)
    if is_weighted and kept:
        kept = drawn_rows(kept, [weights[row] for row in kept], seed=seed, epoch=epoch)
    assert plan.rows(np.arange(len(kept)), epoch=epoch).tolist() == kept


@settings(max_examples=60)
@given(_orders(), st.integers(1, 5), st.integers(1, 100), st.integers(1, 100), st.booleans(), st.data())
def test_any_ranks_from_any_position_take_each_sample_once(
    order: Order, epoch: int, first_batch: int, second_batch: int, drop_last: bool, data: st.DataObject
) -> None:
    """Some ranks for some steps, then others with another batch: all together it is the reference's sequence."""
    plan = build_plan(VirtualRows(order.num_samples), rules=PlanRules(), folder=Path("nowhere"))
    expected = _reference(order, epoch)
    taken: dict[int, int] = {}
    position = 0
    for batch, is_last in ((first_batch, False), (second_batch, True)):
        world = data.draw(st.integers(1, min(batch, 9)))
        steps = None if is_last else data.draw(st.integers(0, order.num_samples // batch))
        ends = []
        for rank in range(world):
            walked = list(
                tasks(
                    plan, order, epoch=epoch, start=position, first_step=0, global_batch=batch,
                    placement=Placement(rank, world), drop_last=drop_last,
                )
            )[:steps]  # fmt: skip
            ends.append([task.position_end for task in walked])
            for task in walked:
                for g, row in zip(task.positions[~task.is_padding].tolist(), task.rows[~task.is_padding].tolist()):
                    assert g not in taken
                    taken[g] = row
        assert all(end == ends[0] for end in ends), "ranks take different steps"
        position = ends[0][-1] if ends[0] else position
    left = (order.num_samples - position) if drop_last else 0
    assert left < second_batch
    assert taken == dict(enumerate(expected[: order.num_samples - left]))
