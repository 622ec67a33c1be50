"""Reading zip archives from their central directory, each member on demand. Source: PKWARE APPNOTE.TXT 6.3.10.

Entries are read as a stream and checked one by one, so that a hostile directory cannot fill the memory first, and
members are read with their own file handle, so that many threads can.
"""

from __future__ import annotations

import io
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from headrace.errors import InvalidInput
from headrace.storage.archive_limits import (
    ArchiveLimits,
    check_expansion,
    check_member_count,
    check_member_size,
    check_total_size,
)
from headrace.storage.containers import Container
from headrace.storage.member_names import (
    UniqueNames,
    checked_name,
    is_ignored,
    is_nested_archive_name,
    looks_like_archive,
)

__all__ = ["ZipEntry", "ZipReader"]

_END = struct.Struct("<4s4H2LH")  # end of central directory
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")  # central directory entry
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_COMMENT = 0xFFFF
_PIECE_BYTES = 1 << 20
_STORED, _DEFLATED = 0, 8
_METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz", 98: "PPMd", 99: "AES"}
_FLAG_ENCRYPTED, _FLAG_STRONG, _FLAG_UTF8, _FLAG_MASKED = 1, 1 << 6, 1 << 11, 1 << 13


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """A regular file of a zip."""

    path: str
    raw_name: bytes  # as in both headers
    size: int  # bytes, as declared; enforced on reading
    compressed_size: int
    method: int
    crc: int
    header_offset: int
    end_limit: int  # where the next entry or the directory starts


