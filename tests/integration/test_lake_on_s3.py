"""A whole lake in a bucket, over real HTTP; credentials come from options alone."""

from __future__ import annotations

import itertools
import tarfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import headrace
from headrace.errors import AlreadyExists, DataCorrupted
from tests.generated_media import image_bytes
from tests.s3_buckets import Bucket

pytestmark = pytest.mark.usefixtures("no_credentials_in_the_environment")


def test_lake_in_a_bucket_has_the_digests_of_a_lake_in_a_folder(bucket: Bucket, tmp_path: Path) -> None:
    source = tmp_path / "part.csv"
    source.write_text("book a table,reservation\nhello,greeting\nhello,greeting\n")
    digests = set()
    ids = set()
    for lake in (bucket.lake(), headrace.connect(tmp_path / "lake")):
        dataset = lake.create_dataset("intents", type="TEXT_INTENT", source=source, tags={"from": "web"})
        digests.add(dataset.log()[0].digest)
        ids.add(dataset.snapshot(tags={"from": "web"}).id)
        assert lake.verify().ok
    assert len(digests) == len(ids) == 1


def test_reopened_lake_reads_filters_and_compares(bucket: Bucket) -> None:
    dataset = bucket.lake().create_dataset(
        "rows", type="TABLE", source=[{"id": 1, "n": 5}, {"id": 2, "n": 7}], key="id"
    )
    dataset.snapshot().alias("first")
    dataset.commit([{"id": 2, "n": 8}, {"id": 3, "n": 9}])
    lake = bucket.lake()
    newest = lake.snapshot("rows")
    assert newest.to_arrow(columns=["id", "n"]).to_pylist() == [
        {"id": 1, "n": 5},
        {"id": 2, "n": 8},
        {"id": 3, "n": 9},
    ]
    change = lake.snapshot("rows@first").diff(newest)
    assert (change.added.num_rows, change.removed.num_rows, change.changed.num_rows) == (1, 0, 1)
    assert lake.dataset("rows").snapshot(where="n > 7").num_rows == 2


def test_view_in_the_lake_is_written_once_and_completed_after_a_broken_try(bucket: Bucket) -> None:
    lake = bucket.lake()
    snapshot = lake.create_dataset("rows", type="TABLE", source=[{"a": 1}]).snapshot()
    folder = f"lake/derived/views/{snapshot.id}"
    bucket.put(f"{folder}/data.parquet", b"half of an upload that died")
    view = snapshot.materialise()
    assert [file.name for file in view.files] == ["data.parquet"]
    assert pq.read_table(BytesIO(bucket.get(f"{folder}/data.parquet"))).to_pylist() == [{"a": 1}]
    before = bucket.keys()
    assert snapshot.materialise() == view
    assert bucket.keys() == before


def test_export_to_a_bucket_is_a_tar_that_any_tool_reads(bucket: Bucket) -> None:
    lake = bucket.lake()
    image = image_bytes()
    rows = [{"id": "a", "image": image, "label": "cat"}]
    snapshot = lake.create_dataset("cats", type="IMAGE_CLASS", source=rows).snapshot()
    snapshot.export(f"s3://{bucket.name}/out", format="webdataset")
    with tarfile.open(fileobj=BytesIO(bucket.get("out/shard-000000.tar"))) as archive:
        members = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        (name,) = [name for name in members if not name.endswith(".json")]
        stream = members[name]
        assert stream is not None
        assert stream.read() == image
    with pytest.raises(AlreadyExists, match="holds objects already"):
        snapshot.export(f"s3://{bucket.name}/out", format="webdataset")


@pytest.mark.parametrize("media", ["copy", "reference"])
def test_prefix_of_a_bucket_is_a_source(bucket: Bucket, media: str) -> None:
    images = {f"in/{label}/{idx}.jpg": image_bytes(shade=idx) for idx, label in enumerate(["cat", "dog", "cat"])}
    for key, data in images.items():
        bucket.put(key, data)
    lake = bucket.lake()
    dataset = lake.create_dataset("pets", type="IMAGE_CLASS", source=f"s3://{bucket.name}/in", media=media)
    rows = dataset.snapshot().to_arrow().to_pylist()
    assert {row["id"]: row["image"] for row in rows} == {key[3:]: data for key, data in images.items()}
    shards = [key for key in bucket.keys("lake/") if key.endswith(".tar")]
    assert len(shards) == (1 if media == "copy" else 0)
    (found,) = lake.lineage("1:cat/0.jpg")
    assert found.media[0].is_adopted == (media == "reference")


@pytest.mark.parametrize("source", ["prefix", "column of URIs"])
def test_adopted_object_that_changed_is_found(bucket: Bucket, source: str) -> None:
    """Of the same size, so that only the pinned version or the digest can tell."""
    first, other = image_bytes("BMP", shade=1), image_bytes("BMP", shade=2)
    assert len(first) == len(other)
    bucket.put("in/cat/a.bmp", first)
    uri = f"s3://{bucket.name}/in/cat/a.bmp"
    handed: object = f"s3://{bucket.name}/in"
    if source == "column of URIs":
        handed = [{"id": "a", "image": uri, "label": "cat"}]
    bucket.lake().create_dataset("pets", type="IMAGE_CLASS", source=handed, media="reference")
    assert bucket.lake().snapshot("pets")[0]["image"] == first
    bucket.put("in/cat/a.bmp", other)
    with pytest.raises(DataCorrupted, match="changed since"):
        bucket.lake().snapshot("pets").take([0])
    assert not bucket.lake().verify().ok


def test_concurrent_writers_number_their_commits_densely(bucket: Bucket) -> None:
    bucket.lake().create_dataset("rows", type="TABLE", source=[{"writer": -1, "round": 0}])

    def write(writer: int) -> None:
        dataset = bucket.lake().dataset("rows")
        for number in range(4):
            dataset.commit([{"writer": writer, "round": number}])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    dataset = bucket.lake().dataset("rows")
    assert [commit.id for commit in dataset.log()] == [str(number) for number in range(1, 18)]
    rows = dataset.snapshot().to_arrow(columns=["writer", "round"]).to_pylist()
    assert sorted((row["writer"], row["round"]) for row in rows[1:]) == list(itertools.product(range(4), range(4)))
