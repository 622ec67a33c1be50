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
from headrace.errors import InvalidInput
from headrace.storage.digests import check_of, digest_of


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


def test_file_that_changes_size_is_refused(pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12")
    (loaded,) = MediaLoader(pool).load([MediaInput("a", path=str(path), size=5)], probe=None)
    assert isinstance(loaded, InvalidInput)
    assert "2 bytes, 5 were announced" in loaded.message