class ZipReader:
    """The files of a zip archive. `read` is safe to call from several threads."""

    def __init__(self, container: Container, *, limits: ArchiveLimits, allow_nested: bool = True) -> None:
        self._container = container
        self._name = container.name
        self._limits = limits
        self._allow_nested = allow_nested

    def entries(self) -> list[ZipEntry]:
        """The files in directory order; folders, hidden ones and macOS's own are left out.

        Raises:
            InvalidInput: Damaged, beyond the limits, or a member that is unsafe to deliver.
        """
        directory_start, directory_size, shift, num_entries, is_zip64 = self._find_directory()
        found: list[tuple[ZipEntry, bool]] = []
        names = UniqueNames(self._name)
        total = 0
        for raw in self._directory(directory_start, directory_size):
            check_member_count(len(found) + 1, archive=self._name, limits=self._limits)
            entry, mode = self._parse(raw, shift)
            kind = stat.S_IFMT(mode)
            is_folder = entry.path.endswith("/") or kind == stat.S_IFDIR
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                what = "a symbolic link" if kind == stat.S_IFLNK else "a device, pipe or socket"
                raise InvalidInput(
                    f"member {entry.path[:200]!r} is {what}; expected regular files and folders only", file=self._name
                )
            path = checked_name(entry.path, archive=self._name)
            check_member_size(path, entry.size, archive=self._name, limits=self._limits)
            total += entry.size
            check_total_size(total, archive=self._name, limits=self._limits)
            is_wanted = not (is_folder or not path or is_ignored(path))
            if is_wanted:
                names.add(path)
                self._check_kind(entry, path)
            found.append((_moved(entry, path, 0), is_wanted))
        if num_entries != len(found) and (is_zip64 or num_entries != len(found) & 0xFFFF):
            raise InvalidInput(
                f"the zip declares {num_entries:,} entries and lists {len(found):,}; it is damaged, deliver it again",
                file=self._name,
            )
        return self._without_overlaps(found, directory_start)

    def read(self, entry: ZipEntry, *, start: int | None = None) -> bytes:
        """The expanded bytes of a member; `start` is its `stored_offset`, if that is known already.

        Raises:
            InvalidInput: They are not as many as declared, fail their checksum, expand like a bomb, or the member's own
                header contradicts the directory.
        """
        if start is None:
            start = self._content_start(entry)
        if entry.method == _STORED:
            data = self._container.read_at(start, entry.compressed_size)
            if len(data) != entry.size:
                raise self._lying(entry, len(data))
        else:
            data = self._inflate(entry, start)
        if zlib.crc32(data) != entry.crc:
            raise InvalidInput(
                f"member {entry.path!r} does not match its checksum: the archive is damaged, deliver it again",
                file=self._name,
            )
        if not self._allow_nested and looks_like_archive(data[:512]):
            raise _nested(entry.path, self._name)
        return data

    def stored_offset(self, entry: ZipEntry) -> int | None:
        """Where a member's bytes lie as they are; None if they are compressed. Reads the member's own header.

        None for a broken header too: what is wrong with a member is said by `read`, for this member alone.
        """
        try:
            return self._content_start(entry) if entry.method == _STORED else None
        except InvalidInput:
            return None

    def _inflate(self, entry: ZipEntry, start: int) -> bytes:
        decompressor = zlib.decompressobj(-15)
        pieces: list[bytes] = []
        expanded = 0
        position = start
        end = start + entry.compressed_size
        pending = b""
        try:
            while not decompressor.eof:
                if not pending:
                    if position >= end:
                        break
                    pending = self._container.read_at(position, min(end - position, _PIECE_BYTES))
                    position += len(pending)
                    if not pending:
                        break
                piece = decompressor.decompress(pending, _PIECE_BYTES)
                pending = decompressor.unconsumed_tail
                expanded += len(piece)
                pieces.append(piece)
                if expanded > entry.size:
                    raise self._lying(entry, expanded)
                check_expansion(
                    expanded, entry.compressed_size, archive=self._name, member=entry.path, limits=self._limits
                )
        except zlib.error as error:
            raise InvalidInput(
                f"member {entry.path!r} cannot be expanded ({error}): the archive is damaged, deliver it again",
                file=self._name,
            ) from error
        if not decompressor.eof or expanded != entry.size:
            raise self._lying(entry, expanded)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _content_start(self, entry: ZipEntry) -> int:
        header = self._container.read_at(entry.header_offset, _LOCAL.size + len(entry.raw_name))
        if len(header) < _LOCAL.size + len(entry.raw_name) or header[:4] != b"PK\x03\x04":
            raise InvalidInput(f"member {entry.path!r} has no header where the directory says", file=self._name)
        fields = _LOCAL.unpack_from(header)
        name_size, extra_size = fields[9], fields[10]
        if fields[2] & (_FLAG_ENCRYPTED | _FLAG_STRONG):
            raise _encrypted(entry.path, self._name)
        if name_size != len(entry.raw_name) or header[_LOCAL.size :] != entry.raw_name or fields[3] != entry.method:
            raise InvalidInput(
                f"member {entry.path!r} is named or packed differently in its own header and in the directory; "
                "expected both to agree",
                file=self._name,
            )
        start = entry.header_offset + _LOCAL.size + int(name_size) + int(extra_size)
        if start + entry.compressed_size > entry.end_limit:
            raise _overlapping(entry.path, self._name)
        return start

    def _lying(self, entry: ZipEntry, num_bytes: int) -> InvalidInput:
        return InvalidInput(
            f"member {entry.path!r} declares {entry.size:,} bytes and holds "
            f"{'at least ' if num_bytes > entry.size else ''}{num_bytes:,}; expected the declared size",
            file=self._name,
        )

    def _check_kind(self, entry: ZipEntry, path: str) -> None:
        if not self._allow_nested and is_nested_archive_name(path):
            raise _nested(path, self._name)
        if entry.method == _STORED and entry.size != entry.compressed_size:
            raise self._lying(_moved(entry, path, 0), entry.compressed_size)
        if entry.method not in (_STORED, _DEFLATED):
            method = _METHODS.get(entry.method, f"number {entry.method}")
            raise InvalidInput(
                f"member {path!r} is packed with method {method}; expected stored or deflated members", file=self._name
            )
        if entry.method == _DEFLATED:
            check_expansion(entry.size, entry.compressed_size, archive=self._name, member=path, limits=self._limits)

    def _find_directory(self) -> tuple[int, int, int, int, bool]:
        """(start, size in bytes, shift of all offsets, number of entries, whether zip64)."""
        size = self._container.size
        if size == 0:
            raise InvalidInput("empty file; expected a zip archive", file=self._name)
        tail_size = min(size, _END.size + _MAX_COMMENT)
        tail = self._container.read_at(size - tail_size, tail_size)
        at = len(tail)
        while True:
            at = tail.rfind(b"PK\x05\x06", 0, at)
            if at < 0:
                raise InvalidInput("not a zip archive, or cut off: it has no directory at its end", file=self._name)
            if at + _END.size <= len(tail):
                end = _END.unpack_from(tail, at)
                # Anything behind the comment would make it unclear which directory is meant.
                if at + _END.size + end[7] == len(tail):
                    break
        end_offset = size - tail_size + at
        num_entries, directory_size, directory_offset = end[4], end[5], end[6]
        if end[1] not in (0, 0xFFFF) or end[2] not in (0, 0xFFFF):
            raise InvalidInput("a zip of several volumes; expected one file", file=self._name)
        directory_end = end_offset
        is_zip64 = False
        if end_offset >= _LOCATOR64.size:
            locator = self._container.read_at(end_offset - _LOCATOR64.size, _LOCATOR64.size)
            if locator[:4] == b"PK\x06\x07":
                is_zip64 = True
                record_offset = end_offset - _LOCATOR64.size - _END64.size
                record = self._container.read_at(max(0, record_offset), _END64.size)
                if record[:4] != b"PK\x06\x06" or record_offset < 0:
                    raise InvalidInput("the zip64 directory cannot be found; the archive is damaged", file=self._name)
                fields = _END64.unpack(record)
                num_entries, directory_size, directory_offset = fields[7], fields[8], fields[9]
                directory_end = record_offset
        start = directory_end - directory_size
        shift = start - directory_offset  # bytes before the archive, as in self-extracting ones
        if start < 0 or shift < 0:
            raise InvalidInput(
                "the zip's directory lies outside the file; the archive is cut off or damaged, deliver it again",
                file=self._name,
            )
        check_member_count(num_entries, archive=self._name, limits=self._limits)
        return start, directory_size, shift, num_entries, is_zip64

    def _directory(self, start: int, size: int) -> Iterator[tuple[tuple[int, ...], bytes, bytes]]:
        """(fixed fields, name, extra) of each entry."""
        with self._container.open() as raw:
            raw.seek(start)
            # The stream is raw: buffered here because entries are about 100 bytes each.
            buffered = io.BufferedReader(raw, _PIECE_BYTES)  # type: ignore[type-var]
            done = 0
            while done < size:
                block = buffered.read(_ENTRY.size)
                if len(block) < _ENTRY.size or block[:4] != b"PK\x01\x02":
                    raise InvalidInput(
                        f"damaged zip directory at offset {start + done:,}; deliver the archive again", file=self._name
                    )
                fields = _ENTRY.unpack(block)
                name_size, extra_size, comment_size = fields[10], fields[11], fields[12]
                rest = buffered.read(name_size + extra_size + comment_size)
                done += _ENTRY.size + len(rest)
                if len(rest) < name_size + extra_size + comment_size or done > size:
                    raise InvalidInput("the zip's directory is cut off; deliver the archive again", file=self._name)
                yield fields, rest[:name_size], rest[name_size : name_size + extra_size]

    def _parse(self, raw: tuple[tuple[int, ...], bytes, bytes], shift: int) -> tuple[ZipEntry, int]:
        """The entry with its path unchecked, and the Unix mode (0 if unknown)."""
        fields, raw_name, extra = raw
        flags, method, crc = fields[3], fields[4], fields[7]
        compressed_size, size, disk, offset = fields[8], fields[9], fields[13], fields[16]
        wide = self._extra_field(extra, 0x0001)
        if wide is not None:
            position = 0
            values = []
            for value, maximum in ((size, 0xFFFFFFFF), (compressed_size, 0xFFFFFFFF), (offset, 0xFFFFFFFF)):
                if value == maximum:
                    if position + 8 > len(wide):
                        raise InvalidInput(f"member {raw_name[:200]!r} has a damaged zip64 field", file=self._name)
                    value = int.from_bytes(wide[position : position + 8], "little")
                    position += 8
                values.append(value)
            size, compressed_size, offset = values
        path = self._decode_name(raw_name, flags, extra, made_on=fields[1] >> 8)
        if flags & (_FLAG_ENCRYPTED | _FLAG_STRONG | _FLAG_MASKED):
            raise _encrypted(path, self._name)
        if disk not in (0, 0xFFFF):
            raise InvalidInput(f"member {path[:200]!r} lies in another volume; expected one file", file=self._name)
        entry = ZipEntry(path, raw_name, size, compressed_size, method, crc, offset + shift, 0)
        return entry, fields[15] >> 16

    def _decode_name(self, raw_name: bytes, flags: int, extra: bytes, *, made_on: int) -> str:
        if raw_name.isascii():
            return raw_name.decode("ascii")
        if flags & _FLAG_UTF8:
            try:
                return raw_name.decode("utf-8")
            except UnicodeDecodeError:
                raise InvalidInput(
                    f"member {raw_name[:200]!r} has a name that is not UTF-8 although it is marked so; expected UTF-8",
                    file=self._name,
                ) from None
        unicode_path = self._extra_field(extra, 0x7075)
        if (
            unicode_path is not None
            and unicode_path[:1] == b"\1"
            and int.from_bytes(unicode_path[1:5], "little") == zlib.crc32(raw_name)
        ):
            return unicode_path[5:].decode("utf-8", "replace")
        if made_on in (3, 19):  # Unix, macOS: they write UTF-8 and often forget to say so
            try:
                return raw_name.decode("utf-8")
            except UnicodeDecodeError:
                pass
        return raw_name.decode("cp437")

    def _extra_field(self, extra: bytes, wanted: int) -> bytes | None:
        position = 0
        while position + 4 <= len(extra):
            identifier, size = struct.unpack_from("<HH", extra, position)
            if identifier == wanted:
                return extra[position + 4 : position + 4 + size]
            position += 4 + size
        return None

    def _without_overlaps(self, found: list[tuple[ZipEntry, bool]], directory_start: int) -> list[ZipEntry]:
        """The wanted entries, each with the end that its content must not pass, in directory order."""
        end_limits: list[int] = [0] * len(found)
        limit = directory_start
        for idx in sorted(range(len(found)), key=lambda idx: found[idx][0].header_offset, reverse=True):
            entry = found[idx][0]
            if entry.header_offset + _LOCAL.size + len(entry.raw_name) + entry.compressed_size > limit:
                raise _overlapping(entry.path, self._name)
            end_limits[idx] = limit
            limit = entry.header_offset
        return [
            _moved(entry, entry.path, end_limit)
            for (entry, is_wanted), end_limit in zip(found, end_limits, strict=True)
            if is_wanted
        ]


def _moved(entry: ZipEntry, path: str, end_limit: int) -> ZipEntry:
    return ZipEntry(
        path,
        entry.raw_name,
        entry.size,
        entry.compressed_size,
        entry.method,
        entry.crc,
        entry.header_offset,
        end_limit,
    )


def _encrypted(path: str, archive: str) -> InvalidInput:
    return InvalidInput(f"member {path[:200]!r} is encrypted; expected plain members", file=archive)


def _overlapping(path: str, archive: str) -> InvalidInput:
    return InvalidInput(
        f"member {path[:200]!r} overlaps another one or the directory, as in a zip bomb; expected separate members",
        file=archive,
    )


def _nested(path: str, archive: str) -> InvalidInput:
    return InvalidInput(f"member {path!r} is an archive itself; expected files only, so unpack it first", file=archive)
