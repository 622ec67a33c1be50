"""A file or object that holds other things, read by position: a local file, or an object in a store."""

from __future__ import annotations

import errno
import io
import os
import stat
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast
from urllib.parse import quote

from headrace.errors import DataCorrupted, HeadraceError, InvalidInput, NotFound, PermissionDenied, Unavailable

if TYPE_CHECKING:
    from headrace.storage.store import ObjectStore

__all__ = ["Container", "LocalContainer", "StoredContainer", "file_uri", "local_error"]

_BLOCK_BYTES = 8 << 20  # one request each when an object is read from front to back


class Container(Protocol):
    """Immutable bytes of known length. All methods are safe to call from several threads."""

    @property
    def name(self) -> str:
        """For messages: the path or URI as the user gave it."""
        ...

    @property
    def uri(self) -> str: ...

    @property
    def path(self) -> str | None:
        """The local file, if it is one."""
        ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def version(self) -> str:
        """Pins the content: an etag, or size and modification time."""
        ...

    def open(self) -> BinaryIO:
        """A new seekable stream, positioned at the start."""
        ...

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer only at the end."""
        ...


def file_uri(path: str) -> str:
    """The file:// URI of an absolute local path."""
    return "file://" + quote(path)


def local_error(error: OSError, path: str) -> HeadraceError:
    """What an operating system error on a local path means to the user."""
    if isinstance(error, PermissionError):
        return PermissionDenied(f"{path}: not readable by this user; expected read permission")
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return NotFound(f"{path}: no such file or folder")
    if isinstance(error, IsADirectoryError):
        return InvalidInput("is a folder; expected a file", file=path)
    if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL):
        return InvalidInput(f"not a usable path: {error.strerror}", file=path[:200])
    return Unavailable(f"{path}: reading failed: {error.strerror or error}; try again")


class LocalContainer:
    """A regular file on this machine."""

    __slots__ = ("_mtime_ns", "_name", "_path", "_size")

    def __init__(self, path: str, *, name: str | None = None) -> None:
        """Look at the file once; `path` is made absolute.

        Raises:
            NotFound, PermissionDenied, InvalidInput: It does not exist, may not be looked at, or is no regular file.
        """
        self._path = os.path.abspath(path)
        self._name = name or path
        try:
            status = os.stat(self._path)
        except OSError as error:
            raise local_error(error, self._name) from error
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput("is not a regular file", file=self._name)
        self._size = status.st_size
        self._mtime_ns = status.st_mtime_ns

    @property
    def name(self) -> str:
        return self._name

    @property
    def uri(self) -> str:
        return file_uri(self._path)

    @property
    def path(self) -> str | None:
        return self._path

    @property
    def size(self) -> int:
        return self._size

    @property
    def version(self) -> str:
        return f"{self._size}-{self._mtime_ns}"

    def open(self) -> BinaryIO:
        try:
            return open(self._path, "rb", buffering=0)
        except OSError as error:
            raise local_error(error, self._name) from error

    def read_at(self, offset: int, size: int) -> bytes:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise local_error(error, self._name) from error
        try:
            piece = os.pread(descriptor, min(size, 1 << 30), offset)
            if len(piece) in (size, 0):
                return piece
            pieces = [piece]
            done = len(piece)
            while done < size:
                piece = os.pread(descriptor, min(size - done, 1 << 30), offset + done)
                if not piece:
                    break
                pieces.append(piece)
                done += len(piece)
            return b"".join(pieces)
        except OSError as error:
            raise local_error(error, self._name) from error
        finally:
            os.close(descriptor)


class StoredContainer:
    """An object in a store, read by ranges."""

    __slots__ = ("_key", "_name", "_size", "_store", "_version")

    def __init__(self, store: ObjectStore, key: str, *, name: str, size: int, version: str) -> None:
        self._store = store
        self._key = key
        self._name = name
        self._size = size
        self._version = version

    @property
    def store(self) -> ObjectStore:
        """The store that has the object."""
        return self._store

    @property
    def key(self) -> str:
        """Its key there."""
        return self._key

    @property
    def name(self) -> str:
        return self._name

    @property
    def uri(self) -> str:
        return f"{self._store.uri}/{self._key}"

    @property
    def path(self) -> str | None:
        return None

    @property
    def size(self) -> int:
        return self._size

    @property
    def version(self) -> str:
        return self._version

    def open(self) -> BinaryIO:
        return cast(BinaryIO, _BlockReader(self))

    def read_at(self, offset: int, size: int) -> bytes:
        end = min(offset + size, self._size)
        if end <= offset:
            return b""
        data = self._store.get_ranges(self._key, [(offset, end)])[0]
        if len(data) != end - offset:
            raise DataCorrupted(f"{self._name}: {end - offset} bytes asked at {offset}, {len(data)} came; it changed")
        return data


class _BlockReader(io.RawIOBase):
    """A seekable stream over a container that fetches large blocks and keeps the latest one. For one thread."""

    def __init__(self, container: Container) -> None:
        super().__init__()
        self._container = container
        self._position = 0
        self._block_start = 0
        self._block = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._container.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        available = max(0, self._container.size - self._position)
        size = available if size < 0 else min(size, available)
        start = self._position - self._block_start
        if start >= 0 and start + size <= len(self._block):
            data = self._block[start : start + size]
        elif size >= _BLOCK_BYTES:
            data = self._container.read_at(self._position, size)
        else:
            self._block_start = self._position
            self._block = self._container.read_at(self._position, _BLOCK_BYTES)
            data = self._block[:size]
        self._position += len(data)
        return data

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(cast(bytearray, buffer)).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)
