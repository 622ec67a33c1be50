"""Every kind of index streams: the right rows and bytes, by ordinal and through loaders, and nothing stale."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.errors import DataCorrupted, HeadraceError, InvalidInput, NotFound
from headrace.storage.locations import Locations
from headrace.storage.opening import open_store
from headrace.streaming import DataLoader, IndexOptions, StreamingDataset
from headrace.streaming.index_pages import PageWriter
from headrace.streaming.index_rows import IndexRows
from headrace.streaming.index_source import list_index
from headrace.streaming.pages import PageFolder
from headrace.streaming.table_pages import write_tables
from tests.generated_media import image_bytes

NUM_ROWS = 20


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("HEADRACE_CACHE", str(folder))
    return folder


def _data(idx: int) -> bytes:
    return f"bytes of {idx}".encode() * (idx + 1)


def _write_files(folder: Path, *, num_rows: int = NUM_ROWS, pattern: str = "images/{:04d}.jpg") -> list[str]:
    names = [pattern.format(idx) for idx in range(num_rows)]
    for idx, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_data(idx))
    return names


def _rows(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"name": f"n{idx}", "label": idx % 3, "image": name} for idx, name in enumerate(names)]


def _write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path, row_group_size=7)
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps(list(rows)), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def _write_tar(path: Path, members: Mapping[str, bytes]) -> str:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(path)


def _touch(path: Path, data: bytes | None = None) -> None:
    """Another content or time of change, whatever the clock's resolution."""
    status = path.stat()
    if data is not None:
        path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 5_000_000_000))


def _all(data: StreamingDataset) -> list[dict[str, Any]]:
    return [data[idx] for idx in range(len(data))]


# -- tables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json", "jsonl"])
def test_table_gives_rows_with_the_bytes_of_their_files(tmp_path: Path, suffix: str) -> None:
    names = _write_files(tmp_path)
    data = StreamingDataset(_write_table(tmp_path / f"index.{suffix}", _rows(names)), shuffle=None)
    assert len(data) == NUM_ROWS
    assert _all(data) == [
        {"_id": str(idx), "name": f"n{idx}", "label": idx % 3, "image": _data(idx)} for idx in range(NUM_ROWS)
    ]
    (batch,) = DataLoader(data, batch_size=NUM_ROWS, num_workers=0)
    assert batch["label"].tolist() == [idx % 3 for idx in range(NUM_ROWS)]
    assert batch["image"] == [_data(idx) for idx in range(NUM_ROWS)]


def test_glob_list_and_split_file_paths_are_one_index_each(tmp_path: Path) -> None:
    names = _write_files(tmp_path)
    rows = _rows(names)
    (tmp_path / "sub").mkdir()
    nested = [{**row, "image": row["image"]} for row in _rows(_write_files(tmp_path / "sub"))]
    nested[3]["image"] = "../" + names[3]
    parts = [_write_table(tmp_path / f"part-{idx}.parquet", rows[idx::2]) for idx in range(2)]
    expected = [row["name"] for row in rows[0::2] + rows[1::2]]
    (tmp_path / "split_file_paths.txt").write_text("part-1.parquet\n\npart-0.parquet\n")
    sources = {
        "glob": str(tmp_path / "part-*.parquet"),
        "list": parts,
        "braces": str(tmp_path / "part-{0..1}.parquet"),
    }
    for source in sources.values():
        data = StreamingDataset(source, shuffle=None)
        assert [row["name"] for row in _all(data)] == expected
        assert data[11]["image"] == _data(3)
    listed = StreamingDataset(tmp_path / "split_file_paths.txt", shuffle=None)
    assert [row["name"] for row in _all(listed)] == expected[NUM_ROWS // 2 :] + expected[: NUM_ROWS // 2]
    assert StreamingDataset(parts[::-1], shuffle=None).provider.identity == listed.provider.identity
    # Paths of a table in another folder start at that folder.
    outside = StreamingDataset([parts[0], _write_table(tmp_path / "sub" / "b.parquet", nested)], shuffle=None)
    assert outside[12]["image"] == _data(2)
    with pytest.raises(InvalidInput, match="leads out of"):
        outside[13]


def test_folder_of_tables_is_one_index(tmp_path: Path) -> None:
    for idx in range(3):
        _write_table(tmp_path / f"{idx}.jsonl", [{"n": idx}])
    (tmp_path / "README.md").write_text("words")
    assert [row["n"] for row in _all(StreamingDataset(tmp_path, shuffle=None))] == [0, 1, 2]


def test_index_without_media_is_an_index(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"text": "a", "score": 0.5},
        {"text": None, "score": float("nan")},
        {"text": "b", "score": None},
    ]
    data = StreamingDataset(_write_table(tmp_path / "t.parquet", rows), shuffle=None)
    (batch,) = DataLoader(data, batch_size=3, num_workers=0)
    assert batch["text"] == ["a", None, "b"]
    assert batch["score"][0] == 0.5
    assert np.isnan(batch["score"][1])
    assert batch["score"][2] is None


