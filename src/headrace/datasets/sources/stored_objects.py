"""Objects in a bucket, on a web server or in memory: named, found by prefix, or found by pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

from headrace.errors import InvalidInput, NotFound
from headrace.storage.archive_limits import ArchiveLimits, check_member_count
from headrace.storage.containers import StoredContainer
from headrace.storage.front_reading import read_pinned
from headrace.storage.store import ObjectStat, ObjectStore

__all__ = ["SourceOpener", "StoredObject", "find_object", "glob_objects", "list_objects"]


class SourceOpener(Protocol):
    """Knows the stores, with their credentials, that sources may come from."""

    def open(self, uri: str) -> tuple[ObjectStore, str]:
        """The store and the key in it; the key is '' for a whole bucket."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class StoredObject:
    """One object that exists."""

    uri: str
    key: str
    size: int  # bytes
    version: str
    store: ObjectStore = field(compare=False)
    modified_at: float = field(default=0.0, compare=False)  # seconds since 1970, by the store's clock

    def load(self) -> bytes:
        """The whole content.

        Raises:
            InvalidInput: It is not the version that was listed.
        """
        data, version = read_pinned(self.store, self.key)
        if version != self.version:
            raise InvalidInput(
                f"changed while it was read (listed as version {self.version}, read as {version}); commit again",
                file=self.uri,
            )
        return data

    def container(self) -> StoredContainer:
        """The object as something to read ranges of."""
        return StoredContainer(self.store, self.key, name=self.uri, size=self.size, version=self.version)


def find_object(uri: str, opener: SourceOpener) -> StoredObject | None:
    """The object that a URI names exactly, or None."""
    store, key = opener.open(uri)
    found = store.stat(key) if key else None
    return None if found is None else _stored(store, found)


def list_objects(
    uri: str, opener: SourceOpener, *, limits: ArchiveLimits, may_be_empty: bool = False
) -> list[tuple[str, StoredObject]]:
    """(relative path, object) below a prefix in path order; hidden ones ('.'-prefixed) and folder marks are left out.

    Raises:
        NotFound: There is no such bucket, or nothing below the prefix.
        InvalidInput: Too many objects, or all are hidden.
    """
    store, key = opener.open(uri)
    prefix = key.rstrip("/") + "/" if key else ""
    found: list[tuple[str, StoredObject]] = []
    num_seen = 0
    for item in store.list(prefix):
        num_seen += 1
        check_member_count(num_seen, archive=uri, limits=limits)
        path = item.key[len(prefix) :]
        if path and not path.endswith("/") and not path.startswith(".") and "/." not in path:
            _check_path(path, uri=uri)
            found.append((path, _stored(store, item)))
    if not found and may_be_empty:
        return []
    if num_seen == 0:
        raise NotFound(f"{uri}: no such object, and none below it; expected a file, or a prefix with files")
    if not found:
        raise InvalidInput("empty folder; expected at least one file that is not hidden", file=uri)
    found.sort(key=lambda item: item[0])
    return found


def glob_objects(uri: str, opener: SourceOpener, *, limits: ArchiveLimits) -> list[StoredObject]:
    """Objects that match a pattern (`*`, `?`, `[...]` within a name, `**` over folders), in key order."""
    magic = next(idx for idx, char in enumerate(uri) if char in "*?[")
    base = uri[:magic].rsplit("/", 1)[0]
    pattern = re.compile(_pattern(uri[len(base) + 1 :]), re.DOTALL)
    return [item for path, item in list_objects(base, opener, limits=limits) if pattern.fullmatch(path)]


def _stored(store: ObjectStore, found: ObjectStat) -> StoredObject:
    root = store.uri.rstrip("/")
    # Only web addresses are percent-encoded.
    path = quote(found.key, safe="/!$&'()*+,;=:@~-._") if root.startswith(("http://", "https://")) else found.key
    return StoredObject(f"{root}/{path}", found.key, found.size, found.version, store, found.modified_at)


def _check_path(path: str, *, uri: str) -> None:
    if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidInput(f"the key {path!r} is no path that can be delivered; expected names between '/'", file=uri)


def _pattern(glob: str) -> str:
    return "".join(_pattern_parts(glob))


def _pattern_parts(glob: str) -> Iterator[str]:
    position = 0
    while position < len(glob):
        char = glob[position]
        if glob.startswith("**/", position):
            yield "(?:.*/)?"
            position += 3
            continue
        if glob.startswith("**", position):
            yield ".*"
            position += 2
            continue
        end = glob.find("]", position + 2) if char == "[" else -1
        if char == "*":
            yield "[^/]*"
        elif char == "?":
            yield "[^/]"
        elif end > 0:
            inside = glob[position + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            yield "[^" + inside[1:] + "]" if inside.startswith("!") else "[" + inside.replace("^", "\\^") + "]"
            position = end
        else:
            yield re.escape(char)
        position += 1
