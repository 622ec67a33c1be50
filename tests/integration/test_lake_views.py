"""Training views of snapshots: the reference service's demo, number by number, on generated input."""

from __future__ import annotations

import csv
import io
import random
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace
from headrace.datasets.dataset import Dataset
from headrace.datasets.view_folder import View
from headrace.errors import AlreadyExists, InvalidInput, NotFound, Unavailable
from tests.generated_media import image_bytes
from tests.scripted_store import fresh_memory_uri

_SIZES = {"1": 55, "2": 76, "3": 31}


def _part(folder: Path, commit_id: str) -> str:
    """Rows with every trouble that a CSV knows; labels in another order in each part."""
    randomness = random.Random(commit_id)
    path = folder / f"part{commit_id}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for idx in range(_SIZES[commit_id]):
            text = f'{randomness.choice(["how", "wann", "où"])} "{idx}", then; part {commit_id}\u2019s line'
            labels = randomness.sample(["card", "oos", "weather", "größe", 'a "b"'], randomness.choice([1, 1, 1, 2]))
            writer.writerow([text + ("\nsecond line" if idx % 9 == 0 else ""), ";".join(labels)])
    return str(path)


@pytest.fixture
def demo(tmp_path: Path) -> Dataset:
    lake = headrace.connect(tmp_path / "lake")
    dataset = lake.create_dataset(
        "dataset-1", type="TEXT_INTENT", source=_part(tmp_path, "1"), tags={"category": "aaa"}
    )
    dataset.commit(_part(tmp_path, "2"), message="More training data", tags={"category": "aaa"})
    dataset.commit(_part(tmp_path, "3"), message="More training data", tags={"category": "bbb"})
    return dataset


