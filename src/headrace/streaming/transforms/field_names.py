"""Lists of field names as they are handed to transforms."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.errors import InvalidInput

__all__ = ["as_field_names"]


def as_field_names(names: Sequence[str], transform: str) -> tuple[str, ...]:
    """The names as a tuple.

    Raises:
        InvalidInput: None at all, one twice, or something else than strings.
    """
    fields = tuple(names)
    if isinstance(names, str) or not fields or not all(isinstance(name, str) and name for name in fields):
        raise InvalidInput(f"{transform} got {names!r}: expected names of fields, each a string")
    if len(set(fields)) < len(fields):
        raise InvalidInput(f"{transform} got {names!r}: a field is named twice")
    return fields
