"""Files that were named one by one, or by a pattern, below their common parent."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterator, Sequence
from typing import Literal

from headrace.datasets.batches import FileEntry, Origin
from headrace.datasets.media import MediaInput
from headrace.datasets.sources.folder import FolderFiles
from headrace.datasets.sources.stored_objects import StoredObject
from headrace.errors import InvalidInput

__all__ = ["StoredFiles", "list_local_files", "list_stored_files"]


class StoredFiles:
    """Objects below one URI in path order, each read on demand."""

    def __init__(self, root_uri: str, objects: Sequence[tuple[str, StoredObject]]) -> None:
        """`objects`: path relative to the root, object."""
        self.kind: Literal["files"] = "files"
        self.num_files: int | None = len(objects)
        self.num_bytes: int | None = sum(item.size for _, item in objects)
        self.origins: list[Origin] = [Origin(root_uri, self.num_bytes)]
        self._objects = objects

    def files(self) -> Iterator[FileEntry]:
        """As `FileSource.files`."""
        for path, item in self._objects:
            media = MediaInput(item.uri, size=item.size, uri=item.uri, version=item.version, fetch=item.load)
            yield FileEntry(path, media, 0)


def list_local_files(paths: Sequence[tuple[str, os.stat_result]]) -> FolderFiles:
    """Files by path; their paths as entries are relative to the folder that holds all of them.

    Raises:
        InvalidInput: One is no regular file, is named twice, or has a name that cannot be delivered.
    """
    absolute = [(os.path.abspath(path), status) for path, status in paths]
    root = os.path.commonpath({os.path.dirname(path) for path, _ in absolute})
    prefix = root.rstrip("/") + "/"
    files = []
    for path, status in absolute:
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput("is a device, pipe or socket; expected regular files", file=path)
        if not path.isascii() or "\\" in path:
            _check_name(path)
        files.append((path[len(prefix) :], status.st_size, status.st_mtime_ns))
    files.sort()
    for before, after in itertools.pairwise(files):
        if before[0] == after[0]:
            raise InvalidInput("is named twice in the list; expected each file once", file=prefix + after[0])
    return FolderFiles(root, files, name=root)


def list_stored_files(objects: Sequence[StoredObject]) -> StoredFiles:
    """Objects by URI; their paths as entries are relative to the prefix that all of them share.

    Raises:
        InvalidInput: An object is named twice.
    """
    parents = [item.uri.split("/")[:-1] for item in objects]
    shared = [parts[0] for parts in itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*parents))]
    root = "/".join(shared)
    if len(shared) < 3:  # scheme, nothing, host or bucket
        raise InvalidInput("the files lie in several buckets or hosts; expected one, so hand them in separately")
    relative = sorted((item.uri[len(root) + 1 :], item) for item in objects)
    for before, after in itertools.pairwise(relative):
        if before[0] == after[0]:
            raise InvalidInput("is named twice in the list; expected each file once", file=after[1].uri)
    return StoredFiles(root, relative)


def _check_name(path: str) -> None:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput(
            f"the file name {os.fsencode(path)!r} is not UTF-8; expected UTF-8, so rename the file"
        ) from None
    if "\\" in os.path.basename(path):
        raise InvalidInput("a backslash in the file name, a separator on some systems; rename the file", file=path)
