"""A program in a process of its own, and the most memory that it and all that it started held together."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from benchmarks.streaming.process_tree import memory_of_tree

__all__ = ["run_sampled"]


def run_sampled(program: str, arguments: list[str], *, without: Path) -> tuple[str, int]:
    """What it printed, and the peak of its process tree in bytes.

    Args:
        without: A folder whose mapped files do not count.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    peak = 0
    is_over = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not is_over.wait(0.05):
            peak = max(peak, memory_of_tree(process.pid, without=without))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        printed, _ = process.communicate(timeout=300)
    finally:
        is_over.set()
        sampler.join()
        process.kill()
    assert process.returncode == 0
    return printed, peak
