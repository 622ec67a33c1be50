"""The keys of one commit's rows: those that a column gives must differ, the others come from the rows' digests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from headrace.datasets.key_index import KeyIndex
from headrace.errors import InvalidInput

__all__ = ["OccurrenceKeys", "RepeatedKey", "RowKeys"]


class RepeatedKey(InvalidInput):
    """Two rows of one commit have the same key, and the caller can put them into different ones."""


class RowKeys:
    """Which row had a key first. Keeps hashes only: the rows with equal ones are asked for their keys."""

    def __init__(self, keys_of: Callable[[NDArray[np.int64]], Sequence[str]]) -> None:
        """`keys_of` gives the keys of rows that were added, by ordinal, which may repeat."""
        self._keys_of = keys_of
        self._index = KeyIndex()
        self._num_rows = 0

    def find(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """The ordinal of the row that has each key, -1 where none has, [num_keys]."""

        def is_same(ordinals: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[np.bool_]:
            known = self._keys_of(ordinals)
            return np.array([keys[idx] == key for idx, key in zip(positions.tolist(), known, strict=True)], np.bool_)

        return self._index.find(_hashes(keys), is_same=is_same)

    def add(self, keys: Sequence[str]) -> None:
        """The keys of the next rows; all differ, and none is known."""
        self._index.add(_hashes(keys), np.arange(self._num_rows, self._num_rows + len(keys)))
        self._num_rows += len(keys)


def _hashes(keys: Sequence[str]) -> NDArray[np.uint64]:
    # Python's own: SipHash with a secret of the process, so nobody can choose keys whose hashes meet.
    return np.fromiter(map(hash, keys), np.int64, len(keys)).view(np.uint64)


class OccurrenceKeys:
    """Keys of rows without a key column: half of the row's digest, and how many equal rows came before."""

    def __init__(self) -> None:
        self._index = KeyIndex()  # by the first 8 bytes of the digest
        self._seconds = np.zeros(1024, np.uint64)  # [capacity], the next 8 bytes by ordinal
        self._num_repeats: dict[int, int] = {}  # by ordinal of the first of equal rows
        self._num_rows = 0

    def add(self, digests: bytes) -> list[str]:
        """The keys of the next rows, from their digests of 32 bytes, one after the other."""
        words = np.frombuffer(digests, np.uint64).reshape(-1, 4)  # [num_rows, 4]
        num_rows = len(words)
        firsts, seconds = np.ascontiguousarray(words[:, 0]), np.ascontiguousarray(words[:, 1])  # each [num_rows]
        start = self._num_rows
        self._num_rows += num_rows
        self._keep(seconds, start)
        text = np.ascontiguousarray(words[:, :2]).tobytes().hex()
        stems = [text[at : at + 32] for at in range(0, len(text), 32)]

        def is_same(ordinals: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[np.bool_]:
            return np.equal(self._seconds[ordinals], seconds[positions])

        earlier = self._index.find(firsts, is_same=is_same)  # [num_rows], ordinals
        ordinals = np.arange(start, start + num_rows)  # [num_rows]
        if (earlier < 0).all() and len(set(stems)) == num_rows:
            self._index.add(firsts, ordinals)
            return [stem + ".0" for stem in stems]
        keys: list[str] = []
        is_new = np.zeros(num_rows, np.bool_)  # [num_rows]
        in_batch: dict[str, int] = {}
        for idx, (stem, known) in enumerate(zip(stems, earlier.tolist(), strict=True)):
            first = known if known >= 0 else in_batch.setdefault(stem, start + idx)
            is_new[idx] = first == start + idx
            occurrence = 0 if is_new[idx] else self._num_repeats.get(first, 0) + 1
            if occurrence:
                self._num_repeats[first] = occurrence
            keys.append(f"{stem}.{occurrence}")
        self._index.add(firsts[is_new], ordinals[is_new])
        return keys

    def _keep(self, seconds: NDArray[np.uint64], start: int) -> None:
        if self._num_rows > len(self._seconds):
            grown = np.zeros(max(self._num_rows, 2 * len(self._seconds)), np.uint64)  # [capacity]
            grown[:start] = self._seconds[:start]
            self._seconds = grown
        self._seconds[start : self._num_rows] = seconds