def _expected(rows: list[tuple[str, list[str]]]) -> tuple[bytes, bytes]:
    """The merge rule, written down again: rows in commit order, ids from 1 by first appearance, all quoted, LF."""
    ids: dict[str, int] = {}
    examples, labels = io.StringIO(), io.StringIO()
    writer = csv.writer(examples, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for text, names in rows:
        writer.writerow([text, ";".join(str(ids.setdefault(name, len(ids) + 1)) for name in names)])
    csv.writer(labels, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows((idx, name) for name, idx in ids.items())
    return examples.getvalue().encode(), labels.getvalue().encode()


def _read_part(folder: Path, commit_id: str) -> list[tuple[str, list[str]]]:
    with (folder / f"part{commit_id}.csv").open(newline="", encoding="utf-8") as file:
        return [(text, labels.split(";")) for text, labels in csv.reader(file)]


def _files(view: View) -> dict[str, bytes]:
    found = {file.name: (Path(view) / file.name).read_bytes() for file in view.files}
    assert {file.name: file.size for file in view.files} == {name: len(data) for name, data in found.items()}
    return found


def test_demo_log_is_the_contract_s(demo: Dataset) -> None:
    log = demo.log()
    assert demo.id == "1"
    assert [(commit.id, commit.message, commit.tags, commit.num_rows) for commit in log] == [
        ("1", "Initial commit", {"category": "aaa"}, 55),
        ("2", "More training data", {"category": "aaa"}, 76),
        ("3", "More training data", {"category": "bbb"}, 31),
    ]


@pytest.mark.parametrize(
    ("choice", "name", "commits"),
    [
        ({}, "hashDg==", ["1", "2", "3"]),
        ({"tags": {"category": "aaa"}}, "hashBg==", ["1", "2"]),
        ({"tags": {"category": "bbb"}}, "hashCA==", ["3"]),
        ({"tags": {"category": "ccc"}}, "hash", []),
        ({"tags": {"category": "AAA"}}, "hash", []),
        ({"tags": [("category", "aaa"), ("category", "bbb")]}, "hash", []),
        ({"tags": [("category", "aaa"), ("category", "aaa")]}, "hashBg==", ["1", "2"]),
        ({"upto": "2"}, "hashBg==", ["1", "2"]),
        ({"upto": "1"}, "hashAg==", ["1"]),
        ({"upto": "2", "tags": {"category": "bbb"}}, "hash", []),
    ],
)
def test_choice_of_commits_has_the_contract_s_name_and_view(
    demo: Dataset, tmp_path: Path, choice: dict[str, str], name: str, commits: list[str]
) -> None:
    snapshot = demo.snapshot(**choice)  # type: ignore[arg-type]
    assert (snapshot.version_hash, [commit.id for commit in snapshot.commits]) == (name, commits)
    rows = [row for commit_id in commits for row in _read_part(tmp_path, commit_id)]
    assert snapshot.num_rows == snapshot.statistics["num_rows"] == len(rows)
    assert snapshot.statistics["num_labels"] == len({label for _, labels in rows for label in labels})
    view = snapshot.materialise()
    assert [file.name for file in view.files] == ["examples.csv", "labels.csv"]
    examples, labels = _expected(rows)
    assert _files(view) == {"examples.csv": examples, "labels.csv": labels}
    assert _files(snapshot.materialise()) == _files(view)
    assert demo.snapshot_by_version_hash(name).id == snapshot.id


@pytest.mark.parametrize("upto", ["9", "01", "abc", "0", "-1", ""])
def test_unknown_commit_is_not_found(demo: Dataset, upto: str) -> None:
    with pytest.raises(NotFound, match="there is no commit"):
        demo.snapshot(upto=upto)


def test_tags_of_generic_commits_choose_as_the_contract_says() -> None:
    lake = headrace.connect(fresh_memory_uri())
    dataset = lake.create_dataset("files", type="GENERIC", source=[{"name": "a", "data": b"1\n"}], tags={"foo": "bar"})
    for name, tags in (
        ("foo", {"foo": "bar1"}),
        ("coo", {"coo": "bar1"}),
        ("dzz", {"foo": "bar2"}),
        ("ell", {"ell": "x"}),
    ):
        dataset.commit([{"name": name, "data": name.encode()}], tags=tags)
    assert dataset.snapshot(upto=4).version_hash == "hashHg=="
    assert dataset.snapshot(upto=4, tags={"none": "x"}).version_hash == "hash"
    assert dataset.snapshot(upto=4, tags={"foo": "bar2"}).version_hash == "hashEA=="


def test_first_snapshot_under_a_version_hash_keeps_it() -> None:
    lake = headrace.connect(fresh_memory_uri())
    dataset = lake.create_dataset("t", type="TEXT_INTENT", source=[{"text": "a", "labels": ["x"]}])
    empty = dataset.snapshot(tags={"no": "such"})
    assert dataset.snapshot_by_version_hash("hash").id == empty.id
    dataset.commit([{"text": "b", "labels": ["y"], "note": "n"}])
    later = dataset.snapshot(tags={"no": "such"})
    assert later.id != empty.id, "the schema has grown"
    assert dataset.snapshot_by_version_hash("hash").id == empty.id
    assert dataset.snapshot(where="true").version_hash is None
    assert dataset.snapshot(columns=["text"]).version_hash is None
    with pytest.raises(NotFound, match="hashDg=="):
        dataset.snapshot_by_version_hash("hashDg==")


def test_view_of_a_filter_and_of_a_split_is_consistent_in_itself(demo: Dataset, tmp_path: Path) -> None:
    rows = [row for commit_id in "123" for row in _read_part(tmp_path, commit_id)]
    chosen = demo.snapshot(where="list_contains(labels, 'oos')")
    examples, labels = _expected([row for row in rows if "oos" in row[1]])
    assert _files(chosen.materialise()) == {"examples.csv": examples, "labels.csv": labels}
    sides = demo.snapshot().split({"train": 0.8, "val": 0.2}, seed=3)
    lines = []
    for side in sides.values():
        kept = [(row["text"], row["labels"]) for row in side.to_arrow().to_pylist()]
        examples, labels = _expected(kept)
        assert _files(side.materialise()) == {"examples.csv": examples, "labels.csv": labels}
        lines += kept
    assert sorted(lines) == sorted(rows)


def test_view_without_the_needed_columns_is_refused(demo: Dataset) -> None:
    with pytest.raises(InvalidInput, match="taken with columns"):
        demo.snapshot(columns=["text"]).materialise()
    assert demo.lake.verify().ok


def test_view_goes_where_asked_and_never_over_files(demo: Dataset, tmp_path: Path) -> None:
    snapshot = demo.snapshot()
    (tmp_path / "out").mkdir()
    view = snapshot.materialise(str(tmp_path / "out"))
    assert _files(view) == _files(snapshot.materialise())
    with pytest.raises(AlreadyExists, match="not empty"):
        snapshot.materialise(str(tmp_path / "out"))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(AlreadyExists):
        snapshot.materialise(str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_view_in_a_store_is_not_written_over(demo: Dataset) -> None:
    uri = fresh_memory_uri()
    snapshot = demo.snapshot()
    view = snapshot.materialise(f"{uri}/view")
    store = headrace.connect(f"{uri}/view").store
    assert {file.name: store.get(file.name) for file in view.files} == _files(snapshot.materialise())
    with pytest.raises(Unavailable, match="not in a folder of this machine"):
        _ = view.path
    with pytest.raises(AlreadyExists):
        demo.snapshot(upto=1).materialise(f"{uri}/view")
    assert {file.name: store.get(file.name) for file in view.files} == _files(snapshot.materialise())


def test_view_inside_a_lake_in_memory_is_made_once() -> None:
    lake = headrace.connect(fresh_memory_uri())
    dataset = lake.create_dataset("t", type="TEXT_INTENT", source=[{"text": "a", "labels": ["x"]}])
    view = dataset.snapshot().materialise()
    assert view.uri.startswith(lake.uri)
    assert dataset.snapshot().materialise() == view
    assert lake.verify().ok


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=8)
_LABEL = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=";"), min_size=1, max_size=4)