def test_one_row_is_an_index(tmp_path: Path) -> None:
    data = StreamingDataset(_write_table(tmp_path / "t.csv", [{"a": "007", "b": "1"}]))
    assert _all(data) == [{"_id": "0", "a": "007", "b": 1}]
    assert [batch["b"].tolist() for batch in DataLoader(data, batch_size=8, num_workers=0)] == [[1]]


@pytest.mark.parametrize(
    ("name", "content"),
    [("t.csv", b"a,b\n"), ("t.jsonl", b"\n"), ("t.json", b"[]"), ("t.csv", b""), ("t.tar", bytes(10240))],
)
def test_empty_index_is_refused_with_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=name.replace(".", r"\.")):
        len(StreamingDataset(tmp_path / name))
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "e.parquet")
    with pytest.raises(InvalidInput, match="without rows"):
        len(StreamingDataset(tmp_path / "e.parquet"))


def test_unicode_names_columns_and_values(tmp_path: Path) -> None:
    folder = tmp_path / "Bilder für 東京 %20 {x}"
    names = _write_files(folder, num_rows=3, pattern="ünï/{} 🐈.jpg")
    rows = [{"größe": idx, "bild": name} for idx, name in enumerate(names)]
    for suffix in ("parquet", "csv", "jsonl"):
        data = StreamingDataset(_write_table(folder / f"tafel.{suffix}", rows), shuffle=None)
        assert _all(data) == [{"_id": str(idx), "größe": idx, "bild": _data(idx)} for idx in range(3)]
    assert [row["_id"] for row in _all(StreamingDataset(folder / "ünï", shuffle=None))] == ["0 🐈", "1 🐈", "2 🐈"]


def test_csv_without_header_has_numbered_fields(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,1,x\nb,2,y\n")
    data = StreamingDataset(tmp_path / "t.csv", index=IndexOptions(csv_has_header=False), shuffle=None)
    assert data[1] == {"_id": "1", "text": "b", "field_2": 2, "field_3": "y"}


def test_absolute_paths_and_file_uris_may_lie_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    _write_files(elsewhere, num_rows=2, pattern="{} ä.jpg")
    (tmp_path / "home").mkdir()
    cells = [str(elsewhere / "0 ä.jpg"), (elsewhere / "1 ä.jpg").as_uri()]
    path = _write_table(tmp_path / "home" / "t.jsonl", [{"image": cell} for cell in cells])
    data = StreamingDataset(path, shuffle=None)
    assert [row["image"] for row in _all(data)] == [_data(0), _data(1)]
    assert data.provider.is_local


def test_relative_path_that_leaves_the_index_is_refused_when_read(tmp_path: Path) -> None:
    _write_files(tmp_path, num_rows=1, pattern="{}.jpg")
    (tmp_path / "home").mkdir()
    data = StreamingDataset(_write_table(tmp_path / "home" / "t.jsonl", [{"image": "../0.jpg"}]))
    with pytest.raises(InvalidInput, match=r"row 0 of .*t\.jsonl: '\.\./0\.jpg' leads out of"):
        data[0]


def test_options_say_which_columns_are_media(tmp_path: Path) -> None:
    _write_files(tmp_path, num_rows=2, pattern="{}")
    rows = [{"file": str(idx), "photo": "x.jpg"} for idx in range(2)]
    path = _write_table(tmp_path / "t.jsonl", rows)
    data = StreamingDataset(path, index=IndexOptions(media=("file",)), shuffle=None)
    assert data[1] == {"_id": "1", "file": _data(1), "photo": "x.jpg"}
    assert StreamingDataset(path, index=IndexOptions(media=()), shuffle=None)[0]["photo"] == "x.jpg"
    with pytest.raises(InvalidInput, match=r"media='fil'.*There are|Did you mean 'file'"):
        len(StreamingDataset(path, index=IndexOptions(media=("fil",))))


def test_remote_media_of_a_table_are_fetched(tmp_path: Path) -> None:
    store = open_store("memory://stream-sources")
    store.put_new("a/0.jpg", b"far away")
    path = _write_table(tmp_path / "t.jsonl", [{"image": "memory://stream-sources/a/0.jpg"}, {"image": None}])
    data = StreamingDataset(path, shuffle=None)
    assert [row["image"] for row in _all(data)] == [b"far away", None]
    assert not data.provider.is_local


# -- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_key_column_names_samples(tmp_path: Path, suffix: str) -> None:
    path = _write_table(tmp_path / f"t.{suffix}", [{"key": "b7", "x": 1}, {"key": "007", "x": 2}])
    data = StreamingDataset(path, index=IndexOptions(key="key"), shuffle=None)
    assert [row["_id"] for row in _all(data)] == ["b7", "007"]
    (batch,) = DataLoader(data, batch_size=2, num_workers=0)
    assert batch["_id"] == ["b7", "007"]


def test_repeated_key_is_an_error_that_names_both_rows(tmp_path: Path) -> None:
    """The reference loader drops the second one."""
    path = _write_table(tmp_path / "t.parquet", [{"k": 1}, {"k": 2}, {"k": 1}])
    with pytest.raises(InvalidInput, match=r"t\.parquet \[column k\]: rows 0 and 2 both have the key 1"):
        len(StreamingDataset(path, index=IndexOptions(key="k")))
    with pytest.raises(InvalidInput, match="key='q'"):
        len(StreamingDataset(path, index=IndexOptions(key="q")))


def test_column_called_id_is_the_key_or_refused(tmp_path: Path) -> None:
    path = _write_table(tmp_path / "t.jsonl", [{"_id": "x", "n": 1}])
    with pytest.raises(InvalidInput, match=r"IndexOptions\(key='_id'\)"):
        len(StreamingDataset(path))
    data = StreamingDataset(path, index=IndexOptions(key="_id"), shuffle=None)
    assert data[0] == {"_id": "x", "n": 1}


# -- Parquet with bytes, Hugging Face -----------------------------------------------------------------------------


def test_parquet_with_bytes_needs_no_decoding_of_row_groups(tmp_path: Path) -> None:
    """Defect (i) of the reference loader: each row read a whole row group."""
    table = pa.table({"image": pa.array([_data(idx) for idx in range(NUM_ROWS)]), "n": pa.array(range(NUM_ROWS))})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=5)
    data = StreamingDataset(tmp_path / "t.parquet", shuffle=None)
    assert data[7]["image"] == _data(7)
    # Read once: the rows come from the page, whatever happens to the file while this dataset is open.
    (tmp_path / "t.parquet").unlink()
    assert [row["image"] for row in _all(data)] == [_data(idx) for idx in range(NUM_ROWS)]


