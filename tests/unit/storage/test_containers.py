"""Containers: ranges, blocks, and what errors of the operating system become."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from headrace.errors import DataCorrupted, HeadraceError, InvalidInput, NotFound, PermissionDenied, Unavailable
from headrace.storage.containers import LocalContainer, StoredContainer, local_error
from headrace.storage.memory import MemoryStore


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.EACCES, PermissionDenied),
        (errno.EPERM, PermissionDenied),
        (errno.ENOENT, NotFound),
        (errno.ENOTDIR, NotFound),
        (errno.EISDIR, InvalidInput),
        (errno.ENAMETOOLONG, InvalidInput),
        (errno.EIO, Unavailable),
    ],
)
def test_error_of_the_system_becomes_a_typed_one_with_the_path(code: int, expected: type[HeadraceError]) -> None:
    error = local_error(OSError(code, os.strerror(code)), "data/a.csv")
    assert type(error) is expected
    assert "data/a.csv" in str(error)


def test_local_ranges_end_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    container = LocalContainer(str(path))
    assert container.size == 10
    assert container.read_at(3, 4) == b"3456"
    assert container.read_at(8, 100) == b"89"
    assert container.read_at(50, 1) == b""
    path.unlink()
    with pytest.raises(NotFound):
        container.read_at(0, 1)


def test_stored_object_reads_like_a_file(tmp_path: Path) -> None:
    store = MemoryStore("memory://test-containers/x")
    data = os.urandom(20_000_000)
    store.put("a", data)
    container = StoredContainer(store, "a", name="a", size=len(data), version="1")
    with container.open() as stream:
        assert stream.read(10) == data[:10]
        assert stream.seek(-5, os.SEEK_END) == len(data) - 5
        assert stream.read() == data[-5:]
        assert stream.read(1) == b""
        stream.seek(100)
        assert stream.read(12_000_000) == data[100:12_000_100]
        buffer = bytearray(7)
        assert stream.readinto(buffer) == 7  # type: ignore[attr-defined]
        assert buffer == data[12_000_100:12_000_107]
        assert stream.tell() == 12_000_107


def test_stored_object_that_shrank_is_noticed() -> None:
    store = MemoryStore("memory://test-containers/y")
    store.put("a", b"123")
    container = StoredContainer(store, "a", name="a", size=10, version="1")
    with pytest.raises(DataCorrupted):
        container.read_at(0, 10)
