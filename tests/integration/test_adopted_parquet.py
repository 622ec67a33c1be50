"""Media bytes inside Parquet files are adopted in place: read by cell, named like copies, found out if they change."""

from __future__ import annotations

import base64
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import headrace
from headrace.datasets.columns import CELL_LOCATOR_TYPE, LOCATOR_TYPE
from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.datasets.layout_writing import ContainerSizes
from headrace.datasets.parquet_indexing import ParquetIndex, ParquetIndexer
from headrace.errors import DataCorrupted, InvalidInput
from headrace.storage.containers import StoredContainer
from headrace.storage.opening import open_store
from tests.generated_media import image_bytes, video_bytes, wav_bytes
from tests.killed_adoption import adopt_until_killed
from tests.s3_buckets import Bucket

_PAIR = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _images(num_rows: int, *, first: int = 0) -> list[bytes]:
    return [image_bytes("PNG", shade=idx % 256, width=8 + idx % 40) for idx in range(first, first + num_rows)]


def _table(num_rows: int, *, first: int = 0) -> pa.Table:
    return pa.table(
        {
            "id": [f"sample-{idx:05d}" for idx in range(first, first + num_rows)],
            "image": _images(num_rows, first=first),
            "label": [f"label {idx % 3}" for idx in range(num_rows)],
            "score": pa.array(np.arange(first, first + num_rows) / 7),
            "tags": [["a", None, str(idx)] for idx in range(num_rows)],
        }
    )


def _files(folder: Path, num_files: int, *, num_rows: int = 40) -> Path:
    folder.mkdir()
    options: list[dict[str, Any]] = [
        {"compression": "snappy"},
        {"compression": "zstd", "row_group_size": 1},
        {"compression": "none", "row_group_size": 7, "use_dictionary": False},
        {"compression": "gzip", "row_group_size": 33, "data_page_version": "2.0"},
    ]
    for number in range(num_files):
        table = _table(num_rows, first=number * num_rows)
        pq.write_table(table, folder / f"{number:05d}.parquet", **options[number % len(options)])
    return folder


def _both(lake: Lake, source: object, type_name: str = "IMAGE_CLASS") -> tuple[Dataset, Dataset]:
    """The same source adopted and copied; both have the same commit digest, snapshot, rows and sources."""
    number = len(lake.datasets())
    adopted = lake.create_dataset(f"adopted{number}", type=type_name, source=source, media="reference")
    copied = lake.create_dataset(f"copied{number}", type=type_name, source=source)
    assert adopted.log()[0].digest == copied.log()[0].digest
    assert adopted.log()[0].sources == copied.log()[0].sources
    assert adopted.log()[0].statistics == copied.log()[0].statistics
    assert adopted.snapshot().id == copied.snapshot().id
    assert adopted.snapshot().to_arrow().equals(copied.snapshot().to_arrow())
    assert not _shards(lake, adopted)
    return adopted, copied


def _shards(lake: Lake, dataset: Dataset) -> list[str]:
    return [stat.key for stat in lake.store.list(f"{dataset.base}objects/") if stat.key.endswith(".tar")]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return headrace.connect(tmp_path / "lake")


def test_folder_list_and_glob_of_files_are_adopted_like_a_copy(lake: Lake, tmp_path: Path) -> None:
    folder = _files(tmp_path / "files", 4)
    (folder / "README.md").write_text("A data set.\n")
    adopted, _ = _both(lake, folder)
    names = sorted(str(path) for path in folder.glob("*.parquet"))
    assert {_both(lake, source)[0].snapshot().id for source in (names, str(folder / "*.parquet"))} == {
        adopted.snapshot().id
    }
    _both(lake, folder / "00001.parquet")
    row = adopted.snapshot()[81]
    assert (row["id"], row["image"], row["tags"]) == ("sample-00081", _images(1, first=81)[0], ["a", None, "1"])
    found = lake.lineage(adopted.snapshot()[47]["_id"])[0]
    (place,) = found.media
    assert (place.is_adopted, place.offset) == (True, None)
    assert place.container == f"file://{folder}/00001.parquet"
    assert place.cell is not None
    assert (place.cell.row_group, place.cell.row, place.cell.column) == (7, 0, "image")
    assert (found.source, found.line) == (place.container, 8)
    assert found.to_json()["media"][0]["cell"] == {"row_group": 7, "row": 0, "column": "image"}
    assert lake.verify().ok
    assert not list(tmp_path.glob("lake/derived/adopt/*"))


