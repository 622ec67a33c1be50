"""A store in memory that misbehaves as told, handed in where a test needs a bad day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from uuid import uuid4

from headrace.storage.memory import MemoryStore

__all__ = ["ScriptedStore", "fresh_memory_uri"]


def fresh_memory_uri() -> str:
    """A memory:// root that no other test has."""
    return f"memory://test-{uuid4().hex}"


class ScriptedStore(MemoryStore):
    """Counts calls; `before_...` and `after_put_new` see the key and may raise, the latter may change the answer."""

    def __init__(self, uri: str | None = None, *, is_local: bool = True) -> None:
        super().__init__(uri or fresh_memory_uri())
        self._is_local = is_local
        self.calls: Counter[str] = Counter()
        self.keys_put: list[str] = []
        self.before_put_new: Callable[[str], None] = lambda key: None
        self.after_put_new: Callable[[str, bool], bool] = lambda key, created: created
        self.before_put: Callable[[str], None] = lambda key: None

    @property
    def is_local(self) -> bool:
        return self._is_local

    def get(self, key: str) -> bytes:
        self.calls["get"] += 1
        return super().get(key)

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        self.calls["put_new"] += 1
        self.before_put_new(key)
        self.keys_put.append(key)
        return self.after_put_new(key, super().put_new(key, data))

    def put(self, key: str, data: bytes | memoryview) -> None:
        self.calls["put"] += 1
        self.before_put(key)
        self.keys_put.append(key)
        super().put(key, data)

    def flip_bit(self, key: str, bit: int) -> None:
        """Bit rot; `bit` counts from the first of the object, modulo its length."""
        data = bytearray(super().get(key))
        bit %= len(data) * 8
        data[bit // 8] ^= 1 << bit % 8
        self.replace(key, bytes(data))

    def replace(self, key: str, data: bytes) -> None:
        """Other bytes under the same key, behind everybody's back."""
        super().put(key, data)

    def contents(self) -> dict[str, bytes]:
        """Every object."""
        return {stat.key: super(ScriptedStore, self).get(stat.key) for stat in self.list("")}
