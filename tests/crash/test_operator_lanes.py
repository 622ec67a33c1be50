"""Threads that share a worker process: what one of its rows does to it costs none of the others."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.curation.executor.memory import held_bytes
from headrace.curation.executor.placement import Placement
from headrace.curation.operator_stage import ChunkSize
from headrace.datasets.lake import Lake
from tests.operator_bench import OperatorBench, step
from tests.place_operators import model, place, unshared
from tests.poison_operators import poison, shared, stuck, upper

_ROOT = Path(__file__).resolve().parents[2]
TWO_LANES = Placement(1, num_lanes=2, num_spare=1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return headrace.connect(str(tmp_path / "lake"))


def texts_with(poisoned: dict[int, str], num_rows: int) -> list[str]:
    return [poisoned.get(idx, f"text {idx}") for idx in range(num_rows)]


def test_exactly_the_bad_rows_are_lost(lake: Lake) -> None:
    poisoned = {
        17: "segfault-1",
        18: "segfault-2",
        70: "segfault-3",  # as far into its chunk as 20 into another
        200: "exit-1",
        333: "hang-1",
        390: "bad-1",
    }
    texts = texts_with(poisoned, 400)
    bench = OperatorBench(lake, texts)
    measured = step(shared, pause=0.001)
    result = bench.pooled([measured], pool={"timeouts": [1.5]}, placement=TWO_LANES, chunk=ChunkSize(rows=50))
    assert bench.failed(result) == [
        ("k00017", "Crashed", 2),
        ("k00018", "Crashed", 2),
        ("k00070", "Crashed", 2),
        ("k00200", "Crashed", 2),
        ("k00333", "TimedOut", 2),
        ("k00390", "InvalidInput", 1),
    ]
    assert [row["text"] for row in bench.kept(result)] == [
        text for idx, text in enumerate(texts) if idx not in poisoned
    ]
    again = bench.pooled([measured])
    assert again.calls == {"test.shared": 0}
    assert (again.rows, again.failed) == (result.rows, result.failed)


def test_lanes_that_crash_at_the_same_time_blame_their_own_rows(lake: Lake) -> None:
    bench = OperatorBench(lake, ["segfault-1", "fine 1", "fine 2", "segfault-2", "exit-1", "fine 3"])
    placement = Placement(1, num_lanes=3)
    result = bench.pooled(
        [step(shared, pause=0.2)], pool={"num_workers": 3}, placement=placement, chunk=ChunkSize(rows=2)
    )
    assert bench.failed(result) == [("k00000", "Crashed", 2), ("k00003", "Crashed", 2), ("k00004", "Crashed", 2)]
    assert [row["text"] for row in bench.kept(result)] == ["fine 1", "fine 2", "fine 3"]


def test_hang_blames_nobody_else(lake: Lake) -> None:
    """The other lane's rows are done at their first attempt, although their process was killed."""
    bench = OperatorBench(lake, ["hang-1", *(f"text {idx}" for idx in range(1, 40))])
    measured = step(shared, pause=0.05)
    result = bench.pooled([measured], pool={"timeouts": [1.5]}, placement=TWO_LANES, chunk=ChunkSize(rows=20))
    assert bench.failed(result) == [("k00000", "TimedOut", 2)]
    attempts = bench.attempts(measured)
    assert {text for text, attempt in attempts.items() if attempt > 1} == {"hang-1"}
    assert len(bench.kept(result)) == 39


def test_hang_that_stops_all_lanes_is_found(lake: Lake) -> None:
    """A call that keeps Python's lock: the other lane's row exceeds its limit as well, and is done when it is alone."""
    bench = OperatorBench(lake, texts_with({25: "hang-1"}, 60))
    result = bench.pooled([step(stuck)], pool={"timeouts": [1.5]}, placement=TWO_LANES, chunk=ChunkSize(rows=20))
    assert bench.failed(result) == [("k00025", "TimedOut", 2)]
    assert len(bench.kept(result)) == 59


def test_other_rows_go_on_while_one_hangs_alone(lake: Lake, tmp_path: Path) -> None:
    """A spare process takes them, since the limit of one row may be ten minutes."""
    log = tmp_path / "calls"
    bench = OperatorBench(lake, ["hang-1", *(f"text {idx}" for idx in range(1, 60))])
    measured = step(shared, pause=0.2, log=str(log))
    bench.pooled([measured], pool={"timeouts": [4.0]}, placement=TWO_LANES, chunk=ChunkSize(rows=10))
    lines = log.read_text().splitlines()
    assert lines.count("hang-1") == 2
    # Rows are slow, so that its lane's neighbour is not done with all others before the first call is given up.
    assert len(lines) - lines.index("hang-1", lines.index("hang-1") + 1) > 10


def test_row_above_the_memory_ceiling_is_given_up(lake: Lake) -> None:
    texts = texts_with({11: "eat-1"}, 40)
    bench = OperatorBench(lake, texts)
    ceiling = held_bytes([os.getpid()])[os.getpid()] + 900_000_000
    result = bench.pooled(
        [step(shared, pause=0.005)], pool={"memory_bytes": ceiling}, placement=TWO_LANES, chunk=ChunkSize(rows=10)
    )
    assert bench.failed(result) == [("k00011", "OutOfMemory", 2)]
    assert len(bench.kept(result)) == 39


