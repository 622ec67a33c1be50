"""What goes into the seams: the real store and disk, or ones with a planted bug that a proof must catch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace.storage.disk import Disk, SystemDisk
from headrace.storage.local import LocalStore
from headrace.storage.store import ObjectStore
from proofs.stepping import AtPoint, KindInHand, SteppedDisk, SteppedStore

__all__ = ["SOUND", "VARIANTS", "Variant"]


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to open a local store."""

    name: str
    disk: Callable[[], Disk] = SystemDisk
    wrap: Callable[[ObjectStore], ObjectStore] = lambda store: store

    def open(self, root: Path, at_point: AtPoint | None = None) -> ObjectStore:
        """The store, with a point before and after each call of it and of its disk if `at_point` is given."""
        if at_point is None:
            return self.wrap(LocalStore(root, disk=self.disk()))
        kinds = KindInHand()
        local = LocalStore(root, disk=SteppedDisk(self.disk(), at_point, kinds=kinds))
        return self.wrap(SteppedStore(local, at_point, kinds=kinds))


class _NoFolderSync(SystemDisk):
    """Names stay in memory: a power cut takes back what was acknowledged."""

    def sync_folder(self, path: str) -> None:
        pass


class _NoFileSync(SystemDisk):
    """The name is durable before the bytes: a power cut leaves empty and torn files."""

    def sync_file(self, descriptor: int) -> None:
        pass


class _RenamingDisk(SystemDisk):
    """A rename takes a name that is in use, so the second of two writers replaces the first one's entry."""

    def link(self, source: str, target: str) -> None:
        if "/.tmp/" in target:  # the probe before the first write would refuse this disk
            super().link(source, target)
        else:
            os.rename(source, target)


class _EarlyAcknowledgement(SteppedStore):
    """Says that the entry is claimed, and claims it when it is called the next time."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store, lambda point: None, kinds=KindInHand())
        self._late: list[Callable[[], object]] = []

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        content = bytes(data)
        if "/log/" not in key:
            return super().put_new(key, content)
        self._late.append(lambda: super(_EarlyAcknowledgement, self).put_new(key, content))
        return True

    @contextmanager
    def _step(self, call: str, key: str) -> Iterator[None]:
        # Reading is answered from before the claim; the next write brings it.
        late = self._late if call.startswith("put") else []
        while late:
            late.pop(0)()
        yield


SOUND = Variant("sound")

VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        SOUND,
        Variant("no_folder_sync", _NoFolderSync),
        Variant("no_file_sync", _NoFileSync),
        Variant("rename_instead_of_link", _RenamingDisk),
        Variant("acknowledge_before_claim", wrap=_EarlyAcknowledgement),
    )
}
