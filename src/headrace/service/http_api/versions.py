"""Versions of a dataset over HTTP: the number of its newest log entry, as ETag and in If-Match.

A write that names the version it expects is refused when the dataset has moved on. The comparison is made where the
log entry is claimed, so that of two writers who expect the same version one is refused, in whatever process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from headrace.datasets.dataset import Dataset
from headrace.datasets.dataset_state import DatasetState
from headrace.errors import Conflict, InvalidInput
from headrace.storage.canonical import JsonValue
from headrace.storage.log import LogEntry

__all__ = ["ExpectingDataset", "VersionMovedOn", "read_if_match", "version_tag"]

_TAG = re.compile(r'\s*(W/)?"([^"]*)"\s*')


class VersionMovedOn(Conflict):
    """The dataset is not in the version that a write expects; read it again and decide anew."""


class ExpectingDataset(Dataset):
    """A dataset whose next change is made only if the dataset is in one of the expected versions. For one request."""

    def __init__(self, dataset: Dataset, *, versions: frozenset[int]) -> None:
        """Raises `VersionMovedOn` if it is in none of them already."""
        super().__init__(dataset.lake, dataset_id=dataset.id, name=dataset.name, uid=dataset.state().uid)
        self._versions = versions
        self.new_version: int | None = None
        """The number of the entry that was claimed."""
        self.state()
        self._require_expected()

    def append(
        self,
        operation: str,
        plan: Callable[[DatasetState], Mapping[str, JsonValue] | None],
        *,
        refers_to: Callable[[], Iterable[str]] = tuple,
        since: int | None = None,
    ) -> LogEntry | None:
        """As the base class says; the first entry is claimed only in an expected version.

        Raises:
            VersionMovedOn: The dataset is in none of them.
        """

        def expecting_plan(state: DatasetState) -> Mapping[str, JsonValue] | None:
            if self.new_version is None:
                self._require_expected()
            return plan(state)

        entry = super().append(operation, expecting_plan, refers_to=refers_to, since=since)
        if entry is not None:
            self.new_version = entry.number
        return entry

    def _require_expected(self) -> None:
        number = self.log_of_entries.number
        if number not in self._versions:
            expected = ", ".join(f'"{version}"' for version in sorted(self._versions)) or "none that exists"
            raise VersionMovedOn(
                f'dataset {self.name!r} is in version "{number}", expected was {expected}; nothing was changed. Read '
                "it again and decide anew"
            )


def version_tag(dataset: Dataset) -> str:
    """The dataset's version as ETag; what is read of the dataset afterwards is at least as new."""
    dataset.state()
    return f'"{dataset.log_of_entries.number}"'


def read_if_match(text: str | None) -> frozenset[int] | None:
    """The versions that a write expects; None if any will do.

    Raises:
        InvalidInput: The header is no list of entity tags.
    """
    if text is None or text.strip() == "*":
        return None
    versions: set[int] = set()
    for part in text.split(","):
        found = _TAG.fullmatch(part)
        if found is None:
            raise InvalidInput(
                f'If-Match is {text[:100]!r}: expected the ETag of an answer, such as "12" with its quotes'
            )
        if found[1] is None and found[2].isascii() and found[2].isdigit() and len(found[2]) < 19:
            versions.add(int(found[2]))  # a weak tag, and one that is no number, never match
    return frozenset(versions)
