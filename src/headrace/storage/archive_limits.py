"""How much an archive or compressed file may expand to, checked while it is being read."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.errors import InvalidInput

__all__ = ["ArchiveLimits", "check_expansion", "check_member_count", "check_member_size", "check_total_size"]

_RATIO_FREE_BYTES = 1 << 20  # small text may compress very well; below this no ratio does harm


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Bounds that no archive passes; what its headers declare is never trusted."""

    max_members: int = 2_000_000  # entries of any kind, folders and ignored ones included
    max_member_bytes: int = 4 << 30
    max_total_bytes: int = 1 << 40  # expanded
    max_ratio: int = 200  # expanded to compressed, checked above 1 MiB expanded


def check_member_count(num_members: int, *, archive: str, limits: ArchiveLimits) -> None:
    """Raise `InvalidInput` when an archive has more entries than allowed."""
    if num_members > limits.max_members:
        raise InvalidInput(
            f"more than {limits.max_members:,} entries, the limit for one archive or folder; split it", file=archive
        )


def check_member_size(member: str, size: int, *, archive: str, limits: ArchiveLimits) -> None:
    """Raise `InvalidInput` when one member is larger than allowed; `size` in bytes, expanded."""
    if size > limits.max_member_bytes:
        raise InvalidInput(
            f"member {member!r} holds {size:,} bytes; expected at most {limits.max_member_bytes:,}", file=archive
        )


def check_total_size(total: int, *, archive: str, limits: ArchiveLimits) -> None:
    """Raise `InvalidInput` when an archive expands to more than allowed; `total` in bytes."""
    if total > limits.max_total_bytes:
        raise InvalidInput(f"expands to more than {limits.max_total_bytes:,} bytes, the limit; split it", file=archive)


def check_expansion(expanded: int, compressed: int, *, archive: str, member: str | None, limits: ArchiveLimits) -> None:
    """Raise `InvalidInput` when bytes expand like a bomb: `expanded` bytes came out of `compressed` bytes so far."""
    if expanded > _RATIO_FREE_BYTES and expanded > limits.max_ratio * max(compressed, 1):
        subject = "" if member is None else f"member {member!r} "
        raise InvalidInput(
            f"{subject}expands more than {limits.max_ratio} times ({expanded:,} bytes out of {compressed:,}), as a "
            f"decompression bomb does; expected at most {limits.max_ratio} times. Store such content uncompressed",
            file=archive,
        )
