"""Whole numbers as users hand them in: also numpy's, never a text, a fraction or True."""

from __future__ import annotations

import operator
from typing import Any

from headrace.errors import InvalidInput

__all__ = ["whole_number"]


def whole_number(value: Any, name: str, *, at_least: int, to: int | None = None) -> int:
    """The number as Python's own.

    Raises:
        InvalidInput: It is none, or out of range; names the argument.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < at_least or (to is not None and number > to):
        upper = "" if to is None else f" to {to}"
        raise InvalidInput(f"{name} is {value!r}: expected a whole number from {at_least}{upper}")
    return number
