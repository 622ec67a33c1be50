"""A scripted store whose objects can be made older, and that tells before it reads or deletes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from headrace.storage.store import ObjectStat
from tests.scripted_store import ScriptedStore

__all__ = ["AgingStore"]


class AgingStore(ScriptedStore):
    """`before_get` and `before_delete` see the key and may raise; `ages` are seconds on top of the real age."""

    def __init__(self, uri: str | None = None) -> None:
        super().__init__(uri)
        self.before_get: Callable[[str], None] = lambda key: None
        self.before_delete: Callable[[str], None] = lambda key: None
        self.ages: dict[str, float] = {}

    def get(self, key: str) -> bytes:
        self.before_get(key)
        return super().get(key)

    def delete(self, key: str) -> None:
        self.before_delete(key)
        super().delete(key)

    def stat(self, key: str) -> ObjectStat | None:
        found = super().stat(key)
        return None if found is None else self._aged(found)

    def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectStat]:
        return map(self._aged, super().list(prefix, start_after=start_after))

    def _aged(self, stat: ObjectStat) -> ObjectStat:
        return replace(stat, modified_at=stat.modified_at - self.ages.get(stat.key, 0.0))
