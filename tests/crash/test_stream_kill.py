"""Worker processes end with the trainer, even where a helper of the trainer lives on and holds their pipes open."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proofs.order.streams import session_members

_ROOT = Path(__file__).resolve().parents[2]
_TRAINER = """
import os, sys, time
from headrace.streaming import DataLoader, ShuffleOptions, StreamingDataset
from proofs.order.virtual_rows import VirtualRows

if __name__ == "__main__":
    data = StreamingDataset(VirtualRows(1_003), shuffle=ShuffleOptions(mode="block", block_rows=8))
    loader = DataLoader(
        data, batch_size=16, num_workers=2, workers="processes", multiprocessing_context=sys.argv[1]
    )
    next(iter(loader))
    helper = os.fork()
    if helper == 0:
        os.setsid()
        os.closerange(0, 3)
        time.sleep(60)
        os._exit(0)
    print(helper, flush=True)
    time.sleep(60)
"""


def _workers(session: int) -> list[int]:
    """But for Python's own resource tracker, which waits for the end of the last process that inherited its pipe."""
    found = []
    for pid in session_members(session):
        with contextlib.suppress(OSError):
            if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_workers_end_with_a_trainer_whose_helper_lives_on(tmp_path: Path, start_method: str) -> None:
    program = tmp_path / "trainer.py"
    program.write_text(_TRAINER)
    trainer = subprocess.Popen(
        [sys.executable, str(program), start_method],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )
    assert trainer.stdout is not None
    helper = int(trainer.stdout.readline())
    try:
        assert len(session_members(trainer.pid)) >= 3
        trainer.kill()
        trainer.wait()
        deadline = time.monotonic() + 20
        while (left := _workers(trainer.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)  # looked at again until the deadline
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert left == []
    finally:
        os.kill(helper, signal.SIGKILL)
        trainer.stdout.close()


_LEAVES = """
import sys

import cv2
import numpy as np

from headrace.streaming import DataLoader, StreamingDataset
from proofs.order.virtual_rows import VirtualRows

NOISE = np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8)


def resize(sample):
    for _ in range(4):
        cv2.resize(NOISE, (700, 700))
    return sample


data = StreamingDataset(VirtualRows(10_007), transforms=[resize])
loader = DataLoader(data, batch_size=32, num_workers=2, workers="threads")
next(iter(loader))
if sys.argv[1] == "closed":
    loader.close()
"""


@pytest.mark.parametrize("end", ["closed", "left open"])
def test_program_that_ends_while_threads_work_ends_well(tmp_path: Path, end: str) -> None:
    program = tmp_path / "leaves.py"
    program.write_text(_LEAVES)
    for _ in range(3):
        ended = subprocess.run(
            [sys.executable, str(program), end],
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
