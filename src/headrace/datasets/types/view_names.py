"""File names in a training view: unique on every file system, and the same for the same rows."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from headrace.datasets.probes.content_kind import content_suffix

__all__ = ["UniqueNames"]

_MAX_BYTES: Final = 180  # room for a number below the 255 bytes that file systems allow
_NOT_PORTABLE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")


class UniqueNames:
    """Hands out file names in row order.

    The base name of the sample's id is kept where it can be. A name that is taken, also one that differs only in
    case or in Unicode form, gets "-2", "-3", ... before its suffix.
    """

    __slots__ = ("_next", "_taken")

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def name_for(self, sample_id: str, content: bytes) -> str:
        """The file name of the next row; one without suffix gets the one that fits its content."""
        name = _NOT_PORTABLE.sub("_", unicodedata.normalize("NFC", sample_id.rpartition("/")[2])).rstrip(". ")
        if not name or name.startswith(".") or _RESERVED.fullmatch(name):
            name = "_" + name
        match = _SUFFIX.search(name)
        suffix = match[0] if match else content_suffix(content)
        stem = name[: -len(suffix)] if match else name
        stem = stem.encode("utf-8", "replace")[:_MAX_BYTES].decode("utf-8", "ignore")
        wanted = _folded(stem + suffix)
        if wanted not in self._taken:
            self._taken.add(wanted)
            return stem + suffix
        number = self._next.get(wanted, 2)
        while _folded(f"{stem}-{number}{suffix}") in self._taken:
            number += 1
        self._next[wanted] = number + 1
        name = f"{stem}-{number}{suffix}"
        self._taken.add(_folded(name))
        return name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
