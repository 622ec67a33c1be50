"""Documents that carry their own check."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import DataCorrupted
from headrace.storage.canonical import canonical_json
from headrace.storage.sealed import read_sealed, seal

_DOCUMENT = {"format": 1, "message": 'ünï "quoted" \n', "tags": [["a", "1"]], "none": None}


def test_sealed_document_reads_back_without_its_check() -> None:
    assert read_sealed(seal(_DOCUMENT), name="x") == _DOCUMENT


@given(st.integers(0, len(seal(_DOCUMENT)) * 8 - 1))
def test_any_flipped_bit_is_found(bit: int) -> None:
    data = bytearray(seal(_DOCUMENT))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DataCorrupted, match="log/7"):
        read_sealed(bytes(data), name="log/7")


@given(st.integers(0, len(seal(_DOCUMENT)) - 1))
def test_any_cut_is_found(size: int) -> None:
    with pytest.raises(DataCorrupted, match="log/7"):
        read_sealed(seal(_DOCUMENT)[:size], name="log/7")


@pytest.mark.parametrize(
    "data",
    [
        canonical_json(_DOCUMENT),  # no check
        seal(_DOCUMENT) + b"\n",
        seal(_DOCUMENT).replace(b'"format":1', b'"format":1.0'),
        seal(_DOCUMENT).replace(b",", b", "),
        b"[]",
        b"null",
        b"0" * 50,
        bytes(50),
    ],
)
def test_other_bytes_with_the_same_meaning_are_refused_too(data: bytes) -> None:
    with pytest.raises(DataCorrupted, match="log/7"):
        read_sealed(data, name="log/7")
