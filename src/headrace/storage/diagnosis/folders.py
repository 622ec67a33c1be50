"""A folder of this machine: its file system, its room, and how long it takes to make bytes durable."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import statistics
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from headrace.errors import Conflict
from headrace.storage.diagnosis.latencies import format_latency
from headrace.storage.diagnosis.mounts import Mount, find_mount
from headrace.storage.diagnosis.results import Finding, Measured
from headrace.storage.diagnosis.running import Check
from headrace.storage.disk import Disk, SystemDisk
from headrace.storage.local import LocalStore
from headrace.units import format_bytes, format_count

__all__ = ["FolderChecks"]

_NO_ROOM_BYTES = 100_000_000
_LITTLE_ROOM_BYTES = 5_000_000_000
_FEW_FILES = 10_000
_NUM_SYNCS = 16
_SLOW_SYNC_SECONDS = 0.05
_RENAME_NOREPLACE = 1  # linux/fs.h
_AT_FDCWD = -100


class FolderChecks:
    """Checks of a folder that may not be there yet.

    What is written goes into one folder `.headrace-doctor-…` of the same file system, which `clean_up` removes.
    """

    def __init__(
        self,
        root: str,
        *,
        disk: Disk | None = None,
        mount_of: Callable[[str], Mount | None] = find_mount,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._root = root
        self._disk: Disk = SystemDisk() if disk is None else disk
        self._mount_of = mount_of
        self._timer = timer
        # Chosen here and created by the first check that writes.
        self._trial = os.path.join(self._nearest(), f".headrace-doctor-{uuid.uuid4().hex}")

    def place_checks(self) -> list[Check]:
        """Folder, file system and room; nothing is written."""
        return [
            Check("folder", self._folder),
            Check("file system", self._file_system, needs=("folder",)),
            Check("free space", self._free_space, needs=("folder",)),
        ]

    def disk_checks(self, *, needs: tuple[str, ...]) -> list[Check]:
        """What the file system can, tried."""
        return [
            Check("hard links", self._hard_links, needs=needs, is_writing=True),
            Check("renameat2", self._renameat2, needs=needs, is_writing=True),
            Check("fsync", self._fsync, needs=needs, is_writing=True),
        ]

    def trial_store(self) -> LocalStore:
        """A store in the trial folder, which its first write creates."""
        return LocalStore(os.path.join(self._trial, "store"), disk=self._disk)

    def clean_up(self) -> list[str]:
        """Remove the trial folder; its path, should it still be there."""
        shutil.rmtree(self._trial, ignore_errors=True)
        return [self._trial] if os.path.lexists(self._trial) else []

    @property
    def exists(self) -> bool:
        """Whether the folder is there already."""
        return os.path.isdir(self._root)

    def _nearest(self) -> str:
        """The folder, or the first above it that is there."""
        path = self._root
        while not os.path.isdir(path) and os.path.dirname(path) != path:
            path = os.path.dirname(path)
        return path

    def _trial_folder(self) -> str:
        os.makedirs(self._trial, exist_ok=True)
        return self._trial

    def _folder(self) -> Finding:
        nearest = self._nearest()
        blocked_by = next(
            (path for path in [self._root, *map(str, Path(self._root).parents)] if os.path.isfile(path)), None
        )
        if blocked_by is not None:
            return Finding("fail", "a file bears this name", detail=blocked_by, remedy="Name a folder.")
        is_writable = os.access(nearest, os.W_OK | os.X_OK)
        measured: Measured = {"exists": self.exists, "nearest": nearest, "is_writable": is_writable}
        if not os.access(nearest, os.R_OK | os.X_OK):
            return Finding("fail", "may not be read", detail=nearest, remedy=_OWNER, measured=measured)
        if not is_writable:
            return Finding("warn", "may be read only", detail=nearest, remedy=_OWNER, measured=measured)
        if self.exists:
            return Finding("ok", "there, may be written", measured=measured)
        return Finding("ok", "not there yet, may be created", detail=f"Below {nearest}", measured=measured)

    def _file_system(self) -> Finding:
        mount = self._mount_of(self._nearest())
        if mount is None:
            return Finding("unknown", "this system does not tell")
        value = f"{mount.kind} at {mount.point}"
        measured: Measured = {"kind": mount.kind, "mount_point": mount.point, "family": mount.family}
        match mount.family:
            case "network":
                return Finding(
                    "warn", value,
                    detail="A network file system: other machines may see old names, and locks and links differ.",
                    remedy="Let one machine write, or keep the lake in a bucket (s3://…).", measured=measured,
                )  # fmt: skip
            case "memory":
                return Finding(
                    "warn", value, detail="It lies in memory and is gone when this machine restarts.",
                    remedy="Use a folder on a disk for whatever is to stay.", measured=measured,
                )  # fmt: skip
            case "overlay":
                return Finding(
                    "warn", value, detail="A container's own layer: it is gone when the container is removed.",
                    remedy="Mount a volume into the container and keep the lake there.", measured=measured,
                )  # fmt: skip
            case _:
                return Finding("ok", value, measured=measured)

    def _free_space(self) -> Finding:
        status = os.statvfs(self._nearest())
        free, total = status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize
        files = status.f_favail if status.f_files else None  # btrfs and others count none
        value = f"{format_bytes(free)} of {format_bytes(total)}"
        measured: Measured = {"free_bytes": free, "total_bytes": total, "free_files": files}
        remedy = "Remove what is not needed, or use another disk. A lake keeps every commit."
        if free < _NO_ROOM_BYTES:
            return Finding("fail", value, detail="Commits will fail.", remedy=remedy, measured=measured)
        if files is not None and files < _FEW_FILES:
            return Finding(
                "warn",
                value,
                detail=f"Room for {format_count(files)} more files only.",
                remedy=remedy,
                measured=measured,
            )
        if free < _LITTLE_ROOM_BYTES:
            return Finding("warn", value, detail="Commits of media fill this soon.", remedy=remedy, measured=measured)
        return Finding("ok", value, measured=measured)

    def _hard_links(self) -> Finding:
        store = LocalStore(os.path.join(self._trial_folder(), "links"), disk=self._disk)
        try:
            store.prepare_for_writing()
        except Conflict as error:
            return Finding("fail", "not supported", remedy=error.message)
        return Finding("ok", "supported, and a taken name stays taken")

    def _renameat2(self) -> Finding:
        source, target = (os.path.join(self._trial_folder(), name) for name in ("renamed-from", "renamed-to"))
        for path in (source, target):
            Path(path).touch()
        refusal = _rename_without_replacing(source, target)
        note = "Hard links are what is used; this is for your information."
        if refusal == errno.EEXIST:
            return Finding("ok", "supported", detail=note, measured={"is_supported": True})
        if refusal is None:
            return Finding("unknown", "this system has no such call", detail=note)
        return Finding("ok", "not supported, not needed", detail=note, measured={"is_supported": False})

    def _fsync(self) -> Finding:
        folder = self._trial_folder()
        seconds = []
        for number in range(_NUM_SYNCS):
            descriptor = self._disk.create(os.path.join(folder, f"sync-{number}"))
            try:
                self._disk.write(descriptor, [memoryview(bytes(4096))])
                started = self._timer()
                self._disk.sync_file(descriptor)
                seconds.append(self._timer() - started)
            finally:
                self._disk.close(descriptor)
        self._disk.sync_folder(folder)
        median, longest = statistics.median(seconds), max(seconds)
        value = f"{format_latency(median)} (longest {format_latency(longest)})"
        measured: Measured = {"median_seconds": median, "longest_seconds": longest, "count": len(seconds)}
        if median > _SLOW_SYNC_SECONDS:
            return Finding(
                "warn", value, detail="Each commit waits for about ten of them.",
                remedy="Use an SSD, or a disk with a battery-backed cache.", measured=measured,
            )  # fmt: skip
        return Finding("ok", value, measured=measured)


_OWNER = "Give the user of this program the right to read and write there, or name another folder."


def _rename_without_replacing(source: str, target: str) -> int | None:
    """The errno of renameat2 with RENAME_NOREPLACE onto a taken name, 0 if it went through; None without the call."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return None
    done = rename(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE)
    return ctypes.get_errno() if done != 0 else 0
