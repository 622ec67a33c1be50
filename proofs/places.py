"""Where the lakes of a proof lie: below a local folder, or below the place that HEADRACE_PROOF_LAKE names."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from headrace.storage.opening import open_store
from headrace.storage.store import ObjectStore
from proofs.stepping import AtPoint, KindInHand, SteppedStore
from proofs.variants import SOUND, Variant

__all__ = ["VARIABLE", "Place", "contents_of"]

VARIABLE = "HEADRACE_PROOF_LAKE"
"""Such as `s3://bucket/folder`, credentials in the usual variables; what is written stays there."""

# What differs between two runs that do the same: random ids, digests of what holds one, times, process numbers.
_RANDOM = re.compile(rb"[0-9a-f]{8,}|\d[0-9T:.\-]{9,}Z?|\"process\":\"[^\"]*")
_RANDOM_NAME = re.compile(r"[0-9a-f]{16,}|(?<=^\.tmp/).*|(?<=^derived/clock/).*")
_NAMED_BY_CONTENT = (".parquet", ".tar", ".rows")


@dataclass(frozen=True, slots=True)
class Place:
    """Holds lakes by name; a process that may be killed opens its own stores."""

    root: str  # a folder or URI

    @classmethod
    def below(cls, folder: Path) -> Place:
        """The folder, unless another place is named."""
        named = os.environ.get(VARIABLE)
        return cls(str(folder) if named is None else f"{named.rstrip('/')}/{secrets.token_hex(8)}")

    @property
    def is_local(self) -> bool:
        """Whether there is a disk below the stores."""
        return "://" not in self.root

    def store(self, name: str) -> ObjectStore:
        """The store of a lake as a new process would open it."""
        return open_store(f"{self.root}/{name}")

    def stepped(self, name: str, at_point: AtPoint, *, variant: Variant = SOUND) -> ObjectStore:
        """The same with a named point before and after each call of the store, and of its disk where there is one."""
        if self.is_local:
            return variant.open(Path(self.root) / name, at_point)
        return variant.wrap(SteppedStore(self.store(name), at_point, kinds=KindInHand()))

    def copy(self, source: str, target: str) -> None:
        """Make a lake with the same files."""
        if self.is_local:
            shutil.copytree(f"{self.root}/{source}", f"{self.root}/{target}")
            return
        store = self.store(target)
        for key, data in contents_of(self.store(source)):
            store.put(key, data)

    def remove(self, name: str) -> None:
        """Remove a lake's files."""
        if self.is_local:
            shutil.rmtree(f"{self.root}/{name}")
            return
        store = self.store(name)
        for stat in list(store.list("")):
            store.delete(stat.key)

    def state_of(self, name: str, *, counts_half_written: bool) -> str:
        """The same for two lakes that differ by nothing but random ids and times, whoever wrote them.

        Args:
            name: Of a lake on the local disk.
            counts_half_written: Whether it matters how much of a file was written that has no name yet.
        """
        digest = sha256()
        lines = []
        for key, data in contents_of(self.store(name)):
            is_binary = key.endswith(_NAMED_BY_CONTENT)
            shown = key if is_binary else _RANDOM_NAME.sub("#", key)
            seen = data if is_binary else _RANDOM.sub(b"#", data)
            if key.startswith(".tmp/") and not counts_half_written:
                seen = b""
            lines.append(f"{shown} {sha256(seen).hexdigest()}\n")
        for line in sorted(lines):
            digest.update(line.encode())
        return digest.hexdigest()


def contents_of(store: ObjectStore) -> Iterator[tuple[str, bytes]]:
    """Every object; of a local lake every file, hidden ones too, and folders as names with a slash at their end."""
    if "://" in store.uri:
        for stat in store.list(""):
            yield stat.key, store.get(stat.key)
        return
    root = Path(store.uri)
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        yield (name, path.read_bytes()) if path.is_file() else (f"{name}/", b"")
