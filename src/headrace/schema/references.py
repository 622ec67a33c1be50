"""References: LAKE::DATASET, then nothing, @alias, @id:HEX, @upto:N or @{time}."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from headrace.errors import InvalidInput
from headrace.schema.names import check_alias_name, check_dataset_name, is_dataset_id
from headrace.units import parse_timestamp

__all__ = ["Reference", "Selector"]

_MIN_HEX = 8


@dataclass(frozen=True, slots=True)
class Selector:
    """Which snapshot of a dataset: all commits, an alias, an id (prefix), the commits up to one, or up to a time."""

    kind: Literal["all", "alias", "id", "upto", "time"] = "all"
    value: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "all":
                return ""
            case "alias":
                return f"@{self.value}"
            case "time":
                return f"@{{{self.value}}}"
            case _:
                return f"@{self.kind}:{self.value}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A dataset, perhaps in a named lake, and which snapshot of it."""

    lake: str | None
    dataset: str
    selector: Selector

    def __str__(self) -> str:
        lake = f"{self.lake}::" if self.lake is not None else ""
        return f"{lake}{self.dataset}{self.selector}"

    @classmethod
    def parse(cls, text: str, *, default_lake: str | None = None) -> Reference:
        """Read a reference; `default_lake` is used when the text names no lake.

        Raises:
            InvalidInput: The text has another form; says which forms there are.
        """
        lake, separator, rest = text.rpartition("::")
        if separator and not lake:
            raise InvalidInput(f"{text!r} names no lake before '::'; {_FORMS}")
        name, at, selector = rest.partition("@")
        if not name:
            raise InvalidInput(f"{text!r} names no dataset; {_FORMS}")
        if not is_dataset_id(name):
            if "/" in name and not separator:
                raise InvalidInput(f"{text!r} looks like a path without a dataset; {_FORMS}")
            check_dataset_name(name)
        if at and not selector:
            raise InvalidInput(f"{text!r} has nothing after '@'; {_FORMS}")
        return cls(lake if separator else default_lake, name, _parse_selector(selector) if at else Selector())


_FORMS = (
    "expected LAKE::DATASET, then nothing for all commits, or @alias, @id:HEX, @upto:N or @{2026-11-01T00:00:00Z} "
    "(HEADRACE_LAKE supplies the lake when only DATASET is given)"
)


def _parse_selector(text: str) -> Selector:
    if text.startswith("{") and text.endswith("}"):
        parse_timestamp(text[1:-1])
        return Selector("time", text[1:-1])
    kind, separator, value = text.partition(":")
    if not separator:
        return Selector("alias", check_alias_name(text))
    if kind == "id":
        if re.fullmatch(rf"[0-9a-f]{{{_MIN_HEX},64}}", value) is None:
            raise InvalidInput(f"{value!r} is no snapshot id: expected {_MIN_HEX} to 64 hex digits in lower case")
        return Selector("id", value)
    if kind == "upto":
        if re.fullmatch(r"[1-9][0-9]{0,17}", value) is None:
            raise InvalidInput(f"{value!r} is no commit id: expected a whole number from 1")
        return Selector("upto", value)
    raise InvalidInput(f"unknown selector {kind + ':'!r} in @{text}; {_FORMS}")
