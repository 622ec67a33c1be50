"""SIGKILL in the middle of scatter and gather: done again, or a clear error; never half a result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.table_stages.sql_stage import run_sql
from headrace.errors import Unavailable
from tests.stage_lakes import ROOM_BYTES, open_stage_store, put_rows

SQL = "SELECT k, sum(v) AS t, list(s ORDER BY s) AS texts FROM a GROUP BY k"


def _rows(store: StageStore) -> StageRows:
    num_rows = 200_000
    table = pa.table(
        {
            "k": [number * 7919 % 50_021 for number in range(num_rows)],
            "v": [number / 7 for number in range(num_rows)],
            "s": [f"text {number % 997}" for number in range(num_rows)],
        }
    )
    return put_rows(store, table, part_rows=20_000)


def _workers(of: int) -> list[int]:
    """Processes of the pool that a process started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            command = (stat.parent / "cmdline").read_text()
        except OSError:
            continue
        if parent == of and "table_stages.worker" in command:
            found.append(int(stat.parent.name))
    return found


def _run(store: StageStore, rows: StageRows, scratch: Path) -> StageRows:
    return run_sql(
        store,
        {"a": rows},
        sql=SQL,
        key=["k"],
        memory_bytes=ROOM_BYTES,
        num_workers=2,
        scratch=scratch,
        num_partitions=8,
    )


@pytest.mark.parametrize("num_kills", [1, 3])
def test_killed_worker_is_replaced_and_the_result_is_the_same(tmp_path: Path, num_kills: int) -> None:
    store = open_stage_store(tmp_path)
    rows = _rows(store)
    wanted = _run(store, rows, tmp_path / "scratch")
    killed: list[int] = []
    is_over = threading.Event()

    def kill() -> None:
        while len(killed) < num_kills and not is_over.wait(0.02):
            busy = list((tmp_path / "scratch").glob("sql-*/scattered-*" if not killed else "sql-*/gathered-*"))
            for pid in _workers(os.getpid()) if busy else []:
                if pid not in killed and len(killed) < num_kills:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    break

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        found = _run(store, rows, tmp_path / "scratch")
    finally:
        is_over.set()
        killer.join()
    assert killed
    assert found.content_id == wanted.content_id
    assert list((tmp_path / "scratch").iterdir()) == []
    assert _workers(os.getpid()) == []


def test_worker_that_always_dies_is_a_clear_error(tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    rows = _rows(store)
    is_over = threading.Event()

    def kill() -> None:
        while not is_over.wait(0.01):
            for pid in _workers(os.getpid()):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass  # it is gone already

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(Unavailable, match=r"died 3 times \(signal SIGKILL\)"):
            _run(store, rows, tmp_path / "scratch")
    finally:
        is_over.set()
        killer.join()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_killed_caller_takes_its_workers_along(tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    rows = _rows(store)
    (tmp_path / "rows.json").write_text(__import__("json").dumps(rows.to_json()))
    program = (
        "import json, sys; from pathlib import Path; from tests.crash.test_gather_kill import _run;"
        "from tests.stage_lakes import open_stage_store; from headrace.curation.stage_rows import StageRows;"
        "place = Path(sys.argv[1]); rows = StageRows.from_json(json.loads((place / 'rows.json').read_text()));\n"
        "while True: _run(open_stage_store(place), rows, place / 'scratch')"
    )
    caller = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=Path(__file__).parents[2])
    try:
        deadline = time.monotonic() + 60
        while not (workers := _workers(caller.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert workers
    finally:
        caller.kill()
        caller.wait()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