def _pairs(*, split: str = "train") -> pa.Table:
    images = [{"bytes": image_bytes("PNG", shade=idx), "path": f"{split}{idx}.png"} for idx in range(4)]
    return pa.table({"image": pa.array([*images, None]), "label": pa.array([0, 1, 2, 3, 4])})


def test_repository_folder_gives_its_split(tmp_path: Path) -> None:
    folder = tmp_path / "cats"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    (folder / ".gitattributes").write_text("x")
    for split in ("train", "test"):
        pq.write_table(_pairs(split=split), folder / "data" / f"{split}-00000-of-00001.parquet")
    pq.write_table(_pairs().slice(0, 1), folder / "data" / "validation-00000-of-00001.parquet")
    data = StreamingDataset(folder, shuffle=None)
    assert [row["image"] for row in _all(data)] == [*(image_bytes("PNG", shade=idx) for idx in range(4)), None]
    assert data.schema.field("image").metadata == {b"headrace.media": b"image"}
    assert len(StreamingDataset(folder, index=IndexOptions(split="validation"))) == 1
    with pytest.raises(NotFound, match="no split 'dev'"):
        len(StreamingDataset(folder, index=IndexOptions(split="dev")))


def test_pairs_without_bytes_are_read_from_their_path(tmp_path: Path) -> None:
    _write_files(tmp_path, num_rows=2, pattern="{}.png")
    pairs = [{"bytes": b"inside", "path": "0.png"}, {"bytes": None, "path": "1.png"}]
    pq.write_table(pa.table({"image": pa.array(pairs)}), tmp_path / "t.parquet")
    data = StreamingDataset(tmp_path / "t.parquet", shuffle=None)
    assert [row["image"] for row in _all(data)] == [b"inside", _data(1)]
    (batch,) = DataLoader(data, batch_size=2, num_workers=0)
    assert batch["image"] == [b"inside", _data(1)]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_folder_of_images_with_metadata(tmp_path: Path, suffix: str) -> None:
    for split, count in (("train", 5), ("test", 2)):
        names = _write_files(tmp_path / split, num_rows=count, pattern="{}.png")
        rows = [{"file_name": name, "text": f"no. {idx}"} for idx, name in enumerate(names)]
        _write_table(tmp_path / split / f"metadata.{suffix}", rows)
    data = StreamingDataset(tmp_path, shuffle=None)
    assert _all(data) == [{"_id": str(idx), "image": _data(idx), "text": f"no. {idx}"} for idx in range(5)]