def test_locators_have_cells_only_where_values_lie_in_parquet(lake: Lake, tmp_path: Path) -> None:
    """Parts of other commits are what they were before cells came."""
    adopted, copied = _both(lake, _files(tmp_path / "files", 1))
    for dataset, has_cells in ((adopted, True), (copied, False)):
        (part,) = dataset.reader.manifest(dataset.state().commits[0]).parts
        kind = dataset.reader.part(part).schema.field("image").type
        assert kind == (CELL_LOCATOR_TYPE if has_cells else LOCATOR_TYPE)


def test_pairs_of_bytes_and_path_are_adopted_and_copied(lake: Lake, tmp_path: Path) -> None:
    """The form in which Hugging Face stores media; a pair with a path only names a file beside the table."""
    images = _images(30)
    (tmp_path / "beside.png").write_bytes(images[7])
    pairs: list[dict[str, object]] = [{"bytes": data, "path": f"{idx}.png"} for idx, data in enumerate(images)]
    pairs[3]["path"] = None
    pairs[7] = {"bytes": None, "path": "beside.png"}
    labels = [str(idx) for idx in range(30)]
    pq.write_table(
        pa.table({"image": pa.array(pairs, _PAIR), "label": labels}), tmp_path / "a.parquet", row_group_size=8
    )
    adopted, _ = _both(lake, tmp_path / "a.parquet")
    table = adopted.snapshot().to_arrow()
    assert table.column("image").to_pylist() == images
    assert table.column("id").to_pylist()[6:8] == ["6.png", "beside.png"]
    assert len(table.column("id")[3].as_py()) == 32
    only_bytes = pa.table({"image": pa.array(pairs[:3], _PAIR).field("bytes"), "label": labels[:3]})
    pq.write_table(only_bytes.set_column(0, "image", pa.array([{"bytes": data} for data in images[:3]])), tmp_path / "b.parquet")  # fmt: skip  # noqa: E501
    _both(lake, tmp_path / "b.parquet")
    place = lake.lineage("1:6.png")[0].media[0]
    assert place.cell is not None
    assert place.cell.column == "image.bytes"
    assert lake.verify().ok


@pytest.mark.parametrize(
    ("type_name", "column", "values", "further"),
    [
        ("IMAGE_TEXT", "image", _images(6), {"text": [f"caption {idx} ü" for idx in range(6)]}),
        ("AUDIO", "audio", [wav_bytes(pitch=200 + idx) for idx in range(6)], {}),
        ("VIDEO", "video", [video_bytes(shade=idx) for idx in range(6)], {}),
    ],
)
def test_every_type_with_media_adopts(
    lake: Lake, tmp_path: Path, type_name: str, column: str, values: list[bytes], further: dict[str, list[str]]
) -> None:
    table = pa.table({column: values, **further})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=4, compression="zstd")
    adopted, _ = _both(lake, tmp_path / "a.parquet", type_name)
    assert adopted.snapshot().take([5, 0]).column(column).to_pylist() == [values[5], values[0]]


def test_declared_tables_adopt_several_media_columns(lake: Lake, tmp_path: Path) -> None:
    from headrace.datasets.columns import media_field

    schema = pa.schema(
        [("name", pa.string()), media_field("left", "image"), media_field("right", "bytes", nullable=True)]
    )
    rows = {"name": ["a", "b"], "left": _images(2), "right": [b"anything", None]}
    pq.write_table(
        pa.table(rows, schema=pa.schema([(item.name, item.type) for item in schema])), tmp_path / "a.parquet"
    )
    digests = []
    for media in ("reference", "copy"):
        dataset = lake.create_dataset(media, schema=schema)
        digests.append(dataset.commit(tmp_path / "a.parquet", media=media).digest)
        assert dataset.snapshot().to_arrow(["left", "right"]).to_pydict() == {
            "left": rows["left"],
            "right": rows["right"],
        }
    assert digests[0] == digests[1]


def test_generic_takes_a_file_as_it_is(lake: Lake, tmp_path: Path) -> None:
    """GENERIC reads no table from a file: the Parquet file itself is the sample, adopted or copied."""
    pq.write_table(pa.table({"name": ["a"], "data": [b"x"]}), tmp_path / "a.parquet")
    adopted, _ = _both(lake, tmp_path / "a.parquet", "GENERIC")
    assert adopted.snapshot()[0]["data"] == (tmp_path / "a.parquet").read_bytes()


