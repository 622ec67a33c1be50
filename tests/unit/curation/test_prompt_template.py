"""Templates of prompts."""

from __future__ import annotations

import pytest

from headrace.curation.prompt_template import PromptTemplate, read_form
from headrace.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "values", "wanted"),
    [
        ("{tags}, {caption}", {"tags": ["cat", "sky"], "caption": ["a cat"]}, "cat, sky, a cat"),
        ("{tags}, {caption}", {"tags": [], "caption": ["a cat"]}, "a cat"),
        ("{tags}, {caption}", {"tags": ["cat"], "caption": []}, "cat"),
        ("photo of {caption}; {tags}!", {"tags": ["cat"], "caption": ["it"]}, "photo of it; cat!"),
        ("photo of {caption}; {tags}!", {"tags": ["cat"], "caption": []}, "cat!"),
        ("{a}{b}", {"a": ["x"], "b": ["y"]}, "xy"),
        ("{{{a}}}", {"a": ["猫"]}, "{猫}"),
        ("{a}!", {"a": []}, ""),
    ],
    ids=["all", "no tags", "no caption", "texts around", "first is missing", "nothing between", "braces", "nothing"],
)
def test_text_is_written_with_the_values_that_are_there(text: str, values: dict[str, list[str]], wanted: str) -> None:
    template = PromptTemplate.parse(text)
    assert template.text(template.pieces(values, separator=", ")) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tags", "names no column"),
        ("", "names no column"),
        ("a {tags", "at character 3 expected the name of a column in braces"),
        ("{tags}}", "at character 7 expected"),
        ("{}", "at character 1 expected"),
        ("{a}{a}", "the field 'a' is there twice"),
    ],
    ids=["no field", "empty", "open", "closed", "no name", "twice"],
)
def test_mistake_in_a_template_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        PromptTemplate.parse(text)


def test_attributes_are_names_of_columns_and_nothing_else() -> None:
    assert PromptTemplate.parse("{a.__class__}{a[0]}{a!r:>10}").fields == ("a.__class__", "a[0]", "a!r:>10")


def test_form_has_one_place_for_the_value() -> None:
    assert read_form("by {}", field="artist") == ("by ", "")
    for text in ("by", "{} {}"):
        with pytest.raises(InvalidInput, match=r"expected text with one \{\}"):
            read_form(text, field="artist")
