"""Sets of row addresses: which rows of which commits, compact and with one byte form.

The encoding is LEB128 (the variable-length integers of DWARF and WebAssembly) of

    number of groups, then for each group: distance to the group before, number of runs,
    then for each run: rows left out since the run before, rows in the run

so that a set has the same digest wherever and in whatever steps it came about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np

from headrace.errors import DataCorrupted
from headrace.storage.digests import digest_hex, require_digest
from headrace.storage.store import ObjectStore

__all__ = ["EMPTY", "AddressSet", "addresses_key", "read_addresses", "write_addresses"]

_MAX_BYTES_OF_NUMBER = 9  # 63 bits


class AddressSet:
    """Ordinals by group; a group is a commit's number, or its place among the commits of a snapshot. Immutable."""

    def __init__(self, rows: Mapping[int, np.ndarray] | None = None) -> None:
        """`rows`: ordinals of each group, int64, any order, repeats allowed."""
        self._rows = {
            group: _ascending(np.asarray(ordinals, dtype=np.int64))
            for group, ordinals in sorted((rows or {}).items())
            if len(ordinals)
        }

    def __bool__(self) -> bool:
        return bool(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AddressSet) and self.encoded == other.encoded

    def __hash__(self) -> int:
        return hash(self.encoded)

    def __repr__(self) -> str:
        return f"<AddressSet {self.num_rows} rows of {len(self._rows)} groups>"

    @property
    def num_rows(self) -> int:
        """Rows of all groups."""
        return sum(len(ordinals) for ordinals in self._rows.values())

    @property
    def groups(self) -> list[int]:
        """Groups that have rows, ascending."""
        return list(self._rows)

    def of(self, group: int) -> np.ndarray | None:
        """The group's ordinals, ascending; None if it has none."""
        return self._rows.get(group)

    def items(self) -> Iterator[tuple[int, np.ndarray]]:
        """Groups with their ordinals, ascending."""
        return iter(self._rows.items())

    def __or__(self, other: AddressSet) -> AddressSet:
        merged = dict(self._rows)
        for group, ordinals in other._rows.items():
            mine = merged.get(group)
            merged[group] = ordinals if mine is None else np.union1d(mine, ordinals)
        return AddressSet(merged)

    def __sub__(self, other: AddressSet) -> AddressSet:
        return AddressSet(
            {
                group: ordinals
                if other.of(group) is None
                else np.setdiff1d(ordinals, other._rows[group], assume_unique=True)
                for group, ordinals in self._rows.items()
            }
        )

    def renumbered(self, groups: Mapping[int, int]) -> AddressSet:
        """The rows of the groups that are named, under their new numbers."""
        return AddressSet({groups[group]: ordinals for group, ordinals in self._rows.items() if group in groups})

    @cached_property
    def encoded(self) -> bytes:
        """The one byte form."""
        numbers: list[np.ndarray] = [np.array([len(self._rows)])]
        before = 0
        for group, ordinals in self._rows.items():
            edges = np.flatnonzero(np.diff(ordinals) != 1)
            starts = ordinals[np.concatenate([[0], edges + 1])]  # [num_runs]
            ends = ordinals[np.concatenate([edges, [len(ordinals) - 1]])] + 1
            runs = np.empty(2 * len(starts), dtype=np.int64)
            runs[0::2] = starts - np.concatenate([[0], ends[:-1]])
            runs[1::2] = ends - starts
            numbers += [np.array([group - before, len(starts)]), runs]
            before = group
        return _to_leb128(np.concatenate(numbers))

    @cached_property
    def digest(self) -> str:
        """BLAKE3 hex of the byte form."""
        return digest_hex(self.encoded)

    @classmethod
    def decode(cls, data: bytes, *, name: str) -> AddressSet:
        """Read the byte form.

        Raises:
            DataCorrupted: It is none; the message names the object.
        """
        try:
            numbers = _from_leb128(data)  # [num_numbers]
            rows: dict[int, np.ndarray] = {}
            group = 0
            at = 1
            for _ in range(int(numbers[0])):
                group += int(numbers[at])
                num_runs = int(numbers[at + 1])
                runs = numbers[at + 2 : at + 2 + 2 * num_runs]
                at += 2 + 2 * num_runs
                edges = np.cumsum(runs)  # start and end of each run in turn
                lengths = runs[1::2]
                first = edges[0::2] - np.concatenate([[0], np.cumsum(lengths)[:-1]])
                rows[group] = np.arange(int(lengths.sum())) + np.repeat(first, lengths)
            if at != len(numbers):
                raise ValueError(f"{len(numbers) - at} numbers too many")
        except (IndexError, ValueError) as error:
            raise DataCorrupted(f"{name} is no set of rows ({error}); restore it from a copy of the lake") from error
        return cls(rows)


def _ascending(ordinals: np.ndarray) -> np.ndarray:
    """Without repeats; most sets come in order, and looking costs a tenth of sorting."""
    return ordinals if bool(np.all(ordinals[1:] > ordinals[:-1])) else np.unique(ordinals)


EMPTY = AddressSet()


def addresses_key(digest: str) -> str:
    """Key of a stored set below its dataset."""
    return f"objects/{digest[:2]}/{digest}.rows"


def write_addresses(store: ObjectStore, base: str, *, addresses: AddressSet) -> str:
    """Put a set durably and return its digest."""
    store.put(base + addresses_key(addresses.digest), addresses.encoded)
    return addresses.digest


def read_addresses(store: ObjectStore, base: str, *, digest: str | None) -> AddressSet:
    """Read a stored set and verify its digest; the empty set for None.

    Raises:
        DataCorrupted: The object is not the one that was written.
    """
    if digest is None:
        return EMPTY
    key = base + addresses_key(digest)
    name = f"{store.uri}/{key}"
    data = store.get(key)
    require_digest(data, digest, name=name)
    return AddressSet.decode(data, name=name)


def _to_leb128(numbers: np.ndarray) -> bytes:
    lengths = np.ones(len(numbers), dtype=np.int64)
    for idx in range(1, _MAX_BYTES_OF_NUMBER):
        lengths += numbers >> (7 * idx) > 0
    starts = np.cumsum(lengths) - lengths
    data = np.zeros(int(lengths.sum()), dtype=np.uint8)
    for idx in range(int(lengths.max(initial=0))):
        has_byte = lengths > idx
        goes_on = lengths[has_byte] > idx + 1
        data[starts[has_byte] + idx] = ((numbers[has_byte] >> (7 * idx)) & 0x7F) | (goes_on * 0x80)
    return data.tobytes()


def _from_leb128(data: bytes) -> np.ndarray:
    values = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(values < 0x80)  # [num_numbers]
    if not len(ends) or ends[-1] != len(values) - 1:
        raise ValueError("it ends within a number")
    starts = np.concatenate([[0], ends[:-1] + 1])
    if int((ends - starts).max()) >= _MAX_BYTES_OF_NUMBER:
        raise ValueError("a number of more than 63 bits")
    places = np.arange(len(values)) - np.repeat(starts, ends - starts + 1)
    parts = (values & 0x7F).astype(np.int64) << (7 * places)
    return np.add.reduceat(parts, starts)
