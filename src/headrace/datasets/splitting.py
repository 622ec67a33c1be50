"""Dealing rows to the sides of a split: a pure function of key and seed, never of row order or time.

Each row, or each group of rows, has a place in [0, 1): the first 53 bits of BLAKE3 over seed and key. Without strata a
row's side follows from its place alone, so it stays where it is when other rows come or go. With strata the units of
each stratum are ranked by their place and cut at exact proportions: a further row then moves the cuts of its own
stratum by a fraction of a row, so at most one row at each cut changes sides, and no other stratum changes at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
from blake3 import blake3
from numpy.typing import NDArray

from headrace.errors import InvalidInput

__all__ = ["assign_splits", "check_fractions"]

Sides = NDArray[np.int32]
Codes = NDArray[np.int64]
Places = NDArray[np.uint64]  # 53 bits

_CONTEXT = b"headrace.split.1"
_PLACE_BITS = 53
_MAX_SIDES = 1000
_NAME = re.compile(r"[A-Za-z_][\w.-]{0,99}", re.ASCII)


def check_fractions(fractions: Mapping[str, float]) -> None:
    """Refuse names that no split can have, and shares that are not positive or do not add up to 1.

    Raises:
        InvalidInput: Says which name or share, and the sum.
    """
    if not isinstance(fractions, Mapping) or not fractions:
        raise InvalidInput("split: expected names with their shares, such as train=0.9 and val=0.1")
    if len(fractions) > _MAX_SIDES:
        raise InvalidInput(f"split: {len(fractions):,} sides, and at most {_MAX_SIDES:,} are allowed")
    for name, fraction in fractions.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidInput(
                f"split: {name!r} is no name for a side; expected a letter or _, then letters, digits, _ . -"
            )
        if isinstance(fraction, bool) or not isinstance(fraction, int | float | Fraction | Decimal):
            raise InvalidInput(f"split: the share of {name!r} is {fraction!r}; expected a number such as 0.9")
        if not 0 < fraction <= 1:
            raise InvalidInput(f"split: the share of {name!r} is {fraction}; expected more than 0 and at most 1")
    total = float(sum(Fraction(fraction) for fraction in fractions.values()))
    if abs(total - 1) > 1e-9:
        shares = ", ".join(f"{name}={float(fraction):g}" for name, fraction in fractions.items())
        raise InvalidInput(f"split: the shares {shares} add up to {total:.10g}; they must add up to 1")


def assign_splits(
    fractions: Mapping[str, float],
    *,
    keys: Sequence[bytes] | pa.Array,  # [num_rows], bytes or strings
    seed: int,
    level: int = 0,
    strata: pa.Array | None = None,  # [num_rows], any type; null is a stratum of its own
    groups: pa.Array | None = None,  # [num_rows], any type but nested
) -> Sides:  # [num_rows], position of the side in `fractions`
    """Give each row its side.

    Rows with equal keys, or of one group, are always together (with strata: within a stratum). Without strata the
    shares are met on average; with strata each stratum holds them exactly, remainders going to the largest remainder
    (so a stratum of one row goes to the largest share), and with groups as well as whole groups allow.

    `level` is 0 for a split of everything, 1 for a split of one of its sides, and so on: the places of a side's rows
    fill only a part of the line, so that a split of it needs new ones even with the same seed.

    Raises:
        InvalidInput: Wrong fractions or seed, a null key or group, or a group that spans several strata.
    """
    check_fractions(fractions)
    if isinstance(seed, bool) or not isinstance(seed, int) or not -(2**63) <= seed < 2**63:
        raise InvalidInput(f"split: seed {seed!r} is not a whole number of 64 bits")
    num_rows = len(keys)
    for what, values in (("strata", strata), ("groups", groups)):
        if values is not None and len(values) != num_rows:
            raise InvalidInput(f"split: {len(values):,} {what} for {num_rows:,} keys")
    cuts = _cumulative(fractions)
    if num_rows == 0:
        return np.zeros(0, dtype=np.int32)
    prefix = _CONTEXT + seed.to_bytes(8, "little", signed=True)
    if level:
        prefix += b"level" + level.to_bytes(4, "little")
    if groups is None:
        places = _places(prefix + b"key", _bytes_of(keys, what="key"))
    else:
        codes, values = _encode(groups, what="group")
        places = _places(prefix + b"group", values)[codes]
    if strata is None:
        limits = np.array([int(cut * 2**_PLACE_BITS) for cut in cuts[:-1]], dtype=np.uint64)
        return np.searchsorted(limits, places, side="right").astype(np.int32)
    stratum, _ = _encode(strata, what=None)
    if groups is not None:
        _refuse_spanning_groups(codes, stratum, groups)
    return _cut_strata(stratum, places, cuts)


def _cumulative(fractions: Mapping[str, float]) -> list[Fraction]:
    """Upper ends of the sides in [0, 1], exact; the last one is 1. Shares are read as they print: 0.1 is 1/10."""
    shares = [Fraction(repr(float(fraction))) for fraction in fractions.values()]
    total = sum(shares, Fraction(0))
    cuts: list[Fraction] = []
    for share in shares:
        cuts.append((cuts[-1] if cuts else Fraction(0)) + share / total)
    return cuts


def _places(prefix: bytes, values: list[bytes]) -> Places:
    """Place of each value on the line, as 53-bit integers. Shape [n]."""
    start = blake3(prefix)
    digests = bytearray()
    for value in values:
        hasher = start.copy()
        hasher.update(value)
        digests += hasher.digest(8)
    return np.frombuffer(bytes(digests), dtype="<u8").astype(np.uint64) >> np.uint64(64 - _PLACE_BITS)


def _bytes_of(keys: Sequence[bytes] | pa.Array, *, what: str) -> list[bytes]:
    if isinstance(keys, pa.Array | pa.ChunkedArray):
        if keys.null_count:
            raise InvalidInput(f"split: {keys.null_count:,} rows have no {what}; rows without one cannot be dealt")
        types = pa.types
        if types.is_dictionary(keys.type):
            keys = keys.cast(keys.type.value_type)
        if not (types.is_string(keys.type) or types.is_large_string(keys.type) or types.is_string_view(keys.type)):
            is_bytes = types.is_binary(keys.type) or types.is_large_binary(keys.type) or types.is_binary_view(keys.type)
            if not is_bytes and not types.is_fixed_size_binary(keys.type):
                raise InvalidInput(f"split: {what}s are of type {keys.type}; expected strings or bytes")
        return list(keys.cast(pa.large_binary()).to_pylist())
    for idx, key in enumerate(keys):
        if not isinstance(key, bytes):
            raise InvalidInput(f"split: {what} {idx} is {type(key).__name__}; expected bytes")
    return list(keys)


def _encode(values: pa.Array, *, what: str | None) -> tuple[Codes, list[bytes]]:
    """Number the distinct values; the bytes of each for hashing. Nulls are a value, refused where `what` names it."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if what is not None and array.null_count:
        raise InvalidInput(
            f"split: {array.null_count:,} rows have no {what}; fill it in, or leave these rows out with where=..."
        )
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_nested(array.type):
        array = pa.array([None if value is None else repr(value) for value in array.to_pylist()], pa.large_string())
    try:
        encoded = array.dictionary_encode(null_encoding="encode")
    except pa.ArrowNotImplementedError as error:
        raise InvalidInput(f"split: cannot group by values of type {array.type}; cast them to strings") from error
    texts = [_canonical(value) for value in encoded.dictionary.to_pylist()]
    # Equal text may come from unequal values (1 and 1.0 in no one column, but NaN payloads): number the texts.
    numbers: dict[bytes, int] = {}
    remap = np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)
    codes = remap[encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)]
    return codes, list(numbers)


