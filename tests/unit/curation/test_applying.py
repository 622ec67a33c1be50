"""What an operator gives is held against what it declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from headrace.curation import Drop, Replace, operator
from headrace.curation.applying import apply_to_batch, apply_to_row, apply_to_table
from headrace.errors import InvalidInput, MissingExtra


def row_of(function: Callable[[str], Any], *, text: str | None = "x", **options: Any) -> Any:
    """The result of one row under outputs a and b."""

    def called(text: str) -> Any:
        return function(text)

    settings = {"name": "test.row", "outputs": {"a": pa.int64(), "b": pa.string()}, **options}
    return apply_to_row(operator(**settings)(called).spec, {"text": text}, {})


def refuse(error: Exception) -> Callable[[str], Any]:
    def raising(text: str) -> Any:
        raise error

    return raising


def test_values_are_taken_by_name() -> None:
    assert row_of(lambda text: {"b": text, "a": 1}).values == {"a": 1, "b": "x"}
    assert row_of(len, outputs={"a": pa.int64()}).values == {"a": 1}
    assert row_of(lambda text: None, outputs={}).values == {}


def test_null_input_gives_null_outputs_without_a_call() -> None:
    assert row_of(refuse(ValueError("called")), text=None).values == {"a": None, "b": None}


def test_drop_and_failure_are_told_apart() -> None:
    assert row_of(lambda text: Drop("too short", 1, 2)).dropped == Drop("too short", 1, 2)
    assert row_of(refuse(InvalidInput("broken"))).failed.message == "broken"


def test_missing_package_and_bugs_are_no_fault_of_the_row() -> None:
    with pytest.raises(MissingExtra):
        row_of(refuse(MissingExtra("pip install x")))
    with pytest.raises(ZeroDivisionError):
        row_of(lambda text: 1 / 0)


def test_replaced_media_is_apart_from_values() -> None:
    found = row_of(lambda text: {"a": 1, "b": "", "text": Replace("text", b"new")}, replaces=["text"])
    assert found.values == {"a": 1, "b": ""}
    assert found.replaced == {"text": b"new"}
    assert row_of(lambda text: Replace("text", b"n"), replaces=["text"], outputs={}).replaced == {"text": b"n"}


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (3, {}, "gave int; expected a dict with a, b"),
        (3, {"outputs": {}}, "gave int; expected a dict with nothing"),
        ({"a": 1}, {}, "declares 'b' and did not give it"),
        ({"a": 1, "b": "", "aa": 1}, {}, "gave 'aa', which it does not declare. Did you mean 'a'"),
        ({"a": 1, "b": "", "x": Replace("x", b"")}, {"replaces": ["text"]}, "replaces .'x'., and declares .'text'."),
        (3, {"replaces": ["text"]}, "expected a dict with Replace"),
    ],
)
def test_what_is_not_declared_is_an_error(given: object, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        row_of(lambda text: given, **options)


def test_batch_must_be_as_long_and_of_the_declared_type() -> None:
    def batch_of(values: pa.Array) -> pa.Array:
        def called(text: pa.Array) -> pa.Array:
            return values

        spec = operator(name="test.batch", outputs={"a": pa.int64()}, batch=True)(called).spec
        return apply_to_batch(spec, {"text": pa.array(["x", "y"])}, {}).values["a"]

    assert batch_of(pa.array([1, 2], pa.int8())).type == pa.int64()
    with pytest.raises(TypeError, match="gave 1 values of a for 2 rows"):
        batch_of(pa.array([1]))
    with pytest.raises(TypeError, match="declares a as int64"):
        batch_of(pa.array(["p", "q"]))


def test_batch_tells_rows_that_it_cannot_work_on() -> None:
    def batch_of(failed: object) -> list[str | None] | None:
        def called(text: pa.Array) -> dict[str, object]:
            return {"a": pa.array([1, None]), "_failed": failed}

        spec = operator(name="test.batch", outputs={"a": pa.int64()}, batch=True)(called).spec
        return apply_to_batch(spec, {"text": pa.array(["x", "y"])}, {}).failed

    assert batch_of([None, "größer als erlaubt"]) == [None, "größer als erlaubt"]
    with pytest.raises(TypeError, match="gave 1 values of _failed for 2 rows"):
        batch_of(["x"])


def test_table_must_be_as_long_and_a_table() -> None:
    def table_of(found: object) -> pa.Table:
        def called(rows: pa.Table) -> Any:
            return found

        spec = operator(name="test.table", outputs={"a": pa.int64()}, table=True)(called).spec
        return apply_to_table(spec, pa.table({"_id": ["x", "y"]}), {})

    assert table_of(pa.table({"a": [1, 2]})).column_names == ["a", "_dropped"]
    with pytest.raises(TypeError, match="gave list; expected"):
        table_of([])
    with pytest.raises(TypeError, match="gave 1 values of a for 2 rows"):
        table_of(pa.table({"a": [1]}))
