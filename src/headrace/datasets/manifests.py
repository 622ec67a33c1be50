"""The manifest of a commit: what it is (logical) and in which parts and shards it lies today (layout)."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from headrace.datasets.batches import Origin, RejectedRow
from headrace.datasets.columns import schema_from_json, schema_to_json
from headrace.datasets.layouts import CommitLayout, PartSlice
from headrace.schema.tags import Tag
from headrace.storage.canonical import JsonValue, canonical_json, read_json
from headrace.storage.digests import digest_hex, require_digest
from headrace.storage.parts import PartRecord
from headrace.storage.shards import ShardRecord
from headrace.storage.store import ObjectStore

__all__ = ["CommitManifest", "LogicalCommit", "document_key", "read_document", "write_document"]


@dataclass(frozen=True, slots=True)
class LogicalCommit:
    """Ordered rows with their schema, type and tags. Nothing physical: no time, actor, path or file layout."""

    type_name: str
    type_version: int
    schema: pa.Schema
    tags: tuple[Tag, ...]
    num_rows: int
    rows_root: str  # BLAKE3 hex over the row digests in order

    def to_json(self) -> JsonValue:
        """The document whose digest is the commit's; columns in order of name, so a source's column order does not
        count."""
        return {
            "format": 1,
            "type": self.type_name,
            "type_version": self.type_version,
            "schema": sorted(schema_to_json(self.schema), key=lambda column: str(column["name"])),
            "tags": [list(tag) for tag in self.tags],
            "num_rows": self.num_rows,
            "rows": self.rows_root,
        }

    @property
    def digest(self) -> str:
        """BLAKE3 hex of the canonical form; the commit's name everywhere."""
        return digest_hex(canonical_json(self.to_json()))


@dataclass(frozen=True, slots=True)
class CommitManifest:
    """A logical commit and its layout."""

    logical: LogicalCommit
    schema: pa.Schema  # columns in the order of the source
    origins: tuple[Origin, ...]
    parts: tuple[PartRecord, ...]
    shards: tuple[ShardRecord, ...]
    rejected: tuple[RejectedRow, ...]
    num_rejected: int  # may exceed len(rejected), which is cut

    @property
    def layout(self) -> CommitLayout:
        """Where the rows were written."""
        return CommitLayout(self.schema, tuple(PartSlice(part, 0, part.num_rows) for part in self.parts), self.shards)

    def to_json(self) -> JsonValue:
        """The stored document."""
        return {
            "format": 1,
            "logical": self.logical.to_json(),
            "columns": self.schema.names,
            "origins": [[item.uri, item.size, item.digest] for item in self.origins],
            "parts": [[item.digest, item.size, item.num_rows] for item in self.parts],
            "shards": [[item.digest, item.size, item.num_members] for item in self.shards],
            "rejected": [[item.origin_uri, item.member, item.line, item.reason] for item in self.rejected],
            "num_rejected": self.num_rejected,
        }

    @classmethod
    def from_json(cls, document: JsonValue) -> CommitManifest:
        """Read a stored document."""
        logical = document["logical"]
        by_name = schema_from_json(logical["schema"])
        return cls(
            logical=LogicalCommit(
                logical["type"],
                logical["type_version"],
                by_name,
                tuple((key, value) for key, value in logical["tags"]),
                logical["num_rows"],
                logical["rows"],
            ),
            schema=pa.schema([by_name.field(name) for name in document["columns"]]),
            origins=tuple(Origin(*item) for item in document["origins"]),
            parts=tuple(PartRecord(*item) for item in document["parts"]),
            shards=tuple(ShardRecord(*item) for item in document["shards"]),
            rejected=tuple(RejectedRow(*item) for item in document["rejected"]),
            num_rejected=document["num_rejected"],
        )


def document_key(digest: str) -> str:
    """Key of a JSON object below its dataset."""
    return f"objects/{digest[:2]}/{digest}.json"


def write_document(store: ObjectStore, base: str, *, data: bytes) -> str:
    """Put a JSON object durably and return its digest."""
    digest = digest_hex(data)
    store.put(base + document_key(digest), data)
    return digest


def read_document(store: ObjectStore, base: str, *, digest: str) -> JsonValue:
    """Read a JSON object and verify its digest.

    Raises:
        DataCorrupted: The object is not the one that was written.
    """
    key = base + document_key(digest)
    name = f"{store.uri}/{key}"
    data = store.get(key)
    require_digest(data, digest, name=name)
    return read_json(data, name=name)
