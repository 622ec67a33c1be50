"""TEXT_INTENT: labels of every form, and its view byte by byte."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.datasets.sources.opening import open_source
from headrace.datasets.types.text_intent import TextIntent, split_labels
from headrace.errors import InvalidInput
from headrace.testing import MemoryTable, MemoryViewReader, MemoryViewWriter, ingest_rows

TYPE = TextIntent()


def view(*tables: pa.Table) -> dict[str, bytes]:
    writer = MemoryViewWriter()
    TYPE.materialise(MemoryViewReader(tables, schema=TYPE.ingest_schema(None)), writer)
    return writer.files


def rows(*texts_and_labels: tuple[str, list[str]]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"text": text, "labels": labels} for text, labels in texts_and_labels], TYPE.ingest_schema(None)
    )


@pytest.mark.parametrize(
    ("field", "labels"),
    [
        ("a", ["a"]),
        ("a;b;", ["a", "b"]),
        ("a;b;;;", ["a", "b"]),
        (";a", ["", "a"]),
        ("", [""]),
        (";", []),
        (" a ; b", [" a ", " b"]),
        ("a;a", ["a", "a"]),
    ],
)
def test_labels_are_split_and_not_trimmed(field: str, labels: list[str]) -> None:
    assert split_labels(field) == labels


def test_csv_labels_may_lie_in_further_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"hi, you",a;b\nbye,a,c\nso,d,\n"quo""te\nline",e\n')
    result = ingest_rows(TYPE, open_source(path, csv_has_header=False))
    assert result.table.to_pylist() == [
        {"text": "hi, you", "labels": ["a", "b"]},
        {"text": "bye", "labels": ["a", "c"]},
        {"text": "so", "labels": ["d"]},
        {"text": 'quo"te\nline', "labels": ["e"]},
    ]
    assert result.lines == [1, 2, 3, 4]


def test_row_with_one_column_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("hi,a\nalone\nbye,b\n")
    with pytest.raises(InvalidInput, match=r"a\.csv:2: this row has one column only; expected") as caught:
        ingest_rows(TYPE, open_source(path, csv_has_header=False))
    assert (caught.value.file, caught.value.line) == (str(path), 2)
    result = ingest_rows(TYPE, open_source(path, csv_has_header=False), on_invalid="skip")
    assert result.table.column("text").to_pylist() == ["hi", "bye"]
    assert [(row.line, row.member) for row in result.rejected] == [(2, None)]
    assert result.lines == [1, 3]


@pytest.mark.parametrize(
    "labels",
    [pa.array(["a;b", "c"]), pa.array([["a", "b"], ["c"]]), pa.array(["a;b", "c"]).dictionary_encode()],
)
@pytest.mark.parametrize("name", ["label", "labels"])
def test_columns_may_hold_lists_or_text(labels: pa.Array, name: str) -> None:
    table = pa.table({"weight": [1, 2], name: labels, "text": pa.array(["x", "y"], pa.large_string())})
    result = ingest_rows(TYPE, MemoryTable(table))
    assert result.table.column_names == ["text", "labels", "weight"]
    assert result.table.column("labels").to_pylist() == [["a", "b"], ["c"]]


def test_list_items_are_not_split() -> None:
    table = pa.table({"text": ["x"], "labels": [["a;b"]]})
    assert ingest_rows(TYPE, MemoryTable(table)).table.column("labels").to_pylist() == [["a;b"]]


@pytest.mark.parametrize("labels", [pa.array([1.5]), pa.array([[1, 2]]), pa.array([{"a": 1}])])
def test_labels_of_another_type_are_refused(labels: pa.Array) -> None:
    with pytest.raises(InvalidInput, match="column labels"):
        ingest_rows(TYPE, MemoryTable(pa.table({"text": ["x"], "labels": labels})))


@pytest.mark.parametrize("name", ["_id", "Text", "a\nb"])
def test_further_columns_need_names_of_their_own(name: str) -> None:
    with pytest.raises(InvalidInput):
        ingest_rows(TYPE, MemoryTable(pa.table({"text": ["x"], "label": ["y"], name: [1]})))


def test_folder_of_tables_is_read_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("one,x\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.csv").write_text("two,y\nthree\n")
    with pytest.raises(InvalidInput, match=r"sub/b\.csv:2"):
        ingest_rows(TYPE, open_source(tmp_path, csv_has_header=False))
    result = ingest_rows(TYPE, open_source(tmp_path, csv_has_header=False), on_invalid="skip")
    assert result.members == ["a.csv", "sub/b.csv"]
    (tmp_path / "c.bin").write_bytes(b"x")
    with pytest.raises(InvalidInput, match=r"c\.bin: TEXT_INTENT is read from tables"):
        ingest_rows(TYPE, open_source(tmp_path, csv_has_header=False))


def test_view_numbers_labels_over_all_commits_and_quotes_every_field() -> None:
    first = rows(('say "hi"', ["greet"]), ("a\nb", ["x", "greet"]), ("hi", []))
    second = rows(("neu", ["new"]), ('say "hi"', ["greet"]), ("", [""]))
    assert view(first, second) == {
        "examples.csv": b'"say ""hi""","1"\n"a\nb","2;1"\n"hi",""\n"neu","3"\n"say ""hi""","1"\n"","4"\n',
        "labels.csv": b'"1","greet"\n"2","x"\n"3","new"\n"4",""\n',
    }


def test_view_of_nothing_is_two_empty_files() -> None:
    assert view() == {"examples.csv": b"", "labels.csv": b""}


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\r\0")),
            st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0;")), min_size=1, max_size=3),
        ),
        max_size=20,
    )
)
def test_view_can_be_read_back(samples: list[tuple[str, list[str]]]) -> None:
    files = view(rows(*samples))
    labels = dict(csv.reader(io.StringIO(files["labels.csv"].decode(), newline="")))
    examples = csv.reader(io.StringIO(files["examples.csv"].decode(), newline=""))
    assert [(text, [labels[label_id] for label_id in ids.split(";")]) for text, ids in examples] == samples


def test_view_of_16_000_rows_takes_a_fraction_of_a_second() -> None:
    """Seven times slower than measured still passes; a quadratic step would not."""
    table = rows(*((f"utterance number {idx}", [f"label {idx % 151}"]) for idx in range(16_000)))
    started = time.process_time()
    files = view(table)
    assert time.process_time() - started < 0.15
    assert files["labels.csv"].count(b"\n") == 151
