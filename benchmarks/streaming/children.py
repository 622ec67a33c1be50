"""Runs a contestant's tasks in a process of its own and collects what it says; ends it whatever it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measurement import BENCH_ROOT
from benchmarks.streaming.process_tree import memory_of_tree

__all__ = ["Answer", "run_tasks"]

_ROOT = Path(__file__).resolve().parents[2]
_TASKS_SECONDS = 150.0


@dataclass(slots=True)
class Answer:
    """What became of one task."""

    task: str
    measured: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None
    is_offered: bool = True


def run_tasks(
    python: Path,
    folder: Path,
    name: str,
    tasks: Sequence[str],
    *,
    num_batches: int,
    seconds: float = _TASKS_SECONDS,
) -> list[Answer]:
    """One answer for each task, in order; tasks after a crash or the deadline have failed with it."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(_ROOT),
        "PYTHONWARNINGS": "ignore",
        "OMP_NUM_THREADS": "1",  # two workers share two cores
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(BENCH_ROOT / "streaming" / "huggingface-cache"),
    }
    command = [str(python), "-m", "benchmarks.streaming.child", str(folder), name, str(num_batches), *tasks]
    answers: list[Answer] = []
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=_ROOT,
            env=environment, start_new_session=True,
        )  # fmt: skip
        deadline = threading.Timer(seconds, _end, [process])
        deadline.start()
        try:
            _listen(process, folder, answers, num_tasks=len(tasks))
        finally:
            is_late = not deadline.is_alive()
            deadline.cancel()
            _end(process)
            process.wait()
        errors.seek(0)
        last = (errors.read().strip().splitlines() or ["nothing on stderr"])[-1]
    reason = f"more than {seconds:.0f} s" if is_late else f"the process ended: {last}"
    return answers + [Answer(task, failure=reason) for task in tasks[len(answers) :]]


def _listen(process: subprocess.Popen[str], folder: Path, answers: list[Answer], *, num_tasks: int) -> None:
    """Take answers until all are there or the process ends; workers that outlive it may keep the pipe open."""
    assert process.stdout is not None
    assert process.stdin is not None
    memory: dict[str, int] = {}
    for line in process.stdout:
        said = json.loads(line)
        if "hold" in said:
            memory[said["hold"]] = memory_of_tree(process.pid, without=folder)
            process.stdin.write("\n")
            process.stdin.flush()
        elif "task" in said:
            task = said.pop("task")
            if task in memory:
                said["memory_bytes"] = memory[task]
            answers.append(Answer(task, said, said.pop("failed", None), said.pop("not_offered", None) is None))
            if len(answers) == num_tasks:
                return


def _end(process: subprocess.Popen[str]) -> None:
    """The whole group: some peers leave workers behind."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
