"""run_operator: rows in, outputs and reasons out, in the same order."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from headrace.curation import Drop, Media, operator
from headrace.curation.operators.image_size import image_size
from headrace.errors import InvalidInput
from headrace.testing import run_operator
from tests.unit.curation.operators.image_rows import jpeg


@operator(name="test.first", outputs={"first": pa.string()})
def first_word(text: str, *, longest: int = 5) -> str | Drop:
    """The first word of a text; long ones are dropped."""
    if not text:
        raise InvalidInput("is empty; expected a word")
    word = text.split()[0]
    return Drop("word is too long", len(word), longest) if len(word) > longest else word


@operator(name="test.halves", outputs={"half": pa.float64()}, batch=True)
def halves(number: pa.Array) -> pa.Array:
    """Half of each number; one that is negative fails its batch."""
    if pc.min(number).as_py() is not None and pc.min(number).as_py() < 0:
        raise InvalidInput(f"{pc.min(number).as_py()} is negative")
    return pc.divide(number.cast(pa.float64()), 2)


def test_rows_keep_their_order_with_outputs_and_reasons() -> None:
    rows = [{"text": "one two"}, {"text": "extraordinary"}, {"text": ""}, {"text": None}]
    assert run_operator(first_word, rows).to_pylist() == [
        {"first": "one", "_dropped": None, "_failed": None},
        {"first": None, "_dropped": "word is too long: 13 against 5", "_failed": None},
        {"first": None, "_dropped": None, "_failed": "is empty; expected a word"},
        {"first": None, "_dropped": None, "_failed": None},
    ]


def test_tables_and_other_column_names_are_taken() -> None:
    table = pa.table({"caption": ["a b", "c"]})
    assert run_operator(first_word, table, columns={"text": "caption"})["first"].to_pylist() == ["a", "c"]


def test_settings_are_checked_before_any_row() -> None:
    with pytest.raises(InvalidInput, match="Did you mean 'longest'"):
        run_operator(first_word, [{"text": 3}], longst=2)
    with pytest.raises(InvalidInput, match="expected whole number"):
        run_operator(first_word, [], longest="2")


def test_missing_column_is_named_with_the_nearest() -> None:
    with pytest.raises(InvalidInput, match=r"no column 'text'\. Did you mean 'texts'"):
        run_operator(first_word, [{"texts": "a"}])


def test_bad_row_of_a_batch_does_not_take_its_neighbours() -> None:
    found = run_operator(halves, [{"number": value} for value in (2, 4, -1, 6, None, 8, -3)])
    assert found["half"].to_pylist() == [1.0, 2.0, None, 3.0, None, 4.0, None]
    assert found["_failed"].to_pylist() == [None, None, "-1 is negative", None, None, None, "-3 is negative"]


def test_media_is_bytes_media_or_a_path(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg())
    rows = [{"image": jpeg()}, {"image": Media(jpeg())}, {"image": path}, {"image": str(path)}, {"image": None}]
    assert run_operator(image_size, rows)["width"].to_pylist() == [60, 60, 60, 60, None]
    with pytest.raises(InvalidInput, match="row 0: media is int"):
        run_operator(image_size, [{"image": 3}])


def test_no_rows_have_the_columns() -> None:
    assert run_operator(first_word, []).column_names == ["first", "_dropped", "_failed"]
