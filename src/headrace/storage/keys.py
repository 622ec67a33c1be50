"""Which object keys every store accepts, so that a lake can move between them."""

from __future__ import annotations

import re

from headrace.errors import InvalidInput

__all__ = ["MAX_KEY_BYTES", "TEMPORARY_FOLDER", "check_key", "check_new_key", "check_prefix"]

MAX_KEY_BYTES = 1024
"""Longest key in UTF-8 that S3 takes."""

TEMPORARY_FOLDER = ".tmp"
"""First segment that the local store keeps for half-written files; no key may start with it."""

_MAX_SEGMENT_BYTES = 255  # longest file name of the usual file systems
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")


def check_key(key: str) -> None:
    """Raise `InvalidInput` unless the key names one object below the store's root and nothing outside it."""
    if not key:
        raise InvalidInput("an object key is empty; expected '/'-separated names")
    if "\0" in key:
        raise InvalidInput(f"object key {key!r} contains a NUL character")
    for segment in key.split("/"):
        if segment in {"", ".", ".."}:
            raise InvalidInput(
                f"object key {key!r} has the segment {segment!r}; expected names separated by single slashes, "
                "no slash at either end, and neither '.' nor '..'"
            )
    if key.startswith(f"{TEMPORARY_FOLDER}/"):
        raise InvalidInput(f"object key {key!r} lies in {TEMPORARY_FOLDER}/, which is kept for half-written files")


def check_new_key(key: str) -> None:
    """As `check_key`, and additionally what all kinds of stores can hold."""
    check_key(key)
    if found := _CONTROL_CHARACTERS.search(key):
        raise InvalidInput(f"object key {key!r} contains the control character {found.group()!r}")
    try:
        encoded = key.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"object key {key!r} is not valid Unicode: {error.reason}") from error
    if len(encoded) > MAX_KEY_BYTES:
        raise InvalidInput(
            f"object key {key[:60]!r}… has {len(encoded):,} bytes; at most {MAX_KEY_BYTES:,} are allowed"
        )
    for segment in encoded.split(b"/"):
        if len(segment) > _MAX_SEGMENT_BYTES:
            raise InvalidInput(
                f"object key {key[:60]!r}… has a segment of {len(segment):,} bytes; "
                f"at most {_MAX_SEGMENT_BYTES} are allowed between two slashes"
            )


def check_prefix(prefix: str) -> None:
    """Raise `InvalidInput` unless keys can start with the prefix; an empty one matches all keys."""
    if prefix:
        check_key(prefix.removesuffix("/") if prefix != "/" else prefix)
