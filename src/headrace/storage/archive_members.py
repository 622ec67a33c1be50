"""What archive readers yield: one file of an archive, with the way to its bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["ArchiveMember"]


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """A regular file of an archive. `data` holds its bytes, or `fetch` gets and checks them, or they lie at `offset`.

    `path` is relative, '/'-separated, unique in the archive and does not escape.
    """

    path: str
    size: int  # bytes, expanded; enforced when the bytes are read
    offset: int | None = None  # where the bytes lie as they are in the archive file
    data: bytes | None = None
    fetch: Callable[[], bytes] | None = field(default=None, compare=False)  # thread-safe
