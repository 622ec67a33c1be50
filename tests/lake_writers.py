"""What child processes do to a lake, for tests that kill them or let them race."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from headrace.datasets.lake import Lake
from headrace.errors import AlreadyExists
from headrace.storage.disk import SystemDisk
from headrace.storage.local import LocalStore
from headrace.storage.opening import open_store
from headrace.storage.options import StoreOptions
from tests.generated_media import image_bytes

__all__ = ["CountingDisk", "commit_for_ever", "commit_many", "create_one", "processes", "rows_of", "write_story"]

_PHOTO = image_bytes()


def processes() -> Any:
    """Child processes that start in milliseconds: forked from a server that has imported all and has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "tests.lake_writers",
            "headrace.datasets.ingest",
            "headrace.datasets.probes.image_header",
            "headrace.datasets.types.image_class",
            "pandas",  # Arrow loads it when it is there, which takes longer than all else
        ]
    )
    return context


def rows_of(number: int) -> list[dict[str, Any]]:
    """The rows of one commit, known to writer and checker."""
    return [{"id": f"{number}-{idx}.jpg", "image": _PHOTO, "label": f"l{number % 3}"} for idx in range(3)]


class CountingDisk(SystemDisk):
    """Counts the steps that reach the disk; `at_step` is told before each and may never return."""

    def __init__(self, at_step: Callable[[int, str], None] = lambda number, name: None) -> None:
        self.steps: list[str] = []
        self._at_step = at_step

    def _step(self, name: str) -> None:
        self._at_step(len(self.steps), name)
        self.steps.append(name)

    def create(self, path: str) -> int:
        self._step("create")
        return super().create(path)

    def write(self, descriptor: int, buffers: Sequence[memoryview]) -> None:
        self._step("write")
        super().write(descriptor, buffers)

    def sync_file(self, descriptor: int) -> None:
        self._step("sync_file")
        super().sync_file(descriptor)

    def close(self, descriptor: int) -> None:
        self._step("close")
        super().close(descriptor)

    def link(self, source: str, target: str) -> None:
        self._step("link")
        super().link(source, target)

    def unlink(self, path: str) -> None:
        self._step("unlink")
        super().unlink(path)

    def make_folder(self, path: str) -> None:
        self._step("make_folder")
        super().make_folder(path)

    def sync_folder(self, path: str) -> None:
        self._step("sync_folder")
        super().sync_folder(path)


def write_story(root: Path, *, disk: CountingDisk | None = None) -> None:
    """Bring a lake to one end state from wherever an earlier, killed try left it."""
    lake = Lake(LocalStore(root, disk=disk))
    if not lake.exists or not any(dataset.name == "photos" for dataset in lake.datasets()):
        lake.create_dataset("photos", type="IMAGE_CLASS", source=rows_of(1), tags={"n": "1"})
    dataset = lake.dataset("photos")
    for number in range(len(dataset.log()) + 1, 4):
        dataset.commit(rows_of(number), tags={"n": str(number)})
    dataset.snapshot(tags={"n": "2"}).alias("prod")


def write_story_and_die(root: Path, step: int) -> None:
    """As `write_story`, killed right before a step on the disk."""

    def die(number: int, name: str) -> None:
        if number == step:
            os.kill(os.getpid(), signal.SIGKILL)

    write_story(root, disk=CountingDisk(die))


def commit_for_ever(root: Path, acknowledged: Connection) -> None:
    """One commit after the other; each is told once it is acknowledged."""
    dataset = Lake(LocalStore(root)).dataset("photos")
    number = dataset.num_rows
    while True:
        number += 1
        commit = dataset.commit(rows_of(number), message=str(number))
        acknowledged.send((commit.id, number))


def commit_many(uri: str, options: StoreOptions, writer: int, count: int, barrier: Any, answers: Any) -> None:
    """Some commits while others do the same."""
    dataset = Lake(open_store(uri, options=options)).dataset("photos")
    barrier.wait(60)
    answers.put([dataset.commit(rows_of(writer * 1000 + idx)).id for idx in range(count)])


def create_one(uri: str, options: StoreOptions, name: str, barrier: Any, answers: Any) -> None:
    """A create while others do the same."""
    lake = Lake(open_store(uri, options=options))
    barrier.wait(60)
    try:
        answers.put(lake.create_dataset(name, type="IMAGE_CLASS", source=rows_of(1)).id)
    except AlreadyExists:
        answers.put(None)
