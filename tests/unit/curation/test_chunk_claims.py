"""Claims of chunks: one owner at a time, none for ever."""

from __future__ import annotations

import json
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


def claims(folder: Path, *, later: float = 0.0) -> ChunkClaims:
    return ChunkClaims(LocalStore(folder), "c/", steps=[_STEP], lease_seconds=60, clock=lambda: time.time() + later)


def test_chunk_has_one_owner_until_it_is_given_back(tmp_path: Path) -> None:
    first, second = claims(tmp_path), claims(tmp_path)
    assert first.take(task(b"a", b"b"))
    assert not second.take(task(b"a", b"b"))
    assert second.take(task(b"a"))
    first.release()
    assert second.take(task(b"a", b"b"))


def test_claim_runs_out(tmp_path: Path) -> None:
    assert claims(tmp_path).take(task(b"a"))
    assert not claims(tmp_path, later=30).take(task(b"a"))
    assert claims(tmp_path, later=90).take(task(b"a"))


def test_claim_of_a_process_that_died_is_void(tmp_path: Path) -> None:
    claims(tmp_path).take(task(b"a"))
    (claim,) = (path for path in (tmp_path / "c" / "claims").iterdir())
    owner = json.loads(claim.read_bytes())
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    claim.chmod(0o600)
    claim.write_bytes(json.dumps({**owner, "pid": pid}).encode())
    assert claims(tmp_path).take(task(b"a"))