def test_batch_operators_are_halved_alone(lake: Lake) -> None:
    """A crash in a batch names no row; the other lane's chunk is suspected, tried alone, and done."""
    bench = OperatorBench(lake, texts_with({5: "segfault-1"}, 24))
    steps = [step(shared, pause=0.01), step(upper, key="cd" * 32)]
    result = bench.pooled(steps, placement=TWO_LANES, chunk=ChunkSize(rows=8))
    assert bench.failed(result) == [("k00005", "Crashed", 2)]
    assert [row["upper"] for row in bench.kept(result)] == [f"TEXT {idx}" for idx in range(24) if idx != 5]


def test_operator_that_cannot_be_shared_gets_processes(lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    bench = OperatorBench(lake, [f"text {idx}" for idx in range(120)])
    with caplog.at_level(logging.WARNING):
        result = bench.pooled([step(unshared)], placement=TWO_LANES, chunk=ChunkSize(rows=10))
    assert bench.failed(result) == []
    assert len(bench.kept(result)) == 120
    # How often two calls meet is up to the machine; five crashes, of two tasks each, are the most before it gives in.
    assert caplog.text.count("worker lost") <= 10
    assert caplog.text.count("worker lost") < 10 or "no row alone does: lanes=1 from now on" in caplog.text


def test_lanes_share_a_process_and_what_it_loads(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "loads"
    bench = OperatorBench(lake, [f"text {idx}" for idx in range(40)])
    steps = [step(place, pause=0.01), step(model, key="cd" * 32, log=str(log))]
    kept = bench.kept(bench.pooled(steps, placement=TWO_LANES, chunk=ChunkSize(rows=5)))
    assert len({row["place"]["pid"] for row in kept}) == 1
    assert len({row["place"]["thread"] for row in kept}) == 2
    assert log.read_text().splitlines() == ["loaded"]


def test_workers_start_together(lake: Lake) -> None:
    bench = OperatorBench(lake, [f"text {idx}" for idx in range(4)])
    kept = bench.kept(bench.pooled([step(place, pause=0.5)], chunk=ChunkSize(rows=1)))
    places = [row["place"] for row in kept]
    assert len({place["pid"] for place in places}) == 2
    # Importing Arrow alone takes longer than that.
    assert max(place["started"] for place in places) < min(place["called"] for place in places) - 0.1


@pytest.mark.parametrize("placement", [None, TWO_LANES], ids=["processes", "lanes"])
def test_one_task_starts_one_worker(lake: Lake, placement: Placement | None) -> None:
    bench = OperatorBench(lake, [f"text {idx}" for idx in range(8)])
    steps = [step(place, pause=0.1)]
    pool = bench.pool(steps, num_workers=4)
    try:
        bench.on_pool(pool, steps, placement=placement, chunk=ChunkSize(rows=8))
        assert len(pool.pids) == 1
        others = [step(place, key="ef" * 32)]  # known inputs start nothing more
        assert bench.on_pool(pool, steps, placement=placement).calls == {"test.place": 0}
        assert len(pool.pids) == 1
        assert others
    finally:
        pool.close()


def test_stage_of_another_placement_ends_what_is_too_much(lake: Lake) -> None:
    bench = OperatorBench(lake, [f"text {idx}" for idx in range(8)])
    steps = [step(place, pause=0.3), step(poison, key="cd" * 32)]
    pool = bench.pool(steps, num_workers=2)
    try:
        bench.on_pool(pool, steps[:1], chunk=ChunkSize(rows=4))
        before = set(pool.pids)
        assert len(before) == 2
        bench.on_pool(pool, steps, placement=TWO_LANES, chunk=ChunkSize(rows=4))
        assert len(pool.pids) == 1
        assert set(pool.pids) < before
    finally:
        pool.close()


_INTERRUPTED = """
import sys
import headrace
from headrace.curation import Recipe, Stage
from headrace.curation.operator_stage import ChunkSize
from headrace.curation.recipe_run import run_plan
from headrace.curation.run_options import RunOptions
from tests.poison_operators import shared
recipe = Recipe(
    "hanging",
    sources={"texts": "texts"},
    stages=[Stage(name="measure", operator=shared, settings={"log": sys.argv[2]})],
)
run_plan(recipe.plan(headrace.connect(sys.argv[1])), options=RunOptions(workers=2, chunk=ChunkSize(rows=2)))
"""


def test_interrupt_ends_a_run_whose_lanes_hang(lake: Lake, tmp_path: Path) -> None:
    bench = OperatorBench(lake, ["text", "hang-1", "text 2", "hang-2"])
    log = tmp_path / "calls"
    words = [sys.executable, "-c", _INTERRUPTED, bench.lake.uri, str(log)]
    process = subprocess.Popen(words, start_new_session=True, cwd=_ROOT, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: log.exists() and log.read_text().count("hang") == 2)
        begin = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert time.monotonic() - begin < 2
        assert "KeyboardInterrupt" in said
        wait_for(lambda: not group_members(process.pid))
    finally:
        end_group(process)


def test_workers_end_with_a_run_that_is_killed(lake: Lake, tmp_path: Path) -> None:
    bench = OperatorBench(lake, ["text", "hang-1", "text 2", "hang-2"])
    log = tmp_path / "calls"
    words = [sys.executable, "-c", _INTERRUPTED, bench.lake.uri, str(log)]
    process = subprocess.Popen(words, start_new_session=True, cwd=_ROOT)
    try:
        wait_for(lambda: log.exists() and log.read_text().count("hang") == 2)
        process.kill()
        process.wait()
        wait_for(lambda: not group_members(process.pid))
    finally:
        end_group(process)


def end_group(process: subprocess.Popen[Any]) -> None:
    if group_members(process.pid):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_for(is_so: Any) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def group_members(group: int) -> list[int]:
    """Processes of a group that are no zombies."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(name))
    return found
