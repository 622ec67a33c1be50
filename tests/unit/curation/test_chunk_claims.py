"""Claims of chunks: one owner at a time, none for ever."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from headrace.curation.chunk_claims import ChunkClaims
from headrace.curation.executor.step import Step
from headrace.curation.executor.task import Task
from headrace.storage.local import LocalStore
from tests.poison_operators import poison

_STEP = Step(poison.spec, {"text": "text"}, {"length": "length"}, {"log": ""}, key="ab" * 32)


def task(*names: bytes) -> Task:
    ids = np.array(names, dtype="S16")
    return Task(pa.table({"_id": [name.decode() for name in names]}), (0,), (ids,))


def claims(folder: Path, *, later: float = 0.0, lease_seconds: float = 60) -> ChunkClaims:
    return ChunkClaims(
        LocalStore(folder), "c/", steps=[_STEP], lease_seconds=lease_seconds, clock=lambda: time.time() + later
    )


def left(folder: Path) -> list[Path]:
    return [path for path in (folder / "c").rglob("*") if path.is_file()]


def test_chunk_has_one_owner_until_it_is_given_back(tmp_path: Path) -> None:
    first, second = claims(tmp_path), claims(tmp_path)
    assert first.take(task(b"a", b"b"))
    assert not second.take(task(b"a", b"b"))
    assert second.take(task(b"a"))
    first.release()
    assert second.take(task(b"a", b"b"))


def test_claim_runs_out_when_its_owner_stops_renewing(tmp_path: Path) -> None:
    assert claims(tmp_path).take(task(b"a"))
    assert not claims(tmp_path, later=30).take(task(b"a"))
    assert claims(tmp_path, later=90).take(task(b"a"))


def test_claim_is_renewed_while_its_owner_works(tmp_path: Path) -> None:
    owner = claims(tmp_path, lease_seconds=0.4)
    assert owner.take(task(b"a"))
    time.sleep(1)
    assert not claims(tmp_path, lease_seconds=0.4).take(task(b"a"))
    owner.release()


def test_claims_of_a_process_that_died_are_void_and_cleared_away(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        dying = claims(tmp_path)
        dying.take(task(b"a"))
        dying.take(task(b"b"))
        os._exit(0)
    os.waitpid(pid, 0)
    assert len(left(tmp_path)) == 3, "two claims and their owner"
    living = claims(tmp_path)
    assert living.take(task(b"a"))
    living.clear_void()
    assert len(left(tmp_path)) == 2
    living.release()
    assert left(tmp_path) == []


def test_claims_of_a_living_owner_are_not_cleared_away(tmp_path: Path) -> None:
    owner = claims(tmp_path)
    assert owner.take(task(b"a"))
    claims(tmp_path).clear_void()
    assert not claims(tmp_path).take(task(b"a"))
    owner.release()


def test_claim_that_nobody_can_read_is_void(tmp_path: Path) -> None:
    (tmp_path / "c" / "claims").mkdir(parents=True)
    (tmp_path / "c" / "claims" / "garbage").write_bytes(b"{")
    claims(tmp_path).clear_void()
    assert left(tmp_path) == []
