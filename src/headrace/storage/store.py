"""The seam between Headrace and whatever holds the bytes: a folder, a bucket, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Arrived", "ObjectStat", "ObjectStore", "Range"]

Range = tuple[int, int]
"""Byte range [start, end) of an object, end exclusive."""

Arrived = Callable[[int, int], None]
"""Told that the ranges `first` to `last`, without it, are in their targets."""


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """What a store knows of an object without reading it.

    `version` pins the content as well as the store can: an etag, or size and modification time.
    """

    key: str
    size: int  # bytes
    version: str
    modified_at: float  # seconds since 1970, by the store's clock


@runtime_checkable
class ObjectStore(Protocol):
    """Immutable objects under '/'-separated keys below one root.

    All methods are safe to call from several threads. A missing key raises `NotFound` naming the full
    URI, refused credentials `PermissionDenied`, no answer `Unavailable`.
    """

    @property
    def uri(self) -> str:
        """The root, without a trailing slash."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether a range costs microseconds, so that coalescing ranges does not pay."""
        ...

    def get(self, key: str) -> bytes:
        """The whole object."""
        ...

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> list[bytes]:
        """The bytes of each range in the order asked, neighbouring ones fetched together.

        Raises:
            DataCorrupted: The object ends before a range does.
        """
        ...

    def read_into(
        self, key: str, ranges: Sequence[Range], targets: Sequence[memoryview], *, arrived: Arrived | None = None
    ) -> None:
        """Like `get_ranges`, each range written into its target, which saves a copy of large values.

        Targets are writable, one byte an item, and as long as their range.

        Args:
            arrived: Told which ranges, `first` to `last` without it, are in their targets now; all of them are told of
                once, in the order given, a few at a time where that means that the processor still has them cached.
        """
        ...

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        """Create the object durably unless the key is taken; True if this call created it.

        Exactly one of any number of concurrent callers gets True. An outcome that stays unknown after
        reading back raises `Unavailable`.
        """
        ...

    def put(self, key: str, data: bytes | memoryview) -> None:
        """Write an object whose key is its content's digest: durable on return, present or not before."""
        ...

    def put_parts(self, key: str, buffers: Sequence[bytes | memoryview]) -> None:
        """As `put` with the buffers one after the other, without joining them in memory where that is avoidable."""
        ...

    def stat(self, key: str) -> ObjectStat | None:
        """None if the key does not exist."""
        ...

    def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectStat]:
        """Objects whose key starts with `prefix`, in key order."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; a missing one is no error."""
        ...

    def prepare_for_writing(self) -> None:
        """Check once per process that the store keeps its promises; raises `Conflict` when it does not."""
        ...

    def prepare_for_erasing(self) -> None:
        """Check that what is deleted is gone; raises `Conflict` where old versions of objects stay."""
        ...
