"""A folder of files that becomes visible as a whole: training views and exports."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from uuid import uuid4

from headrace.datasets.html_reprs import HtmlTable
from headrace.errors import AlreadyExists, InvalidInput, PermissionDenied, Unavailable
from headrace.storage.locations import Locations
from headrace.storage.store import ObjectStore

__all__ = ["FolderWriter", "View", "ViewFile", "existing_view", "write_view"]


@dataclass(frozen=True, slots=True)
class ViewFile:
    """One file of a view."""

    name: str  # relative, '/'-separated
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class View(HtmlTable):
    """A complete folder of files made from a snapshot."""

    uri: str
    snapshot_id: str
    files: tuple[ViewFile, ...]  # in the order of writing, by name when it was there before

    @property
    def path(self) -> Path:
        """The folder on this machine.

        Raises:
            Unavailable: The view lies in an object store.
        """
        if "://" in self.uri:
            raise Unavailable(
                f"the view lies at {self.uri}, not in a folder of this machine; materialise it to a local path"
            )
        return Path(self.uri)

    def __fspath__(self) -> str:
        return str(self.path)


class FolderWriter:
    """Collects files in a hidden folder, or in a temporary one for an object store."""

    def __init__(self, staging: Path, *, target: str, snapshot_id: str) -> None:
        self._staging = staging
        self._target = target
        self._snapshot_id = snapshot_id
        self.files: list[ViewFile] = []

    @property
    def view(self) -> View:
        """What was written; visible once the `write_view` block is left without an error."""
        return View(self._target, self._snapshot_id, tuple(self.files))

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Create one file, synced when closed."""
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or not pure.parts:
            raise ValueError(f"file name {name!r} in a view")
        path = self._staging / pure
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                self.files.append(ViewFile(name, file.seek(0, os.SEEK_END)))
        except OSError as error:
            raise Unavailable(
                f"{path}: {error.strerror}; nothing of this view is visible, free space and try again"
            ) from error


def existing_view(target: str, *, snapshot_id: str, locations: Locations) -> View | None:
    """The view in a local folder, None if there is nothing."""
    store = locations.store(target)
    files = tuple(ViewFile(stat.key, stat.size) for stat in store.list(""))
    return View(target, snapshot_id, files) if files else None


@contextmanager
def write_view(
    target: str, *, snapshot_id: str, locations: Locations, completes: bool = False
) -> Iterator[FolderWriter]:
    """Write a view to `target`; on an error nothing of it is visible.

    Args:
        target: Folder or prefix.
        snapshot_id: What the view is made from.
        locations: Opens the target.
        completes: Objects that an earlier try left below a prefix are of the same view and may be written again.

    Raises:
        AlreadyExists: `target` is there and not empty.
        PermissionDenied, InvalidInput: There can be no such folder.
    """
    is_local = "://" not in target
    folder = Path(target) if is_local else None
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AlreadyExists(f"{target} exists and is not empty; choose another folder, or remove it first")
    if folder is not None:
        staging = folder.parent / f".{folder.name}.{uuid4().hex}.tmp"
        try:
            staging.mkdir(parents=True)
        except PermissionError as error:
            raise PermissionDenied(f"{folder.parent}: not writable by this user; choose another folder") from error
        except OSError as error:
            raise InvalidInput(f"{target}: no folder can be made there ({error.strerror}); choose another") from error
    else:
        if not completes and next(locations.store(target).list(""), None) is not None:
            raise AlreadyExists(f"{target} holds objects already; choose another place, or remove them first")
        staging = Path(tempfile.mkdtemp(prefix="headrace-view-"))
    writer = FolderWriter(staging, target=target, snapshot_id=snapshot_id)
    try:
        yield writer
        if folder is not None:
            _publish(staging, folder)
        else:
            _upload(staging, locations.store(target), writer.files)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _publish(staging: Path, folder: Path) -> None:
    _sync_folders(staging)
    try:
        staging.rename(folder)  # takes the place of an empty folder, of nothing else
    except OSError as error:
        if not staging.exists():
            raise Unavailable(
                f"what was written for {folder} was removed meanwhile, by a purge or a garbage collection; trying "
                "again is safe"
            ) from error
        raise AlreadyExists(f"{folder} appeared while the view was written; it was left as it is") from error
    _sync_folder(folder.parent)


def _upload(staging: Path, store: ObjectStore, files: list[ViewFile]) -> None:
    for file in files:
        store.put(file.name, (staging / file.name).read_bytes())


def _sync_folders(root: Path) -> None:
    for folder, _, _ in os.walk(root, topdown=False):
        _sync_folder(Path(folder))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
