"""Media values come loaded, in order, whoever loads them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from headrace.datasets.media import MediaHeader, MediaInput
from headrace.datasets.media_loading import LoadedMedia, MediaLoader
from headrace.datasets.probes.image_header import probe_image
from headrace.errors import InvalidInput
from headrace.storage.digests import check_of, digest_of
from tests.generated_media import image_bytes


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def _probe(data: bytes, name: str) -> MediaHeader:
    if data == b"bad":
        raise InvalidInput("is bad", file=name)
    return MediaHeader("x", len(data))


@pytest.mark.parametrize("num_values", [0, 1, 7, 8, 9, 72, 500])
@pytest.mark.parametrize("is_fetched", [False, True])
def test_values_errors_and_nulls_come_in_order(pool: ThreadPoolExecutor, num_values: int, is_fetched: bool) -> None:
    contents = [None if idx % 5 == 4 else b"bad" if idx % 7 == 3 else b"%d" % idx for idx in range(num_values)]
    values = [
        None
        if content is None
        else MediaInput(f"{idx}", fetch=partial(bytes, content))
        if is_fetched
        else MediaInput(f"{idx}", data=content)
        for idx, content in enumerate(contents)
    ]
    loader = MediaLoader(pool)
    for _ in range(2):  # the second batch knows how fast the first one was
        loaded = list(loader.load(values, probe=_probe))
        assert len(loaded) == num_values
        for idx, (content, value) in enumerate(zip(contents, loaded, strict=True)):
            if content is None:
                assert value is None
            elif content == b"bad":
                assert isinstance(value, InvalidInput)
                assert value.file == str(idx)
            else:
                assert isinstance(value, LoadedMedia)
                assert value.data == content
                assert (value.digest, value.check) == (digest_of(content), check_of(content))
                assert value.header == MediaHeader("x", len(content))


def test_first_values_of_a_store_are_fetched_at_the_same_time(pool: ThreadPoolExecutor) -> None:
    both = threading.Barrier(2, timeout=30)

    def fetch() -> bytes:
        both.wait()  # ends only when a second thread waits too
        return b"x"

    values = [MediaInput(str(idx), fetch=fetch) for idx in range(32)]
    assert len(list(MediaLoader(pool).load(values, probe=None))) == 32


@pytest.mark.parametrize("has_room", [False, True])
def test_file_that_changes_size_is_refused(pool: ThreadPoolExecutor, tmp_path: Path, has_room: bool) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12")
    room = (lambda size: memoryview(bytearray(size))) if has_room else None
    (loaded,) = MediaLoader(pool).load([MediaInput("a", path=str(path), size=5)], probe=None, room=room)
    assert isinstance(loaded, InvalidInput)
    assert "2 bytes, 5 were announced" in loaded.message


def test_local_files_are_read_to_the_room_that_there_is(pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    content = image_bytes(width=8, height=8)
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    on_disk = MediaInput("a.jpg", path=str(path), size=len(content))
    values = [on_disk, on_disk, MediaInput("b.jpg", data=content)]
    rooms: list[memoryview] = []

    def room(size: int) -> memoryview | None:
        if rooms:
            return None
        rooms.append(memoryview(bytearray(size)))
        return rooms[0]

    in_room, *others = MediaLoader(pool).load(values, probe=probe_image, room=room)
    assert isinstance(in_room, LoadedMedia)
    assert in_room.data is rooms[0]
    for loaded in (in_room, *others):
        assert isinstance(loaded, LoadedMedia)
        assert loaded.data == content
        assert (loaded.digest, loaded.check) == (digest_of(content), check_of(content))
        assert loaded.header == MediaHeader("jpeg", 8, 8)
    assert [type(loaded.data) for loaded in others if isinstance(loaded, LoadedMedia)] == [bytes, bytes]


def test_probe_that_needs_bytes_gets_bytes(pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12")

    def probe(data: bytes, name: str) -> MediaHeader:
        assert type(data) is bytes
        return MediaHeader("x")

    (loaded,) = MediaLoader(pool).load(
        [MediaInput("a", path=str(path), size=2)], probe=probe, room=lambda size: memoryview(bytearray(size))
    )
    assert isinstance(loaded, LoadedMedia)
