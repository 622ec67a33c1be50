"""The decorator: what it reads off a function, and what it refuses."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import pytest
from pydantic import Field

from headrace.curation import Column, Condition, Drop, Media, OperatorSpec, operator
from headrace.errors import InvalidInput


@operator(name="test.ratio", outputs={"ratio": pa.float64()}, version=3, library="numpy", gil_free=True, gpu=0.5)
def ratio(
    image: Media,
    caption: str,
    *,
    scale: float = 1.0,
    sides: Annotated[int, Field(ge=1)] = 2,
    mode: Literal["a", "b"] = "a",
    words: list[str] | None = None,
    weights: dict[str, float] | None = None,
    model: Path | None = None,
    strict: bool = False,
) -> float | Drop:
    """Words per pixel.

    More of it.

    Args:
        scale: Multiplies
            the result.
        sides: How many.
    """
    return scale * len(caption.split()) / len(image.data)


SPEC: OperatorSpec = ratio.spec
ANY_ROW = Condition("true")


def test_function_stays_callable() -> None:
    assert ratio(Media(b"1234"), "two words", scale=2.0) == 1.0
    assert ratio.__doc__ == SPEC.function.__doc__


def test_spec_says_what_the_signature_says() -> None:
    assert (SPEC.name, SPEC.version, SPEC.kind, SPEC.docs) == ("test.ratio", 3, "sample", "Words per pixel.")
    assert dict(SPEC.inputs) == {"image": "media", "caption": "value"}
    assert {name: setting.type_name for name, setting in SPEC.settings.items()} == {
        "scale": "number",
        "sides": "whole number",
        "mode": "'a' | 'b'",
        "words": "list of text or nothing",
        "weights": "number by text or nothing",
        "model": "file or nothing",
        "strict": "true or false",
    }
    assert SPEC.settings["scale"].doc == "Multiplies the result."
    assert SPEC.is_gil_free
    assert SPEC.needs.gpu == 0.5
    assert SPEC.is_experimental


def test_operator_is_pickled_by_name() -> None:
    assert pickle.loads(pickle.dumps(ratio)) is ratio


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scal": 1}, r"test\.ratio has no setting 'scal'\. Did you mean 'scale'\?"),
        ({"scale": "1"}, r"setting scale of test\.ratio is '1'; expected number"),
        ({"scale": True}, r"setting scale .* is True; expected number"),
        ({"sides": 1.5}, r"setting sides .* expected whole number"),
        ({"sides": True}, r"setting sides .* expected whole number"),
        ({"sides": 0}, r"setting sides .* is 0; .* greater than or equal to 1"),
        ({"mode": "c"}, r"setting mode .* expected 'a' \| 'b'"),
        ({"words": ["a", 1]}, r"setting words.* is 1; expected list of text"),
        ({"weights": {"a": "x"}}, r"setting weights.*'a'.* expected number by text"),
        ({"strict": 1}, r"setting strict .* expected true or false"),
    ],
)
def test_wrong_setting_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        SPEC.bind(given)


def test_bound_settings_are_complete_and_in_order() -> None:
    bound = SPEC.bind({"sides": 3, "scale": 2})
    assert list(bound) == list(SPEC.settings)
    assert bound["scale"] == 2
    assert bound["sides"] == 3


def test_identity_of_a_file_is_its_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").write_bytes(b"x")
    first, second = (SPEC.identity(SPEC.bind({"model": str(tmp_path / name)})) for name in "ab")
    assert first == second
    assert str(first["model"]).startswith("blake3:")


def decorated(function: Any, **options: Any) -> Any:
    return operator(**{"name": "test.other", "outputs": {"x": pa.int64()}, **options})(function)


def test_required_setting_must_be_given() -> None:
    def top(rows: pa.Table, *, by: Column, where: Condition = ANY_ROW) -> pa.Table:
        """Docs."""
        return rows

    spec = decorated(top, table=True).spec
    with pytest.raises(InvalidInput, match=r"test\.other needs the setting by \(column\)"):
        spec.bind({})
    schema = pa.schema([("v", pa.int64()), ("w", pa.int64()), ("_id", pa.string())])
    assert spec.columns_read(spec.bind({"by": "v", "where": "w > 1 AND _id = 'a'"}), schema) == ("v", "w")


def _no_input(*, x: int = 1) -> int:
    return x


def _untyped(image: Media, *, x=1) -> int:  # type: ignore[no-untyped-def]  # that is what is tested
    return x  # type: ignore[no-any-return]  # same


def _many(*images: Media) -> int:
    return 1


def _default(image: Media, x: int = 1) -> int:
    return x


def _plain(image: Media) -> int:
    return 1


def _two_tables(a: pa.Table, b: pa.Table) -> pa.Table:
    return a


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (_no_input, {}, "reads no column"),
        (_untyped, {}, "setting x has no type"),
        (_many, {}, "hides what it reads"),
        (_default, {}, r"x has a default, so it is a setting; put it behind a \*"),
        (_plain, {"name": "Blur"}, "expected lower-case words joined by dots"),
        (_plain, {"name": "blur"}, "expected lower-case words joined by dots"),
        (_plain, {"version": 0}, "expected a whole number from 1"),
        (_plain, {"batch": True, "table": True}, "exclude each other"),
        (_plain, {"batch": True}, r"annotated .*Media.*; expected list\[Media \| None\], as it works on each batch"),
        (_plain, {"replaces": ["photo"]}, "replaces names 'photo'"),
        (_plain, {"keys": "by"}, "keys names 'by'"),
        (_two_tables, {"table": True}, "takes one table, not 2"),
    ],
)
def test_unclear_function_is_refused(function: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        decorated(function, **options)
