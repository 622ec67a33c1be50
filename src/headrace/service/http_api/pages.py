"""Lists in pages: a limit, and an opaque cursor that goes on after the last item that was read."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from headrace.errors import InvalidInput

__all__ = ["Page", "PageQuery", "PageWish", "cursor_after", "page_of", "place_in_cursor"]

_MAX_NUMBER = 2**63 - 1  # what databases know

Item = TypeVar("Item")
Place = tuple[int | str, ...]
"""What orders the items of a list: unchanging, and different for each."""


class Page(BaseModel, Generic[Item]):
    """A part of a list."""

    items: list[Item] = Field(description="In the order of the list, at most `limit`.")
    next: str | None = Field(description="The `cursor` of the next page; null on the last one.")


class PageWish(BaseModel):
    """Which part of a list."""

    limit: int = Field(default=100, ge=1, le=1000, description="Items at most.")
    cursor: str | None = Field(
        default=None, max_length=4096, description="`next` of the page before; without it the list begins."
    )


PageQuery = Annotated[PageWish, Query()]


def page_of(
    items: Iterable[Item], wish: PageWish, *, of: str, place: Callable[[Item], Place], kinds: tuple[type, ...]
) -> tuple[list[Item], str | None]:
    """The wanted items and the next cursor.

    Args:
        items: The whole list, its places ascending.
        wish: Which part.
        of: Name of the list; a cursor of another one is refused.
        place: Of an item.
        kinds: Types of the values in a place.

    Raises:
        InvalidInput: The cursor is none of this list.
    """
    after = place_in_cursor(wish, of=of, kinds=kinds)
    rest = [item for item in items if after is None or place(item) > after]
    found = rest[: wish.limit]
    return found, cursor_after(place(found[-1]), of=of) if len(rest) > len(found) else None


def cursor_after(place: Place, *, of: str) -> str:
    """The cursor of the page that begins after a place of a list."""
    data = json.dumps([of, *place], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def place_in_cursor(wish: PageWish, *, of: str, kinds: tuple[type, ...]) -> Place | None:
    """The place after which the wanted page begins; None for the first page.

    Raises:
        InvalidInput: The cursor is none of this list.
    """
    if wish.cursor is None:
        return None
    try:
        data = base64.b64decode(
            wish.cursor.encode("ascii") + b"=" * (-len(wish.cursor) % 4), altchars=b"-_", validate=True
        )
        document = json.loads(data)
    except (binascii.Error, UnicodeError, ValueError, RecursionError):
        document = None
    is_of_list = isinstance(document, list) and document[:1] == [of] and tuple(map(type, document[1:])) == kinds
    if not is_of_list or any(isinstance(value, int) and abs(value) > _MAX_NUMBER for value in document[1:]):
        raise InvalidInput(f"this is no cursor of the list of {of}; pass `next` of the page before, unchanged")
    return tuple(document[1:])
