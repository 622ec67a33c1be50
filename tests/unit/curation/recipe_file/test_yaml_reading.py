"""YAML 1.2's core schema with places, and nothing beyond it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.recipe_file.nodes import ListNode, MapNode, ScalarNode, WrittenFloat
from headrace.curation.recipe_file.problems import Place
from headrace.curation.recipe_file.yaml_reading import read_yaml
from headrace.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64", 64), ("-7", -7), ("0x1F", 31), ("0o17", 15), ("1_000", "1_000"), ("007", 7), ("1.5", 1.5),
        ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0), ("true", True), ("False", False), ("yes", "yes"), ("no", "no"),
        ("on", "on"), ("", None), ("~", None), ("null", None), ("'64'", "64"), ('"true"', "true"),
        ("2026-11-01", "2026-11-01"), ("12:30", "12:30"),
        ("'it''s'", "it's"), ('"a\\tb"', "a\tb"), ("[1, a]", [1, "a"]), ("{a: {b: 1}}", {"a": {"b": 1}}),
        ("|\n  a\n  b\n", "a\nb\n"), (">-\n  a\n  b\n", "a b"),
    ],
)  # fmt: skip
def test_values_are_those_of_the_core_schema(text: str, value: object) -> None:
    found = read_yaml(f"x: {text}", file="f").plain
    assert isinstance(found, dict)
    assert found == {"x": value}
    assert type(found["x"]) in (type(value), WrittenFloat)


def test_every_part_knows_its_place() -> None:
    node = read_yaml("a:\n  - {b: 1, c: [x]}\n  - 'é': 2\n", file="f")
    assert isinstance(node, MapNode)
    assert node.key_place("a") == Place("f", 1, 1)
    assert node.at(["a"]) == Place("f", 2, 3)
    assert node.at(["a", 0, "c", 0]) == Place("f", 2, 16)
    assert node.at(["a", 1, "é"]) == Place("f", 3, 10)
    assert node.at(["a", 1, "nothing"]) == Place("f", 3, 5)
    items = node.get("a")
    assert isinstance(items, ListNode)
    assert isinstance(items.items[0], MapNode)
    assert items.items[0].key_place("c") == Place("f", 2, 12)


def test_aliases_are_written_out_at_the_place_of_their_anchor() -> None:
    node = read_yaml("a: &x {b: 1}\nc: *x\n", file="f")
    assert node.plain == {"a": {"b": 1}, "c": {"b": 1}}
    assert node.at(["c", "b"]) == Place("f", 1, 11)


def test_version_of_python_keeps_its_zero() -> None:
    node = read_yaml("3.10", file="f")
    assert isinstance(node, ScalarNode)
    assert isinstance(node.value, WrittenFloat)
    assert (node.value, node.value.text) == (3.1, "3.10")


@pytest.mark.parametrize(
    "text", ["{a: ${b}}", "{a: '${b}'}", "a: ${b}", 'a: "${b}"', "{a: ${b}, }", "a: |-\n  ${b}\n", "a: ${b} # ${c}"]
)
def test_placeholders_need_no_quotes(text: str) -> None:
    assert read_yaml(text, file="f").plain == {"a": "${b}"}


def test_places_behind_a_placeholder_are_right() -> None:
    assert read_yaml("{a: ${b}, c: 1}", file="f").at(["c"]) == Place("f", 1, 14)


def test_characters_that_hide_braces_may_be_in_the_text() -> None:
    assert read_yaml("{a: ${b}, c: \ue000\ue001}", file="f").plain == {"a": "${b}", "c": "\ue000\ue001"}


def test_byte_order_and_line_ends_do_not_matter() -> None:
    assert read_yaml("a: 1\r\nb: 2\r\n", file="f").at(["b"]) == Place("f", 2, 4)


def _refusal(text: str) -> InvalidInput | None:
    try:
        read_yaml(text, file="f")
    except InvalidInput as error:
        return error
    return None


@given(st.text() | st.text("{}[]&*!|>'\"%@`#,:-? \n\tab$<0"))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    error = _refusal(text)
    if error is not None:
        assert error.file == "f"
        assert isinstance(error.line, int)
        assert isinstance(error.column, int)
        assert min(error.line, error.column) >= 1
