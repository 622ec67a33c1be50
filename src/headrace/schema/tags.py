"""Tags: key=value marks on commits, by which snapshots choose them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from headrace.errors import InvalidInput

__all__ = ["Tag", "TagsLike", "has_tags", "normalise_tags", "parse_tag", "tags_by_key"]

Tag = tuple[str, str]
TagsLike = Mapping[str, str | Sequence[str]] | Iterable[tuple[str, str]]

_MAX_TAGS = 1_000
_MAX_CHARS = 1_024


def parse_tag(text: str) -> Tag:
    """Key and value of "key=value"; the value may hold further '='.

    Raises:
        InvalidInput: No '=' or no key.
    """
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise InvalidInput(f"{text!r} is no tag: expected KEY=VALUE, for example category=train")
    return key, value


def normalise_tags(tags: TagsLike | None) -> tuple[Tag, ...]:
    """Sorted, distinct pairs. One key may have several values: several pairs, or a list in a mapping.

    Raises:
        InvalidInput: An empty key, or a key or value that is no text, too long or holds control characters.
    """
    if tags is None:
        return ()
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise InvalidInput(f"tags={tags!r}: expected a mapping of key to value, or (key, value) pairs")
    pairs = _pairs_of(tags) if isinstance(tags, Mapping) else tags
    found: set[Tag] = set()
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InvalidInput(f"{pair!r} is no tag: expected a mapping of key to value, or (key, value) pairs")
        key, value = pair
        for part, what in ((key, "key"), (value, "value")):
            if not isinstance(part, str):
                raise InvalidInput(f"tag {what} {part!r} is a {type(part).__name__}: expected text")
            if len(part) > _MAX_CHARS or not part.isprintable():
                raise InvalidInput(
                    f"tag {what} {part[:40]!r} is too long or holds control characters (limit {_MAX_CHARS})"
                )
        if not key or "=" in key:
            raise InvalidInput(f"tag key {key!r} is empty or holds '='")
        found.add((key, value))
    if len(found) > _MAX_TAGS:
        raise InvalidInput(f"{len(found)} tags on one commit; the limit is {_MAX_TAGS}")
    return tuple(sorted(found))


def tags_by_key(tags: Iterable[Tag]) -> dict[str, str | list[str]]:
    """The value of each key; of a key with several values the sorted list. `normalise_tags` reads it back."""
    values: dict[str, list[str]] = {}
    for key, value in sorted(tags):
        values.setdefault(key, []).append(value)
    return {key: found[0] if len(found) == 1 else found for key, found in values.items()}


def has_tags(tags: Iterable[Tag], wanted: Iterable[Tag]) -> bool:
    """Whether every wanted pair is among the tags: key and value equal, case included."""
    return set(wanted) <= set(tags)


def _pairs_of(tags: Mapping[str, str | Sequence[str]]) -> Iterator[tuple[str, str]]:
    for key, value in tags.items():
        for item in value if isinstance(value, list | tuple) else (value,):
            yield key, item
