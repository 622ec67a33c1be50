"""A demo as a list of named steps, each with its own budget of time; new steps are inserted into the list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["DemoStep", "Emit", "Figures", "StepReport", "run_steps"]

Emit = Callable[[str], None]
"""Takes one line of narration."""

Figures = dict[str, object]
"""What a step found, as plain JSON values."""

WorkspaceT = TypeVar("WorkspaceT")


@dataclass(frozen=True, slots=True)
class DemoStep(Generic[WorkspaceT]):
    """One step. `run` reads what earlier steps left in the workspace, narrates, and returns its figures."""

    name: str  # key of the figures: "deliver"
    title: str  # heading for people
    budget_seconds: float  # on two cores; above it the step is reported, not failed
    run: Callable[[WorkspaceT], Figures]


@dataclass(frozen=True, slots=True)
class StepReport:
    """How one step went."""

    name: str
    seconds: float
    budget_seconds: float
    figures: Figures

    @property
    def is_within_budget(self) -> bool:
        """Whether the step was fast enough."""
        return self.seconds <= self.budget_seconds

    def to_json(self) -> Figures:
        """Plain JSON values."""
        return {
            "name": self.name,
            "seconds": round(self.seconds, 3),
            "budget_seconds": self.budget_seconds,
            "within_budget": self.is_within_budget,
            "figures": self.figures,
        }


def run_steps(
    steps: Sequence[DemoStep[WorkspaceT]],
    workspace: WorkspaceT,
    *,
    emit: Emit,
    clock: Callable[[], float],
) -> list[StepReport]:
    """Run the steps in order, with a heading and the time for each; the first error ends the run.

    `clock` gives seconds and never goes back (`time.perf_counter`).
    """
    reports: list[StepReport] = []
    for number, step in enumerate(steps, start=1):
        emit("")
        emit(f"[{number}/{len(steps)}] {step.title}")
        started = clock()
        figures = step.run(workspace)
        report = StepReport(step.name, clock() - started, step.budget_seconds, figures)
        reports.append(report)
        if not report.is_within_budget:
            emit(f"    took {report.seconds:.1f} s, over its budget of {step.budget_seconds:g} s")
    return reports
