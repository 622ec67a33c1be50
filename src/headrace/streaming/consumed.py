"""Which rows of a changed dataset an epoch had already: those with the same address (commit, ordinal), or, where later
rows replace earlier ones of their key, those with the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from headrace.errors import InvalidInput
from headrace.storage.canonical import canonical_json
from headrace.streaming.plan import Plan
from headrace.streaming.provider import Provider
from headrace.streaming.state import Segment

__all__ = ["VersionedProvider", "rows_consumed"]

_ORDINAL_BITS = 40
_CHUNK_ROWS = 1 << 16

Planned = Callable[[Provider, Sequence[Segment]], Plan]
"""The plan that a segment after these ones walked over a provider."""


@runtime_checkable
class VersionedProvider(Provider, Protocol):
    """A provider whose rows have addresses that outlive it."""

    def addresses(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Commit numbers and ordinals in them, int64 [num_rows] each."""
        ...

    @property
    def replaces_keys(self) -> bool:
        """Whether a key is a sample, of which a later row is another value."""
        ...

    def keys(self, rows: np.ndarray) -> pa.LargeStringArray:
        """The key of each row, int64 [num_rows] by number."""
        ...

    def version(self, identity: str) -> VersionedProvider:
        """The rows of another snapshot of the same dataset."""
        ...


def rows_consumed(segments: Sequence[Segment], *, provider: Provider, planned: Planned) -> tuple[np.ndarray, str]:
    """Rows of the provider that the segments took, int64 [num_rows] ascending, and a name for the set; each took some.

    Raises:
        InvalidInput: A segment is of rows or of a plan that cannot be found again.
    """
    taken: list[np.ndarray] = []
    replaces = isinstance(provider, VersionedProvider) and provider.replaces_keys
    codes: list[np.ndarray] = []  # addresses of rows that other snapshots took
    keys: list[pa.Array] = []  # the same where a key is a sample
    for idx, segment in enumerate(segments):
        versions = None if segment.rows == provider.identity else _versions(provider, segment.rows)
        old = provider if versions is None else versions[0]
        plan = planned(old, segments[:idx])
        if plan.id != segment.plan:
            raise InvalidInput(
                f"the state's plan {segment.plan[:12]} over {segment.rows[:12]} was made with other filters or "
                f"limits than this dataset's ({plan.id[:12]}); open it with the same ones, or start a new epoch"
            )
        for start in range(segment.start, segment.end, _CHUNK_ROWS):
            positions = np.arange(start, min(start + _CHUNK_ROWS, segment.end), dtype=np.int64)
            rows = plan.rows(segment.order.ordinals(positions, epoch=segment.epoch), epoch=segment.epoch)
            if versions is None:
                taken.append(rows)
            elif replaces:
                keys.append(versions[0].keys(rows))
            else:
                codes.append(_codes(versions[0], rows))
    if isinstance(provider, VersionedProvider):
        if keys:
            taken.append(_rows_with(pa.concat_arrays(keys), provider))
        if codes:
            taken.append(_rows_at(np.sort(np.concatenate(codes)), provider))
    rows = np.unique(np.concatenate(taken)) if taken else np.zeros(0, dtype=np.int64)
    document = [*(segment.to_json() for segment in segments), *(["by key"] if replaces else [])]
    return rows, blake3(canonical_json(document)).hexdigest()


def _versions(provider: Provider, identity: str) -> tuple[VersionedProvider, VersionedProvider]:
    """The rows of an earlier snapshot, and those of now."""
    if not isinstance(provider, VersionedProvider):
        raise InvalidInput(
            f"the state is of other rows than {provider.name} has now; only snapshots of one dataset know which rows "
            "stayed. Start a new epoch"
        )
    return provider.version(identity), provider


def _rows_at(
    wanted: np.ndarray,  # int64 [num_wanted], ascending codes of addresses
    provider: VersionedProvider,
) -> np.ndarray:
    """Numbers of those rows of the provider that have one of these addresses, int64 [num_rows]."""
    found = []
    for start in range(0, provider.num_rows, _CHUNK_ROWS):
        candidates = np.arange(start, min(start + _CHUNK_ROWS, provider.num_rows), dtype=np.int64)
        codes = _codes(provider, candidates)
        at = np.minimum(np.searchsorted(wanted, codes), len(wanted) - 1)
        found.append(candidates[wanted[at] == codes])
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _rows_with(wanted: pa.LargeStringArray, provider: VersionedProvider) -> np.ndarray:
    """Numbers of those rows of the provider that have one of these keys, int64 [num_rows]."""
    found = []
    chunk = max(_CHUNK_ROWS, len(wanted))  # each chunk makes a hash table of all that is wanted
    for start in range(0, provider.num_rows, chunk):
        candidates = np.arange(start, min(start + chunk, provider.num_rows), dtype=np.int64)
        is_wanted = pc.is_in(provider.keys(candidates), value_set=wanted).to_numpy(zero_copy_only=False)
        found.append(candidates[is_wanted])
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _codes(provider: VersionedProvider, rows: np.ndarray) -> np.ndarray:
    """Addresses as single numbers, int64 [num_rows]."""
    commits, ordinals = provider.addresses(rows)
    codes: np.ndarray = (commits << _ORDINAL_BITS) | ordinals
    return codes
