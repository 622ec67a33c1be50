"""The reference service's name for a choice of commits: a bit set of commit numbers, without any content.

Source: the hash that the book's sample service gives; commit i is bit i, bytes little-endian, trailing zeros dropped,
standard base64 with padding. '/' and '+' occur.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable

__all__ = ["version_hash"]


def version_hash(commit_numbers: Iterable[int]) -> str:
    """ "hash" + base64 of the bit set: [1, 2] -> "hashBg==", nothing -> "hash"."""
    numbers = list(commit_numbers)
    bits = bytearray(max(numbers) // 8 + 1 if numbers else 0)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return "hash" + b64encode(bits).decode()