@settings(max_examples=40)
@given(
    st.lists(
        st.lists(st.tuples(_TEXT, st.lists(_LABEL, min_size=1, max_size=3)), min_size=1, max_size=4),
        min_size=1,
        max_size=3,
    )
)
def test_view_of_any_text_reads_back(commits: list[list[tuple[str, list[str]]]]) -> None:
    lake = headrace.connect(fresh_memory_uri())
    dataset = lake.create_dataset("t", type="TEXT_INTENT")
    for rows in commits:
        dataset.commit([{"text": text, "labels": labels} for text, labels in rows])
    view = dataset.snapshot().materialise()
    store = headrace.connect(view.uri).store
    examples, labels = _expected([row for rows in commits for row in rows])
    assert (store.get("examples.csv"), store.get("labels.csv")) == (examples, labels)
    names = {int(idx): name for idx, name in csv.reader(io.StringIO(labels.decode(), newline=""))}
    assert list(names) == list(range(1, len(names) + 1))


def test_generic_view_has_one_file_a_row(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    dataset = lake.create_dataset(
        "files", type="GENERIC", source=[{"name": "b", "data": b"\0b"}, {"name": "a/c", "data": b""}]
    )
    dataset.commit([{"name": "b", "data": b"again"}])
    assert _files(dataset.snapshot().materialise()) == {"part-0-0": b"\0b", "part-0-1": b"", "part-1-0": b"again"}
    only = dataset.snapshot(where="name = 'a/c'")
    assert _files(only.materialise()) == {"part-0-0": b""}
    assert _files(dataset.snapshot(tags={"no": "such"}).materialise()) == {}


def test_image_class_view_is_the_book_s_zip(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    images = [image_bytes(shade=shade) for shade in range(4)]
    rows = [
        {"id": f"{label}/{name}.jpg", "image": image, "label": label}
        for image, (label, name) in zip(images, [("cat", "a"), ("dog", "a"), ("cat", "b"), ("dög", "ü")], strict=True)
    ]
    dataset = lake.create_dataset("photos", type="IMAGE_CLASS", source=rows[:3])
    dataset.commit([rows[3], rows[0]])
    (data,) = _files(dataset.snapshot().materialise()).values()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        examples = list(csv.reader(io.StringIO(archive.read("examples.csv").decode())))
        labels = dict(csv.reader(io.StringIO(archive.read("labels.csv").decode())))
        assert labels == {"1": "cat", "2": "dog", "3": "dög"}
        assert len(set(names)) == len(names) == 7
        assert [archive.read(f"examples/{name}") for name, _ in examples] == [*images, images[0]]
        assert [labels[idx] for _, idx in examples] == ["cat", "dog", "cat", "dög", "cat"]


def test_table_view_is_one_parquet_file(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])
    dataset = lake.create_dataset("rows", schema=schema, key="id")
    dataset.commit([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    dataset.commit([{"id": 1, "name": "c"}])
    view = dataset.snapshot().materialise()
    assert pq.read_table(Path(view) / "data.parquet").to_pylist() == [{"id": 2, "name": "b"}, {"id": 1, "name": "c"}]
    empty = dataset.snapshot(where="id > 9").materialise()
    assert pq.read_table(Path(empty) / "data.parquet").schema.equals(schema)
