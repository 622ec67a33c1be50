"""One immutable batch of samples, as its dataset's log and manifest tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from headrace.datasets.batches import Origin, RejectedRow
from headrace.datasets.manifests import read_document
from headrace.datasets.records import CommitRecord
from headrace.schema.tags import tags_by_key
from headrace.storage.canonical import JsonValue
from headrace.units import format_count

if TYPE_CHECKING:
    from headrace.datasets.reading import DatasetReader

__all__ = ["Commit"]


class Commit:
    """A commit of one dataset; attributes that need more than the log read it when first asked."""

    def __init__(self, record: CommitRecord, *, reader: DatasetReader, is_deleted: bool = False) -> None:
        self._record = record
        self._is_deleted = is_deleted
        self._reader = reader
        self._statistics: JsonValue | None = None

    @property
    def id(self) -> str:
        """Number of the commit in its dataset, from "1"."""
        return self._record.commit_id

    @property
    def digest(self) -> str:
        """BLAKE3 hex of the logical commit: equal for equal typed rows, schema, type and tags, wherever written."""
        return self._record.digest

    @property
    def message(self) -> str:
        """What the committer said."""
        return self._record.message

    @property
    def tags(self) -> dict[str, str | list[str]]:
        """The value of each key; of a key that was given several times the sorted list of its values."""
        return tags_by_key(self._record.tags)

    @property
    def tag_pairs(self) -> list[tuple[str, str]]:
        """All tags as (key, value), sorted."""
        return list(self._record.tags)

    @property
    def num_rows(self) -> int:
        """Rows of the commit."""
        return self._record.num_rows

    @property
    def num_bytes(self) -> int:
        """Media bytes of the commit."""
        return self._record.num_media_bytes

    @property
    def is_deleted(self) -> bool:
        """Whether new snapshots leave it out; True only for commits that came from `Dataset.log`."""
        return self._is_deleted

    @property
    def created_at(self) -> str:
        """Time of the log entry, ISO 8601 in UTC."""
        return self._record.created_at

    @property
    def actor(self) -> str:
        """Who committed."""
        return self._record.actor

    @property
    def schema(self) -> pa.Schema:
        """Columns of the commit in the source's order."""
        return self._record.schema

    @property
    def statistics(self) -> JsonValue:
        """Counts, labels and columns, computed at ingest."""
        if self._statistics is None:
            self._statistics = read_document(self._reader.store, self._reader.base, digest=self._record.statistics)
        return self._statistics

    @property
    def sources(self) -> list[Origin]:
        """Where the rows came from."""
        return list(self._reader.manifest(self._record).origins)

    @property
    def num_rejected(self) -> int:
        """Rows that were left out as invalid, because the committer asked to skip them."""
        return self._record.num_rejected

    @property
    def rejected(self) -> list[RejectedRow]:
        """The rows that were left out, with reasons; at most the first 10,000."""
        return list(self._reader.manifest(self._record).rejected)

    def to_json(self) -> JsonValue:
        """The commit as a plain document, without reading anything but the log."""
        return {
            "id": self.id,
            "digest": self.digest,
            "message": self.message,
            "tags": self.tags,
            "num_rows": self.num_rows,
            "num_bytes": self.num_bytes,
            "num_rejected": self.num_rejected,
            "created_at": self.created_at,
            "actor": self.actor,
        }

    def __repr__(self) -> str:
        tags = "".join(f" {key}={value}" for key, value in self._record.tags)
        return f"<Commit {self.id} {format_count(self.num_rows)} rows{tags} {self.digest[:8]} {self.message!r}>"

    def _repr_html_(self) -> str:
        from headrace.datasets.html_reprs import html_table

        return html_table(f"Commit {self.id}", self.to_json())
