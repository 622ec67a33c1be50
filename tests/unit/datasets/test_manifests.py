"""The manifest of a commit."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pytest

from headrace.datasets.batches import Origin, RejectedRow
from headrace.datasets.columns import media_field
from headrace.datasets.manifests import CommitManifest, LogicalCommit, document_key, read_document, write_document
from headrace.errors import DataCorrupted, NotFound
from headrace.storage.canonical import canonical_json
from headrace.storage.parts import PartRecord
from headrace.storage.shards import ShardRecord
from tests.scripted_store import ScriptedStore

_SCHEMA = pa.schema([pa.field("text", pa.string(), nullable=False), media_field("image", "image", nullable=True)])
_LOGICAL = LogicalCommit("TABLE", 1, _SCHEMA, (("a", "1"), ("a", "2")), 7, "ab" * 32)
_MANIFEST = CommitManifest(
    logical=_LOGICAL,
    schema=_SCHEMA,
    origins=(Origin("file:///a.csv", 5, "cd" * 32), Origin("memory:rows")),
    parts=(PartRecord("01" * 32, 10, 4), PartRecord("02" * 32, 11, 3)),
    shards=(ShardRecord("03" * 32, 2048, 3),),
    rejected=(RejectedRow("file:///a.csv", None, 3, "why"), RejectedRow("x", "m", None, "ü")),
    num_rejected=20,
)


def test_manifest_reads_back() -> None:
    again = CommitManifest.from_json(json.loads(canonical_json(_MANIFEST.to_json())))
    assert again.schema.equals(_SCHEMA, check_metadata=True)
    assert again.logical.digest == _LOGICAL.digest
    assert (again.origins, again.parts, again.shards) == (_MANIFEST.origins, _MANIFEST.parts, _MANIFEST.shards)
    assert (again.rejected, again.num_rejected) == (_MANIFEST.rejected, 20)
    assert canonical_json(again.to_json()) == canonical_json(_MANIFEST.to_json())


def test_digest_covers_what_a_commit_is() -> None:
    others = [
        replace(_LOGICAL, type_name="GENERIC"),
        replace(_LOGICAL, type_version=2),
        replace(_LOGICAL, schema=_SCHEMA.remove(1)),
        replace(_LOGICAL, schema=_SCHEMA.set(0, pa.field("text", pa.string()))),
        replace(_LOGICAL, schema=_SCHEMA.set(1, media_field("image", "bytes", nullable=True))),
        replace(_LOGICAL, tags=()),
        replace(_LOGICAL, num_rows=8),
        replace(_LOGICAL, rows_root="00" * 32),
    ]
    assert len({_LOGICAL.digest, *(other.digest for other in others)}) == len(others) + 1
    turned = pa.schema([_SCHEMA.field(1), _SCHEMA.field(0)])
    assert replace(_LOGICAL, schema=turned).digest == _LOGICAL.digest, "the order of columns does not count"


def test_document_is_stored_under_its_digest_and_verified() -> None:
    store = ScriptedStore()
    digest = write_document(store, "d/", data=b'{"a":1}')
    key = f"d/{document_key(digest)}"
    assert list(store.contents()) == [key] == [f"d/objects/{digest[:2]}/{digest}.json"]
    assert read_document(store, "d/", digest=digest) == {"a": 1}
    store.flip_bit(key, 9)
    with pytest.raises(DataCorrupted, match=key):
        read_document(store, "d/", digest=digest)
    store.delete(key)
    with pytest.raises(NotFound, match=key):
        read_document(store, "d/", digest=digest)
