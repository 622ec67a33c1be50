"""Which files a commit took: what keeps a watched file from being committed twice, whoever watches it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from headrace.datasets.manifests import read_document, write_document
from headrace.errors import Conflict
from headrace.storage.canonical import canonical_json
from headrace.storage.digests import digest_hex

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.dataset_state import DatasetState
    from headrace.storage.store import ObjectStore

__all__ = ["FileClaims", "FilesTaken", "KnownFiles", "file_mark"]

_MARK_DIGITS = 32
_PARALLEL_READS = 16


class FilesTaken(Conflict):
    """Another watcher committed one of the files first, or one changed while it was read."""


def file_mark(uid: str, uri: str, version: str) -> str:
    """Stands for one version of one file in one dataset: a hash, so that names of files do not outlive a purge."""
    return digest_hex("\0".join((uid, uri, version)).encode())[:_MARK_DIGITS]


class KnownFiles:
    """Marks of all files that a dataset's commits took, read once each. For one thread."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._read: set[str] = set()  # digests of documents
        self._marks: set[str] = set()

    def __contains__(self, mark: str) -> bool:
        return mark in self._marks

    def add(self, mark: str) -> None:
        """Count a mark as known in this process."""
        self._marks.add(mark)

    def refresh(self, state: DatasetState) -> None:
        """Read what commits took since the last time."""
        new = [digest for digest in state.claims if digest not in self._read]
        if not new:
            return
        store, base = self._dataset.lake.store, self._dataset.base
        with ThreadPoolExecutor(_PARALLEL_READS, thread_name_prefix="headrace-claims") as pool:
            for document in pool.map(lambda digest: read_document(store, base, digest=digest), new):
                self._marks.update(document["files"])
        self._read.update(new)


class FileClaims:
    """The files of one commit that is being made."""

    def __init__(
        self,
        marks: Iterable[str],
        known: KnownFiles,
        *,
        is_unchanged: Callable[[], bool],
        can_be_split: bool = False,
    ) -> None:
        """What the commit may count on.

        Args:
            is_unchanged: Asked once all bytes were read: whether the files are those that the marks stand for.
            can_be_split: Whether a key that comes twice is better raised than left out, as the files can be taken by
                several commits.
        """
        self.can_be_split = can_be_split
        self._marks = sorted(marks)
        self._known = known
        self._is_unchanged = is_unchanged

    def write(self, store: ObjectStore, base: str) -> str:
        """Put the document that the commit's entry names, once the rows are written; its digest.

        Raises:
            FilesTaken: The files changed while they were read.
        """
        if not self._is_unchanged():
            raise FilesTaken("files changed while they were read; nothing was changed")
        return write_document(store, base, data=canonical_json({"format": 1, "files": self._marks}))

    def check(self, state: DatasetState) -> None:
        """Raise `FilesTaken` if a commit that is in the log took one of them."""
        self._known.refresh(state)
        if any(mark in self._known for mark in self._marks):
            raise FilesTaken("another watcher committed some of these files first; nothing was changed")
