"""Templates of prompts: names of columns in braces between plain text. Nothing in them is computed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.errors import InvalidInput

__all__ = ["PromptTemplate", "read_form"]

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """`"{tags}, {caption}."` taken apart: the text before each field, the fields, the text at the end."""

    before: tuple[str, ...]
    fields: tuple[str, ...]
    end: str

    @classmethod
    def parse(cls, text: str) -> PromptTemplate:
        """Read a template; `{{` and `}}` stand for braces.

        Raises:
            InvalidInput: A brace alone, no field, or one field twice; says where.
        """
        before: list[str] = [""]
        fields: list[str] = []
        place = 0
        for match in _TOKEN.finditer(text):
            before[-1] += text[place : match.start()]
            place = match.end()
            if match[0] in ("{{", "}}"):
                before[-1] += match[0][0]
            elif match[1]:
                if match[1] in fields:
                    raise InvalidInput(f"template {text!r}: the field {match[1]!r} is there twice; keep one")
                fields.append(match[1])
                before.append("")
            else:
                raise InvalidInput(
                    f"template {text!r}: at character {match.start() + 1} expected the name of a column in braces, "
                    "such as {tags}; a brace itself is written twice"
                )
        before[-1] += text[place:]
        if not fields:
            raise InvalidInput(f"template {text!r} names no column; expected such as '{{tags}}, {{caption}}'")
        return cls(tuple(before[:-1]), tuple(fields), before[-1])

    def pieces(self, values: Mapping[str, Sequence[str]], *, separator: str) -> list[str]:
        """What is written one after the other: each value with the text before it.

        The text before a field is written where the field has a value, and, but for the first field, where something
        stands before it. Values of one field are joined by the separator.
        """
        pieces: list[str] = []
        for idx, (before, field) in enumerate(zip(self.before, self.fields)):
            for number, value in enumerate(values[field]):
                start = separator if number else before if pieces or idx == 0 else ""
                pieces.append(start + value)
        return pieces

    def text(self, pieces: Sequence[str]) -> str:
        """The prompt of these pieces; empty where there are none."""
        return "".join(pieces) + self.end if pieces else ""


def read_form(text: str, *, field: str) -> tuple[str, str]:
    """What stands before and behind each value of a field, from such as "by {}".

    Raises:
        InvalidInput: Not exactly one {}.
    """
    before, found, behind = text.partition("{}")
    if not found or "{}" in behind:
        raise InvalidInput(f"formats: {field!r} has {text!r}; expected text with one {{}}, which stands for the value")
    return before, behind