# -- folders, globs, shards -----------------------------------------------------------------------------------------


def test_folder_gives_a_field_for_each_full_extension(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "a/1.meta.json", "a/2.JPG", "b/1.jpg", "b/1.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    data = StreamingDataset(tmp_path, shuffle=None)
    assert _all(data) == [
        {"_id": "a/1", "jpg": b"a/1.jpg", "meta.json": b"a/1.meta.json", "txt": None},
        {"_id": "a/2", "jpg": b"a/2.JPG", "meta.json": None, "txt": None},
        {"_id": "b/1", "jpg": b"b/1.jpg", "meta.json": None, "txt": b"b/1.txt"},
    ]
    globbed = StreamingDataset(str(tmp_path / "*" / "1.*"), shuffle=None)
    assert [row["_id"] for row in _all(globbed)] == ["a/1", "b/1"]
    (batch,) = DataLoader(data, batch_size=3, num_workers=0)
    assert batch["txt"] == [None, None, b"b/1.txt"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["1.jpg", "1.JPG"], "would both be the field 'jpg'"),
        (["1.jpg", "2"], "no extension"),
        (["1.jpg", "2.jpg", "index.csv"], r"holds the table 'index\.csv' beside media"),
        ([f"{idx}.{idx}x.jpg" for idx in range(300)], "more than 256 extensions"),
        (["README.md"], "nothing but read-mes"),
    ],
)
def test_folder_that_gives_no_fields_is_refused(tmp_path: Path, names: list[str], words: str) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InvalidInput, match=words):
        len(StreamingDataset(tmp_path))


def _shards(folder: Path, *, is_counted_anew: bool = False) -> list[str]:
    paths = []
    for shard in range(3):
        members: dict[str, bytes] = {}
        for idx in range(4):
            stem = f"{idx if is_counted_anew else shard * 4 + idx:06d}"
            members[f"{stem}.jpg"] = f"jpg {shard} {idx}".encode()
            if (shard, idx) != (1, 2):  # a stem that lacks one
                members[f"{stem}.seg.png"] = f"seg {shard} {idx}".encode() * 100
        paths.append(_write_tar(folder / f"part-{shard:03d}.tar", members))
    return paths


@pytest.mark.parametrize("kind", ["one", "list", "glob", "braces", "folder"])
def test_shards_give_samples_by_stem(tmp_path: Path, kind: str) -> None:
    paths = _shards(tmp_path)
    source: object = {
        "one": paths[1],
        "list": paths,
        "glob": str(tmp_path / "part-*.tar"),
        "braces": str(tmp_path / "part-{000..002}.tar"),
        "folder": tmp_path,
    }[kind]
    data = StreamingDataset(source, shuffle=None)
    shards = [1] if kind == "one" else [0, 1, 2]
    assert _all(data) == [
        {
            "_id": f"{shard * 4 + idx:06d}",
            "jpg": f"jpg {shard} {idx}".encode(),
            "seg.png": None if (shard, idx) == (1, 2) else f"seg {shard} {idx}".encode() * 100,
        }
        for shard in shards
        for idx in range(4)
    ]
    batches = list(DataLoader(data, batch_size=5, num_workers=2, workers="threads"))
    assert [key for batch in batches for key in batch["_id"]] == [row["_id"] for row in _all(data)]
    assert [value for batch in batches for value in batch["seg.png"]] == [row["seg.png"] for row in _all(data)]


def test_shards_that_count_anew_have_keys_with_their_path(tmp_path: Path) -> None:
    data = StreamingDataset(_shards(tmp_path, is_counted_anew=True), shuffle=None)
    assert [row["_id"] for row in _all(data)][3:6] == [
        "part-000.tar/000003",
        "part-001.tar/000000",
        "part-001.tar/000001",
    ]


def test_compressed_archives_are_unpacked_into_the_page(tmp_path: Path) -> None:
    import gzip

    plain = Path(_shards(tmp_path)[0])
    packed = tmp_path / "packed.tar.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    expected = _all(StreamingDataset(plain, shuffle=None))
    assert _all(StreamingDataset(packed, shuffle=None)) == expected
    mixed = StreamingDataset([packed, tmp_path / "part-001.tar"], shuffle=None)
    assert [row["jpg"] for row in _all(mixed)][2:6] == [b"jpg 0 2", b"jpg 0 3", b"jpg 1 0", b"jpg 1 1"]
    (batch,) = DataLoader(mixed, batch_size=8, num_workers=0)
    assert batch["jpg"] == [row["jpg"] for row in _all(mixed)]


