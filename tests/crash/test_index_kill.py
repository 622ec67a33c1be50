"""Programs that end while the pages of an index are written leave nothing that anybody sees or that stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

_NUM_ROWS = 400_000
_PROGRAM = """
import hashlib, os, sys, time
from headrace.streaming import DataLoader, IndexOptions, StreamingDataset

path, folder, then = sys.argv[1:]
data = StreamingDataset(path, index=IndexOptions(directory=folder, key="key"))
loader = DataLoader(data, batch_size=64, num_workers=2, workers="threads")
digest = hashlib.sha256()
for _, batch in zip(range(4), loader):
    digest.update(repr((batch["key"].tolist(), list(batch["text"]))).encode())
print(digest.hexdigest(), flush=True)
if then == "go on":
    time.sleep(60)
if then == "wait":
    assert data.provider.wait_for_pages(timeout_seconds=60)
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 90 MB of pages."""
    path = tmp_path_factory.mktemp("index") / "t.parquet"
    rows = np.arange(_NUM_ROWS)
    texts = [f"{row:0200d}" for row in rows.tolist()]
    pq.write_table(pa.table({"key": rows, "text": texts}), path, row_group_size=50_000)
    return path


def _start(index: Path, folder: Path, then: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _PROGRAM, str(index), str(folder), then]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _done(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


def _files(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.rglob("*.*") if path.suffix != ".lock")


def _is_writing(folder: Path) -> bool:
    return any(path.stat().st_size for path in folder.rglob("*.tmp"))


def _caught_while_writing(index: Path, folder: Path, end: Callable[[subprocess.Popen[str]], None]) -> str:
    """What the program printed before it was ended in the middle of a page."""
    for attempt in range(10):
        place = folder / str(attempt)
        process = _start(index, place, "go on")
        printed = _first_line(process)
        deadline = time.monotonic() + 60
        while not _is_writing(place) and not list(place.rglob("*.json")) and time.monotonic() < deadline:
            pass  # a page is written in some hundredths of a second
        end(process)
        process.communicate(timeout=60)
        if not list(place.rglob("*.json")):
            place.rename(folder / "caught")
            return printed
    raise AssertionError("the pages were always complete before the program could be ended")


def test_kill_while_pages_are_written_leaves_nothing_visible(index: Path, tmp_path: Path) -> None:
    printed = _caught_while_writing(index, tmp_path, lambda process: process.kill())
    folder = tmp_path / "caught"
    assert ".tmp" in _files(folder)
    assert _done(_start(index, folder, "wait")) == printed
    assert _files(folder) == [".arrow", ".json"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_program_ends_at_once(index: Path, tmp_path: Path, number: signal.Signals) -> None:
    seconds: list[float] = []

    def end(process: subprocess.Popen[str]) -> None:
        started = time.monotonic()
        process.send_signal(number)
        process.wait(60)
        seconds.append(time.monotonic() - started)
        assert process.returncode == (1 if number == signal.SIGINT else -number) or process.returncode == -number

    _caught_while_writing(index, tmp_path, end)
    assert max(seconds) < 10
    if number == signal.SIGINT:  # the interpreter ended by itself
        assert _files(tmp_path / "caught") == []


def test_program_that_ends_early_leaves_nothing(index: Path, tmp_path: Path) -> None:
    first = _done(_start(index, tmp_path, "end"))
    assert _files(tmp_path) in ([], [".arrow", ".json"])
    assert _done(_start(index, tmp_path, "wait")) == first
    assert _files(tmp_path) == [".arrow", ".json"]


def test_two_programs_at_once_share_one_set_of_pages(index: Path, tmp_path: Path) -> None:
    both = [_start(index, tmp_path, "wait") for _ in range(2)]
    first, second = (_done(process) for process in both)
    assert first == second
    assert _files(tmp_path) == [".arrow", ".json"]


def test_second_program_goes_on_when_the_first_is_killed(index: Path, tmp_path: Path) -> None:
    """It waits for the lock, and makes the pages itself."""
    first = _start(index, tmp_path, "go on")
    printed = _first_line(first)
    second = _start(index, tmp_path, "wait")
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=60)
    assert _done(second) == printed
    assert _files(tmp_path) == [".arrow", ".json"]
