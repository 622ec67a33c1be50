"""text.repetition against Gopher's definition written out."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.operators.text_repetition import text_repetition
from proofs.operators.generated_texts import repeating_texts
from proofs.operators.text_oracles import repetition_by_definition

WORDS = st.sampled_from(["a", "bb", "ccc", "é", "d\u0301"])
TEXTS = st.lists(st.tuples(WORDS, st.sampled_from([" ", "  ", "\n", "\n\n", "\n \n"])), max_size=40).map(
    lambda parts: "".join(word + gap for word, gap in parts)
)


def shares(text: str | None) -> dict[str, float]:
    return {name: values[0].as_py() for name, values in text_repetition(pa.array([text], pa.string())).items()}


@given(TEXTS)
def test_shares_are_those_of_the_definition(text: str) -> None:
    assert shares(text) == pytest.approx(repetition_by_definition(text), abs=1e-12)


def test_generated_texts() -> None:
    for text in repeating_texts(80, seed=5):
        assert shares(text) == pytest.approx(repetition_by_definition(text), abs=1e-12)


@given(TEXTS)
def test_shares_are_shares_and_longer_ngrams_repeat_less(text: str) -> None:
    found = shares(text)
    assert all(0 <= value <= 1 for value in found.values())
    by_size = [found[f"duplicate_{size}gram_characters"] for size in range(5, 11)]
    assert by_size == sorted(by_size, reverse=True)


def test_known_text() -> None:
    found = shares("one two\none two\nthree\n")
    assert found["duplicate_lines"] == pytest.approx(1 / 3)
    assert found["duplicate_line_characters"] == pytest.approx(7 / 19)
    assert found["top_2gram_characters"] == pytest.approx(12 / 17)
    assert found["top_3gram_characters"] == 0.0


def test_one_word_over_and_over_is_all_repetition() -> None:
    found = shares("no " * 30)
    assert {value for name, value in found.items() if "gram" in name} == {1.0}


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "word", "all words differ here"])
def test_text_that_repeats_nothing_gives_zeros(text: str) -> None:
    assert set(shares(text).values()) == {0.0}


def test_null_gives_nulls() -> None:
    assert set(shares(None).values()) == {None}
