"""Plain Python values in a form that can be hashed: the same on any machine, floats exact, order of keys immaterial."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import json
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

__all__ = ["PlainForm", "is_plain", "plain_form"]

PlainForm: TypeAlias = bool | int | str | Sequence["PlainForm"] | Mapping[str, "PlainForm"] | None

_TEXTS = (dt.date, dt.time, dt.timedelta, decimal.Decimal, fractions.Fraction)


def is_plain(value: object) -> bool:
    """Whether `plain_form` takes it."""
    try:
        plain_form(value)
    except TypeError:
        return False
    return True


def plain_form(value: object) -> PlainForm:
    """JSON without floats; values that Python calls equal but that behave differently (1, 1.0, True) differ.

    Raises:
        TypeError: Not made of plain values alone.
    """
    if value is None or type(value) is bool or type(value) is str:
        return value
    if isinstance(value, enum.Enum):
        return {"enum": [type(value).__qualname__, value.name]}
    if type(value) is int:
        return value if -(2**53) < value < 2**53 else {"int": str(value)}
    if isinstance(value, float):
        return {"float": float.hex(value)}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, complex):
        return {"complex": [float.hex(value.real), float.hex(value.imag)]}
    if isinstance(value, bytes | bytearray):
        return {"bytes": bytes(value).hex()}
    if value is ...:
        return {"ellipsis": True}
    if isinstance(value, list | tuple):
        return [plain_form(item) for item in value]
    if isinstance(value, set | frozenset):
        return {"set": _ordered([plain_form(item) for item in value])}
    if isinstance(value, Mapping):
        return {"map": _ordered([[plain_form(key), plain_form(item)] for key, item in value.items()])}
    if isinstance(value, range | slice):
        return {type(value).__name__: [plain_form(part) for part in (value.start, value.stop, value.step)]}
    if isinstance(value, re.Pattern):
        return {"pattern": [plain_form(value.pattern), value.flags]}
    if isinstance(value, _TEXTS):
        return {type(value).__name__: str(value)}
    raise TypeError(f"{type(value).__name__} is no plain value")


def _ordered(forms: list[PlainForm]) -> list[PlainForm]:
    return sorted(forms, key=lambda form: json.dumps(form, sort_keys=True))
