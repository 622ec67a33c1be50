"""Shards: media in plain tar."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webdataset.tariterators import group_by_keys, tar_file_expander

from headrace.errors import Unavailable
from headrace.storage.digests import digest_hex
from headrace.storage.shards import ShardRecord, ShardWriter, shard_key, tar_header
from tests.scripted_store import ScriptedStore

_SIZES = [0, 1, 511, 512, 513, 1023, 1024, 1025, 10_239, 10_240, 65_536]


def _content(size: int) -> bytes:
    return bytes((idx * 31 + size) % 251 for idx in range(size))


@settings(max_examples=50)
@given(st.lists(st.sampled_from(_SIZES) | st.integers(0, 3000), min_size=1, max_size=8), st.integers(1, 100))
def test_shard_is_a_tar_that_tarfile_reads(sizes: list[int], name_length: int) -> None:
    store = ScriptedStore()
    writer = ShardWriter(store, "d/")
    names = [f"{idx:03d}".rjust(max(name_length, 3), "x")[-100:] for idx in range(len(sizes))]
    places = [writer.add(name, _content(size)) for name, size in zip(names, sizes, strict=True)]
    (record,) = writer.close()
    data = store.get("d/" + shard_key(record.digest))
    assert record == ShardRecord(digest_hex(data), len(data), len(sizes))
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == names
        for member, size, (shard_idx, offset) in zip(members, sizes, places, strict=True):
            file = archive.extractfile(member)
            assert file is not None
            assert file.read() == _content(size) == data[offset : offset + size]
            assert (shard_idx, offset) == (0, member.offset_data)
            assert (member.mode, member.uid, member.mtime, member.isreg()) == (0o644, 0, 0, True)
    assert len(data) % 512 == 0
    assert data.endswith(bytes(1024))


def test_header_takes_sizes_up_to_eight_gibibytes() -> None:
    for size in (0, 1, 8 * 1024**3 - 1):
        info = tarfile.TarInfo.frombuf(tar_header("a.jpg", size), "ascii", "strict")
        assert (info.name, info.size) == ("a.jpg", size)
    with pytest.raises(ValueError, match="bytes"):
        tar_header("a.jpg", 8 * 1024**3)


@pytest.mark.parametrize("name", ["x" * 101, "ü.jpg"])
def test_header_refuses_names_that_ustar_cannot_hold(name: str) -> None:
    with pytest.raises(ValueError):
        tar_header(name, 1)


def test_members_spread_over_shards_of_the_given_size() -> None:
    store = ScriptedStore()
    writer = ShardWriter(store, "", shard_bytes=5000)
    contents = [_content(size) for size in (1000, 1000, 2000, 10_000, 5, 6)]
    places = [writer.add(f"{idx}.bin", content) for idx, content in enumerate(contents)]
    records = writer.close()
    assert [shard_idx for shard_idx, _ in places] == [0, 0, 1, 2, 3, 3]
    assert [record.num_members for record in records] == [2, 1, 1, 2]
    for content, (shard_idx, offset) in zip(contents, places, strict=True):
        data = store.get(shard_key(records[shard_idx].digest))
        assert data[offset : offset + len(content)] == content
        assert len(data) == records[shard_idx].size
        assert len(data) <= 5000 or records[shard_idx].num_members == 1


def test_flush_starts_a_new_shard_and_close_gives_all() -> None:
    store = ScriptedStore()
    writer = ShardWriter(store, "")
    writer.flush()  # nothing to write yet
    places = []
    for content in (b"a", b"b"):
        places.append(writer.add(content.decode(), content))
        writer.flush()
    records = writer.close()
    assert [shard_idx for shard_idx, _ in places] == [0, 1]
    for content, (shard_idx, offset) in zip((b"a", b"b"), places, strict=True):
        assert store.get(shard_key(records[shard_idx].digest))[offset : offset + 1] == content


@settings(max_examples=30)
@given(st.lists(st.integers(0, 9000), min_size=1, max_size=60), st.sampled_from([1, 3000, 20_000]))
def test_every_member_lies_where_it_was_said_to_over_many_shards(sizes: list[int], shard_bytes: int) -> None:
    store = ScriptedStore()
    writer = ShardWriter(store, "", shard_bytes=shard_bytes)
    contents = [bytes([idx % 256]) * size for idx, size in enumerate(sizes)]
    places = [writer.add(f"{idx:06d}.bin", content) for idx, content in enumerate(contents)]
    records = writer.close()
    shards = [store.get(shard_key(record.digest)) for record in records]
    assert [digest_hex(shard) for shard in shards] == [record.digest for record in records]
    for content, (shard_idx, offset) in zip(contents, places, strict=True):
        assert shards[shard_idx][offset : offset + len(content)] == content
    names = []
    for shard in shards:
        with tarfile.open(fileobj=io.BytesIO(shard), mode="r:") as archive:
            names += archive.getnames()
    assert names == [f"{idx:06d}.bin" for idx in range(len(sizes))]


def test_same_members_make_the_same_shard_whatever_happened_before() -> None:
    digests = []
    for _ in range(2):
        writer = ShardWriter(ScriptedStore(), "")
        writer.add("a.bin", b"a")
        digests.append(writer.close()[0].digest)
    assert digests[0] == digests[1]


def test_writer_without_members_writes_nothing() -> None:
    store = ScriptedStore()
    assert ShardWriter(store, "").close() == []
    assert store.contents() == {}


def test_store_that_is_full_is_told_while_writing_or_at_the_end() -> None:
    store = ScriptedStore()

    def fail(key: str) -> None:
        raise Unavailable("no room")

    store.before_put = fail
    writer = ShardWriter(store, "", shard_bytes=1)
    with pytest.raises(Unavailable):
        _ = [writer.add(f"{idx}.bin", b"x") for idx in range(10)]
    writer.abandon()
    writer = ShardWriter(store, "")
    writer.add("a.bin", b"x")
    with pytest.raises(Unavailable):
        writer.close()
    writer.abandon()
    assert store.contents() == {}


def test_abandoned_writer_writes_no_more() -> None:
    store = ScriptedStore()
    writer = ShardWriter(store, "")
    writer.add("a.bin", b"x")
    writer.abandon()
    assert store.contents() == {}


def test_shard_is_read_by_webdataset(tmp_path: Path) -> None:
    store = ScriptedStore()
    writer = ShardWriter(store, "")
    for idx in range(5):
        writer.add(f"{idx:012d}.jpg", b"image %d" % idx)
        writer.add(f"{idx:012d}.json", b'{"idx": %d}' % idx)
    (record,) = writer.close()
    path = tmp_path / "shard.tar"
    path.write_bytes(store.get(shard_key(record.digest)))
    with path.open("rb") as file:
        samples = list(group_by_keys(tar_file_expander([{"url": str(path), "stream": file}])))
    assert [(sample["jpg"], sample["json"]) for sample in samples] == [
        (b"image %d" % idx, b'{"idx": %d}' % idx) for idx in range(5)
    ]
