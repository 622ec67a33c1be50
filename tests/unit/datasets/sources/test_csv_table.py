"""CSV and TSV: what is read, with which line numbers, and what is refused where."""

from __future__ import annotations

import csv
import gzip
import io
import os
from pathlib import Path

import blake3
import pyarrow as pa
import pytest

from headrace.datasets.batches import RowBatch
from headrace.datasets.sources.opening import open_source
from headrace.datasets.sources.source import TableSource
from headrace.datasets.types.base import media_field
from headrace.errors import InvalidInput


def opened(path: Path, *, has_header: bool = True, schema: pa.Schema | None = None) -> TableSource:
    source = open_source(path, csv_has_header=has_header, schema=schema)
    assert source.kind == "table"
    return source


def written(folder: Path, data: bytes | str, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def rows_without_header(path: Path) -> list[list[str]]:
    rows = []
    for batch in opened(path, has_header=False).batches():
        assert batch.extra_fields is not None
        rows += [[text, *extra] for text, extra in zip(batch.table.column("text").to_pylist(), batch.extra_fields)]
    return rows


def lines_of(batches: list[RowBatch]) -> list[int]:
    return [line for batch in batches for line in batch.lines or ()]


def failure(path: Path, *, has_header: bool = True, schema: pa.Schema | None = None) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        list(opened(path, has_header=has_header, schema=schema).batches())
    assert caught.value.file == str(path)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n", [["a", "b"]]),
        ("a,b", [["a", "b"]]),
        ("a,b\r\nc,d\r\n", [["a", "b"], ["c", "d"]]),
        ('"a""b",c\n', [['a"b', "c"]]),
        ('a, "x, y"\n', [["a", "x, y"]]),
        ("  a ,  b \n", [["a ", "b "]]),
        ("a\\,b\n", [["a\\", "b"]]),
        ('"a\\","b"\n', [["a\\", "b"]]),
        ('"two\nlines",b\n', [["two\nlines", "b"]]),
        ('"two\r\nlines",b\n', [["two\r\nlines", "b"]]),
        ('"one\rline",b\n', [["one\rline", "b"]]),
        ("a\n", [["a"]]),
        ("a,b,c,d\n", [["a", "b", "c", "d"]]),
        ('"",""\n', [["", ""]]),
        ("a,\n", [["a", ""]]),
        ("a,b\n\n\nc,d\n", [["a", "b"], ["c", "d"]]),
        ("\ufeffa,b\n", [["a", "b"]]),
        ('\ufeff"a",b\n', [["a", "b"]]),
        ("a\u2028b\x0bc\x85d,e\n", [["a\u2028b\x0bc\x85d", "e"]]),
        ('say "hi",b\n', [['say "hi"', "b"]]),
    ],
)
def test_fields_are_read_as_rfc_4180_says(tmp_path: Path, text: str, expected: list[list[str]]) -> None:
    assert rows_without_header(written(tmp_path, text)) == expected


def test_lines_are_physical_and_count_from_one(tmp_path: Path) -> None:
    path = written(tmp_path, '\n"a\nb\nc",1\nd,2\n\n\ne,"\n"\nf,4')
    assert lines_of(list(opened(path, has_header=False).batches())) == [2, 5, 8, 10]


def test_header_names_columns_and_rows_start_below_it(tmp_path: Path) -> None:
    (batch,) = opened(written(tmp_path, "id , label\n1,x\n2,\n")).batches()
    assert batch.table.to_pydict() == {"id": ["1", "2"], "label": ["x", ""]}
    assert batch.lines == [2, 3]
    assert batch.extra_fields is None


def test_tsv_is_split_at_tabs(tmp_path: Path) -> None:
    (batch,) = opened(written(tmp_path, "a\tb\n1,5\tx\n", "a.tsv")).batches()
    assert batch.table.to_pydict() == {"a": ["1,5"], "b": ["x"]}


def test_origin_names_the_file_with_size_and_digest(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbfa,b\n1,2\n"
    for name, raw in (("a b.csv", data), ("a.csv.gz", gzip.compress(data))):
        path = written(tmp_path, raw, name)
        source = opened(path)
        list(source.batches())
        (origin,) = source.origins
        assert origin.uri == path.as_uri()
        assert origin.size == len(raw)
        assert origin.digest == blake3.blake3(raw).hexdigest()
        assert source.num_rows == 1


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_file_is_read(tmp_path: Path, suffix: str) -> None:
    data = b"".join(b"%d,%s\n" % (idx, os.urandom(4).hex().encode()) for idx in range(50_000))
    raw = gzip.compress(data) if suffix == ".gz" else bytes(pa.compress(data, codec="zstd", asbytes=True))
    path = written(tmp_path, raw, f"a.csv{suffix}")
    assert rows_without_header(path) == [line.split(",") for line in data.decode().splitlines()]
    written(tmp_path, raw[:-8], path.name)
    assert "cut off" in failure(path, has_header=False).message


def test_compressed_bomb_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress(b"a,b\n" + b"1,2\n" * 3_000_000), "a.csv.gz")
    assert "bomb" in failure(path).message


def test_large_file_comes_in_batches(tmp_path: Path) -> None:
    num_rows = 30_000
    path = written(tmp_path, "".join(f'"{"x" * (idx % 90)}\n{idx}",{idx}\n' for idx in range(num_rows)))
    batches = list(opened(path, has_header=False).batches())
    assert len(batches) > 1
    assert [batch.row_start for batch in batches] == [4096 * idx for idx in range(len(batches))]
    assert lines_of(batches) == [2 * idx + 1 for idx in range(num_rows)]


