"""Which member names of archives are safe, and which members nobody means to deliver."""

from __future__ import annotations

import re
import unicodedata

from headrace.errors import InvalidInput

__all__ = ["RepeatedName", "UniqueNames", "checked_name", "is_ignored", "is_nested_archive_name", "looks_like_archive"]

_MAX_NAME_BYTES = 4096  # PATH_MAX on Linux: a longer one could not be written out again
_DRIVE = re.compile(r"[A-Za-z]:")
_NESTED_SUFFIXES = (
    ".zip", ".tar", ".tgz", ".tar.gz", ".tar.zst", ".tzst", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".7z", ".rar",
)  # fmt: skip
_NESTED_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07")


def checked_name(name: str, *, archive: str) -> str:
    """The name with '.' and empty components dropped; '' for the root folder itself.

    Raises:
        InvalidInput: The name could leave the folder that it is unpacked into, on any operating system.
    """
    problem = None
    if "\0" in name:
        problem = "holds a NUL character"
    elif "\\" in name:
        problem = "holds a backslash, a separator on some systems"
    elif name.startswith("/"):
        problem = "is an absolute path"
    elif _DRIVE.match(name):
        problem = "starts with a drive letter"
    elif ".." in name and ".." in name.split("/"):
        problem = "climbs out of the archive with '..'"
    elif len(name) > _MAX_NAME_BYTES // 4 and len(name.encode("utf-8", "replace")) > _MAX_NAME_BYTES:
        problem = f"is longer than {_MAX_NAME_BYTES} bytes"
    if problem is not None:
        raise InvalidInput(
            f"member {name[:200]!r} {problem}; expected a relative path with '/' between folders", file=archive
        )
    if "//" in name or name.startswith("./") or "/./" in name or name.endswith(("/", "/.")) or name == ".":
        return "/".join(part for part in name.split("/") if part not in ("", "."))
    return name


def is_ignored(name: str) -> bool:
    """Whether a checked name is hidden ('.'-prefixed) or macOS's resource forks, as folders leave them out too."""
    return name.startswith((".", "__MACOSX/")) or "/." in name


def is_nested_archive_name(name: str) -> bool:
    """Whether a member is an archive by its extension."""
    return name.lower().endswith(_NESTED_SUFFIXES)


def looks_like_archive(head: bytes) -> bool:
    """Whether content that starts with `head` (262 bytes are enough) is an archive, whatever its name."""
    return head.startswith(_NESTED_MAGIC) or head[257:262] == b"ustar"


class RepeatedName(InvalidInput):
    """A member has the name of one in another archive; read one by one they are fine."""


class UniqueNames:
    """Refuses a name that was seen before, also one that differs only in how accents are encoded (Unicode NFC)."""

    def __init__(self, archive: str, *, seen: set[str] | None = None) -> None:
        """`seen` is shared by several archives whose names must differ; it grows."""
        self._archive = archive
        self._seen = set[str]() if seen is None else seen
        self._error = InvalidInput if seen is None else RepeatedName

    def add(self, name: str) -> None:
        """Raise `InvalidInput` when the name was added before, `RepeatedName` if other archives count."""
        folded = name if name.isascii() else unicodedata.normalize("NFC", name)
        if folded in self._seen:
            raise self._error(
                f"member {name!r} occurs twice (names that look the same count as the same); expected unique names",
                file=self._archive,
            )
        self._seen.add(folded)
