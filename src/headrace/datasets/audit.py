"""Who changed what, and when: the logs themselves, in the order of time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from headrace.datasets.html_reprs import HtmlTable
from headrace.storage.log import EntryLog, LogEntry

if TYPE_CHECKING:
    from headrace.datasets.lake import Lake

__all__ = ["AuditEntry", "audit_entries", "audit_entry"]


@dataclass(frozen=True, slots=True)
class AuditEntry(HtmlTable):
    """One change."""

    time: str  # ISO 8601 in UTC
    actor: str
    operation: str
    dataset: str | None  # name; None in the lake's own log
    number: int  # in its log
    digest: str  # BLAKE3 hex of the entry; the next entry holds it
    details: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)


def audit_entries(lake: Lake) -> list[AuditEntry]:
    """All entries of all logs by time, chains checked; those of deleted and purged datasets too."""
    entries = [audit_entry(item, None) for item in lake.log_of_entries.entries()]
    for dataset in lake.every_dataset():
        entries.extend(_entries(dataset.log_of_entries, dataset.name))
    return sorted(entries, key=lambda entry: (entry.time, entry.dataset or "", entry.number))


def _entries(log: EntryLog[Any], dataset: str) -> list[AuditEntry]:
    return [audit_entry(item, dataset) for item in log.entries()]


def audit_entry(entry: LogEntry, dataset: str | None) -> AuditEntry:
    """An entry of a log as a change."""
    details = {name: value for name, value in entry.body.items() if name != "schema"}
    return AuditEntry(entry.created_at, entry.actor, entry.operation, dataset, entry.number, entry.digest, details)
