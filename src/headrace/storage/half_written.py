"""Files that a writer of a local lake left behind when it was killed before it could name them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from headrace.storage.keys import TEMPORARY_FOLDER
from headrace.storage.store import ObjectStore

__all__ = ["half_written_files", "remove_half_written"]


def half_written_files(store: ObjectStore, *, older_than: float) -> Iterator[tuple[str, int]]:
    """Name and bytes of those last changed before a time (seconds since 1970), and of second names of objects, whatever
    their time; less those of processes that live."""
    if "://" in store.uri:
        return
    with contextlib.suppress(FileNotFoundError), os.scandir(f"{store.uri}/{TEMPORARY_FOLDER}") as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if not entry.is_file(follow_symlinks=False) or _is_alive(entry.name):
                    continue
                # One that has its object's name as well is only a second name, whenever the object was last confirmed.
                if status.st_nlink > 1 or status.st_mtime <= older_than:
                    yield entry.name, status.st_size


def remove_half_written(store: ObjectStore, name: str) -> None:
    """Remove one. A writer that lives after all, on another machine, is refused and may try again."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{store.uri}/{TEMPORARY_FOLDER}/{name}")


def _is_alive(name: str) -> bool:
    """Whether the process whose number begins the name is there."""
    number = name.partition("-")[0]
    if not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        return True
    return True
