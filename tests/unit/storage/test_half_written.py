"""What killed writers left in a local lake's temporary folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import headrace
from headrace.storage.half_written import half_written_files, remove_half_written
from headrace.storage.local import LocalStore
from headrace.storage.memory import MemoryStore


def _dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def _left_by(root: Path, process: int, *, age_seconds: float = 0.0) -> str:
    folder = root / ".tmp"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{process}-{age_seconds:.0f}"
    path.write_bytes(b"half of a ro")
    os.utime(path, (time.time() - age_seconds, time.time() - age_seconds))
    return path.name


def test_files_of_dead_processes_are_found_and_removed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    young, old = _left_by(tmp_path, _dead_process()), _left_by(tmp_path, _dead_process(), age_seconds=3600)
    _left_by(tmp_path, os.getpid(), age_seconds=3600)  # a thread of ours may be writing it
    assert list(half_written_files(store, older_than=time.time() - 60)) == [(old, 12)]
    assert sorted(half_written_files(store, older_than=time.time() + 1)) == sorted([(young, 12), (old, 12)])
    remove_half_written(store, old)
    remove_half_written(store, old)
    assert not (tmp_path / ".tmp" / old).exists()


def test_other_stores_and_new_folders_have_none(tmp_path: Path) -> None:
    assert list(half_written_files(MemoryStore("memory://half-written"), older_than=time.time())) == []
    assert list(half_written_files(LocalStore(tmp_path / "none"), older_than=time.time())) == []


def test_collection_lists_and_removes_them_by_its_grace_period(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    lake.create_dataset("files", type="GENERIC", source=[{"name": "a", "data": b"a"}])
    name = _left_by(tmp_path / "lake", _dead_process())
    assert lake.gc().num_objects == 0
    found = lake.gc(dry_run=True, grace_seconds=0).objects
    assert [(item.key, item.reason) for item in found] == [(f".tmp/{name}", "half-written by a process that died")]
    assert (tmp_path / "lake" / ".tmp" / name).exists()
    assert lake.gc(grace_seconds=0).num_bytes == 12
    assert list((tmp_path / "lake" / ".tmp").iterdir()) == []


def test_second_name_of_an_object_is_left_whatever_its_time(tmp_path: Path) -> None:
    """The writer was killed between naming the object and dropping the name that it wrote under; another writer has
    confirmed the object since, which dates both names anew."""
    store = LocalStore(tmp_path / "lake")
    store.put("a", b"content")
    temporary = tmp_path / "lake" / ".tmp" / "999999999-x"
    os.link(tmp_path / "lake" / "a", temporary)
    os.utime(temporary, (4e9, 4e9))
    assert [name for name, _ in half_written_files(store, older_than=0)] == ["999999999-x"]
    remove_half_written(store, "999999999-x")
    assert store.get("a") == b"content"