@pytest.mark.parametrize(
    ("data", "line", "column", "expected"),
    [
        (b"a,b\n1,\x002\n", 2, 3, "NUL"),
        (b"a,b\n\xc3\xbc1,\xff2\n", 2, 5, "not valid UTF-8"),
        (b"a,b\n1,caf\xe9\n", 2, 6, "not valid UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), 1, 1, "UTF-16"),
        (b'a,b\n1,2\n3,"4\n5,6\n7,8\n', 3, None, "never closed"),
        (b'a,b\n1,2\n"x\ny", "z\n', 4, None, "never closed"),
        (b'a,b\n"x""y","', 2, None, "never closed"),
        (b'a,b\n1,"2"x\n', 2, None, "closing quote"),
        (b"a,b\n1,2\n3\n", 3, None, "1 field where"),
        (b'a,b\n"1\n1",2\n3,4,5\n', 4, None, "3 fields where"),
        (b"a,b\r1,2\r", 1, None, "carriage return"),
        (b"a,\n1,2\n", 1, None, "column 2 of the header has no name"),
        (b"\na, a\n1,2\n", 2, None, "names column 'a' twice"),
    ],
)
def test_what_breaks_is_named_with_its_line(
    tmp_path: Path, data: bytes, line: int, column: int | None, expected: str
) -> None:
    error = failure(written(tmp_path, data))
    assert expected in error.message
    assert (error.line, error.column) == (line, column)


def test_nul_and_bad_utf8_behind_the_first_block_have_their_line(tmp_path: Path) -> None:
    good = b"some text,label\n" * 200_000
    for bad in (b"\0", b"\xff"):
        error = failure(written(tmp_path, good + b"x" + bad + b",y\n"), has_header=False)
        assert (error.line, error.column) == (200_001, 2)


@pytest.mark.parametrize("has_header", [True, False])
@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_file_without_rows_is_refused(tmp_path: Path, data: bytes, has_header: bool) -> None:
    path = written(tmp_path, data)
    with pytest.raises(InvalidInput, match="empty file"):
        list(opened(path, has_header=has_header).batches())


def test_header_alone_is_refused(tmp_path: Path) -> None:
    assert "header and no rows" in failure(written(tmp_path, "a,b\n")).message


def test_field_above_the_limit_is_refused_with_its_line(tmp_path: Path) -> None:
    data = b"a,b\n" + b'1,"' + b"x" * ((16 << 20) + 1) + b'"\n'
    error = failure(written(tmp_path, data))
    assert "16,777,216 characters" in error.message
    assert error.line == 2
    assert csv.field_size_limit() == 16 << 20


def test_field_just_below_the_limit_is_read(tmp_path: Path) -> None:
    value = "x\n" * (4 << 20)
    assert rows_without_header(written(tmp_path, f'a,"{value}"\nb,c\n')) == [["a", value], ["b", "c"]]


def test_line_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n")
        for _ in range(66):
            file.write(b"x," * (1 << 19))
    error = failure(path)
    assert "more than 64 MiB" in error.message
    assert error.line == 2


def test_schema_gives_columns_their_types(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            pa.field("n", pa.int32()),
            pa.field("x", pa.float64()),
            pa.field("flag", pa.bool_()),
            pa.field("day", pa.date32()),
            pa.field("s", pa.large_string()),
            pa.field("missing", pa.int8()),
            media_field("image", "image"),
        ]
    )
    path = written(tmp_path, "n,x,flag,day,s,other,image\n1,0.5,true,2024-02-29,,y,a.jpg\n,,,,,,\n")
    (batch,) = opened(path, schema=schema).batches()
    assert batch.table.schema.field("n").type == pa.int32()
    assert batch.table.schema.field("image").type == pa.string()
    rows = batch.table.to_pylist()
    assert [rows[0][name] for name in ("n", "x", "flag", "s", "other", "image")] == [1, 0.5, True, "", "y", "a.jpg"]
    assert [rows[1][name] for name in ("n", "x", "flag", "day", "s", "other")] == [None, None, None, None, "", ""]


def test_value_of_another_type_is_named_with_line_and_column(tmp_path: Path) -> None:
    path = written(tmp_path, 'n,s\n1,"a\nb"\n300,b\n')
    error = failure(path, schema=pa.schema([pa.field("n", pa.int8())]))
    assert (error.line, error.column) == (4, "n")
    assert "'300' is no int8" in error.message


def test_type_that_csv_cannot_hold_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "n\n1\n")
    assert "JSON lines or Parquet" in failure(path, schema=pa.schema([pa.field("n", pa.list_(pa.int8()))])).message


def test_source_can_be_read_twice(tmp_path: Path) -> None:
    source = opened(written(tmp_path, "a\n1\n"))
    first, second = (pa.Table.from_batches([batch.table for batch in source.batches()]) for _ in range(2))
    assert first.equals(second)


def test_writer_output_with_every_dialect_line_end_is_read(tmp_path: Path) -> None:
    for line_end in ("\n", "\r\n"):
        buffer = io.StringIO(newline="")
        csv.writer(buffer, lineterminator=line_end).writerows([["a", 'b"c'], ["d\ne", "f,g"]])
        assert rows_without_header(written(tmp_path, buffer.getvalue())) == [["a", 'b"c'], ["d\ne", "f,g"]]
