"""Text that people attach to things: messages, descriptions, owners, names of runs."""

from __future__ import annotations

from headrace.errors import InvalidInput

__all__ = ["check_text"]

_MAX_CHARS = 10_000


def check_text(text: str, what: str) -> str:
    """The text itself if it can be stored.

    Raises:
        InvalidInput: It is no text, longer than 10,000 characters, or holds half of a surrogate pair.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"the {what} is a {type(text).__name__}: expected text")
    if len(text) > _MAX_CHARS:
        raise InvalidInput(f"the {what} has {len(text):,} characters; the limit is {_MAX_CHARS:,}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"the {what} cannot be written as UTF-8: {text[error.start]!r} at character {error.start} is half of a pair"
        ) from None
    return text
