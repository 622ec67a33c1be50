"""Rows of an index as a provider: tables, folders, globs, tar shards."""

from __future__ import annotations

from headrace.errors import InvalidInput
from headrace.streaming.options import IndexOptions
from headrace.streaming.provider import Provider

__all__ = ["open_index"]


def open_index(source: object, *, options: IndexOptions, folder: str) -> Provider:
    """The rows of an index; its pages lie in `folder`."""
    raise InvalidInput(f"{source!r} is no snapshot")