def test_names_in_any_script_are_adopted(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "Bilder für später 図 100%"
    folder.mkdir()
    pq.write_table(_table(5), folder / "Größe #1 ?.parquet")
    adopted, _ = _both(lake, folder)
    assert adopted.snapshot()[4]["image"] == _images(5)[4]
    assert lake.verify().ok


def test_rows_are_read_in_any_way(lake: Lake, tmp_path: Path) -> None:
    folder = _files(tmp_path / "files", 4)
    adopted, copied = _both(lake, folder)
    mine, theirs = adopted.snapshot(), copied.snapshot()
    rows = random.Random(1).choices(range(160), k=300)
    assert mine.take(rows).equals(theirs.take(rows))
    assert [batch.to_pydict() for batch in mine.scan(batch_size=9)] == [
        batch.to_pydict() for batch in theirs.scan(batch_size=9)
    ]
    assert (
        mine.query("SELECT count(*) AS n FROM snapshot WHERE image.width > 20").to_pydict()
        == theirs.query("SELECT count(*) AS n FROM snapshot WHERE image.width > 20").to_pydict()
    )
    assert mine.diff(theirs).changed.num_rows == 0
    for number, snapshot in enumerate((mine, theirs)):
        snapshot.materialise(str(tmp_path / f"view{number}"))
        snapshot.export(str(tmp_path / f"tars{number}"), format="webdataset")
        snapshot.export(str(tmp_path / f"parquet{number}"), format="parquet")
    for kind in ("view", "tars", "parquet"):
        assert _contents(tmp_path / f"{kind}0") == _contents(tmp_path / f"{kind}1")


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_columns_of_functions_over_adopted_media(lake: Lake, tmp_path: Path) -> None:
    adopted, _ = _both(lake, _files(tmp_path / "files", 2))

    def measured(batch: pa.RecordBatch) -> pa.Array:
        return pc.binary_length(batch.column("image"))

    adopted.add_columns(measured, name="num_bytes", columns=["image"])
    found = adopted.snapshot(columns=["image", "num_bytes"]).to_arrow(["image", "num_bytes"])
    assert found.column("num_bytes").to_pylist() == [len(data) for data in _images(80)]


def test_compaction_leaves_values_where_they_lie_and_packing_copies_them(lake: Lake, tmp_path: Path) -> None:
    folder = _files(tmp_path / "files", 3)
    (tmp_path / "photos" / "label").mkdir(parents=True)
    for idx, data in enumerate(_images(3, first=300)):
        (tmp_path / "photos" / "label" / f"{idx}.png").write_bytes(data)
    dataset = lake.create_dataset("mixed", type="IMAGE_CLASS")
    for idx, path in enumerate(sorted(folder.iterdir())):
        dataset.commit(path, media="reference")
        dataset.commit(tmp_path / "photos", media="reference" if idx == 1 else "copy")
    snapshot = dataset.snapshot()
    before = snapshot.to_arrow()
    dataset.compact(sizes=ContainerSizes(part_rows=1000))
    again = headrace.connect(lake.uri).dataset("mixed").logged_snapshot(snapshot.id)
    assert again.to_arrow().equals(before)
    assert dataset.compact(sizes=ContainerSizes(part_rows=1000)).num_commits == 0
    (found,) = lake.lineage("3:sample-00047")
    assert found.media[0].cell is not None
    lake.gc(grace_seconds=0)
    assert lake.verify().ok
    num_bytes = sum(len(data) for data in before.column("image").to_pylist())
    report = snapshot.pack()
    assert report.num_bytes > num_bytes
    for path in folder.iterdir():
        path.unlink()
    packed = headrace.connect(lake.uri).dataset("mixed").logged_snapshot(snapshot.id)
    assert packed.to_arrow().equals(before)
    with pytest.raises(DataCorrupted, match="was adopted in place and is gone"):
        headrace.connect(lake.uri).dataset("mixed").select(where="id = 'sample-00047'").to_arrow()


def test_purge_takes_rows_and_names_the_files_that_it_cannot_touch(lake: Lake, tmp_path: Path) -> None:
    folder = _files(tmp_path / "files", 2)
    adopted, _ = _both(lake, folder)
    before = adopted.snapshot().to_arrow(["id", "image"])
    report = adopted.purge(keys=["sample-00041"])
    assert list(report.adopted) == [f"file://{folder}/00001.parquet"]
    left = headrace.connect(lake.uri).dataset(adopted.name).snapshot().to_arrow(["id", "image"])
    assert left.equals(before.filter(pc.not_equal(before.column("id"), "sample-00041")))
    adopted.compact()
    lake.gc(grace_seconds=0)
    assert lake.verify().ok


def test_promotion_copies_what_was_adopted(lake: Lake, tmp_path: Path) -> None:
    adopted, _ = _both(lake, _files(tmp_path / "files", 1))
    report = adopted.promote("texts", type="IMAGE_TEXT", mapping={"image": "image", "text": "label"})
    assert report.dataset.snapshot().to_arrow(["image"]).equals(adopted.snapshot().to_arrow(["image"]))
    assert _shards(lake, report.dataset)


def test_changed_and_deleted_files_are_named(tmp_path: Path) -> None:
    folder = _files(tmp_path / "files", 2)
    uri = str(tmp_path / "lake")
    headrace.connect(uri).create_dataset("a", type="IMAGE_CLASS", source=folder, media="reference")
    path = folder / "00001.parquet"
    data, status = path.read_bytes(), path.stat()
    pq.write_table(_table(40, first=500), path)
    message = r"00001\.parquet was adopted in place and changed since \(version .+, pinned .+\)"
    snapshot = headrace.connect(uri).dataset("a").snapshot()
    assert snapshot[3]["image"] == _images(4)[3]
    with pytest.raises(DataCorrupted, match=message):
        snapshot.take([45])
    assert len(headrace.connect(uri).verify().problems) == 1
    path.unlink()
    with pytest.raises(DataCorrupted, match="was adopted in place and is gone"):
        headrace.connect(uri).dataset("a").snapshot().take([45])
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert headrace.connect(uri).verify().ok


def test_file_that_changes_under_a_reader_is_named(tmp_path: Path) -> None:
    """The reader has looked at the file before; the bytes themselves, or the footer, tell."""
    folder = _files(tmp_path / "files", 1, num_rows=80)
    lake = headrace.connect(tmp_path / "lake")
    path = folder / "00000.parquet"
    pq.write_table(_table(80), path, row_group_size=20)
    snapshot = lake.create_dataset("a", type="IMAGE_CLASS", source=folder, media="reference").snapshot()
    snapshot.take([2])
    pq.write_table(_table(80, first=90), path, row_group_size=20)
    with pytest.raises(DataCorrupted, match="was adopted in place and changed since"):
        snapshot.take([72])


def test_flipped_bit_is_found_although_size_and_time_are_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    path = folder / "a.parquet"
    pq.write_table(_table(20), path, compression="none", use_dictionary=False)
    uri = str(tmp_path / "lake")
    headrace.connect(uri).create_dataset("a", type="IMAGE_CLASS", source=folder, media="reference")
    status, data = path.stat(), bytearray(path.read_bytes())
    position = data.index(_images(20)[11]) + 40
    data[position] ^= 4
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    snapshot = headrace.connect(uri).dataset("a").snapshot()
    assert snapshot[10]["image"] == _images(20)[10]
    message = r"a\.parquet \(row group 0, column image\) does not hold what was written: the \d+ bytes at row 11 have"
    with pytest.raises(DataCorrupted, match=message):
        snapshot.take([11])


def test_stored_files_take_one_request_each_and_one_for_the_footer(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import obstore

    folder = _files(tmp_path / "files", 3)
    for path in folder.iterdir():
        bucket.put(f"images/train/{path.name}", path.read_bytes())
    counts: dict[str, int] = {}
    for name in ("get", "get_range", "get_ranges", "head"):
        function = getattr(obstore, name, None)
        if function is None:
            continue

        def counted(client: Any, path: str, *arguments: Any, _function: Any = function, **options: Any) -> Any:
            counts[path] = counts.get(path, 0) + 1
            return _function(client, path, *arguments, **options)

        monkeypatch.setattr(obstore, name, counted)
    lake = headrace.connect(tmp_path / "lake", options=bucket.options)
    source = f"s3://{bucket.name}/images/train"
    adopted = lake.create_dataset("a", type="IMAGE_CLASS", source=source, media="reference")
    assert [count for path, count in counts.items() if path.endswith(".parquet")] == [2, 2, 2]
    copied = lake.create_dataset("b", type="IMAGE_CLASS", source=source)
    assert adopted.log()[0].digest == copied.log()[0].digest
    assert adopted.snapshot().take([100, 3, 50, 4]).equals(copied.snapshot().take([100, 3, 50, 4]))
    counts.clear()
    snapshot = headrace.connect(tmp_path / "lake", options=bucket.options).dataset("a").snapshot()
    for row in (3, 4, 39, 17):
        snapshot.take([row])
    assert counts[next(path for path in counts if path.endswith("00000.parquet"))] == 3  # stat, footer, chunk
    bucket.put("images/train/00002.parquet", (folder / "00000.parquet").read_bytes())
    fresh = headrace.connect(tmp_path / "lake", options=bucket.options)
    with pytest.raises(DataCorrupted, match=r"00002\.parquet was adopted in place and changed since"):
        fresh.dataset("a").snapshot().take([100])
    assert len(fresh.verify().problems) == 1


def test_large_stored_files_pass_through_a_temporary_file(bucket: Bucket, tmp_path: Path) -> None:
    folder = _files(tmp_path / "files", 1)
    bucket.put("a.parquet", (folder / "00000.parquet").read_bytes())
    store = open_store(f"s3://{bucket.name}", options=bucket.options)
    stat = store.stat("a.parquet")
    assert stat is not None
    container = StoredContainer(store, "a.parquet", name="a.parquet", size=stat.size, version=stat.version)
    small, large = (ParquetIndexer({"image": None}, spooled_bytes=size).index(container) for size in (1 << 30, 100))
    assert large.digest == small.digest
    assert large.table.equals(small.table)


@contextmanager
def _counted_files() -> Iterator[list[str]]:
    read: list[str] = []
    index = ParquetIndexer.index

    def counted(self: ParquetIndexer, container: Any) -> ParquetIndex:
        read.append(container.uri)
        return index(self, container)

    ParquetIndexer.index = counted  # type: ignore[method-assign]
    try:
        yield read
    finally:
        ParquetIndexer.index = index  # type: ignore[method-assign]


def test_killed_adoption_does_not_read_again_what_it_had_indexed(lake: Lake, tmp_path: Path) -> None:
    source = _files(tmp_path / "files", 16, num_rows=10)
    adopt_until_killed(ParquetIndexer, tmp_path / "lake", source, type="IMAGE_CLASS", num_indexed=10)
    assert list(tmp_path.glob("lake/derived/adopt/*"))
    touched = source / "00001.parquet"
    pq.write_table(_table(10, first=10).slice(0, 9), touched)
    with _counted_files() as read:
        adopted = lake.create_dataset("a", type="IMAGE_CLASS", source=source, media="reference")
    assert f"file://{touched}" in read
    assert len(read) <= 16 - 10 + 1 + (os.cpu_count() or 2)
    copied = lake.create_dataset("b", type="IMAGE_CLASS", source=source)
    assert adopted.log()[0].digest == copied.log()[0].digest
    assert adopted.log()[0].sources == copied.log()[0].sources
    (left,) = tmp_path.glob("lake/derived/adopt/*")  # of the file that is another one now; collected by age
    lake.gc(grace_seconds=0)
    assert not left.exists()
    assert lake.verify().ok


def test_rows_that_cannot_be_taken_are_refused_or_left_out_as_in_a_copy(lake: Lake, tmp_path: Path) -> None:
    images: list[bytes | None] = [*_images(6)]
    images[2], images[4] = None, b"no image at all"
    pq.write_table(pa.table({"image": images, "label": ["x"] * 6}), tmp_path / "a.parquet", row_group_size=4)
    reports = []
    for media in ("reference", "copy"):
        with pytest.raises(InvalidInput, match=r"a\.parquet.*the image is null; expected bytes, a path or a URI"):
            lake.create_dataset(f"{media}1", type="IMAGE_CLASS", source=tmp_path / "a.parquet", media=media)
        dataset = lake.create_dataset(
            f"{media}2", type="IMAGE_CLASS", source=tmp_path / "a.parquet", media=media, on_invalid="skip"
        )
        reports.append((dataset.log()[0].digest, [(row.line, row.reason) for row in dataset.log()[0].rejected]))
    assert reports[0] == reports[1]
    assert [line for line, _ in reports[0][1]] == [3, 5]


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _without_footer(path: Path) -> None:
    path.write_bytes(b"")


def _without_rows(path: Path) -> None:
    pq.write_table(_table(1).slice(0, 0), path)


def _without_image(path: Path) -> None:
    pq.write_table(_table(3).drop_columns(["image"]), path)


def _of_numbers(path: Path) -> None:
    pq.write_table(pa.table({"image": [1, 2], "label": ["a", "b"]}), path)


def _of_lists(path: Path) -> None:
    pq.write_table(pa.table({"image": [[b"a"], [b"b"]], "label": ["a", "b"]}), path)


def _of_other_structs(path: Path) -> None:
    pq.write_table(pa.table({"image": [{"data": b"a", "path": "x"}], "label": ["a"]}), path)


def _with_rotten_pages(path: Path) -> None:
    pq.write_table(_table(40), path, compression="zstd", use_dictionary=False)
    column = pq.read_metadata(path).row_group(0).column(1)
    data = bytearray(path.read_bytes())
    start = column.data_page_offset
    data[start : start + 90] = random.Random(3).randbytes(90)
    path.write_bytes(data)


def _encrypted(path: Path) -> None:
    encryption = pytest.importorskip("pyarrow.parquet.encryption")

    class Keys(encryption.KmsClient):  # type: ignore[misc, name-defined]
        def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
            return base64.b64encode(key_bytes)

        def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:
            return base64.b64decode(wrapped_key)

    properties = encryption.CryptoFactory(lambda _: Keys()).file_encryption_properties(
        encryption.KmsConnectionConfig(),
        encryption.EncryptionConfiguration(
            footer_key="footer", column_keys={"image": ["image"]}, plaintext_footer=path.name == "columns.parquet"
        ),
    )
    with pq.ParquetWriter(path, _table(3).schema, encryption_properties=properties) as writer:
        writer.write_table(_table(3))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_truncated, "no readable Parquet file"),
        (_without_footer, "empty file"),
        (_without_rows, "without rows"),
        (_without_image, "there is no column image"),
        (_of_numbers, "is int64; expected bytes"),
        (_of_lists, "expected bytes, or text"),
        (_of_other_structs, "expected bytes, or text"),
        (_with_rotten_pages, "no readable Parquet file|no image|not an image|is no"),
        (_encrypted, "no readable Parquet file"),
    ],
)
@pytest.mark.parametrize("name", ["a.parquet", "columns.parquet"])
def test_bad_files_are_refused_and_leave_nothing(
    lake: Lake, tmp_path: Path, spoil: Any, message: str, name: str
) -> None:
    path = tmp_path / name
    pq.write_table(_table(3), path)
    spoil(path)
    for media in ("reference", "copy"):
        with pytest.raises(InvalidInput, match=message) as caught:
            lake.create_dataset(media, type="IMAGE_CLASS", source=path, media=media)
        assert name in str(caught.value)
    assert lake.datasets() == []