def testcache_inside_of_the_folder_is_no_part_of_it(tmp_path: Path) -> None:
    _write_files(tmp_path, num_rows=3, pattern="{}.bin")
    options = IndexOptions(directory=tmp_path / "cache-here")
    for _ in range(2):
        assert StreamingDataset(tmp_path, index=options, shuffle=None).schema.names == ["bin"]


def test_damaged_shard_is_refused_at_opening(tmp_path: Path) -> None:
    path = Path(_shards(tmp_path)[0])
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(InvalidInput, match=r"part-000\.tar"):
        len(StreamingDataset(path))


# -- Lance ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def lance() -> Any:
    return pytest.importorskip("lance")


def _lance_rows(folder: Path) -> pa.Table:
    names = _write_files(folder)
    table = pa.Table.from_pylist(_rows(names))
    return table.append_column("raw", pa.array([_data(idx) for idx in range(NUM_ROWS)], pa.large_binary()))


def test_lance_dataset_is_read_in_place(tmp_path: Path, lance: Any) -> None:
    lance.write_dataset(_lance_rows(tmp_path), str(tmp_path / "d.lance"), max_rows_per_file=6)
    data = StreamingDataset(tmp_path / "d.lance", index=IndexOptions(key="name"), where="label = 1", shuffle=None)
    chosen = [idx for idx in range(NUM_ROWS) if idx % 3 == 1]
    assert _all(data) == [
        {"_id": f"n{idx}", "name": f"n{idx}", "label": 1, "image": _data(idx), "raw": _data(idx)} for idx in chosen
    ]
    batches = list(DataLoader(data, batch_size=4, num_workers=1, workers="subprocess"))
    assert [value for batch in batches for value in batch["raw"]] == [_data(idx) for idx in chosen]
    copy = pickle.loads(pickle.dumps(data))
    assert copy[2] == data[2]


def test_lance_version_that_was_opened_stays_and_a_new_one_is_noticed(tmp_path: Path, lance: Any) -> None:
    path = str(tmp_path / "d.lance")
    dataset = lance.write_dataset(pa.table({"n": list(range(9))}), path)
    data = StreamingDataset(path, shuffle=None)
    assert len(data) == 9
    again = StreamingDataset(path, shuffle=None)
    assert again.provider.identity == data.provider.identity
    dataset.delete("n = 3")
    assert [row["n"] for row in _all(data)] == list(range(9))
    changed = StreamingDataset(path, shuffle=None)
    assert [row["n"] for row in _all(changed)] == [0, 1, 2, 4, 5, 6, 7, 8]
    assert changed.provider.identity != data.provider.identity
    lance.write_dataset(pa.table({"n": [1, 2, 1]}), str(tmp_path / "e.lance"))
    with pytest.raises(InvalidInput, match="both have the key"):
        len(StreamingDataset(tmp_path / "e.lance", index=IndexOptions(key="n")))


