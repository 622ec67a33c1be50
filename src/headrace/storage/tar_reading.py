"""Reading tar headers: POSIX ustar and pax, GNU long names, v7. Source: POSIX.1-2017 pax, GNU tar manual.

The standard library's reader takes a damaged header in the middle for the end of the archive, which loses samples
without a word; this one refuses it.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from headrace.errors import InvalidInput
from headrace.storage.archive_limits import (
    ArchiveLimits,
    check_member_count,
    check_member_size,
    check_total_size,
)
from headrace.storage.member_names import UniqueNames, checked_name, is_ignored, is_nested_archive_name

__all__ = ["TarEntry", "TarReader"]

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_MAX_EXTENSION_BYTES = 1 << 20  # one pax header or long name
_MAX_EXTENSIONS = 8  # headers that may precede one member
_PIECE_BYTES = 8 << 20
_REGULAR = frozenset((b"0", b"\0", b"7"))
_REFUSED = {
    b"1": "is a hard link",
    b"2": "is a symbolic link",
    b"3": "is a character device",
    b"4": "is a block device",
    b"6": "is a named pipe",
    b"S": "is a sparse file",
    b"M": "continues from another volume",
}


@dataclass(frozen=True, slots=True)
class TarEntry:
    """A regular file: `size` bytes from `offset` of the expanded tar stream."""

    path: str
    size: int
    offset: int


@dataclass(slots=True)
class _Extensions:
    """What the headers before a member say about it."""

    path: str | None = None
    size: int | None = None
    num_headers: int = 0


class TarReader:
    """Regular files of a tar stream in archive order.

    With a seekable stream only headers are read; otherwise everything is read and `read_content` gives the bytes of
    the entry that was yielded last. For one thread.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        name: str,
        size: int | None,  # bytes of the stream if known, to refuse members that end behind it
        limits: ArchiveLimits,
        allow_nested: bool = True,
    ) -> None:
        self._stream = stream
        self._name = name
        self._size = size
        self._limits = limits
        self._allow_nested = allow_nested
        self._offset = 0
        self._seekable = stream.seekable()

    def entries(self) -> Iterator[TarEntry]:
        """Yield the files; folders, hidden ones and macOS's own are left out.

        Raises:
            InvalidInput: Damaged, cut off, beyond the limits, or a member that is unsafe to deliver.
        """
        names = UniqueNames(self._name)
        extensions = _Extensions()
        num_headers = 0
        total = 0
        while True:
            header_offset = self._offset
            block = self._read_exact(_BLOCK, None) if not self._at_end() else b""
            if not block:
                if header_offset == 0:
                    raise InvalidInput("empty file; expected a tar archive", file=self._name)
                raise InvalidInput(
                    f"the tar ends at offset {header_offset:,} without its end mark: it was cut off or never finished; "
                    "deliver it again",
                    file=self._name,
                )
            if block == _ZEROS:
                if extensions.num_headers:
                    raise self._damaged(header_offset, "the archive ends after an extension header")
                return
            num_headers += 1
            check_member_count(num_headers, archive=self._name, limits=self._limits)
            if not _checksum_matches(block):
                raise self._damaged(header_offset, "the header's checksum does not match")
            kind = block[156:157]
            size = self._number(block[124:136], header_offset, "size")
            if kind in b"xgXLK" and kind:
                self._read_extension(kind, size, extensions, header_offset)
                continue
            path = extensions.path if extensions.path is not None else self._header_path(block, header_offset)
            if kind in _REGULAR and extensions.size is not None:
                size = extensions.size
            extensions = _Extensions()
            if kind in _REFUSED:
                raise InvalidInput(
                    f"member {path[:200]!r} at offset {header_offset:,} {_REFUSED[kind]}; expected regular files and "
                    "folders only",
                    file=self._name,
                )
            if kind == b"V":
                self._skip(size + -size % _BLOCK, path)
                continue
            if kind == b"5":
                size = 0  # some writers put a quota there; no content follows
            is_folder = kind in (b"5", b"D") or (kind == b"\0" and path.endswith("/"))
            if not is_folder and kind not in _REGULAR:
                raise InvalidInput(
                    f"member {path[:200]!r} at offset {header_offset:,} has the unknown tar type {kind!r}; expected "
                    "regular files and folders only",
                    file=self._name,
                )
            path = checked_name(path, archive=self._name)
            check_member_size(path, size, archive=self._name, limits=self._limits)
            total += size
            check_total_size(total, archive=self._name, limits=self._limits)
            if self._size is not None and self._offset + size > self._size:
                raise self._cut_off(path, size)
            if is_folder or not path or is_ignored(path):
                self._skip(size + -size % _BLOCK, path)
                continue
            names.add(path)
            if not self._allow_nested and is_nested_archive_name(path):
                raise InvalidInput(
                    f"member {path!r} is an archive itself; expected files only, so unpack it first", file=self._name
                )
            start = self._offset
            yield TarEntry(path, size, start)
            self._skip(start + size + -size % _BLOCK - self._offset, path)

    def read_content(self, entry: TarEntry) -> bytes:
        """The bytes of the entry that `entries` yielded last; once."""
        return self._read_exact(entry.size, entry.path)

    def _read_extension(self, kind: bytes, size: int, extensions: _Extensions, header_offset: int) -> None:
        extensions.num_headers += 1
        if extensions.num_headers > _MAX_EXTENSIONS:
            raise self._damaged(header_offset, f"more than {_MAX_EXTENSIONS} extension headers before one member")
        if size > _MAX_EXTENSION_BYTES:
            raise self._damaged(header_offset, f"an extension header of {size:,} bytes")
        content = self._read_exact(size, None)
        self._skip(-size % _BLOCK, "extension header")
        if kind == b"L":
            extensions.path = self._text(content.split(b"\0", 1)[0], header_offset)
        elif kind != b"K":
            for key, value in self._pax_records(content, header_offset):
                if key.startswith("GNU.sparse."):
                    raise InvalidInput(
                        f"the member after offset {header_offset:,} is a sparse file; expected regular files and "
                        "folders only",
                        file=self._name,
                    )
                if key not in ("path", "size"):
                    continue
                if kind == b"g":
                    raise self._damaged(header_offset, f"a global header that sets {key!r} for every member")
                if key == "path":
                    extensions.path = self._text(value, header_offset)
                elif value.isdigit() and len(value) < 20:
                    extensions.size = int(value)
                else:
                    raise self._damaged(header_offset, f"the size {value[:40]!r}")

    def _pax_records(self, content: bytes, header_offset: int) -> Iterator[tuple[str, bytes]]:
        position = 0
        while position < len(content):
            if not content[position:].strip(b"\0"):
                return
            space = content.find(b" ", position, position + 20)
            digits = content[position:space] if space > 0 else b""
            length = int(digits) if digits.isdigit() else 0
            record = content[space + 1 : position + length]
            if position + length > len(content) or not record.endswith(b"\n") or b"=" not in record:
                raise self._damaged(header_offset, "a pax header that cannot be read")
            key, value = record[:-1].split(b"=", 1)
            yield key.decode("utf-8", "replace"), value
            position += length

    def _header_path(self, block: bytes, header_offset: int) -> str:
        name = block[:100].split(b"\0", 1)[0]
        # GNU headers use the same bytes for times.
        prefix = block[345:500].split(b"\0", 1)[0] if block[257:263] == b"ustar\0" else b""
        return self._text(prefix + b"/" + name if prefix else name, header_offset)

    def _text(self, raw: bytes, header_offset: int) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidInput(
                f"member {raw[:200]!r} at offset {header_offset:,} has a name that is not UTF-8; expected UTF-8 names",
                file=self._name,
            ) from None

    def _number(self, raw: bytes, header_offset: int, what: str) -> int:
        if raw[0] == 0x80:
            return int.from_bytes(raw[1:], "big")
        digits = raw.split(b"\0", 1)[0].strip(b" ")
        try:
            value = int(digits or b"0", 8)
        except ValueError:
            value = -1
        if value < 0:
            raise self._damaged(header_offset, f"the {what} {raw!r}")
        return value

    def _damaged(self, offset: int, what: str) -> InvalidInput:
        if offset == 0:
            return InvalidInput(f"not a tar archive ({what}); expected an uncompressed tar here", file=self._name)
        return InvalidInput(
            f"damaged tar header at offset {offset:,}: {what}; expected an undamaged archive, so deliver it again",
            file=self._name,
        )

    def _cut_off(self, path: str | None, size: int) -> InvalidInput:
        subject = "a header" if path is None else f"member {path[:200]!r}"
        return InvalidInput(
            f"cut off: {subject} needs {size:,} bytes at offset {self._offset:,}, and the file ends before; deliver "
            "it again",
            file=self._name,
        )

    def _at_end(self) -> bool:
        """Whether nothing at all follows, as opposed to a header that is cut off."""
        if self._size is not None:
            return self._offset >= self._size
        self._peeked = self._stream.read(1)
        return not self._peeked

    _peeked: bytes = b""

    def _read_exact(self, size: int, path: str | None) -> bytes:
        data, self._peeked = self._peeked, b""
        if len(data) < size:
            piece = self._stream.read(min(size - len(data), _PIECE_BYTES))
            data = data + piece if data else piece
        if len(data) < size:
            pieces = [data]
            done = len(data)
            while done < size:
                piece = self._stream.read(min(size - done, _PIECE_BYTES))
                if not piece:
                    raise self._cut_off(path, size)
                pieces.append(piece)
                done += len(piece)
            data = b"".join(pieces)
        self._offset += size
        return data

    def _skip(self, size: int, path: str) -> None:
        if self._seekable:
            if size:
                self._offset += size
                self._stream.seek(self._offset, os.SEEK_SET)
            return
        while size > 0:
            piece = min(size, _PIECE_BYTES)
            self._read_exact(piece, path)
            size -= piece


def _checksum_matches(block: bytes) -> bool:
    digits = block[148:156].split(b"\0", 1)[0].strip(b" ")
    try:
        expected = int(digits, 8)
    except ValueError:
        return False
    rest = block[:148] + block[156:]
    unsigned = _sum_of(rest[:252]) + _sum_of(rest[252:]) + 8 * 32
    # Some old writers added signed bytes.
    return expected == unsigned or expected == unsigned - 256 * sum(1 for byte in rest if byte > 127)


def _sum_of(data: bytes) -> int:
    """The sum of at most 256 bytes: the lower half of Adler-32 is that plus one, modulo a number it cannot reach."""
    return (zlib.adler32(data) & 0xFFFF) - 1
