"""What every object store must do: a pytest suite to subclass.

class TestMyStore(ObjectStoreConformance):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return MyStore(...)  # an empty one for each test
"""

# ruff: noqa: S101 - assert is how a test speaks
from __future__ import annotations

import itertools
import os
import pickle
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import pytest

from headrace.errors import DataCorrupted, InvalidInput, NotFound
from headrace.storage.store import ObjectStat, ObjectStore

__all__ = ["ObjectStoreConformance"]

_NUM_THREADS = 32
_Result = TypeVar("_Result")


class ObjectStoreConformance:
    """Subclass it in a test module and override the fixture `store`."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        """An empty, writable store."""
        raise NotImplementedError("override the fixture `store` with one that returns an empty store")

    def test_store_fulfils_the_protocol(self, store: ObjectStore) -> None:
        assert isinstance(store, ObjectStore)
        assert store.uri
        assert not store.uri.endswith("/")
        assert isinstance(store.is_local, bool)

    def test_prepare_for_writing_leaves_no_object(self, store: ObjectStore) -> None:
        store.prepare_for_writing()
        store.prepare_for_writing()
        assert list(store.list("")) == []

    def test_empty_store_has_nothing(self, store: ObjectStore) -> None:
        assert list(store.list("")) == []
        assert list(store.list("log/")) == []
        assert store.stat("a") is None

    def test_read_into_fills_each_target(self, store: ObjectStore) -> None:
        store.put("objects/ab/into.bin", bytes(range(100)))
        target = bytearray(b"." * 30)
        view = memoryview(target)
        store.read_into("objects/ab/into.bin", [(90, 100), (0, 5), (7, 7)], [view[:10], view[20:25], view[29:29]])
        assert bytes(target) == bytes(range(90, 100)) + b"." * 10 + bytes(range(5)) + b"." * 5

    def test_read_into_tells_of_every_range_once_when_it_is_there(self, store: ObjectStore) -> None:
        size = 700_000
        content = b"".join(bytes([number]) * size for number in range(1, 6))
        store.put("objects/ab/told.bin", content)
        target = bytearray(len(content))
        view = memoryview(target)
        ranges = [(start, start + size) for start in range(0, len(content), size)]
        told: list[int] = []

        def arrived(first: int, last: int) -> None:
            for idx in range(first, last):
                start, end = ranges[idx]
                assert target[start:end] == content[start:end]
                told.append(idx)

        store.read_into("objects/ab/told.bin", ranges, [view[a:b] for a, b in ranges], arrived=arrived)
        assert told == [0, 1, 2, 3, 4]

    def test_read_into_past_the_end_is_corruption(self, store: ObjectStore) -> None:
        store.put("objects/ab/short.bin", b"12345")
        with pytest.raises(DataCorrupted, match=r"short\.bin"):
            store.read_into("objects/ab/short.bin", [(3, 9)], [memoryview(bytearray(6))])

    def test_put_new_returns_true_once(self, store: ObjectStore) -> None:
        assert store.put_new("log/0000000001.json", b"first") is True
        assert store.put_new("log/0000000001.json", b"second") is False
        assert store.get("log/0000000001.json") == b"first"

    def test_put_new_of_equal_bytes_by_another_writer_returns_false(self, store: ObjectStore) -> None:
        assert store.put_new("k", b"same") is True
        assert store.put_new("k", b"same") is False

    def test_put_new_after_put_returns_false(self, store: ObjectStore) -> None:
        store.put("objects/ab/abc", b"content")
        assert store.put_new("objects/ab/abc", b"other") is False
        assert store.get("objects/ab/abc") == b"content"

    def test_put_new_by_many_threads_has_one_winner(self, store: ObjectStore) -> None:
        """The stored bytes are the winner's."""
        for round_idx in range(3):
            key = f"log/{round_idx:010d}.json"
            results = _run_together(
                [partial(store.put_new, key, b"writer %d " % writer_idx * 50) for writer_idx in range(_NUM_THREADS)]
            )
            winners = [writer_idx for writer_idx, is_first in enumerate(results) if is_first]
            assert len(winners) == 1
            assert store.get(key) == b"writer %d " % winners[0] * 50

    def test_claims_of_many_threads_make_a_dense_log(self, store: ObjectStore) -> None:
        """Writers that take the next number after a lost race lose no entry and share none."""
        num_writers, num_entries = 6, 5

        def write(writer_idx: int) -> list[str]:
            claimed: list[str] = []
            number = 1
            while len(claimed) < num_entries:
                if store.put_new(f"log/{number:010d}", b"%d %d" % (writer_idx, len(claimed))):
                    claimed.append(f"log/{number:010d}")
                number += 1
            return claimed

        with ThreadPoolExecutor(num_writers) as pool:
            claimed = sorted(itertools.chain.from_iterable(pool.map(write, range(num_writers))))
        assert claimed == [f"log/{number:010d}" for number in range(1, num_writers * num_entries + 1)]
        assert len({store.get(key) for key in claimed}) == len(claimed)

    def test_put_is_repeatable(self, store: ObjectStore) -> None:
        store.put("objects/aa/x", b"content")
        store.put("objects/aa/x", memoryview(b"content"))
        assert store.get("objects/aa/x") == b"content"

    def test_put_by_many_threads_at_once_keeps_the_content(self, store: ObjectStore) -> None:
        content = os.urandom(100_000)
        _run_together([lambda: store.put("objects/aa/x", content)] * 8)
        assert store.get("objects/aa/x") == content

    def test_put_parts_joins_the_buffers(self, store: ObjectStore) -> None:
        buffers: list[bytes | memoryview] = [
            b"ab",
            memoryview(b"xcdx")[1:3],
            b"",
            *[b"%d" % number for number in range(2000)],
        ]
        store.put_parts("objects/aa/x", buffers)
        store.put_parts("objects/aa/x", buffers)
        assert store.get("objects/aa/x") == b"".join(buffers)
        store.put_parts("objects/aa/none", [])
        assert store.get("objects/aa/none") == b""

    def test_empty_object_exists(self, store: ObjectStore) -> None:
        assert store.put_new("empty", b"") is True
        assert store.put_new("empty", b"") is False
        assert store.get("empty") == b""
        assert store.get_ranges("empty", [(0, 0)]) == [b""]
        found = store.stat("empty")
        assert found is not None
        assert found.size == 0

    @pytest.mark.parametrize("num_bytes", [20_000_000])
    def test_large_object_comes_back(self, store: ObjectStore, num_bytes: int) -> None:
        content = os.urandom(num_bytes)
        view = memoryview(content)
        store.put_parts("objects/aa/large", [view[:1], view[1 : num_bytes // 2], view[num_bytes // 2 :]])
        assert store.get("objects/aa/large") == content
        cuts = [(0, 1), (num_bytes - 1, num_bytes), (5, num_bytes - 5), (num_bytes // 2 - 3, num_bytes // 2 + 3)]
        assert store.get_ranges("objects/aa/large", cuts) == [content[start:end] for start, end in cuts]
        assert store.put_new("log/large", content) is True
        assert store.put_new("log/large", content[:-1] + b"?") is False

    def test_get_ranges_keeps_the_order_asked(self, store: ObjectStore) -> None:
        """Also with ranges that overlap, repeat, touch the ends or are empty."""
        content = os.urandom(1000)
        store.put("x", content)
        ranges = [(990, 1000), (0, 10), (5, 15), (0, 10), (10, 10), (0, 1000), (999, 1000), (1000, 1000), (0, 0)]
        found = store.get_ranges("x", ranges)
        assert found == [content[start:end] for start, end in ranges]
        assert all(type(data) is bytes for data in found)
        assert store.get_ranges("x", []) == []

    @pytest.mark.parametrize("wanted", [(999, 1001), (1000, 1001), (5000, 6000), (1001, 1001)])
    def test_get_ranges_past_the_end_is_corruption(self, store: ObjectStore, wanted: tuple[int, int]) -> None:
        store.put("objects/ab/cut", bytes(1000))
        with pytest.raises(DataCorrupted, match="objects/ab/cut"):
            store.get_ranges("objects/ab/cut", [(0, 10), wanted])
        with pytest.raises(DataCorrupted, match="objects/ab/cut"):
            store.get_ranges("objects/ab/cut", [wanted])

    @pytest.mark.parametrize("wanted", [(-1, 5), (5, 4)])
    def test_get_ranges_refuses_what_is_no_range(self, store: ObjectStore, wanted: tuple[int, int]) -> None:
        store.put("x", b"0123456789")
        with pytest.raises(InvalidInput, match="range"):
            store.get_ranges("x", [wanted])

    def test_get_ranges_by_many_threads(self, store: ObjectStore) -> None:
        contents = {f"objects/{number:02d}": os.urandom(3000) for number in range(8)}
        for key, content in contents.items():
            store.put(key, content)

        def read(seed: int) -> None:
            for key, content in contents.items():
                ranges = [(seed + step, seed + step + 100) for step in range(0, 2000, 500)]
                assert store.get_ranges(key, ranges) == [content[start:end] for start, end in ranges]

        _run_together([partial(read, seed) for seed in range(8)])

    def test_missing_key_is_named(self, store: ObjectStore) -> None:
        store.put("a/b", b"1")
        for key in ("a/missing", "missing", "a", "a/b/c"):
            with pytest.raises(NotFound, match=key):
                store.get(key)
            with pytest.raises(NotFound, match=key):
                store.get_ranges(key, [(0, 1)])
            assert store.stat(key) is None
        with pytest.raises(NotFound) as caught:
            store.get("a/missing")
        assert f"{store.uri}/a/missing" in caught.value.message

    def test_stat_describes_the_object(self, store: ObjectStore) -> None:
        store.put("a/b", b"12345")
        found = store.stat("a/b")
        assert found is not None
        assert (found.key, found.size) == ("a/b", 5)
        assert found.version
        assert found.modified_at > 1_600_000_000
        assert store.stat("a/b") == found
        assert list(store.list("a/")) == [found]

    def test_delete_is_repeatable(self, store: ObjectStore) -> None:
        store.put("a/b", b"1")
        store.get_ranges("a/b", [(0, 1)])
        store.delete("a/b")
        store.delete("a/b")
        store.delete("never/was")
        assert store.stat("a/b") is None
        with pytest.raises(NotFound):
            store.get("a/b")
        with pytest.raises(NotFound):
            store.get_ranges("a/b", [(0, 1)])
        assert store.put_new("a/b", b"again") is True
        assert store.get_ranges("a/b", [(0, 5)]) == [b"again"]

    def test_list_is_in_key_order(self, store: ObjectStore) -> None:
        """Keys order by their characters, a slash among them: "a-b" < "a/b" < "a0"."""
        keys = ["a-b", "a/b", "a0", "a/b-c", "a/c/d", "a/c-d", "b", "A", "a/é", "a/z", "log/10", "log/9", "a b"]
        for key in keys:
            store.put(key, key.encode())
        assert _keys(store.list("")) == sorted(keys)
        assert [found.size for found in store.list("")] == [len(key.encode()) for key in sorted(keys)]

    def test_list_by_prefix(self, store: ObjectStore) -> None:
        """A prefix is a start of the text and need not end at a slash."""
        keys = ["log/1", "log/10", "log/2", "log-old/1", "logs", "lo", "log/sub/1", "datasets/log/1"]
        for key in keys:
            store.put(key, b"")
        for prefix in [
            "",
            "l",
            "lo",
            "log",
            "log/",
            "log/1",
            "log/10",
            "log/s",
            "log/sub/",
            "log/3",
            "x",
            "datasets/log",
        ]:
            assert _keys(store.list(prefix)) == sorted(key for key in keys if key.startswith(prefix)), prefix

    def test_list_start_after(self, store: ObjectStore) -> None:
        keys = [f"log/{number:03d}" for number in range(20)] + ["log/005/x", "lof", "loh", "log-1"]
        keys.remove("log/005")
        for key in keys:
            store.put(key, b"")
        for start_after in [
            "log/003",
            "log/0035",
            "log/005",
            "log/005/x",
            "log/",
            "log",
            "l",
            "a",
            "log/019",
            "z",
            "log//",
        ]:
            for prefix in ["log/", "", "log/00"]:
                expected = sorted(key for key in keys if key.startswith(prefix) and key > start_after)
                assert _keys(store.list(prefix, start_after=start_after)) == expected, (prefix, start_after)

    def test_list_of_many_objects(self, store: ObjectStore) -> None:
        """More than one page of a listing."""
        num_objects = 1100
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: store.put(f"many/{number:05d}", b"x"), range(num_objects)))
        assert _keys(store.list("many/")) == [f"many/{number:05d}" for number in range(num_objects)]
        assert _keys(store.list("many/", start_after="many/01090")) == [
            f"many/{number:05d}" for number in range(1091, 1100)
        ]
        assert next(iter(store.list("many/"))).key == "many/00000"

    @pytest.mark.parametrize(
        "key",
        [
            "ä/ü ö.txt",
            "日本語/写真.jpg",
            "a b/c+d=e&f.txt",
            "100%25.txt",
            "a#b?c",
            "tilde~",
            "🙂/x",
            "quote'\"",
            "a:b",
            "é",
        ],
    )
    def test_unusual_keys_come_back(self, store: ObjectStore, key: str) -> None:
        assert store.put_new(key, key.encode()) is True
        assert store.put_new(key, b"other") is False
        assert store.get(key) == key.encode()
        assert store.get_ranges(key, [(0, 1)]) == [key.encode()[:1]]
        assert _keys(store.list("")) == [key]
        found = store.stat(key)
        assert found is not None
        assert found.key == key
        store.delete(key)
        assert store.stat(key) is None

    @pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/.", "./a", "a\0b", ".tmp/x"])
    def test_keys_that_lead_elsewhere_are_refused(self, store: ObjectStore, key: str) -> None:
        actions: list[Callable[[], object]] = [
            lambda: store.get(key),
            lambda: store.get_ranges(key, [(0, 1)]),
            lambda: store.put_new(key, b""),
            lambda: store.put(key, b""),
            lambda: store.put_parts(key, [b""]),
            lambda: store.stat(key),
            lambda: store.delete(key),
        ]
        for action in actions:
            with pytest.raises(InvalidInput):
                action()

    @pytest.mark.parametrize("key", ["a\nb", "a\tb", "x" * 2000, "x" * 300, "\udc80"])
    def test_keys_that_not_every_store_can_hold_are_refused(self, store: ObjectStore, key: str) -> None:
        with pytest.raises(InvalidInput):
            store.put_new(key, b"")
        with pytest.raises(InvalidInput):
            store.put(key, b"")

    @pytest.mark.parametrize("prefix", ["/", "/a", "../", "a/../", "a//"])
    def test_prefixes_that_lead_elsewhere_are_refused(self, store: ObjectStore, prefix: str) -> None:
        with pytest.raises(InvalidInput):
            list(store.list(prefix))

    def test_store_can_be_sent_to_another_process(self, store: ObjectStore) -> None:
        copy: ObjectStore = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own bytes; this is how workers get it
        store.put("a", b"1")
        assert copy.uri == store.uri
        assert copy.get("a") == b"1"


def _keys(found: Iterable[ObjectStat]) -> list[str]:
    return [entry.key for entry in found]


def _run_together(actions: Sequence[Callable[[], _Result]]) -> list[_Result]:
    """Start all at the same moment, each in its thread; the results in the order of the actions."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], _Result]) -> _Result:
        barrier.wait(timeout=60)
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))
