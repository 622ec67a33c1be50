"""`headrace demo`: three collectors' digits become a dataset, a snapshot, batches, a model, and the way back."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from headrace.demo.collecting import commit_deliveries, deliver
from headrace.demo.comparing import compare_raw_and_curated
from headrace.demo.curating import curate
from headrace.demo.delivery import SEED
from headrace.demo.interrupted_training import train_through_a_kill
from headrace.demo.looking import show_statistics
from headrace.demo.next_commands import next_commands
from headrace.demo.reading import read_batches
from headrace.demo.selecting import show_diff, split_training, take_snapshots
from headrace.demo.steps import DemoStep, Emit, Figures, run_steps
from headrace.demo.tracing import trace_mistake
from headrace.demo.verifying import verify_lake
from headrace.demo.workspace import DATASET, DigitsWorkspace
from headrace.errors import AlreadyExists

__all__ = ["digits_steps", "run_demo"]

DEFAULT_DIRECTORY = "headrace-demo"


def run_demo(
    directory: Path | None,
    *,
    emit: Emit,
    program: str = "headrace",
    clock: Callable[[], float] = time.perf_counter,
    steps: Sequence[DemoStep[DigitsWorkspace]] | None = None,
) -> Figures:
    """Run the demo and return all its figures as plain JSON values.

    Args:
        directory: Absent or empty; None takes `headrace-demo`, or `headrace-demo-2` and so on, in the working folder.
        emit: Gets the narration line by line, the first at once.
        program: How the caller started Headrace; the suggested commands begin with it.
        clock: Seconds, never going back.
        steps: Others than `digits_steps()`.

    Raises:
        AlreadyExists: The directory holds something.
        MissingExtra: scikit-learn or OpenCV is not installed.
    """
    started = clock()
    directory = _fresh_directory(directory)
    emit("Headrace demo: from three collectors' files to a model, and back to one file.")
    emit(f"Everything happens in {directory}; nothing is downloaded.")
    workspace = DigitsWorkspace(directory, emit, program)
    reports = run_steps(steps if steps is not None else digits_steps(), workspace, emit=emit, clock=clock)
    seconds = clock() - started
    late = [report.name for report in reports if not report.is_within_budget]
    commands = next_commands(workspace)
    emit("")
    emit(
        f"Done in {seconds:.1f} s"
        + (f"; over budget: {', '.join(late)}." if late else "; every step within its budget.")
    )
    emit("")
    emit("Next:")
    for purpose, command in commands:
        emit(f"  # {purpose}")
        emit(f"  {command}")
    return {
        "directory": str(directory),
        "lake": str(workspace.lake_path),
        "dataset": DATASET,
        "seed": SEED,
        "seconds": round(seconds, 3),
        "over_budget": late,
        "steps": [report.to_json() for report in reports],
        "next": [command for _, command in commands],
    }


def digits_steps() -> list[DemoStep[DigitsWorkspace]]:
    """The steps in order; a later part of the story inserts its own."""
    return [
        DemoStep("deliver", "Deliver: three collectors hand in handwritten digits", 10, deliver),
        DemoStep("commit", "Commit: each delivery becomes an immutable, tagged commit", 5, commit_deliveries),
        DemoStep("statistics", "Look: what has arrived", 2, show_statistics),
        DemoStep("snapshot", "Snapshot: name what is trained on and what is kept for judging", 2, take_snapshots),
        DemoStep("diff", "Diff: what the second collector added", 1, show_diff),
        DemoStep("curate", "Curate: what all three sent, checked, each digit once, its label by trust", 6, curate),
        DemoStep("split", "Split: training and validation by hash of the sample's id", 1, split_training),
        DemoStep("read", "Stream: shuffled batches, the same for any number of ranks", 3, read_batches),
        DemoStep(
            "train", "Train: killed in the middle of an epoch, resumed with other workers", 20, train_through_a_kill
        ),
        DemoStep(
            "compare", "Compare: a model of the raw rows, a model of the curated ones", 4, compare_raw_and_curated
        ),
        DemoStep("trace", "Trace: one mistake back to the file that it came from", 2, trace_mistake),
        DemoStep("verify", "Verify: the log and all stored bytes", 4, verify_lake),
    ]


def _fresh_directory(directory: Path | None) -> Path:
    if directory is None:
        number = 1
        while True:
            candidate = Path(DEFAULT_DIRECTORY if number == 1 else f"{DEFAULT_DIRECTORY}-{number}")
            if _is_free(candidate):
                return candidate
            number += 1
    if not _is_free(directory):
        raise AlreadyExists(
            f"{directory} is not empty; the demo writes into a folder of its own. "
            f"Name one that does not exist yet: headrace demo --dir {shlex.quote(str(directory) + '-2')}"
        )
    return directory


def _is_free(directory: Path) -> bool:
    return not directory.exists() or (directory.is_dir() and not any(directory.iterdir()))
