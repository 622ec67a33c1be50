"""Reading gzip and zstd streams from front to back, with the limits of archives enforced on the way."""

from __future__ import annotations

import io
from typing import BinaryIO, Literal, cast

import pyarrow as pa

from headrace.errors import InvalidInput
from headrace.storage.archive_limits import ArchiveLimits, check_expansion, check_total_size

__all__ = ["Compression", "ExpandingReader"]

Compression = Literal["gzip", "zstd"]


class _CountingReader(io.RawIOBase):
    """Counts what the decompressor took, so that expansion can be compared with it.

    Closing it leaves the raw stream open: the caller may still want the rest of it, for a digest.
    """

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__()
        self._raw = raw
        self.num_bytes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._raw.read(size)
        self.num_bytes += len(data)
        return data


class ExpandingReader(io.RawIOBase):
    """The expanded bytes of a stream. Several frames in a row are one stream. For one thread.

    Raises from `read`:
        InvalidInput: The stream is cut off, damaged, or expands beyond the limits.
    """

    def __init__(self, raw: BinaryIO, *, compression: Compression, name: str, limits: ArchiveLimits) -> None:
        super().__init__()
        self._counting = _CountingReader(raw)
        self._stream = pa.CompressedInputStream(pa.PythonFile(self._counting, mode="r"), compression)
        self._compression = compression
        self._name = name
        self._limits = limits
        self._expanded = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            pieces = []
            while piece := self.read(1 << 20):
                pieces.append(piece)
            return b"".join(pieces)
        try:
            # A large request would be allocated before a single byte is known to exist.
            data = cast(bytes, self._stream.read(min(size, 1 << 20)))
        except (OSError, pa.ArrowException) as error:
            raise InvalidInput(
                f"the {self._compression} stream is damaged or cut off after {self._expanded:,} expanded bytes "
                f"({error}); expected a complete file, so deliver it again",
                file=self._name,
            ) from error
        self._expanded += len(data)
        check_expansion(self._expanded, self._counting.num_bytes, archive=self._name, member=None, limits=self._limits)
        check_total_size(self._expanded, archive=self._name, limits=self._limits)
        return data

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(cast(bytearray, buffer)).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
