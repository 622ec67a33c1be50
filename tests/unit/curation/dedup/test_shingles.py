"""Shingles are those that Python's strings give."""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.dedup.shingles import Shingles, ShingleUnit, compared_texts, shingles_of

TEXTS = st.lists(
    st.none() | st.text(st.sampled_from("abÄ é\u0301\u3000\n𠀀"), max_size=14) | st.text(max_size=8), max_size=7
)


def sets_of(shingles: Shingles) -> list[set[int]]:
    return [
        set(shingles.hashes[start:stop].tolist()) for start, stop in zip(shingles.offsets[:-1], shingles.offsets[1:])
    ]


def by_python(text: str | None, unit: ShingleUnit, size: int) -> set[tuple[str, ...]]:
    whole = unicodedata.normalize("NFC", text or "")
    tokens = whole.split() if unit == "words" else list(whole)
    return {tuple(tokens[at : at + size]) for at in range(max(len(tokens) - size + 1, min(len(tokens), 1)))}


@pytest.mark.parametrize("unit", ["words", "characters"])
@given(texts=TEXTS, size=st.integers(1, 4))
def test_shingles_are_equal_where_those_of_python_are(unit: ShingleUnit, texts: list[str | None], size: int) -> None:
    array = pa.array([None, "x", *texts], pa.string()).slice(1)  # an array that does not begin at its buffers' begin
    found = sets_of(shingles_of(compared_texts(array, ignore_case=False), unit=unit, size=size))
    wanted = [by_python(text, unit, size) for text in ["x", *texts]]
    for ours, theirs in zip(found, wanted, strict=True):
        assert len(ours) == len(theirs)
    for row in range(len(found)):
        for other in range(row):
            assert len(found[row] & found[other]) == len(wanted[row] & wanted[other])


def test_normal_form_and_case() -> None:
    composed, decomposed = compared_texts(pa.array(["Größe", "GRO\u0308ßE"]), ignore_case=True).to_pylist()
    assert composed == decomposed == "größe"
    assert compared_texts(pa.array(["Aa", None], pa.string()), ignore_case=False).to_pylist() == ["Aa", ""]


def test_texts_do_not_run_into_each_other() -> None:
    parts = shingles_of(pa.array(["a b", "c d"], pa.large_string()), unit="words", size=2)
    alone = shingles_of(pa.array(["c d"], pa.large_string()), unit="words", size=2)
    assert parts.offsets.tolist() == [0, 1, 2]
    assert parts.hashes[1] == alone.hashes[0]


def test_no_texts() -> None:
    for unit in ("words", "characters"):
        found = shingles_of(pa.array([], pa.large_string()), unit=unit, size=3)
        assert found.offsets.tolist() == [0]
        assert found.hashes.dtype == np.uint32
