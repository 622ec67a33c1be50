"""What datasets, aliases and columns may be called."""

from __future__ import annotations

import re

from headrace.errors import InvalidInput

__all__ = ["check_alias_name", "check_column_name", "check_dataset_name", "is_dataset_id", "is_dataset_name"]

_NAME = re.compile(r"[A-Za-z_][\w.-]{0,99}", re.ASCII)
_MAX_COLUMN_BYTES = 255


def check_dataset_name(name: str) -> str:
    """The name itself if a dataset may be called so.

    Raises:
        InvalidInput: It starts with a digit, is longer than 100 characters or holds other characters.
    """
    return _check(name, "a dataset name")


def check_alias_name(name: str) -> str:
    """The name itself if a snapshot may be called so; the same rules as for datasets."""
    return _check(name, "an alias")


def check_column_name(name: str) -> str:
    """The name itself if a column may be called so: not empty, no leading underscore, no control characters."""
    if (
        not name
        or name.startswith("_")
        or len(name.encode("utf-8", "surrogatepass")) > _MAX_COLUMN_BYTES
        or not name.isprintable()
    ):
        raise InvalidInput(
            f"a column cannot be called {name!r}: expected 1 to {_MAX_COLUMN_BYTES} bytes of printable text "
            "that does not "
            "start with '_' (those names belong to Headrace); rename the column in the source"
        )
    return name


def is_dataset_id(text: str) -> bool:
    """Whether the text has the form of an id ("1", "27"), which no name can have."""
    return text.isascii() and text.isdigit()


def is_dataset_name(text: str) -> bool:
    """Whether a dataset may be called so."""
    return _NAME.fullmatch(text) is not None


def _check(name: str, what: str) -> str:
    if not isinstance(name, str) or not is_dataset_name(name):
        raise InvalidInput(
            f"{name!r} cannot be {what}: expected a letter or '_' first, then up to 99 letters, digits, '_', '.' or '-'"
        )
    return name
