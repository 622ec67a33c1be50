"""One contestant's process: does the tasks it is told and prints one JSON line for each.

    python -m benchmarks.streaming.child FOLDER NAME NUM_BATCHES TASK ...

`{"hold": TASK}` asks the parent to measure memory; a line on stdin lets it go on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Say = Callable[[dict[str, Any]], None]


def main(arguments: list[str]) -> None:
    """Do the tasks; a task that fails says why and the next one goes on."""
    folder, name, num_batches, *tasks = arguments
    answers = os.dup(1)
    os.dup2(2, 1)  # what libraries print goes elsewhere
    for task in tasks:
        document = _done(task, folder=Path(folder), name=name, num_batches=int(num_batches), answers=answers)
        _say(answers, {"task": task.partition(":")[0], **document})
    if "write" not in tasks:
        os._exit(0)  # peers that do not end their workers would keep us here


def _done(task: str, *, folder: Path, name: str, num_batches: int, answers: int) -> dict[str, Any]:
    from benchmarks.streaming.contestants.contestant import NotOffered

    def hold() -> None:
        _say(answers, {"hold": task})
        sys.stdin.readline()

    try:
        return _measured(task, folder=folder, name=name, num_batches=num_batches, hold=hold)
    except NotOffered as error:
        return {"not_offered": str(error)}
    except Exception as error:  # noqa: BLE001 - a peer may fail in any way; the table says how
        return {"failed": " ".join(f"{type(error).__name__}: {error}".split())[:400]}


def _measured(task: str, *, folder: Path, name: str, num_batches: int, hold: Callable[[], None]) -> dict[str, Any]:
    """Imports what the task needs and nothing else: other environments lack it."""
    from benchmarks.streaming.workload import Workload

    what, *numbers = task.split(":")
    match what:
        case "limit_decode" | "limit_raw":
            from benchmarks.streaming import limits

            limit: Callable[..., dict[str, Any]] = getattr(limits, what)
            return limit(Workload(folder), num_batches=num_batches)
        case "index_new" | "index_again":
            from benchmarks.streaming.index_of_two_million import first_batch_of_headrace

            return first_batch_of_headrace(Workload(folder), is_new=what == "index_new")
        case "index_files":
            from benchmarks.streaming.index_of_two_million import first_batch_of_files

            return first_batch_of_files(Workload(folder))
        case "step":
            from benchmarks.streaming.training_step import training_step

            return training_step(folder, rounds=int(numbers[0]), num_steps=int(numbers[1]))
    from benchmarks.streaming.contestants.field import open_contestant

    contestant = open_contestant(name, folder)
    if what == "write":
        contestant.write()
        return {}
    from benchmarks.streaming.tasks import TASKS

    return TASKS[what](contestant, num_batches=num_batches, hold=hold)


def _say(answers: int, document: dict[str, Any]) -> None:
    os.write(answers, (json.dumps(document) + "\n").encode())


if __name__ == "__main__":
    main(sys.argv[1:])
