"""A program in a process of its own, with the memory of all that it starts sampled while it runs."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.streaming.process_tree import memory_of_tree

__all__ = ["TreeRun", "run_in_tree"]

_INTERVAL_SECONDS = 0.1
_PAUSE = 19
"""Times what a sample took: to count the pages of large processes holds them up, so that sampling may take a twentieth
of the time and no more. Without it a merge on Ray took 20 instead of 13 s."""
_NOTHING = Path("/nothing-is-left-out")


@dataclass(frozen=True, slots=True)
class TreeRun:
    """What came of it."""

    answer: dict[str, Any]  # the last line of its standard output
    peak_bytes: int  # of the tree, shared pages counted once


def run_in_tree(command: list[str], *, timeout_seconds: float) -> TreeRun:
    """Run to the end.

    Raises:
        RuntimeError: It failed; with the end of what it printed.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0
    is_over = threading.Event()

    def sample() -> None:
        nonlocal peak
        pause = _INTERVAL_SECONDS
        while not is_over.wait(pause):
            started = time.perf_counter()
            peak = max(peak, memory_of_tree(process.pid, without=_NOTHING))
            pause = max(_INTERVAL_SECONDS, _PAUSE * (time.perf_counter() - started))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        printed, said = process.communicate(timeout=timeout_seconds)
    finally:
        is_over.set()
        sampler.join()
        process.kill()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{said[-2_000:]}")
    return TreeRun(json.loads(printed.strip().splitlines()[-1]), peak)
