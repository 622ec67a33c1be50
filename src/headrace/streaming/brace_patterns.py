"""Names with braces, as shards are written: `part-{000..012}.tar` and `{train,val}.parquet`.

Source: Bash Reference Manual 3.5.1.
"""

from __future__ import annotations

import re
from itertools import product

from headrace.errors import InvalidInput

__all__ = ["expand_braces"]

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]+)\.\.([0-9]+)")
_MAX_NAMES = 1_000_000


def expand_braces(text: str) -> list[str]:
    """All names that a text stands for, in order; the text itself if nothing in it is a range or a choice.

    Raises:
        InvalidInput: More than a million names.
    """
    parts: list[list[str]] = []
    position = 0
    total = 1
    for found in _BRACES.finditer(text):
        choices = _choices(found[1])
        if choices is None:
            continue
        total *= len(choices)
        if total > _MAX_NAMES:
            raise InvalidInput(f"{text!r} stands for more than {_MAX_NAMES:,} names; use a glob or a list")
        parts += [[text[position : found.start()]], list(choices)]
        position = found.end()
    if not parts:
        return [text]
    return ["".join(pieces) for pieces in product(*parts, [text[position:]])]


def _choices(inside: str) -> list[str] | None:
    bounds = _RANGE.fullmatch(inside)
    if bounds is None:
        return inside.split(",") if "," in inside else None
    first, last = int(bounds[1]), int(bounds[2])
    if abs(last - first) >= _MAX_NAMES:
        raise InvalidInput(f"{{{inside}}} stands for more than {_MAX_NAMES:,} names; use a glob or a list")
    is_padded = bounds[1].startswith("0") or bounds[2].startswith("0")
    width = max(len(bounds[1]), len(bounds[2])) if is_padded else 0
    step = 1 if last >= first else -1
    return [f"{number:0{width}d}" for number in range(first, last + step, step)]