def _canonical(value: object) -> bytes:
    if value is None:
        return b"null"
    if isinstance(value, bytes):
        return b"b" + value
    return b"s" + str(value).encode("utf-8", errors="surrogatepass")


def _refuse_spanning_groups(codes: Codes, stratum: Codes, groups: pa.Array) -> None:
    first = np.full(int(codes.max()) + 1, -1, dtype=np.int64)
    first[codes[::-1]] = stratum[::-1]
    bad = np.flatnonzero(first[codes] != stratum)
    if len(bad):
        value = groups[int(bad[0])].as_py()
        raise InvalidInput(
            f"split: group {value!r} has rows in several strata ({len(np.unique(codes[bad])):,} groups do), so it "
            "cannot be kept together and stratified; leave out stratify= or group="
        )


def _cut_strata(stratum: Codes, places: Places, cuts: list[Fraction]) -> Sides:
    """Rank the units (rows with one place) of each stratum and cut at the shares."""
    order = np.lexsort((places, stratum))  # rows by stratum, then place
    sorted_stratum, sorted_places = stratum[order], places[order]
    changes = (sorted_stratum[1:] != sorted_stratum[:-1]) | (sorted_places[1:] != sorted_places[:-1])
    unit_of_row = np.concatenate([[0], np.cumsum(changes)])  # [num_rows]
    unit_start = np.flatnonzero(np.concatenate([[True], changes]))  # [num_units]
    unit_size = np.diff(unit_start, append=len(order))
    unit_stratum = sorted_stratum[unit_start]
    starts = np.flatnonzero(np.concatenate([[True], unit_stratum[1:] != unit_stratum[:-1]]))  # [num_strata]
    stratum_of_unit = np.cumsum(np.isin(np.arange(len(unit_start)), starts)) - 1
    first_row = unit_start[starts]
    num_rows = np.diff(first_row, append=len(order))  # [num_strata]
    ends = _largest_remainder(num_rows, cuts)  # [num_strata, num_sides], cumulative rows
    rank = unit_start - first_row[stratum_of_unit]  # rows of the stratum before this unit
    middle = 2 * rank + unit_size  # twice its middle, so that it stays whole
    side = np.zeros(len(unit_start), dtype=np.int32)
    for idx in range(len(cuts) - 1):
        side += middle > 2 * ends[stratum_of_unit, idx]
    sides = np.empty(len(order), dtype=np.int32)
    sides[order] = side[unit_of_row]
    return sides


def _largest_remainder(num_rows: Codes, cuts: list[Fraction]) -> Codes:
    """Whole rows for each side of each stratum, given as cumulative ends. Shape [num_strata, num_sides]."""
    sizes, inverse = np.unique(num_rows, return_inverse=True)
    shares = [cut - before for before, cut in zip([Fraction(0), *cuts[:-1]], cuts, strict=True)]
    table = np.zeros((len(sizes), len(cuts)), dtype=np.int64)
    for row, size in enumerate(sizes):
        exact = [share * int(size) for share in shares]
        whole = [int(part) for part in exact]
        by_remainder = sorted(range(len(shares)), key=lambda idx: (whole[idx] - exact[idx], idx))
        for idx in by_remainder[: int(size) - sum(whole)]:
            whole[idx] += 1
        table[row] = np.cumsum(whole)
    found: Codes = table[inverse.reshape(-1)]
    return found
