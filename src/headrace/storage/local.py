"""Objects as files of a local folder, with the durability that a log needs."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat as file_modes
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from headrace.errors import (
    Conflict,
    DataCorrupted,
    HeadraceError,
    InvalidInput,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from headrace.storage.disk import Disk, SystemDisk
from headrace.storage.keys import TEMPORARY_FOLDER, check_key, check_new_key, check_prefix
from headrace.storage.open_files import OpenFiles
from headrace.storage.ranges import check_range, neighbouring
from headrace.storage.store import Arrived, ObjectStat, Range

__all__ = ["LocalStore"]

_logger = logging.getLogger(__name__)

_MAX_TURNS = 8
_COMPARE_BYTES = 1024 * 1024
_STALE_SECONDS = 24 * 3600.0
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_BAD_NAME = {errno.ENAMETOOLONG, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP}
_GAP_BYTES = 4096
_GAP = memoryview(bytearray(_GAP_BYTES))
"""What lies between neighbouring values, tar headers and padding, is read here and never looked at."""

_CACHED_BYTES = 1 << 20
"""Read by one call where the caller looks at what arrived: the processor then still has it in a cache. 400 kB to 1.5 MB
cost the same; more is slower."""

_MAX_VECTORS = 256  # values in one preadv; Linux takes 1024 buffers, and each value may bring a gap


class LocalStore:
    """A folder of this machine; the key is the path below it.

    An object appears under its key only when its bytes have reached the device: write to `.tmp`, fsync, hard
    link to the final name (which fails if the name is taken, unlike a rename), fsync the folder and every folder
    above it that this store has not yet seen durable. Only then does a call return. After the first failed
    fsync nothing more is written through this instance: the kernel may drop the pages and report success later.

    Creating an instance touches nothing. Objects and folders share names: `a` and `a/b` cannot both be objects.
    """

    def __init__(self, root: str | Path, *, disk: Disk | None = None, max_open_files: int = 256) -> None:
        self._root = os.path.abspath(root)
        self._disk: Disk = SystemDisk() if disk is None else disk
        self._max_open_files = max_open_files
        self._open_files = OpenFiles(limit=max_open_files)
        self._durable_folders: set[str] = set()
        self._failed_sync: str | None = None
        self._is_prepared = False
        self._prepare_lock = threading.Lock()

    def __reduce__(self) -> tuple[type[LocalStore], tuple[str]]:
        return LocalStore, (self._root,)

    def __repr__(self) -> str:
        return f"LocalStore({self._root!r})"

    @property
    def uri(self) -> str:
        """The folder's absolute path."""
        return self._root

    @property
    def is_local(self) -> bool:
        return True

    def get(self, key: str) -> bytes:
        path = self._path(key)
        with self._reading(path):
            file = self._open_files.open(path)  # held until the end, so that eviction does not close it
            return self._read(path, file.descriptor, start=0, end=os.fstat(file.descriptor).st_size)

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> list[bytes]:
        path = self._path(key)
        found: list[bytes] = []
        with self._reading(path):
            file = self._open_files.open(path)  # held until the end, so that eviction does not close it
            descriptor, pread = file.descriptor, os.pread
            for start, end in ranges:
                length = end - start
                if length <= 0 or start < 0:
                    check_range((start, end))
                    if end > os.fstat(descriptor).st_size:
                        raise self._short(path, descriptor, start=start, end=end)
                    found.append(b"")
                    continue
                data = pread(descriptor, length, start)
                if len(data) != length:
                    data += self._read(path, descriptor, start=start + len(data), end=end)
                found.append(data)
        return found

    def read_into(
        self, key: str, ranges: Sequence[Range], targets: Sequence[memoryview], *, arrived: Arrived | None = None
    ) -> None:
        path = self._path(key)
        with self._reading(path):
            file = self._open_files.open(path)
            descriptor = file.descriptor
            for first, last in neighbouring(
                ranges, gap_bytes=_GAP_BYTES, max_ranges=_MAX_VECTORS, max_bytes=_CACHED_BYTES if arrived else None
            ):
                start, end = ranges[first][0], ranges[last - 1][1]
                views: list[memoryview] = []
                position = start
                for idx in range(first, last):
                    range_start, range_end = ranges[idx]
                    if range_start > position:
                        views.append(_GAP[: range_start - position])
                    views.append(targets[idx])
                    position = range_end
                if end <= start or os.preadv(descriptor, views, start) != end - start:
                    # One call moves at most 2 GiB, a signal may cut it, and an empty range reads nothing: one by one.
                    for (range_start, range_end), target in zip(ranges[first:last], targets[first:last], strict=True):
                        check_range((range_start, range_end))
                        if range_end > os.fstat(descriptor).st_size:
                            raise self._short(path, descriptor, start=range_start, end=range_end)
                        target[:] = self._read(path, descriptor, start=range_start, end=range_end)
                if arrived is not None:
                    arrived(first, last)

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        check_new_key(key)
        return self._write(self._path(key), [memoryview(data).cast("B")])

    def put(self, key: str, data: bytes | memoryview) -> None:
        self.put_parts(key, [data])

    def put_parts(self, key: str, buffers: Sequence[bytes | memoryview]) -> None:
        check_new_key(key)
        path = self._path(key)
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        for _ in range(_MAX_TURNS):  # more than one when somebody else creates it between the two calls
            if self._keep_existing(path, views) or self._write(path, views):
                return
        raise DataCorrupted(f"{path} can neither be read nor created; is it a link that leads to nothing? Remove it")

    def stat(self, key: str) -> ObjectStat | None:
        path = self._path(key)
        try:
            with self._reading(path):
                return _object_stat(key, os.stat(path))
        except NotFound:
            return None

    def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectStat]:
        check_prefix(prefix)
        folder = prefix.rpartition("/")[0]
        return self._walk(folder, prefix=prefix, start_after=start_after or "")

    def delete(self, key: str) -> None:
        """Remove the object durably; a missing one is no error. Folders left empty stay."""
        path = self._path(key)
        with self._writing(path):
            self._open_files.forget(path)
            try:
                self._disk.unlink(path)
            except (FileNotFoundError, NotADirectoryError):
                return
            self._sync_folder(os.path.dirname(path))

    def prepare_for_erasing(self) -> None:
        pass  # a deleted object is gone

    def prepare_for_writing(self) -> None:
        """Create the folder, prove that hard links work and refuse taken names, remove stale temporary files.

        Raises:
            Conflict: The file system has no hard links or cannot sync folders, so that it cannot keep a log.
        """
        with self._prepare_lock:
            if self._is_prepared:
                return
            with self._writing(self._root):
                temporary = os.path.join(self._root, TEMPORARY_FOLDER)
                self._make_durable(self._root)
                self._ensure_folder(temporary)
                self._remove_stale_files(temporary)
                self._prove_hard_links(temporary)
            self._is_prepared = True

    def _path(self, key: str) -> str:
        check_key(key)
        return f"{self._root}/{key}" if self._root != "/" else f"/{key}"

    # Reading

    def _read(self, path: str, descriptor: int, *, start: int, end: int) -> bytes:
        chunks: list[bytes] = []
        position = start
        while position < end:  # one call returns at most 2 GiB
            chunk = os.pread(descriptor, end - position, position)
            if not chunk:
                raise self._short(path, descriptor, start=start, end=end)
            chunks.append(chunk)
            position += len(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _short(self, path: str, descriptor: int, *, start: int, end: int) -> DataCorrupted:
        size = os.fstat(descriptor).st_size
        return DataCorrupted(
            f"object {path} has {size:,} bytes, but bytes {start:,} to {end:,} of it were recorded: it was cut off "
            "after it was written. Run `headrace verify` and restore it from a copy"
        )

    def _walk(self, folder: str, *, prefix: str, start_after: str) -> Iterator[ObjectStat]:
        path = f"{self._root}/{folder}" if folder else self._root
        try:
            with self._reading(path), os.scandir(path) as entries:
                # A folder sorts with its slash: "a-b" < "a/b" < "a0", as in a bucket.
                named = sorted(
                    ((f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name), entry)
                    for entry in entries
                )
        except NotFound:
            return
        for name, entry in named:
            key = f"{folder}/{name}" if folder else name
            if name.endswith("/"):
                if key == f"{TEMPORARY_FOLDER}/" or not (key.startswith(prefix) or prefix.startswith(key)):
                    continue
                if start_after.startswith(key) or key > start_after:
                    yield from self._walk(key[:-1], prefix=prefix, start_after=start_after)
            elif key.startswith(prefix) and key > start_after:
                try:
                    found = _object_stat(key, entry.stat())
                except OSError:  # removed meanwhile, or a link to nowhere
                    continue
                if found is not None:
                    yield found

    # Writing

    def _write(self, path: str, views: Sequence[memoryview]) -> bool:
        """Create the file unless the name is taken; either way what bears the name is durable on return."""
        folder = os.path.dirname(path)
        with self._writing(path):
            self._check_usable()
            temporary_folder = os.path.join(self._root, TEMPORARY_FOLDER)
            self._ensure_folder(temporary_folder)
            self._make_durable(folder)
            temporary = os.path.join(temporary_folder, f"{os.getpid()}-{uuid.uuid4().hex}")
            try:
                descriptor = self._disk.create(temporary)
                try:
                    self._disk.write(descriptor, views)
                    self._sync_file(descriptor, path)
                finally:
                    self._disk.close(descriptor)
                is_created = self._link(temporary, path)
            finally:
                # The object, if it was linked, lives on under its own name.
                with contextlib.suppress(OSError):
                    self._disk.unlink(temporary)
            self._sync_folder(folder)
            return is_created

    def _link(self, temporary: str, path: str) -> bool:
        try:
            self._disk.link(temporary, path)
        except FileExistsError:
            if os.path.isdir(path):
                raise InvalidInput(
                    f"cannot create object {path}: a folder with other objects bears this name"
                ) from None
            return False
        except FileNotFoundError:
            # The folder was removed behind our back since we last saw it; create it again, once.
            self._durable_folders.clear()
            self._make_durable(os.path.dirname(path))
            self._disk.link(temporary, path)
        return True

    def _keep_existing(self, path: str, views: Sequence[memoryview]) -> bool:
        """Make an existing object with this content durable; False if there is none, or a rotten one that was removed.

        The key says what the content must be, so an object that differs was changed after it was written: nobody could
        read it, and a commit must not be acknowledged on top of it.
        """
        with self._writing(path):
            self._check_usable()
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except (FileNotFoundError, NotADirectoryError):
                return False
            try:
                status = os.fstat(descriptor)
                if not file_modes.S_ISREG(status.st_mode):
                    raise InvalidInput(f"cannot create object {path}: something that is not a file bears this name")
                is_whole = status.st_size == sum(view.nbytes for view in views) and _holds(descriptor, views)
                if is_whole:
                    with contextlib.suppress(OSError):  # its age tells garbage collection that somebody counts on it
                        os.utime(descriptor)
                    # Its writer may have died before its own sync.
                    self._sync_file(descriptor, path)
            finally:
                os.close(descriptor)
            folder = os.path.dirname(path)
            if not is_whole:
                _logger.warning("rotten object replaced path=%s", path)
                self._open_files.forget(path)
                with contextlib.suppress(FileNotFoundError):
                    self._disk.unlink(path)
            self._make_durable(folder)
            self._sync_folder(folder)
            return is_whole

    def _ensure_folder(self, path: str) -> None:
        """Create the folder without waiting for the device: what lies in it may be lost."""
        if os.path.isdir(path):
            return
        self._durable_folders.clear()  # the folders around it may have been removed as well
        self._make_durable(os.path.dirname(path))
        with contextlib.suppress(FileExistsError):
            self._disk.make_folder(path)

    def _make_durable(self, folder: str) -> None:
        """Create the folder and those above it as needed, and sync the entry of each that is not known durable.

        Existing folders are synced once as well: another process may have created them a moment ago.
        """
        if folder in self._durable_folders:
            return
        parent = os.path.dirname(folder)
        if folder == self._root and os.path.isdir(folder):
            # Above the root only what we create ourselves is ours to sync.
            with contextlib.suppress(PermissionError):
                self._sync_folder(parent)
            self._durable_folders.add(folder)
            return
        if parent != folder and not (len(folder) <= len(self._root) and os.path.isdir(parent)):
            self._make_durable(parent)
        try:
            self._disk.make_folder(folder)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise InvalidInput(f"cannot create folder {folder}: a file bears this name") from None
        self._sync_folder(parent)
        self._durable_folders.add(folder)

    def _sync_file(self, descriptor: int, path: str) -> None:
        try:
            self._disk.sync_file(descriptor)
        except OSError as error:
            raise self._sync_failure(path, error) from error

    def _sync_folder(self, path: str) -> None:
        try:
            self._disk.sync_folder(path)
        except (PermissionError, FileNotFoundError, NotADirectoryError):
            raise  # the folder could not be opened; nothing was said about the device
        except OSError as error:
            raise self._sync_failure(path, error) from error

    def _sync_failure(self, path: str, error: OSError) -> HeadraceError:
        if error.errno in {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}:
            return Conflict(
                f"the file system of {path} cannot sync ({error.strerror}), so a power cut could undo an acknowledged "
                "commit. Put the lake on a local file system such as ext4, xfs, btrfs or apfs, or into a bucket"
            )
        self._failed_sync = f"{path}: {error.strerror}"
        return self._sync_refusal()

    def _sync_refusal(self) -> Unavailable:
        return Unavailable(
            f"the device failed to store data (fsync of {self._failed_sync}); whether the last write survives is "
            "unknown, so nothing more is written. Check the disk, open the lake again and run `headrace verify`"
        )

    def _check_usable(self) -> None:
        if self._failed_sync is not None:
            raise self._sync_refusal()

    def _prove_hard_links(self, folder: str) -> None:
        name = os.path.join(folder, f"{os.getpid()}-{uuid.uuid4().hex}")
        target = f"{name}-link"
        try:
            self._disk.close(self._disk.create(name))
            try:
                self._disk.link(name, target)
            except OSError as error:
                if error.errno in _NO_HARD_LINKS:
                    raise Conflict(
                        f"the file system of {self._root} has no hard links ({error.strerror}), and without them two "
                        "writers could overwrite each other's commits. Put the lake on a local file system such as "
                        "ext4, xfs, btrfs or apfs, or into a bucket"
                    ) from error
                raise
            try:
                self._disk.link(name, target)
            except FileExistsError:
                pass
            else:
                raise Conflict(
                    f"the file system of {self._root} lets a second file take a name that is in use, so two writers "
                    "could overwrite each other's commits. Put the lake on a local file system or into a bucket"
                )
            self._sync_folder(folder)
        finally:
            for path in (name, target):
                with contextlib.suppress(OSError):
                    self._disk.unlink(path)

    def _remove_stale_files(self, folder: str) -> None:
        oldest = time.time() - _STALE_SECONDS
        with os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < oldest:
                        self._disk.unlink(entry.path)

    # Errors

    @contextlib.contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NotFound(f"object {path} does not exist") from error
        except OSError as error:
            if error.errno in _REFUSED:
                raise PermissionDenied(f"cannot read {path}: {error.strerror}. Check its owner and mode") from error
            if error.errno == errno.ENAMETOOLONG:
                raise NotFound(f"object {path[:200]}… does not exist: its name is too long") from error
            raise Unavailable(f"cannot read {path}: {error.strerror}") from error

    @contextlib.contextmanager
    def _writing(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno in _NO_SPACE:
                raise Unavailable(
                    f"no room to write {path} ({reason}); nothing was committed and the half-written file is removed. "
                    "Free space, then try again"
                ) from error
            if error.errno in _REFUSED:
                raise PermissionDenied(
                    f"cannot write {path}: {reason}. Check the owner and mode of its folder"
                ) from error
            if error.errno in _BAD_NAME:
                raise InvalidInput(f"cannot write {path}: {reason}; choose another location or name") from error
            raise Unavailable(f"cannot write {path}: {reason}; nothing was committed") from error


def _holds(descriptor: int, views: Sequence[memoryview]) -> bool:
    """Whether the file begins with exactly these bytes."""
    position = 0
    for view in views:
        for start in range(0, view.nbytes, _COMPARE_BYTES):
            piece = view[start : start + _COMPARE_BYTES]
            if os.pread(descriptor, piece.nbytes, position) != piece:
                return False
            position += piece.nbytes
    return True


def _object_stat(key: str, status: os.stat_result) -> ObjectStat | None:
    if not file_modes.S_ISREG(status.st_mode):
        return None
    return ObjectStat(key, status.st_size, f"{status.st_size}-{status.st_mtime_ns}", status.st_mtime)
