"""Files that nobody hands in as data."""

from __future__ import annotations

from typing import Final

__all__ = ["is_clutter"]

_CLUTTER_NAMES: Final = frozenset(
    {
        *("thumbs.db", "desktop.ini", "license", "license.txt", "license.md"),
        *("readme", "readme.md", "readme.txt", "readme.rst"),
    }
)


def is_clutter(path: str) -> bool:
    """Whether a file is what systems and authors leave beside data: hidden files, thumbnails, read-mes."""
    if path.startswith((".", "__MACOSX/")) or "/." in path:
        return True
    return path[path.rfind("/") + 1 :].lower() in _CLUTTER_NAMES
