"""The ledger: blocks found again by inputs, later attempts count, damage is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from headrace.curation.input_ids import ID_BYTES, id_array, input_ids
from headrace.curation.ledger import DONE, FAILED, Ledger, block_schema
from headrace.errors import DataCorrupted
from headrace.storage.local import LocalStore
from tests.poison_operators import poison

_SCHEMA = block_schema(poison.spec)


def block(names: list[bytes], lengths: list[int], *, attempt: int = 1, state: int = DONE) -> pa.Table:
    num_rows = len(names)
    nothing = pa.nulls(num_rows, pa.string())
    return pa.table(
        [
            id_array(np.array(names, dtype=f"S{ID_BYTES}")),
            pa.array([state] * num_rows, pa.int8()),
            pa.array([attempt] * num_rows, pa.int16()),
            *[nothing] * 4,
            pa.array(lengths, pa.int64()),
        ],
        schema=_SCHEMA,
    )


def ledger(folder: Path) -> Ledger:
    return Ledger(LocalStore(folder), "op/", schema=_SCHEMA)


def values(found: Ledger, *names: bytes) -> list[int | None]:
    places = found.places(np.array(names, dtype=f"S{ID_BYTES}"))
    lengths = found.table.column("length").to_pylist()
    return [None if place < 0 else lengths[place] for place in places.tolist()]


def test_inputs_are_found_in_any_block_and_unknown_ones_are_not(tmp_path: Path) -> None:
    assert values(ledger(tmp_path), b"a") == [None]
    ledger(tmp_path).put(block([b"b", b"a\0x"], [2, 1]))
    ledger(tmp_path).put(block([b"\xff" * 16, b"\0" * 16], [4, 3]))
    assert values(ledger(tmp_path), b"a\0x", b"a", b"\xff" * 16, b"\0" * 16, b"b") == [1, None, 4, 3, 2]


def test_first_of_two_blocks_about_the_same_inputs_counts(tmp_path: Path) -> None:
    ledger(tmp_path).put(block([b"a", b"b"], [1, 2]))
    ledger(tmp_path).put(block([b"b", b"a"], [9, 9]))
    assert values(ledger(tmp_path), b"a", b"b") == [1, 2]


def test_later_attempt_counts(tmp_path: Path) -> None:
    ledger(tmp_path).put(block([b"a", b"b"], [0, 2], state=FAILED))
    ledger(tmp_path).put(block([b"a"], [7], attempt=2))
    found = ledger(tmp_path)
    assert values(found, b"a", b"b") == [7, 2]
    assert found.table.num_rows == 2


def test_new_blocks_are_seen_after_a_refresh(tmp_path: Path) -> None:
    found = ledger(tmp_path)
    assert values(found, b"a") == [None]
    ledger(tmp_path).put(block([b"a"], [1]))
    found.refresh()
    assert values(found, b"a") == [1]


def test_damaged_block_is_named(tmp_path: Path) -> None:
    ledger(tmp_path).put(block([b"a"], [1]))
    (path,) = (tmp_path / "op").iterdir()
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    with pytest.raises(DataCorrupted, match=path.name):
        ledger(tmp_path).refresh()


def test_ids_follow_values_and_not_names_or_chunks() -> None:
    whole = pa.chunked_array([["a", None, "b", "a"]])
    pieces = pa.chunked_array([["a", None], ["b"], ["a"]])
    numbers = pa.chunked_array([[1.5, 2.0, None, 1.5]])
    ids = input_ids([whole, numbers], num_rows=4)
    assert ids.tolist() == input_ids([pieces, numbers], num_rows=4).tolist()
    assert len(set(ids.tolist())) == 3
    assert input_ids([numbers, whole], num_rows=4).tolist() != ids.tolist()
    assert input_ids([whole.slice(0, 0)], num_rows=0).tolist() == []


def test_inputs_whose_first_bytes_agree_are_told_apart(tmp_path: Path) -> None:
    """Ids are searched by their first 8 bytes, which several may have."""
    known = [b"\0" * 8 + bytes([end]) * 8 for end in (5, 1, 9)] + [b"\xff" * 16]
    ledger(tmp_path).put(block(known, [50, 10, 90, 255]))
    others = [b"\0" * 8 + bytes([2]) * 8, b"\0" * 16, b"\xff" * 8 + b"\0" * 8]
    assert values(ledger(tmp_path), *known, *others) == [50, 10, 90, 255, None, None, None]
