"""text.length counts as Python does."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.operators.text_length import text_length
from headrace.testing import run_operator
from proofs.operators.generated_texts import wild_texts
from proofs.operators.text_oracles import length_by_python

SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000"


def counted(texts: list[str | None]) -> list[tuple[int, int, int]]:
    found = text_length(pa.array(texts, pa.string()))
    return list(zip(found["characters"].to_pylist(), found["words"].to_pylist(), found["bytes"].to_pylist()))


@given(st.lists(st.text(), max_size=5))
def test_length_is_that_of_python(texts: list[str]) -> None:
    assert counted([*texts]) == [length_by_python(text) for text in texts]


@given(st.lists(st.text(st.sampled_from(SPACES + "aé\u0301\u200b😀"), max_size=30), max_size=5))
def test_white_space_is_that_of_python(texts: list[str]) -> None:
    assert counted([*texts]) == [length_by_python(text) for text in texts]


def test_any_code_points() -> None:
    texts = list(wild_texts(300, seed=2))
    assert counted([*texts]) == [length_by_python(text) for text in texts]


def test_every_white_space_separates() -> None:
    assert counted([f"a{space}b" for space in SPACES]) == [(3, 2, 2 + len(space.encode())) for space in SPACES]


def test_combining_accent_counts_as_a_character_of_its_own() -> None:
    assert counted(["é", "e\u0301", "👩‍👩‍👧"]) == [(1, 1, 2), (2, 1, 3), (5, 1, 18)]


def test_null_gives_null_and_empty_gives_zero() -> None:
    assert counted([None, "", "  "]) == [(None, None, None), (0, 0, 0), (2, 0, 2)]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_any_type_of_text_is_taken(kind: pa.DataType) -> None:
    table = run_operator(text_length, pa.table({"text": pa.array(["a b", None], kind)}))
    assert table["words"].to_pylist() == [2, None]


def test_no_rows() -> None:
    assert run_operator(text_length, pa.table({"text": pa.array([], pa.string())})).num_rows == 0
