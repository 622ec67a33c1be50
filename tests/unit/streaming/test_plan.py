from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.errors import InvalidInput, NotFound
from headrace.streaming.plan import Plan, PlanRules, build_plan
from proofs.order.virtual_rows import VirtualRows


def _plan(folder: Path, *, num_rows: int = 1_000, seed: int = 0, **rules: Any) -> Plan:
    return build_plan(VirtualRows(num_rows), rules=PlanRules(**rules), folder=folder, seed=seed)


def _rows(plan: Plan, epoch: int = 0) -> list[int]:
    rows: list[int] = plan.rows(np.arange(plan.num_samples), epoch=epoch).tolist()
    return rows


def test_a_plan_of_all_rows_takes_no_file(tmp_path: Path) -> None:
    plan = _plan(tmp_path / "plans")
    assert _rows(plan) == list(range(1_000))
    assert not (tmp_path / "plans").exists()


def test_a_filter_leaves_its_rows_in_their_order(tmp_path: Path) -> None:
    plan = _plan(tmp_path, where="id % 7 = 3")
    assert _rows(plan) == list(range(3, 1_000, 7))


def test_a_plan_that_lost_a_file_is_made_again(tmp_path: Path) -> None:
    """Cleaners of temporary folders go by file; without its bitmap the plan would hold every row."""
    kept = _plan(tmp_path, where="id % 7 = 3")
    for name in ("kept.npy", "prefix.npy", "plan.json"):
        (tmp_path / kept.id / name).unlink()
        if name == "kept.npy":
            with pytest.raises(NotFound, match="lost files"):
                pickle.loads(pickle.dumps(kept))
        assert _rows(_plan(tmp_path, where="id % 7 = 3")) == list(range(3, 1_000, 7))


def test_extreme_weights_neither_overflow_nor_vanish(tmp_path: Path) -> None:
    for scale in (1e308, 1e-320, 5e-324):
        plan = build_plan(VirtualRows(200), rules=PlanRules(weights=[scale] * 200), folder=tmp_path)
        assert _rows(plan) == list(range(200))


def test_max_samples_counts_after_the_filter(tmp_path: Path) -> None:
    assert _rows(_plan(tmp_path, where="id % 7 = 3", max_samples=3)) == [3, 10, 17]


def test_the_rest_of_an_epoch_keeps_the_limit_of_the_whole(tmp_path: Path) -> None:
    """Ten at most, four of them had: six are left, not ten others."""
    plan = build_plan(
        VirtualRows(1_000),
        rules=PlanRules(max_samples=10),
        folder=tmp_path,
        without=np.array([1, 4, 5, 9]),
        without_id="had",
    )
    assert _rows(plan) == [0, 2, 3, 6, 7, 8]


def test_nothing_left_is_an_empty_plan(tmp_path: Path) -> None:
    plan = _plan(tmp_path, where="id < 0")
    assert plan.num_samples == 0
    assert _rows(plan) == []


def test_a_plan_is_made_once_and_found_again(tmp_path: Path) -> None:
    first = _plan(tmp_path, where="id < 10")
    (made,) = tmp_path.glob(f"{first.id}/plan.json")
    stamp = made.stat().st_mtime_ns
    again = _plan(tmp_path, where="id < 10")
    assert (again.id, _rows(again), made.stat().st_mtime_ns) == (first.id, list(range(10)), stamp)


def test_other_rules_and_rows_are_another_plan(tmp_path: Path) -> None:
    ids = {
        _plan(tmp_path).id,
        _plan(tmp_path, num_rows=999).id,
        _plan(tmp_path, where="id < 10").id,
        _plan(tmp_path, max_samples=10).id,
        _plan(tmp_path, weights=[1.0] * 1_000).id,
        _plan(tmp_path, weights=[2.0] * 1_000).id,
    }
    assert len(ids) == 6


def test_a_plan_goes_to_another_process(tmp_path: Path) -> None:
    plan = _plan(tmp_path, where="id % 2 = 0", weights="id", seed=5)
    assert _rows(pickle.loads(pickle.dumps(plan)), 3) == _rows(plan, 3)


@pytest.mark.parametrize("epoch", range(4))
def test_weights_draw_each_row_as_often_as_it_should_be(tmp_path: Path, epoch: int) -> None:
    weights = [float(row % 4) for row in range(1_000)]
    plan = _plan(tmp_path, weights=weights, seed=9)
    counts = np.bincount(_rows(plan, epoch), minlength=1_000)
    expected = np.array(weights) / sum(weights) * 1_000
    assert counts.sum() == 1_000
    assert (np.abs(counts - expected) < 1 + 1e-6).all()


def test_epochs_of_a_weighted_plan_draw_other_rows(tmp_path: Path) -> None:
    plan = _plan(tmp_path, weights=[1.0 + (row * row % 97) for row in range(1_000)], seed=9)
    assert len({tuple(_rows(plan, epoch)) for epoch in range(4)}) == 4


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("idd", "did you mean|no such column"),
        ([1.0, 2.0], "2 weights for 1000 rows"),
        ([-1.0] * 1_000, "weight of row 0 is -1"),
        ([float("nan")] * 1_000, "weight of row 0 is nan"),
        ([0.0] * 1_000, "all weights are 0"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, weights: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        _plan(tmp_path, weights=weights)


def test_max_samples_starts_at_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="max_samples is 0"):
        _plan(tmp_path, max_samples=0)
