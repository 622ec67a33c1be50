"""Tar shards, listed objects and inventories are adopted in place, each object read once."""

from __future__ import annotations

import io
import os
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.datasets.shard_indexing import ShardIndex, ShardIndexer
from headrace.errors import DataCorrupted, InvalidInput
from tests.generated_media import image_bytes
from tests.killed_adoption import adopt_until_killed
from tests.s3_buckets import Bucket

_NUM_MEMBERS = 4


def _shard(number: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for idx in range(_NUM_MEMBERS):
            sample = f"{number:05d}{idx:04d}"
            for suffix, data in (
                ("png", image_bytes("PNG", shade=(number * 31 + idx) % 256)),
                ("txt", f"caption {sample}".encode()),
                ("json", b'{"rating": %d}' % idx),
            ):
                member = tarfile.TarInfo(f"{sample}.{suffix}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def _folder(path: Path, num_shards: int) -> Path:
    path.mkdir()
    for number in range(num_shards):
        (path / f"{number:05d}.tar").write_bytes(_shard(number))
    return path


class _Requests:
    """Counts the requests of obstore by object."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import obstore

        self.counts: Counter[str] = Counter()
        for name in ("get", "get_range", "head", "put"):
            monkeypatch.setattr(obstore, name, self._counted(getattr(obstore, name)))

    def _counted(self, function: Any) -> Any:
        def counted(client: Any, path: str, *arguments: Any, **options: Any) -> Any:
            self.counts[path] += 1
            return function(client, path, *arguments, **options)

        return counted

    def of(self, suffix: str) -> list[int]:
        return [count for path, count in self.counts.items() if path.endswith(suffix)]


def test_folder_of_shards_is_adopted_and_gives_the_digest_of_a_copy(tmp_path: Path) -> None:
    source = _folder(tmp_path / "shards", 5)
    lake = headrace.connect(tmp_path / "lake")
    adopted = lake.create_dataset("adopted", type="IMAGE_TEXT", source=source, media="reference")
    copied = lake.create_dataset("copied", type="IMAGE_TEXT", source=str(source / "*.tar"))
    assert adopted.log()[0].digest == copied.log()[0].digest
    row = adopted.snapshot()[7]
    assert (row["text"], row["rating"]) == ("caption 000010003", 3)
    assert row["image"] == image_bytes("PNG", shade=34)
    assert [origin.digest is not None for origin in adopted.log()[0].sources] == [True] * 5
    assert not list(tmp_path.glob("lake/derived/adopt/*"))
    shards = sum(len(list(tmp_path.glob(f"lake/{item.base}objects/*/*.tar"))) for item in [adopted])
    assert shards == 0
    assert lake.verify().ok


def test_stored_shard_takes_one_request_and_one_more_when_it_is_named(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        bucket.put(f"wds/{number:05d}.tar", _shard(number))
    lake = headrace.connect(tmp_path / "lake", options=bucket.options)
    requests = _Requests(monkeypatch)
    by_prefix = lake.create_dataset("a", type="IMAGE_TEXT", source=f"s3://{bucket.name}/wds", media="reference")
    assert requests.of(".tar") == [1] * 6
    requests.counts.clear()
    names = [f"s3://{bucket.name}/wds/{number:05d}.tar" for number in range(6)]
    by_name = lake.create_dataset("b", type="IMAGE_TEXT", source=names, media="reference")
    assert requests.of(".tar") == [2] * 6
    assert by_prefix.log()[0].digest == by_name.log()[0].digest
    assert by_name.snapshot()[5]["text"] == "caption 000010001"


def test_changed_shard_is_named_with_both_versions(bucket: Bucket, tmp_path: Path) -> None:
    for number in range(3):
        bucket.put(f"wds/{number:05d}.tar", _shard(number))
    lake = headrace.connect(tmp_path / "lake", options=bucket.options)
    dataset = lake.create_dataset("a", type="IMAGE_TEXT", source=f"s3://{bucket.name}/wds", media="reference")
    snapshot = dataset.snapshot()
    assert len(snapshot.take([0, 5]).column("image")) == 2
    bucket.put("wds/00001.tar", _shard(9))
    message = rf"s3://{bucket.name}/wds/00001\.tar was adopted in place and changed since \(version .+, pinned .+\)"
    with pytest.raises(DataCorrupted, match=message):
        snapshot.take([5])  # this reader has looked at the object before
    report = headrace.connect(tmp_path / "lake", options=bucket.options).verify()
    assert len(report.problems) == 1
    assert "00001.tar" in str(report.problems[0])


def test_broken_members_of_shards_are_refused_or_left_out(tmp_path: Path) -> None:
    source = tmp_path / "broken.tar"
    with tarfile.open(source, "w") as archive:
        for name, data in (("a.png", image_bytes("PNG", shade=1)), ("b.png", b"no image")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
            text = tarfile.TarInfo(name.replace("png", "txt"))
            text.size = 1
            archive.addfile(text, io.BytesIO(b"t"))
    lake = headrace.connect(tmp_path / "lake")
    with pytest.raises(InvalidInput, match=r"broken\.tar!b\.png"):
        lake.create_dataset("a", type="IMAGE_TEXT", source=source, media="reference")
    dataset = lake.create_dataset("b", type="IMAGE_TEXT", source=source, media="reference", on_invalid="skip")
    (commit,) = dataset.log()
    assert (commit.num_rows, commit.num_rejected, commit.rejected[0].member) == (1, 1, "b.png")


def test_killed_adoption_does_not_read_again_what_it_had_indexed(tmp_path: Path) -> None:
    source = _folder(tmp_path / "shards", 30)
    adopt_until_killed(ShardIndexer, tmp_path / "lake", source, type="IMAGE_TEXT", num_indexed=20)
    kept = list(tmp_path.glob("lake/derived/adopt/*"))
    assert kept
    # What is kept is not touched again, so shards that it covers may even be unreadable meanwhile.
    read: list[str] = []
    index = ShardIndexer.index

    def counted(self: ShardIndexer, container: Any) -> ShardIndex:
        read.append(container.uri)
        return index(self, container)

    ShardIndexer.index = counted  # type: ignore[method-assign]
    try:
        lake = headrace.connect(tmp_path / "lake")
        dataset = lake.create_dataset("a", type="IMAGE_TEXT", source=source, media="reference")
    finally:
        ShardIndexer.index = index  # type: ignore[method-assign]
    assert len(read) <= 30 - 20 + (os.cpu_count() or 2)
    assert dataset.num_rows == 30 * _NUM_MEMBERS
    assert not list(tmp_path.glob("lake/derived/adopt/*"))
    assert lake.verify().ok


def test_damaged_index_is_made_again(tmp_path: Path) -> None:
    source = _folder(tmp_path / "shards", 8)
    adopt_until_killed(ShardIndexer, tmp_path / "lake", source, type="IMAGE_TEXT", num_indexed=6)
    for path in tmp_path.glob("lake/derived/adopt/*"):
        data = bytearray(path.read_bytes())
        data[-9] ^= 1
        path.write_bytes(data)
    dataset = headrace.connect(tmp_path / "lake").create_dataset(
        "a", type="IMAGE_TEXT", source=source, media="reference"
    )
    assert dataset.num_rows == 8 * _NUM_MEMBERS


def test_inventory_names_objects_with_size_and_etag(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["uri,size,etag,label"]
    for number in range(5):
        data = image_bytes("PNG", shade=number)
        bucket.put(f"loose/{number}.png", data)
        etag = bucket.client.head_object(Bucket=bucket.name, Key=f"loose/{number}.png")["ETag"].strip('"')
        lines.append(f"s3://{bucket.name}/loose/{number}.png,{len(data)},{etag},{'odd' if number % 2 else 'even'}")
    inventory = tmp_path / "inventory.csv"
    inventory.write_text("\n".join(lines) + "\n")
    lake = headrace.connect(tmp_path / "lake", options=bucket.options)
    requests = _Requests(monkeypatch)
    dataset = lake.create_dataset("a", type="IMAGE_CLASS", source=inventory, media="reference")
    assert requests.of(".png") == [1] * 5
    assert dataset.schema.names == ["id", "image", "label"]
    row = dataset.snapshot()[3]
    assert (row["label"], row["image"]) == ("odd", image_bytes("PNG", shade=3))
    bucket.put("loose/2.png", image_bytes("PNG", shade=77))
    with pytest.raises(InvalidInput, match="changed since the inventory was made"):
        lake.create_dataset("b", type="IMAGE_CLASS", source=inventory, media="reference")
    skipped = lake.create_dataset("c", type="IMAGE_CLASS", source=inventory, media="reference", on_invalid="skip")
    assert (skipped.num_rows, skipped.log()[0].num_rejected) == (4, 1)


def test_inventory_of_files_on_this_machine_is_beside_them(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    data = image_bytes("PNG", shade=5)
    (tmp_path / "media" / "a.png").write_bytes(data)
    inventory = tmp_path / "inventory.jsonl"
    inventory.write_text(f'{{"uri": "media/a.png", "size": {len(data)}, "label": "x"}}\n')
    lake = headrace.connect(tmp_path / "lake")
    dataset = lake.create_dataset("a", type="IMAGE_CLASS", source=inventory, media="reference")
    assert dataset.snapshot()[0]["image"] == data
    inventory.write_text('{"uri": "media/a.png", "size": 1, "label": "x"}\n')
    with pytest.raises(InvalidInput, match=r"changed since the inventory was made \(1 bytes"):
        lake.create_dataset("b", type="IMAGE_CLASS", source=inventory, media="reference")