def test_missing_pylance_is_named(tmp_path: Path) -> None:
    (tmp_path / "d.lance").mkdir()
    program = (
        "import sys; sys.modules['lance'] = None\n"
        "from headrace.streaming import StreamingDataset\n"
        f"len(StreamingDataset({str(tmp_path / 'd.lance')!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "pip install pylance" in done.stderr.splitlines()[-1]


# -- what changes ----------------------------------------------------------------------------------------------------


def test_changed_index_is_noticed_and_its_state_does_not_fit(tmp_path: Path) -> None:
    path = Path(_write_table(tmp_path / "t.jsonl", [{"n": idx} for idx in range(10)]))
    old = StreamingDataset(path)
    loader = DataLoader(old, batch_size=2, num_workers=0)
    next(iter(loader))
    state = loader.state_dict()
    _write_table(path, [{"n": idx} for idx in range(100, 110)])
    _touch(path)
    assert sorted(row["n"] for row in _all(old)) == list(range(10))
    new = StreamingDataset(path)
    assert sorted(row["n"] for row in _all(new)) == list(range(100, 110))
    with pytest.raises(InvalidInput) as caught:
        DataLoader(new, batch_size=2, num_workers=0).load_state_dict(state)
    assert old.provider.identity[:12] in str(caught.value)
    assert new.provider.identity[:12] in str(caught.value)


def test_index_that_was_moved_or_touched_is_the_same(tmp_path: Path) -> None:
    """A state goes on on another machine, where the same files have other places and times."""
    identities = set()
    for place in ("a", "b"):
        names = _write_files(tmp_path / place, num_rows=3)
        _write_table(tmp_path / place / "t.csv", _rows(names))
        _shards(tmp_path / place)
        for path in (tmp_path / place).rglob("*.*"):
            _touch(path)
        sources: list[object] = [
            tmp_path / place / "t.csv",
            tmp_path / place / "images",
            str(tmp_path / place / "part-*.tar"),
        ]
        identities.add(tuple(StreamingDataset(source).provider.identity for source in sources))
    assert len(identities) == 1
    assert len(set(identities.pop())) == 3


def test_same_page_never_serves_another_source(tmp_path: Path) -> None:
    """Defects (d) and (h) of the reference loader: one folder for all indexes, and files trusted by their name."""
    for place, word in (("x/a/b/c", "one"), ("y/a/b/c", "two")):
        (tmp_path / place).mkdir(parents=True)
        _write_table(tmp_path / place / "t.jsonl", [{"w": word}])
    options = IndexOptions(directory=tmp_path / "pages")
    first = StreamingDataset(tmp_path / "x/a/b/c/t.jsonl", index=options)
    second = StreamingDataset(tmp_path / "y/a/b/c/t.jsonl", index=options)
    assert (first[0]["w"], second[0]["w"], first[0]["w"]) == ("one", "two", "one")


def test_several_datasets_of_one_index_do_not_disturb_each_other(tmp_path: Path, cache: Path) -> None:
    path = _write_table(tmp_path / "t.parquet", _rows(_write_files(tmp_path)))
    whole = StreamingDataset(path, shuffle=None)
    part = StreamingDataset(path, where="label = 2", columns=["image"], shuffle=None)
    loaders = [iter(DataLoader(data, batch_size=3, num_workers=2, workers="threads")) for data in (whole, part, whole)]
    found: list[list[bytes]] = [[], [], []]
    for turn in range(7):
        for idx, loader in enumerate(loaders):
            if idx != 1 or turn < 2:
                found[idx] += next(loader)["image"]
    assert found[0] == found[2] == [_data(idx) for idx in range(NUM_ROWS)]
    assert found[1] == [_data(idx) for idx in range(2, NUM_ROWS, 3)]
    assert len(list(cache.rglob("*.0.arrow"))) == 1


def test_index_is_converted_once(tmp_path: Path, cache: Path) -> None:
    path = Path(_write_table(tmp_path / "t.csv", [{"n": 1}]))
    len(StreamingDataset(path))
    (page,) = cache.rglob("*.arrow")
    before = page.stat().st_mtime_ns
    assert StreamingDataset(path)[0]["n"] == 1
    assert page.stat().st_mtime_ns == before
    page.write_bytes(page.read_bytes()[:100])  # what a lost power leaves
    assert StreamingDataset(path)[0]["n"] == 1


def test_changed_or_missing_file_of_a_folder_is_data_corrupted(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    names = _write_files(folder, num_rows=3, pattern="{}.bin")
    data = StreamingDataset(folder, shuffle=None)
    assert data[1]["bin"] == _data(1)
    _touch(folder / names[1], b"other")
    with pytest.raises(DataCorrupted, match=r"1\.bin changed since it was indexed"):
        data[1]
    (folder / names[2]).unlink()
    with pytest.raises(DataCorrupted, match=r"2\.bin is gone"):
        data[2]
    assert data[0]["bin"] == _data(0)


def test_changed_shard_is_data_corrupted_even_while_it_is_open(tmp_path: Path) -> None:
    path = Path(_shards(tmp_path)[0])
    data = StreamingDataset(path, shuffle=None)
    assert data[0]["jpg"] == b"jpg 0 0"
    with path.open("r+b") as file:
        file.seek(512)
        file.write(b"JPG")
    _touch(path)
    with pytest.raises(DataCorrupted, match=r"part-000\.tar changed"):
        data[0]
    with pytest.raises(DataCorrupted, match=r"part-000\.tar changed"):
        list(DataLoader(data, batch_size=2, num_workers=0))
    assert StreamingDataset(path, shuffle=None)[0]["jpg"] == b"JPG 0 0"


def test_missing_file_of_a_table_names_file_and_row_or_is_substituted(tmp_path: Path) -> None:
    names = _write_files(tmp_path)
    parts = [_write_table(tmp_path / f"{idx}.parquet", _rows(names)[idx * 10 :][:10]) for idx in range(2)]
    (tmp_path / names[13]).unlink()
    data = StreamingDataset(parts, shuffle=None)
    where = rf"row 3 of .*1\.parquet \(row 13 of the index\): .*{names[13]}: no such file"
    with pytest.raises(NotFound, match=where):
        data[13]
    with pytest.raises(NotFound, match=where):
        list(DataLoader(data, batch_size=8, num_workers=2, workers="threads"))
    kept = StreamingDataset(parts, shuffle=None, on_error="substitute")
    batches = list(DataLoader(kept, batch_size=8, num_workers=0))
    assert [len(batch["image"]) for batch in batches] == [8, 8, 4]
    assert [failed.row for batch in batches for failed in batch.failed][:1] == [13]


@pytest.mark.parametrize("position", [NUM_ROWS, -NUM_ROWS - 1, 10**9])
def test_position_out_of_range_is_an_index_error(tmp_path: Path, position: int) -> None:
    """Defects (a) and (k) of the reference loader: another sample, or no random access for globs."""
    _write_table(tmp_path / "t0.jsonl", [{"n": idx} for idx in range(NUM_ROWS)])
    data = StreamingDataset(str(tmp_path / "t*.jsonl"))
    with pytest.raises(IndexError):
        data[position]
    assert data[-1]["n"] == NUM_ROWS - 1


# -- plans, workers ---------------------------------------------------------------------------------------------------


def test_where_weights_and_max_samples_over_an_index(tmp_path: Path) -> None:
    names = _write_files(tmp_path)
    path = _write_table(tmp_path / "t.csv", [{**row, "weight": row["label"]} for row in _rows(names)])
    filtered = StreamingDataset(path, where="label = 1 and name <> 'n4'", shuffle=None)
    assert [row["name"] for row in _all(filtered)] == ["n1", "n7", "n10", "n13", "n16", "n19"]
    assert [row["name"] for row in _all(StreamingDataset(path, max_samples=2, shuffle=None))] == ["n0", "n1"]
    weighted = StreamingDataset(path, weights="weight", shuffle=None)
    labels = [row["label"] for row in _all(weighted)]
    assert len(labels) == NUM_ROWS
    assert 0 not in labels
    assert labels.count(2) > labels.count(1) > 0


def test_where_sees_sizes_of_media_without_reading_them(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    _write_files(folder, pattern="{:02d}.jpg")
    shard = _write_tar(tmp_path / "s.tar", {f"{idx:02d}.jpg": _data(idx) for idx in range(NUM_ROWS)})
    pq.write_table(pa.table({"jpg": [_data(idx) for idx in range(NUM_ROWS)]}), tmp_path / "b.parquet")
    for path in folder.iterdir():
        path.chmod(0)
    for source in (folder, shard, tmp_path / "b.parquet"):
        data = StreamingDataset(source, where=f"jpg.size >= {len(_data(15))}", shuffle=None)
        assert len(data) == 5, source
    (tmp_path / "t.jsonl").write_text('{"image": "gone.jpg"}\n{"image": null}\n')
    assert len(StreamingDataset(tmp_path / "t.jsonl", where="image is not null")) == 1


def _source(kind: str, folder: Path) -> object:
    names = _write_files(folder)
    match kind:
        case "parquet":
            return _write_table(folder / "t.parquet", _rows(names))
        case "bytes":
            pq.write_table(pa.table({"image": [_data(idx) for idx in range(NUM_ROWS)]}), folder / "b.parquet")
            return folder / "b.parquet"
        case "folder":
            return folder / "images"
        case _:
            return _write_tar(folder / "s.tar", {f"{idx:04d}.jpg": _data(idx) for idx in range(NUM_ROWS)})


@pytest.mark.parametrize("kind", ["parquet", "bytes", "folder", "tar"])
def test_worker_processes_read_the_same(tmp_path: Path, kind: str) -> None:
    data = StreamingDataset(_source(kind, tmp_path), shuffle=None)
    field = "image" if kind in ("parquet", "bytes") else "jpg"
    loader = DataLoader(
        data, batch_size=6, num_workers=2, workers="subprocess", multiprocessing_context="spawn"
    )  # fmt: skip
    assert [value for batch in loader for value in batch[field]] == [_data(idx) for idx in range(NUM_ROWS)]
    copy = pickle.loads(pickle.dumps(data))
    assert copy[5][field] == _data(5)


def _in_pages(source: Sequence[str], folder: Path, *, page_rows: int) -> IndexRows:
    """The rows of tables in pages that are smaller than those of a user."""
    options, locations = IndexOptions(), Locations()
    listed = list_index(source, options=options, locations=locations)
    pages = PageFolder(folder / "pages")
    (folder / "pages").mkdir()
    writer = PageWriter(pages, "small", page_rows=page_rows)
    document = writer.publish(write_tables(listed, writer, options=options, locations=locations))
    return IndexRows(listed, document, pages=pages, page_name="small", locations=locations)


def test_rows_in_several_pages_come_once_each(tmp_path: Path) -> None:
    parts = [
        _write_table(tmp_path / f"{part}.jsonl", [{"n": part * 100 + idx, "s": f"é{idx}"} for idx in range(100)])
        for part in range(5)
    ]
    rows = _in_pages(parts, tmp_path, page_rows=150)
    assert len(list((tmp_path / "pages").glob("*.arrow"))) == 3
    data = StreamingDataset(rows)
    for _ in range(2):
        batches = list(DataLoader(data, batch_size=32, num_workers=2, workers="threads"))
        assert sorted(value for batch in batches for value in batch["n"].tolist()) == list(range(500))
        assert all(row % 100 == int(text[1:]) for batch in batches for row, text in zip(batch["n"], batch["s"]))
    assert [data[idx]["n"] for idx in (0, 99, 100, 199, 200, 499)] == [0, 99, 100, 199, 200, 499]
    assert [data[idx]["_id"] for idx in (0, 250, 499)] == ["0", "250", "499"]
    assert len(StreamingDataset(rows, where="n % 2 = 0", index=IndexOptions(directory=tmp_path / "plans"))) == 250
    assert StreamingDataset(parts).provider.num_rows == 500


def test_indexes_in_a_bucket(tmp_path: Path) -> None:
    store = open_store("memory://stream-indexes")
    names = _write_files(tmp_path)
    table = Path(_write_table(tmp_path / "t.parquet", _rows(names)))
    for path in (table, *map(Path, _shards(tmp_path)), *(tmp_path / "images").iterdir()):
        store.put_new(f"data/{path.relative_to(tmp_path)}", path.read_bytes())
    base = "memory://stream-indexes/data"
    store.put_new("data/split_file_paths.txt", b"t.parquet\n")
    for source in (f"{base}/t.parquet", f"{base}/*.parquet", f"{base}/split_file_paths.txt"):
        data = StreamingDataset(source, shuffle=None)
        assert [row["image"] for row in _all(data)] == [_data(idx) for idx in range(NUM_ROWS)]
        assert not data.provider.is_local
    folder = StreamingDataset(f"{base}/images", shuffle=None)
    assert [row["jpg"] for row in _all(folder)] == [_data(idx) for idx in range(NUM_ROWS)]
    shards = StreamingDataset(base + "/part-{000..002}.tar", shuffle=None)
    assert _all(shards) == _all(StreamingDataset(str(tmp_path / "part-*.tar"), shuffle=None))
    local = StreamingDataset(table)
    assert StreamingDataset(f"{base}/t.parquet").provider.schema == local.provider.schema
    (batch,) = DataLoader(shards, batch_size=12, num_workers=0)
    assert batch["jpg"] == [row["jpg"] for row in _all(shards)]


def test_first_batch_of_an_index_imports_no_pandas(tmp_path: Path) -> None:
    """It takes 0.3 s, more than everything else."""
    path = _write_table(tmp_path / "t.parquet", _rows(_write_files(tmp_path)))
    len(StreamingDataset(path))
    program = (
        "import sys\nfrom headrace.streaming import DataLoader, StreamingDataset\n"
        f"next(iter(DataLoader(StreamingDataset({path!r}), batch_size=4, num_workers=0)))\n"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda folder: folder / "nothing.parquet", NotFound, "no such file"),
        (lambda folder: str(folder / "*.parquet"), NotFound, "no file matches"),
        (lambda folder: [], InvalidInput, "empty list"),
        (lambda folder: [1], InvalidInput, "a int among the paths"),
        (lambda folder: "a\0b", InvalidInput, "no path"),
        (lambda folder: folder / "empty", InvalidInput, "empty folder"),
        (lambda folder: folder / "split_file_paths.txt", InvalidInput, "names no index file"),
        (lambda folder: [folder / "a.jsonl", folder / "a.jsonl"], InvalidInput, "twice"),
        (lambda folder: [folder / "a.jsonl", folder / "a.tar"], InvalidInput, "archive"),
    ],
)
def test_what_is_no_index_is_refused(
    tmp_path: Path, make: Callable[[Path], object], kind: type[HeadraceError], words: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "split_file_paths.txt").write_text("\n")
    _write_table(tmp_path / "a.jsonl", [{"n": 1}])
    _write_tar(tmp_path / "a.tar", {"1.txt": b"x"})
    with pytest.raises(kind, match=words):
        len(StreamingDataset(make(tmp_path)))
