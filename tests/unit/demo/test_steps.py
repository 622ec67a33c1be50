"""Steps run in order, are timed, and are reported when they are late."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headrace.demo.steps import DemoStep, Figures, run_steps


def count_to(number: int) -> DemoStep[list[int]]:
    def run(workspace: list[int]) -> Figures:
        workspace.append(number)
        return {"number": number}

    return DemoStep(f"step-{number}", f"Step {number}", 1.0, run)


def ticking(*seconds: float) -> Iterator[float]:
    yield from seconds


def test_steps_run_in_order_and_report_figures() -> None:
    lines: list[str] = []
    done: list[int] = []
    ticks = ticking(0.0, 0.5, 0.5, 1.25)
    reports = run_steps([count_to(1), count_to(2)], done, emit=lines.append, clock=lambda: next(ticks))
    assert done == [1, 2]
    assert [report.to_json() for report in reports] == [
        {
            "name": f"step-{number}",
            "seconds": seconds,
            "budget_seconds": 1.0,
            "within_budget": True,
            "figures": {"number": number},
        }
        for number, seconds in ((1, 0.5), (2, 0.75))
    ]
    assert lines == ["", "[1/2] Step 1", "", "[2/2] Step 2"]


def test_steps_late_step_is_reported_and_the_next_one_runs() -> None:
    lines: list[str] = []
    done: list[int] = []
    ticks = ticking(0.0, 3.0, 3.0, 3.5)
    reports = run_steps([count_to(1), count_to(2)], done, emit=lines.append, clock=lambda: next(ticks))
    assert done == [1, 2]
    assert [report.is_within_budget for report in reports] == [False, True]
    assert "    took 3.0 s, over its budget of 1 s" in lines


def test_steps_error_ends_the_run() -> None:
    def fail(_: list[int]) -> Figures:
        raise LookupError("gone")

    done: list[int] = []
    with pytest.raises(LookupError, match="gone"):
        run_steps([DemoStep("fail", "Fail", 1.0, fail), count_to(2)], done, emit=lambda _: None, clock=lambda: 0.0)
    assert done == []
