"""What of places and messages may leave the server: no path of its machine, no key inside an address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from pydantic import JsonValue

__all__ = ["PublicText"]

_PLACES = frozenset({"container", "lake", "place", "source", "uri"})
"""Fields of the library's documents that say where something lies."""

_ABSOLUTE_PATH = re.compile(r"(?<![\w/.:~\]}-])(?:file://)?/(?:[^\s/'\"`<>|:;,()\[\]]+/)+([^\s/'\"`<>|:;,()\[\]]*)")


class PublicText:
    """For the messages and documents of one lake."""

    def __init__(self, lake_uri: str) -> None:
        self._lake_uri = lake_uri.rstrip("/")

    def message(self, text: str) -> str:
        """A message of the library, its lake called LAKE, and of files of this machine only the name."""
        if "/" in self._lake_uri:
            text = text.replace(f"lake {self._lake_uri}", "the lake").replace(f"{self._lake_uri}/", "")
            text = text.replace(self._lake_uri, "LAKE")
        return _ABSOLUTE_PATH.sub(r"\1", text)

    def place(self, uri: str) -> str:
        """A place: of a file of this machine its name, of an object of the lake its key, else without secrets."""
        if "/" in self._lake_uri and uri.startswith(f"{self._lake_uri}/"):
            return uri.removeprefix(f"{self._lake_uri}/")
        if uri == self._lake_uri:
            return "LAKE"
        if uri.startswith(("/", "file:")):
            return uri.rstrip("/").rpartition("/")[2]
        if uri.lower().startswith(("http://", "https://")):
            parts = urlsplit(uri)
            return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        return uri

    def document(self, value: JsonValue, *, field: str = "") -> JsonValue:
        """A document, with its places and reasons as they may leave the server."""
        if isinstance(value, Mapping):
            return {name: self.document(item, field=name) for name, item in value.items()}
        if isinstance(value, list):
            return [self.document(item, field=field) for item in value]
        if isinstance(value, str) and field in _PLACES:
            return self.place(value)
        if isinstance(value, str) and field == "reason":
            return self.message(value)
        return value
