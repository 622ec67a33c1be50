"""What names an index and its rows: braces, addresses in cells, splits of repositories, keys."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from headrace.errors import InvalidInput, NotFound
from headrace.streaming.brace_patterns import expand_braces
from headrace.streaming.hugging_face import find_tables
from headrace.streaming.media_addresses import address_of, kind_of_path, names_media
from headrace.streaming.number_columns import NumberColumns
from headrace.streaming.row_names import check_key_values


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a.tar", ["a.tar"]),
        ("a-{08..11}.tar", ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]),
        ("{9..11}", ["9", "10", "11"]),
        ("{2..0}", ["2", "1", "0"]),
        ("{a,b}/{0..1}.tar", ["a/0.tar", "a/1.tar", "b/0.tar", "b/1.tar"]),
        ("{x}.tar", ["{x}.tar"]),
    ],
)
def test_braces_stand_for_names_in_order(text: str, names: list[str]) -> None:
    assert expand_braces(text) == names


@pytest.mark.parametrize("text", ["{0..99999999}", "{0..9999}{0..9999}"])
def test_braces_for_too_many_names_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="more than 1,000,000 names"):
        expand_braces(text)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("a/b.jpg", "/index/a/b.jpg"),
        ("/other/b.jpg", "/other/b.jpg"),
        ("file:///other/%C3%A4.jpg", "/other/ä.jpg"),
        ("s3://bucket/a.jpg", "s3://bucket/a.jpg"),
        ("a/../b.jpg", "/index/a/../b.jpg"),
        ("a..b/c...jpg", "/index/a..b/c...jpg"),
    ],
)
def test_cell_means_an_address(value: str, address: str) -> None:
    assert address_of(value, "/index") == address


@pytest.mark.parametrize("value", ["../b.jpg", "a/../../b.jpg", ".."])
def test_relative_path_that_climbs_out_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput, match="leads out of /index"):
        address_of(value, "/index")


def test_kinds_of_media_by_extension() -> None:
    assert [kind_of_path(name) for name in ("a.JPG", "a.tar.gz", "a.mp4", "x.flac", "a.txt", "jpg")] == [
        "image",
        "bytes",
        "video",
        "audio",
        None,
        None,
    ]
    assert names_media(["a.jpg", "b.png"]) == "image"
    assert names_media(["a.jpg", "b.npy"]) == "bytes"
    assert names_media(["a.jpg", "a photo of a dog."]) is None
    assert names_media([]) is None


def _converted(*batches: list[str | None]) -> pa.Table:
    numbers = NumberColumns(["x"])
    made = [pa.record_batch({"x": pa.array(values, pa.string())}) for values in batches]
    for batch in made:
        numbers.look(batch)
    return pa.Table.from_batches([numbers.convert(batch) for batch in made])


@pytest.mark.parametrize(
    ("batches", "values"),
    [
        ([["1", "-2"], ["3"]], [1, -2, 3]),
        ([["1", ""], ["3"]], [1, None, 3]),
        ([["1"], ["2.5"]], [1.0, 2.5]),
        ([["2.5"], ["1"]], [2.5, 1.0]),
        ([["1"], ["x"]], ["1", "x"]),
        ([["007"], ["8"]], ["007", "8"]),
        ([["1e3", "-inf"]], [1000.0, float("-inf")]),
        ([["", ""]], ["", ""]),
        ([["12345678901234567890"]], [1.2345678901234567e19]),
        ([["1\n2"]], ["1\n2"]),
    ],
)
def test_column_becomes_numbers_only_if_all_its_values_are(
    batches: list[list[str | None]], values: list[object]
) -> None:
    assert _converted(*batches)["x"].to_pylist() == values


def test_repeated_key_names_both_rows() -> None:
    pieces = [pa.array(["a", "b"]), pa.array(["c", "b", "a"])]
    with pytest.raises(InvalidInput, match=r"rows 1 and 3 both have the key 'b'"):
        check_key_values(pieces, column="k", name="index.csv")
    check_key_values([pa.array([1, 2]), pa.array([3])], column="k", name="index.csv")


def test_missing_key_names_its_row() -> None:
    with pytest.raises(InvalidInput, match="row 2 has no value"):
        check_key_values([pa.array(["a"]), pa.array(["b", None])], column="k", name="index.csv")


PARQUET = ["README.md", "data/test-00000-of-00001.parquet", "data/train-00000-of-00002.parquet",
           "data/train-00001-of-00002.parquet"]  # fmt: skip


def test_repository_gives_the_split_train_unless_told() -> None:
    found = find_tables(PARQUET, root="/r", split=None)
    assert found is not None
    assert found.paths == PARQUET[2:]
    other = find_tables(PARQUET, root="/r", split="test")
    assert other is not None
    assert other.paths == PARQUET[1:2]
    with pytest.raises(NotFound, match=r"no split 'tests'.*'test'"):
        find_tables(PARQUET, root="/r", split="tests")


def test_repository_without_train_needs_a_split() -> None:
    names = ["a-00000-of-00001.parquet", "b-00000-of-00001.parquet"]
    with pytest.raises(InvalidInput, match=r"splits a, b; say which: IndexOptions\(split"):
        find_tables(names, root="/r", split=None)
    only = find_tables(names[:1], root="/r", split=None)
    assert only is not None
    assert only.paths == names[:1]


def test_repository_with_several_configurations_is_refused() -> None:
    names = ["de/train-00000-of-00001.parquet", "en/train-00000-of-00001.parquet"]
    with pytest.raises(InvalidInput, match="configurations de, en; open the folder"):
        find_tables(names, root="/r", split=None)


def test_folder_is_a_repository_by_its_card(tmp_path: Path) -> None:
    names = ["README.md", "train.csv", "validation.csv"]
    (tmp_path / "README.md").write_text("just words")
    assert find_tables(names, root=str(tmp_path), split=None) is None
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# Cats\n")
    found = find_tables(names, root=str(tmp_path), split=None)
    assert found is not None
    assert found.paths == ["train.csv"]


def test_folder_of_media_with_metadata_is_a_repository() -> None:
    names = ["test/1.png", "test/metadata.csv", "train/1.png", "train/metadata.jsonl"]
    found = find_tables(names, root="/r", split=None)
    assert found is not None
    assert found.names_files
    assert found.paths == ["train/metadata.jsonl"]
    assert find_tables(["1.png", "2.png"], root="/r", split=None) is None
    assert find_tables(["metadata.csv"], root="/r", split=None) is None
