"""dedup.minhash leaves one of texts that share their words."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.operators.dedup_minhash import dedup_minhash
from headrace.errors import InvalidInput
from headrace.testing import run_operator
from proofs.operators.dedup_comparisons import DEDUP_COMPARISONS, found_partition
from proofs.operators.dedup_oracles import generated_near_texts
from tests.unit.curation.operators.table_rows import kept_ids, shuffled

LONG = "the quick brown fox jumps over the lazy dog and runs into the dark wood where nobody lives any more at all"


def table_of(*texts: str | None, sources: str = "") -> pa.Table:
    return pa.table(
        {
            "_id": [chr(ord("a") + idx) for idx in range(len(texts))],
            "text": pa.array(texts, pa.string()),
            "source": list(sources) or [""] * len(texts),
        }
    )


def test_clearly_alike_texts_are_together() -> None:
    assert next(each for each in DEDUP_COMPARISONS if each.operator == "dedup.minhash").difference(250, 3) <= 0.02


@given(st.integers(0, 1 << 20), st.booleans())
def test_order_of_rows_changes_no_cluster(seed: int, verify: bool) -> None:
    table = generated_near_texts(25, seed=seed)
    settings = {"threshold": 0.6, "size": 2, "num_perm": 64, "verify": verify}
    wanted = found_partition("dedup.minhash", table, **settings)
    assert found_partition("dedup.minhash", shuffled(table, seed=seed), **settings) == wanted


def test_near_copies_leave_and_say_how_alike_they_are() -> None:
    found = run_operator(dedup_minhash, table_of(LONG, "something else", LONG.replace("at all", "now")), size=2)
    assert found["cluster"].to_pylist() == ["a", None, "a"]
    assert found["_dropped"].to_pylist() == [None, None, "duplicate of a"]
    assert 0.8 <= float(found["_dropped_value"][2].as_py()) == found["similarity"][2].as_py() < 1
    assert found["_dropped_threshold"].to_pylist() == [None, None, "0.8"]


def test_texts_without_words_are_nobodys_duplicates() -> None:
    assert kept_ids(dedup_minhash, table_of("", None, " \u3000", "", None)) == list("abcde")
    assert kept_ids(dedup_minhash, table_of("", None, "", None), unit="characters") == list("abcd")


def test_short_texts_are_compared_whole() -> None:
    table = table_of("red square", "red square", "red", "square red", "Red  Square ")
    assert kept_ids(dedup_minhash, table) == ["a", "c", "d"]
    assert kept_ids(dedup_minhash, table, ignore_case=False) == ["a", "c", "d", "e"]


def test_normal_forms_are_equal() -> None:
    assert kept_ids(dedup_minhash, table_of("Größe é", "gro\u0308ße e\u0301", "Grösse e")) == ["a", "c"]


def test_characters_find_words_with_other_ends() -> None:
    table = table_of(LONG, LONG.replace("jumps", "jumped").replace("runs", "run"))
    assert kept_ids(dedup_minhash, table, threshold=0.7) == ["a", "b"]
    assert kept_ids(dedup_minhash, table, threshold=0.7, unit="characters", size=4) == ["a"]


def test_within_and_across_a_column() -> None:
    table = table_of(LONG, LONG, LONG, LONG, "other words", "other words", sources="xxyyzz")
    assert kept_ids(dedup_minhash, table, within="source") == ["a", "c", "e"]
    assert kept_ids(dedup_minhash, table, across="source") == ["a", "e", "f"]


def test_many_equal_texts_take_no_square() -> None:
    num_rows = 60_000
    table = pa.table({"_id": [f"{idx:05d}" for idx in range(num_rows)], "text": [LONG] * num_rows})
    assert kept_ids(dedup_minhash, table, verify=False) == ["00000"]


def test_dictionaries_large_strings_no_rows_and_other_columns() -> None:
    texts = pa.array([LONG, LONG])
    for array in (texts.dictionary_encode(), texts.cast(pa.large_string())):
        assert kept_ids(dedup_minhash, pa.table({"_id": ["a", "b"], "text": array})) == ["a"]
    assert run_operator(dedup_minhash, table_of()).num_rows == 0
    assert kept_ids(dedup_minhash, table_of(LONG)) == ["a"]
    with pytest.raises(InvalidInput, match="column 'n' holds int64; expected text"):
        run_operator(dedup_minhash, pa.table({"_id": ["a"], "n": [1]}), column="n")
