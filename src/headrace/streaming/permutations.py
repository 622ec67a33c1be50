"""Keyed permutations of 0 … size - 1 that are computed for the places asked, never stored.

Domains from 1,024 on use an alternating Feistel network over the next power of two with cycle walking (Black and
Rogaway, Ciphers with Arbitrary Finite Domains, 2002); smaller ones a seeded Fisher-Yates table. The random bits are
BLAKE3 output, so they are the same on every machine and with every version of every library.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from blake3 import blake3

__all__ = ["ORDER_VERSION", "order_key", "permute", "permute_each"]

ORDER_VERSION = 1
"""Raised when any change gives another order; it stands in every state."""

_TABLE_LIMIT = 1024
_ROUNDS = 8
_KEY_BYTES = 8 * _ROUNDS
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # finaliser of SplitMix64


def order_key(*, seed: int, epoch: int, level: str, lane: int = 0, window: int = 0) -> bytes:
    """The key of one permutation, 64 bytes; other arguments give an independent key."""
    text = f"headrace.order.{ORDER_VERSION}/{seed}/{epoch}/{level}/{lane}/{window}"
    key: bytes = blake3(text.encode()).digest(length=_KEY_BYTES)
    return key


def permute(key: bytes, places: np.ndarray, size: int) -> np.ndarray:
    """The images of places in 0 … size - 1, int64 [num_places]."""
    if size < _TABLE_LIMIT:
        images: np.ndarray = _table(key, size)[places]
        return images
    return permute_each([key], np.zeros(len(places), dtype=np.int64), places, np.full(len(places), size, np.int64))


def permute_each(
    keys: list[bytes],
    key_idx: np.ndarray,  # int64 [num_places]
    places: np.ndarray,  # int64 [num_places]
    sizes: np.ndarray,  # int64 [num_places], the domain of each place; the same for all places of one key
) -> np.ndarray:
    """Each place's image under its own key, int64 [num_places]; one pass over all of them together."""
    images = np.empty(len(places), dtype=np.int64)
    is_small = sizes < _TABLE_LIMIT
    if is_small.any():
        for idx in np.unique(key_idx[is_small]).tolist():
            mine = np.flatnonzero(is_small & (key_idx == idx))
            images[mine] = _table(keys[idx], int(sizes[mine[0]]))[places[mine]]
        if is_small.all():
            return images
    walking = np.flatnonzero(~is_small)
    round_keys = np.frombuffer(b"".join(keys), dtype="<u8").reshape(len(keys), _ROUNDS)  # [num_keys, rounds]
    bits = np.ceil(np.log2(sizes[walking].astype(np.float64))).astype(np.int64)
    bits += (np.int64(1) << bits) < sizes[walking]  # a logarithm that was rounded down
    current = places[walking].astype(np.uint64)
    limit = sizes[walking].astype(np.uint64)
    chosen = key_idx[walking]
    while len(walking):
        current = _feistel(round_keys, chosen, current, bits)
        done = current < limit
        images[walking[done]] = current[done]
        left = ~done
        walking, current, limit, chosen, bits = walking[left], current[left], limit[left], chosen[left], bits[left]
    return images


def _feistel(round_keys: np.ndarray, chosen: np.ndarray, values: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """One pass over values of `bits` bits, uint64 [num_values]."""
    low_bits = (bits // 2).astype(np.uint64)
    low_mask = (np.uint64(1) << low_bits) - np.uint64(1)
    high_mask = (np.uint64(1) << (bits.astype(np.uint64) - low_bits)) - np.uint64(1)
    low, high = values & low_mask, values >> low_bits
    for idx in range(_ROUNDS):
        if idx % 2:
            high = high ^ (_mixed(low + round_keys[chosen, idx]) & high_mask)
        else:
            low = low ^ (_mixed(high + round_keys[chosen, idx]) & low_mask)
    passed: np.ndarray = (high << low_bits) | low
    return passed


def _mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser, uint64 with wrap-around."""
    values = (values ^ (values >> np.uint64(30))) * _MULTIPLIERS[0]
    values = (values ^ (values >> np.uint64(27))) * _MULTIPLIERS[1]
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed


@lru_cache(maxsize=4096)
def _table(key: bytes, size: int) -> np.ndarray:
    """A Fisher-Yates shuffle of 0 … size - 1; int64 [size], not to be written to."""
    words = np.frombuffer(blake3(key).digest(length=8 * max(size, 1)), dtype="<u8").tolist()
    table = list(range(size))
    for idx in range(size - 1, 0, -1):
        other = (words[idx] * (idx + 1)) >> 64
        table[idx], table[other] = table[other], table[idx]
    result = np.array(table, dtype=np.int64)
    result.flags.writeable = False
    return result
