"""A writer that is killed at any moment loses nothing it acknowledged and shows nothing half written."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.storage.local import LocalStore

# Threads claim ascending numbers; the content follows from the key, so that a cut is seen. A line on stdout is
# the acknowledgement. Every third object goes through `put`, as a part or shard would.
_WRITER = """
import hashlib, os, sys, threading
from headrace.storage.local import LocalStore

def content(key):
    seed = hashlib.sha256(key.encode()).digest()
    return seed * (1 + int.from_bytes(seed[:3], "big") % 8000)

root, first = sys.argv[1], int(sys.argv[2])
store = LocalStore(root)
store.prepare_for_writing()

def write(writer_idx):
    number = first
    while True:
        number += 1
        if number % 3 == 0:
            key = f"objects/{number % 7:02d}/{number:010d}-{writer_idx}"
            store.put(key, content(key))
        else:
            key = f"log/{number:010d}.json"
            if not store.put_new(key, content(key)):
                continue
        os.write(1, f"{key}\\n".encode())

for writer_idx in range(3):
    threading.Thread(target=write, args=(writer_idx,)).start()
"""


def _content(key: str) -> bytes:
    seed = hashlib.sha256(key.encode()).digest()
    return seed * (1 + int.from_bytes(seed[:3], "big") % 8000)


@pytest.mark.parametrize("seed", range(4))
def test_killed_writer_loses_no_acknowledged_object(tmp_path: Path, seed: int) -> None:
    randomness = random.Random(seed)
    root = tmp_path / "lake"
    acknowledged: list[str] = []
    for round_idx in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(root), str(round_idx * 1_000_000)], stdout=subprocess.PIPE, text=True
        )
        with writer:
            assert writer.stdout is not None
            acknowledged.extend(writer.stdout.readline().strip() for _ in range(randomness.randrange(1, 60)))
            writer.send_signal(signal.SIGKILL)
            acknowledged.extend(line.strip() for line in writer.stdout if line.endswith("\n"))
        assert writer.returncode == -signal.SIGKILL
        store = LocalStore(root)
        for key in acknowledged:
            assert store.get(key) == _content(key)
        visible = [found.key for found in store.list("")]
        for key in visible:
            assert store.get(key) == _content(key), f"{key} is visible but not whole"
        assert set(acknowledged) <= set(visible)
        assert len(acknowledged) == len(set(acknowledged)), "two writers were told that they created one object"
    store = LocalStore(root)
    store.prepare_for_writing()
    assert store.put_new("log/after.json", b"still works")


# Dies by its own hand right before or right after the n-th step of a write.
_STEPPING_WRITER = """
import os, signal, sys
from headrace.storage.disk import SystemDisk
from headrace.storage.local import LocalStore

class DeadlyDisk(SystemDisk):
    steps_left = -1

    def _step(self, name, *arguments):
        DeadlyDisk.steps_left -= 1
        if DeadlyDisk.steps_left == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = getattr(SystemDisk, name)(self, *arguments)
        if DeadlyDisk.steps_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def create(self, path): return self._step("create", path)
    def write(self, descriptor, buffers):
        self._step("write", descriptor, [buffers[0][:10]])
        self._step("write", descriptor, [buffers[0][10:]])
    def sync_file(self, descriptor): return self._step("sync_file", descriptor)
    def close(self, descriptor): return self._step("close", descriptor)
    def link(self, source, target): return self._step("link", source, target)
    def unlink(self, path): return self._step("unlink", path)
    def make_folder(self, path): return self._step("make_folder", path)
    def sync_folder(self, path): return self._step("sync_folder", path)

root, step, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
store = LocalStore(root, disk=DeadlyDisk())
store.put_new("log/1", b"first entry, whole")
DeadlyDisk.steps_left = step
print(store.put_new("sub/log/2", b"second entry, whole"), flush=True)
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_writer_killed_at_any_step_leaves_all_or_nothing(tmp_path: Path, when: str) -> None:
    num_killed = num_visible = 0
    for step in range(1, 30):
        root = tmp_path / str(step)
        result = subprocess.run(
            [sys.executable, "-c", _STEPPING_WRITER, str(root), str(step), when], capture_output=True, text=True
        )
        store = LocalStore(root)
        assert store.get("log/1") == b"first entry, whole"
        if result.returncode == 0:
            assert result.stdout == "True\n"
            break
        assert result.returncode == -signal.SIGKILL, result.stderr
        num_killed += 1
        found = store.stat("sub/log/2")
        if found is not None:
            num_visible += 1
            assert store.get("sub/log/2") == b"second entry, whole"
        # The next writer claims it, or finds it taken by what the dead one wrote.
        assert LocalStore(root).put_new("sub/log/2", b"next writer's") is (found is None)
    assert num_killed >= 11
    assert 0 < num_visible < num_killed
