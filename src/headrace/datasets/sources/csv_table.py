"""CSV and TSV files as rows. Source: RFC 4180, with the leniencies that the tests name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Literal

import pyarrow as pa

from headrace.datasets.batches import BadRow, Origin, RowBatch
from headrace.datasets.columns import media_kind
from headrace.datasets.sources.line_blocks import LineBlock, decode_block, line_blocks
from headrace.datasets.sources.system_columns import without_system_columns
from headrace.datasets.sources.table_file import TableFile
from headrace.errors import InvalidInput

__all__ = ["CsvTable"]

_MAX_FIELD_CHARS = 16 << 20
_BATCH_ROWS = 4096
_BATCH_CHARS = 64 << 20


class CsvTable:
    """A CSV file, read as a stream as often as asked.

    White space before a field is dropped and behind it kept, doubled quotes stand for one, a backslash is a
    character like any other, quoted fields may hold line ends, empty lines are skipped. With a header all columns are
    strings unless `schema` names another type, for which an empty field is null. Without one there is a column `text`,
    the first field, and the others are in `RowBatch.extra_fields`.
    """

    def __init__(
        self,
        file: TableFile,
        *,
        has_header: bool,
        delimiter: str = ",",
        schema: pa.Schema | None = None,
        on_bad_row: BadRow | None = None,
    ) -> None:
        """`on_bad_row`: takes rows with the wrong number of fields, each before the batch that follows it."""
        self.kind: Literal["table"] = "table"
        self.origins: list[Origin] = [file.origin()]
        self.num_rows: int | None = None
        self.num_bytes: int | None = file.size
        self.is_csv = True
        if not has_header:
            self.schema = pa.schema([pa.field("text", pa.string())])
        self._file = file
        self._has_header = has_header
        self._delimiter = delimiter
        self._schema = schema
        self._on_bad_row = on_bad_row

    def batches(self) -> Iterator[RowBatch]:
        """As `TableSource.batches`.

        Raises:
            InvalidInput: With file and line, and byte column or column name: no rows, NUL, invalid UTF-8, a quote
                that is not closed or not followed by a delimiter, a field above 16 Mi characters, the wrong number of
                fields (unless `on_bad_row` takes it), a repeated or empty column name, a value that is not of its
                column's type.
        """
        # The limit is the process's; it is only ever raised, so that other users of the module keep what they set.
        if csv.field_size_limit() < _MAX_FIELD_CHARS:
            csv.field_size_limit(_MAX_FIELD_CHARS)
        with self._file.reading() as (stream, hashing):
            rows = _Rows(stream, name=self._file.name, delimiter=self._delimiter, on_bad_row=self._on_bad_row)
            names = self._header(rows) if self._has_header else None
            row_start = num_bytes = 0
            for fields, lines in rows.batches(None if names is None else len(names)):
                if names is None:
                    table = pa.record_batch([pa.array([row[0] for row in fields], pa.string())], names=["text"])
                    extra: list[list[str]] | None = [row[1:] for row in fields]
                else:
                    table = self._columns(names, fields, lines)
                    extra = None
                num_new_bytes, num_bytes = hashing.num_bytes - num_bytes, hashing.num_bytes
                yield RowBatch(table, 0, lines=lines, row_start=row_start, extra_fields=extra, num_bytes=num_new_bytes)
                row_start += len(fields)
            if row_start == 0 and not rows.num_bad:
                what = "holds a header and no rows" if names else "empty file"
                expected = "rows below the header" if self._has_header else "one row a line"
                raise InvalidInput(f"{what}; expected {expected}", file=self._file.name)
            self.num_rows = row_start
            self.origins[0] = self._file.origin(hashing.finish(), size=hashing.num_bytes)

    def _header(self, rows: _Rows) -> list[str]:
        header = rows.first()
        if header is None:
            raise InvalidInput("empty file; expected a header and rows", file=self._file.name)
        names = [name.strip() for name in header]
        for idx, name in enumerate(names):
            if not name:
                raise InvalidInput(
                    f"column {idx + 1} of the header has no name; expected a name for each column",
                    file=self._file.name,
                    line=rows.row_line,
                )
            if name in names[:idx]:
                raise InvalidInput(
                    f"the header names column {name!r} twice; expected unique names",
                    file=self._file.name,
                    line=rows.row_line,
                )
        return names

    def _columns(self, names: list[str], rows: list[list[str]], lines: Sequence[int]) -> pa.RecordBatch:
        columns = []
        fields = []
        for name, values in zip(names, zip(*rows) if rows else [()] * len(names)):
            array = pa.array(values, pa.string())
            wanted = _wanted_type(self._schema, name)
            if wanted is not None and wanted != array.type:
                array = self._cast(name, array, wanted, lines)
            columns.append(array)
            fields.append(pa.field(name, array.type))
        return without_system_columns(pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields)))

    def _cast(self, name: str, array: pa.Array, wanted: pa.DataType, lines: Sequence[int]) -> pa.Array:
        if not pa.types.is_large_string(wanted) and not _is_binary(wanted):
            values: list[str | None] = [value or None for value in array.to_pylist()]
            array = pa.array(values, pa.string())
        try:
            return array.cast(wanted)
        except pa.ArrowNotImplementedError:
            raise InvalidInput(
                f"a column of type {wanted} cannot be read from CSV; hand it in as JSON lines or Parquet",
                file=self._file.name,
                column=name,
            ) from None
        except pa.ArrowInvalid as error:
            for line, value in zip(lines, array):
                try:
                    value.cast(wanted)
                except pa.ArrowInvalid:
                    shown = str(value.as_py())[:80]
                    raise InvalidInput(
                        f"column {name!r}: {shown!r} is no {wanted}; expected a {wanted}, or nothing for null",
                        file=self._file.name,
                        line=line,
                        column=name,
                    ) from None
            raise InvalidInput(f"{error}", file=self._file.name, column=name) from None


class _Rows:
    """Rows with the line that each starts on."""

    def __init__(self, stream: BinaryIO, *, name: str, delimiter: str, on_bad_row: BadRow | None) -> None:
        self.num_bad = 0  # rows given to `on_bad_row`
        self.row_line = 1  # 1-based, of the latest row
        self._name = name
        self._delimiter = delimiter
        self._on_bad_row = on_bad_row
        self._next_line = 1
        self._num_chars = 0
        self._recent: list[tuple[LineBlock, str]] = []  # blocks that the current row may have started in
        self._reader = csv.reader(
            self._lines(stream), delimiter=delimiter, skipinitialspace=True, strict=True, doublequote=True
        )

    def first(self) -> list[str] | None:
        """The first row that is not empty."""
        try:
            for row in self._reader:
                self.row_line = self._next_line
                self._next_line = self._reader.line_num + 1
                if row:
                    return row
        except csv.Error as error:
            raise self._failure(error) from None
        return None

    def batches(self, num_fields: int | None) -> Iterator[tuple[list[list[str]], list[int]]]:
        """The other rows; each must have `num_fields` fields unless that is None. Batches may be empty."""
        reader = self._reader
        rows: list[list[str]] = []
        lines: list[int] = []
        chars_before = self._num_chars
        num_bad_before = 0
        try:
            for row in reader:
                line = self._next_line
                self._next_line = reader.line_num + 1
                if len(row) != num_fields:
                    if not row:
                        continue
                    if num_fields is not None:
                        self._refuse(self._wrong_width(row, line, num_fields))
                        if self.num_bad - num_bad_before >= _BATCH_ROWS:
                            yield rows, lines
                            rows, lines = [], []
                            num_bad_before = self.num_bad
                        continue
                rows.append(row)
                lines.append(line)
                if len(rows) >= _BATCH_ROWS or self._num_chars - chars_before > _BATCH_CHARS:
                    yield rows, lines
                    rows, lines = [], []
                    chars_before = self._num_chars
                    num_bad_before = self.num_bad
        except csv.Error as error:
            raise self._failure(error) from None
        if rows or self.num_bad > num_bad_before:
            yield rows, lines

    def _lines(self, stream: BinaryIO) -> Iterator[str]:
        for block in line_blocks(stream, name=self._name):
            text = decode_block(block, name=self._name)
            self._recent = [
                (older, older_text)
                for older, older_text in self._recent
                if older.first_line + older.data.count(b"\n") > self._next_line
            ]
            self._recent.append((block, text))
            self._num_chars += len(text)
            # Splits at line feeds only: other characters that Python takes for line ends are data.
            yield from io.StringIO(text, newline="\n")

    def _refuse(self, error: InvalidInput) -> None:
        if self._on_bad_row is None:
            raise error
        self.num_bad += 1
        self._on_bad_row(error)

    def _wrong_width(self, row: list[str], line: int, num_fields: int) -> InvalidInput:
        return InvalidInput(
            f"{len(row)} field{'s' if len(row) > 1 else ''} where the header has {num_fields}; expected {num_fields}. "
            f"Does a field with {self._delimiter!r} or a line end in it lack its quotes?",
            file=self._name,
            line=line,
        )

    def _failure(self, error: csv.Error) -> InvalidInput:
        text = str(error)
        line = self._reader.line_num
        if "unexpected end of data" in text:
            opened = self._open_quote()
            return InvalidInput(
                "the quote that opens here is never closed; expected a closing quote before the end of the file",
                file=self._name,
                line=opened if opened is not None else self._next_line,
            )
        if "field larger than field limit" in text:
            opened = self._open_quote()
            hint = "" if opened is None else "; is the quote that opens here never closed?"
            return InvalidInput(
                f"a field of more than {csv.field_size_limit():,} characters, the limit{hint}",
                file=self._name,
                line=opened if opened is not None else self._next_line,
            )
        if "new-line character" in text:
            message = "a carriage return that no line feed follows; expected lines that end in LF or CRLF"
        elif "expected after" in text:
            message = (
                f"a closing quote must be followed by {self._delimiter!r} or the end of the line; "
                'write a quote inside a quoted field twice ("")'
            )
        else:
            message = text
        return InvalidInput(message, file=self._name, line=line)

    def _open_quote(self) -> int | None:
        """The line on which the quote opens that the row at hand does not close; None if there is none."""
        if not self._recent:
            return None
        first_line = self._recent[0][0].first_line
        text = "".join(text for _, text in self._recent)
        position = 0
        for _ in range(self._next_line - first_line):
            position = text.find("\n", position) + 1
        while position < len(text):
            while text.startswith(" ", position):
                position += 1
            if text.startswith('"', position):
                opened = position
                position += 1
                while True:
                    position = text.find('"', position)
                    if position < 0:
                        return first_line + text.count("\n", 0, opened)
                    if not text.startswith('"', position + 1):
                        break
                    position += 2
            ends = [end for end in (text.find(self._delimiter, position), text.find("\n", position)) if end >= 0]
            if not ends:
                return None
            position = min(ends) + 1
        return None


def _wanted_type(schema: pa.Schema | None, name: str) -> pa.DataType | None:
    """The declared type of a column; None for undeclared ones, and for media, which CSV names by path or URI."""
    if schema is None:
        return None
    idx = schema.get_field_index(name)
    if idx < 0 or media_kind(schema.field(idx)) is not None:
        return None
    return schema.field(idx).type


def _is_binary(data_type: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_binary(data_type) or types.is_large_binary(data_type) or types.is_binary_view(data_type))
