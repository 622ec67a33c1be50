"""Sets of row addresses: one byte form for each set, and set arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.datasets.addresses import EMPTY, AddressSet, addresses_key, read_addresses, write_addresses
from headrace.errors import DataCorrupted, NotFound
from tests.scripted_store import ScriptedStore

Plain = dict[int, set[int]]

_ORDINALS = st.sets(st.integers(0, 40) | st.integers(0, 2**40), max_size=12)
_PLAIN = st.dictionaries(st.integers(0, 5) | st.integers(0, 2**31), _ORDINALS, max_size=4)


def _set(plain: Plain) -> AddressSet:
    return AddressSet({group: np.array(list(ordinals), dtype=np.int64) for group, ordinals in plain.items()})


def _plain(addresses: AddressSet) -> Plain:
    return {group: set(ordinals.tolist()) for group, ordinals in addresses.items()}


def _without_empty(plain: Plain) -> Plain:
    return {group: ordinals for group, ordinals in plain.items() if ordinals}


@given(plain=_PLAIN)
def test_byte_form_gives_the_set_back(plain: Plain) -> None:
    addresses = _set(plain)
    assert _plain(addresses) == _without_empty(plain)
    read = AddressSet.decode(addresses.encoded, name="it")
    assert read == addresses
    assert _plain(read) == _plain(addresses)
    assert addresses.num_rows == sum(map(len, plain.values()))
    assert addresses.groups == sorted(_without_empty(plain))
    assert bool(addresses) == bool(_without_empty(plain))


@given(first=_PLAIN, second=_PLAIN)
def test_set_arithmetic_agrees_with_sets_and_so_do_digests(first: Plain, second: Plain) -> None:
    groups = {*first, *second}
    union = {group: first.get(group, set()) | second.get(group, set()) for group in groups}
    rest = {group: ordinals - second.get(group, set()) for group, ordinals in first.items()}
    assert (_set(first) | _set(second)) == _set(union)
    assert (_set(first) | _set(second)).digest == (_set(second) | _set(first)).digest == _set(union).digest
    assert (_set(first) - _set(second)) == _set(rest)
    assert hash(_set(first) - _set(first)) == hash(EMPTY)
    assert (_set(first) == _set(second)) is (_without_empty(first) == _without_empty(second))


@given(plain=_PLAIN)
def test_renumbering_keeps_the_rows_of_named_groups(plain: Plain) -> None:
    numbers = {group: idx for idx, group in enumerate(sorted(plain)) if idx % 2 == 0}
    expected = {numbers[group]: ordinals for group, ordinals in plain.items() if group in numbers}
    assert _plain(_set(plain).renumbered(numbers)) == _without_empty(expected)


@pytest.mark.parametrize(
    ("plain", "encoded", "digest"),
    [
        ({}, "00", "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"),
        ({1: {0}}, "0101010001", None),
        ({1: {0, 1, 2, 5}, 3: {130}}, "020102000302010201820101", None),
        ({2: {0, 2, 4}, 300: {2**40}}, "020203000101010101aa020180808080802001", None),
    ],
    ids=["empty", "one", "runs", "large"],
)  # fmt: skip
def test_byte_form_stays(plain: Plain, encoded: str, digest: str | None) -> None:
    """Sets lie on disk and their digests are part of snapshot ids: these bytes never change."""
    assert _set(plain).encoded.hex() == encoded
    assert digest is None or _set(plain).digest == digest


@pytest.mark.parametrize(
    "data", ["", "80", "01", "0101", "010101", "01010100", "0101010001ff", "000000", "80808080808080808001"]
)
def test_other_bytes_are_told(data: str) -> None:
    with pytest.raises(DataCorrupted, match="the object is no set of rows"):
        AddressSet.decode(bytes.fromhex(data), name="the object")


@given(data=st.binary(max_size=12))
def test_any_bytes_are_a_set_or_an_error(data: bytes) -> None:
    if len(data) > 4:  # runs of billions of rows are no bit rot that a digest would let pass
        data = bytes(byte & 0x7F for byte in data)
    else:
        data = bytes(byte & 0x3F for byte in data)
    try:
        AddressSet.decode(data, name="it")
    except DataCorrupted:
        pass


def test_stored_set_is_verified() -> None:
    store = ScriptedStore()
    addresses = _set({1: {3, 4}})
    assert write_addresses(store, "base/", addresses=addresses) == addresses.digest
    key = "base/" + addresses_key(addresses.digest)
    assert key == f"base/objects/{addresses.digest[:2]}/{addresses.digest}.rows"
    assert read_addresses(store, "base/", digest=addresses.digest) == addresses
    assert read_addresses(store, "base/", digest=None) is EMPTY
    store.flip_bit(key, 5)
    with pytest.raises(DataCorrupted, match=addresses.digest):
        read_addresses(store, "base/", digest=addresses.digest)
    store.delete(key)
    with pytest.raises(NotFound):
        read_addresses(store, "base/", digest=addresses.digest)
    assert repr(addresses) == "<AddressSet 2 rows of 1 groups>"
