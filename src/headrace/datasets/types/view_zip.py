"""A zip whose bytes depend on nothing but its members."""

from __future__ import annotations

import zipfile
from types import TracebackType
from typing import BinaryIO, Final

__all__ = ["ViewZip"]

_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that the format knows
_UNIX: Final = 3
_PERMISSIONS: Final = 0o100644 << 16


class ViewZip:
    """Members are stored as they are: media do not shrink, and compressors differ from machine to machine."""

    __slots__ = ("_zip",)

    def __init__(self, file: BinaryIO) -> None:
        """`file` must be seekable; it stays open."""
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True)

    def __enter__(self) -> ViewZip:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._zip.close()

    def add(self, name: str, content: bytes) -> None:
        """One member; names must differ."""
        member = zipfile.ZipInfo(name, _TIME)
        member.create_system = _UNIX  # else the machine's
        member.external_attr = _PERMISSIONS
        self._zip.writestr(member, content)
