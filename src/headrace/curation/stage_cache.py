"""Results of stages, found again by what they were made from."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.curation.stage_result import StageResult
from headrace.curation.stage_rows import StageStore
from headrace.errors import DataCorrupted
from headrace.storage.canonical import JsonValue, canonical_json
from headrace.storage.digests import digest_hex
from headrace.storage.parts import part_key
from headrace.storage.sealed import read_sealed, seal

__all__ = ["StageCache", "result_key", "stage_key"]

_FORMAT = 3  # 3: content is told by values, not by files


def stage_key(work: str, inputs: Mapping[str, str]) -> str:
    """The key of a stage's result.

    Args:
        work: Digest of what it does.
        inputs: Content ids of the rows that it reads, by the name it calls them. Only content counts: rows that an
            edited stage gives unchanged stop everything behind it from running again.
    """
    return digest_hex(canonical_json({"format": _FORMAT, "work": work, "inputs": dict(inputs)}))


def result_key(base: str, key: str) -> str:
    """Where the document of a result lies; `base` is that of its stage store."""
    return f"{base}stages/{key[:2]}/{key}.json"


class StageCache:
    """Documents of finished stages in a lake. Thread-safe."""

    def __init__(self, stage_store: StageStore) -> None:
        self._stage_store = stage_store

    def find(self, key: str) -> StageResult | None:
        """The result that somebody has computed, if its rows are all there and the document is whole."""
        store = self._stage_store.store
        name = self._name(key)
        if store.stat(name) is None:
            return None
        try:
            result = StageResult.from_json(read_sealed(store.get(name), name=f"{store.uri}/{name}"))
        except DataCorrupted:  # a cache: it is written anew
            store.delete(name)
            return None
        parts = [part for rows in (result.rows, result.dropped, result.failed) for part in rows.parts]
        return result if all(self._is_there(part_key(part.digest)) for part in parts) else None

    def put(self, key: str, result: StageResult, *, replaces: bool = False) -> None:
        """Keep a result whose rows are durable.

        Args:
            replaces: In the place of an earlier one, as after rows in quarantine were tried again.
        """
        document: dict[str, JsonValue] = result.to_json()
        store, name = self._stage_store.store, self._name(key)
        if replaces and store.stat(name) is not None:
            store.delete(name)  # whoever looks in between computes it, from what the ledger knows
        store.put_new(name, seal(document))

    def _name(self, key: str) -> str:
        return result_key(self._stage_store.base, key)

    def _is_there(self, key: str) -> bool:
        return self._stage_store.store.stat(self._stage_store.base + key) is not None