def test_files_whose_columns_do_not_go_together_are_refused_as_in_a_copy(lake: Lake, tmp_path: Path) -> None:
    pq.write_table(_table(3), tmp_path / "a.parquet")
    pairs = pa.array([{"bytes": data, "path": "p"} for data in _images(3)], _PAIR)
    pq.write_table(_table(3, first=9).set_column(1, "image", pairs), tmp_path / "b.parquet")
    for media in ("reference", "copy"):
        with pytest.raises(InvalidInput, match=r"b\.parquet.*its columns do not go with those of the rows before"):
            lake.create_dataset(media, type="IMAGE_CLASS", source=str(tmp_path / "?.parquet"), media=media)


def test_bytes_in_other_tables_are_refused_with_the_reason(lake: Lake) -> None:
    with pytest.raises(InvalidInput, match="come from memory, or lie in a zip in a bucket or in a table other than"):
        lake.create_dataset("a", type="IMAGE_CLASS", source=_table(2), media="reference")


def test_what_was_exported_can_be_adopted(lake: Lake, tmp_path: Path) -> None:
    adopted, copied = _both(lake, _files(tmp_path / "files", 1))
    adopted.snapshot().export(str(tmp_path / "exported"), format="parquet")
    again, _ = _both(lake, tmp_path / "exported")
    assert again.log()[0].digest == copied.log()[0].digest
