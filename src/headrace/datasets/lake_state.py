"""What the entries of the lake's log add up to: which datasets there are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from headrace.errors import Unavailable
from headrace.storage.log import LogEntry
from headrace.storage.paged_list import PagedList

__all__ = ["DatasetRecord", "LakeState", "unknown_operation"]


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A line of the lake's register."""

    dataset_id: str  # "1", "2", …
    uid: str  # folder below datasets/
    name: str
    display_name: str | None = None  # any text; None: the name itself


@dataclass(slots=True)
class LakeState:
    """All datasets of a lake by id, the visible ones by name too."""

    by_id: dict[str, DatasetRecord] = field(default_factory=dict)
    by_name: dict[str, DatasetRecord] = field(default_factory=dict)
    deleted: dict[str, DatasetRecord] = field(default_factory=dict)  # by id; can be restored
    purged: set[str] = field(default_factory=set)  # ids; their bytes are gone or about to go
    given_up: set[str] = field(default_factory=set)  # uids of folders that no dataset may be registered for
    records: PagedList[DatasetRecord] = field(default_factory=PagedList)  # the values of `by_id`

    def apply(self, entry: LogEntry) -> None:
        """Take in one entry of the lake's log."""
        body = entry.body
        match entry.operation:
            case "create-dataset":
                record = DatasetRecord(body["dataset"], body["uid"], body["name"], body.get("display_name"))
                self.by_id[record.dataset_id] = record
                self.by_name[record.name] = record
                self.records.append(record)
            case "delete-dataset":
                record = self.by_id[body["dataset"]]
                self.deleted[record.dataset_id] = record
                del self.by_name[record.name]
            case "restore-dataset":
                record = replace(self.by_id[body["dataset"]], name=body["name"])
                self.by_id[record.dataset_id] = self.by_name[record.name] = record
                self.records[int(record.dataset_id) - 1] = record
                del self.deleted[record.dataset_id]
            case "purge-dataset":
                record = self.by_id[body["dataset"]]
                self.purged.add(record.dataset_id)
                self.deleted.pop(record.dataset_id, None)
                if self.by_name.get(record.name) is record:
                    del self.by_name[record.name]
            case "give-up-folders":
                self.given_up.update(body["uids"])
            case _:
                raise unknown_operation(entry)

    def copy(self) -> LakeState:
        """A state that later entries do not change."""
        return LakeState(
            dict(self.by_id),
            dict(self.by_name),
            dict(self.deleted),
            set(self.purged),
            set(self.given_up),
            self.records.copy(),
        )

    @property
    def visible(self) -> list[DatasetRecord]:
        """Datasets that are neither deleted nor purged, by id."""
        return [record for key, record in self.by_id.items() if key not in self.deleted and key not in self.purged]

    @property
    def next_id(self) -> str:
        """The id of the next dataset; ids are never reused."""
        return str(len(self.by_id) + 1)


def unknown_operation(entry: LogEntry) -> Unavailable:
    """The error for an entry that a newer version wrote."""
    return Unavailable(
        f"log entry {entry.number} holds the operation {entry.operation!r}, which this version of "
        "Headrace does not know; "
        "update Headrace"
    )
