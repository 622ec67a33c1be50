from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headrace.streaming.making import Task
from headrace.streaming.order import Order
from headrace.streaming.placement import Placement
from headrace.streaming.plan import PlanRules, build_plan
from headrace.streaming.schedule import steps_left, tasks
from proofs.order.virtual_rows import VirtualRows

_ORDER = Order(100, "block", 7, lanes=4, block_rows=5, window_blocks=2)


def _tasks(**options: object) -> list[Task]:
    arguments: dict[str, object] = {
        "epoch": 1,
        "start": 0,
        "first_step": 0,
        "global_batch": 8,
        "placement": Placement(0, 1),
        "drop_last": False,
        **options,
    }
    plan = build_plan(VirtualRows(100), rules=PlanRules(), folder=Path("nowhere"))
    return list(tasks(plan, _ORDER, **arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "drop_last", "expected"), [(0, False, 13), (0, True, 12), (96, True, 0), (100, False, 0)]
)
def test_steps_left(start: int, drop_last: bool, expected: int) -> None:
    assert steps_left(start, num_samples=100, global_batch=8, drop_last=drop_last) == expected


def test_an_epoch_is_the_order_step_by_step() -> None:
    made = _tasks()
    assert [task.step for task in made] == list(range(13))
    assert [task.position_end for task in made] == [*range(8, 100, 8), 100]
    rows = np.concatenate([task.rows for task in made])
    assert rows.tolist() == _ORDER.ordinals(np.arange(100), epoch=1).tolist()


def test_steps_go_on_where_they_stopped() -> None:
    rest = _tasks(start=24, first_step=3, first_number=50)
    whole = _tasks()[3:]
    assert [(task.step, task.rows.tolist()) for task in rest] == [(task.step, task.rows.tolist()) for task in whole]
    assert [task.number for task in rest] == list(range(50, 60))


def test_workers_deal_the_steps_out() -> None:
    whole = [(task.step, task.rows.tolist()) for task in _tasks()]
    shares = [[(task.step, task.rows.tolist()) for task in _tasks(skip=worker, stride=3)] for worker in range(3)]
    assert [shares[step % 3][step // 3] for step in range(13)] == whole


def test_drop_last_leaves_the_global_rest_out() -> None:
    assert [task.position_end for task in _tasks(drop_last=True)][-1] == 96


def test_a_long_epoch_is_computed_in_pieces_that_do_not_show() -> None:
    order = Order(30_000, "global", 7)
    plan = build_plan(VirtualRows(30_000), rules=PlanRules(), folder=Path("nowhere"))
    made = tasks(
        plan, order, epoch=0, start=0, first_step=0, global_batch=7, placement=Placement(0, 1), drop_last=False
    )
    rows = np.concatenate([task.rows for task in made])
    assert rows.tolist() == order.ordinals(np.arange(30_000), epoch=0).tolist()
