"""Messages and descriptions."""

from __future__ import annotations

import pytest

from headrace.errors import InvalidInput
from headrace.schema.free_text import check_text


@pytest.mark.parametrize("text", ["", "More training data", "zwei\nZeilen", "日本 😀", "x" * 10_000])
def test_text_is_given_back(text: str) -> None:
    assert check_text(text, "message") == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [("x" * 10_001, "limit is 10,000"), ("a\ud800", "UTF-8.*character 1"), (5, "is a int"), (None, "NoneType")],
)
def test_text_that_cannot_be_stored_is_refused(text: object, reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"the message .*{reason}"):
        check_text(text, "message")  # type: ignore[arg-type]
