"""JSON lines, and JSON files that hold one array, as rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import orjson
import pyarrow as pa

from headrace.datasets.batches import Origin, RowBatch
from headrace.datasets.sources.line_blocks import LineBlock, decode_block, line_blocks
from headrace.datasets.sources.rows_to_arrow import RowPlace, rows_to_batch
from headrace.datasets.sources.system_columns import without_system_columns
from headrace.datasets.sources.table_file import TableFile, share_of_bytes
from headrace.errors import InvalidInput

__all__ = ["JsonTable"]

_BATCH_ROWS = 4096
_BATCH_BYTES = 16 << 20
_MAX_DEPTH = 100
_MAX_ARRAY_BYTES = 1 << 30
_EXACT_INT_BOUND = float(2**63)

_KEY_END = re.compile(rb'"[ \t\r\n]*:')
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]', re.DOTALL)
_NUMBER = re.compile(rb"-?[0-9]+(?![0-9.eE])")


class JsonTable:
    """A file of one object a line, or of one array of objects, read as a stream (lines only) as often as asked."""

    def __init__(self, file: TableFile, *, is_lines: bool, schema: pa.Schema | None = None) -> None:
        """`is_lines`: True for JSON lines; False to look at the first character: '[' starts an array."""
        self.kind: Literal["table"] = "table"
        self.origins: list[Origin] = [file.origin()]
        self.num_rows: int | None = None
        self.num_bytes: int | None = file.size
        self.is_csv = False
        self._file = file
        self._is_lines = is_lines
        self._schema = schema
        self._num_array_bytes = 1

    def batches(self) -> Iterator[RowBatch]:
        """As `TableSource.batches`; the types of later batches may differ from those of earlier ones.

        Raises:
            InvalidInput: With file, line and byte column: no rows, no JSON, NaN or Infinity, a repeated key, something
                else than an object, nesting above 100, an integer above 64 bits, a line above 64 MiB; or a value that
                does not fit its column.
        """
        with self._file.reading() as (stream, hashing):
            blocks = line_blocks(stream, name=self._file.name)
            num_rows = 0
            first = next(blocks, None)
            while first is not None and not self._is_lines and not first.data.strip():
                first = next(blocks, None)
            if first is not None:
                is_array = not self._is_lines and first.data.lstrip()[:1] == b"["
                read = self._from_array if is_array else self._from_lines
                num_bytes = 0
                for batch in read(first, blocks):
                    if is_array:  # read as a whole: each batch stands for its part of the text
                        batch.num_bytes = batch.num_bytes * hashing.num_bytes // self._num_array_bytes
                    else:
                        batch.num_bytes, num_bytes = hashing.num_bytes - num_bytes, hashing.num_bytes
                    yield batch
                    num_rows += batch.table.num_rows
            if num_rows == 0:
                raise InvalidInput("no rows; expected JSON objects, one a line or in an array", file=self._file.name)
            self.num_rows = num_rows
            self.origins[0] = self._file.origin(hashing.finish(), size=hashing.num_bytes)

    def _from_lines(self, first: LineBlock, blocks: Iterator[LineBlock]) -> Iterator[RowBatch]:
        rows: list[dict[str, Any]] = []
        lines: list[int] = []
        num_bytes = 0
        row_start = 0
        block: LineBlock | None = first
        while block is not None:
            for line, text in enumerate(block.data.split(b"\n"), block.first_line):
                if not text or text.isspace():
                    continue
                rows.append(self._parse_line(text, line))
                lines.append(line)
                num_bytes += len(text)
                if len(rows) >= _BATCH_ROWS or num_bytes >= _BATCH_BYTES:
                    yield self._batch(rows, lines, row_start)
                    row_start += len(rows)
                    rows, lines, num_bytes = [], [], 0
            block = next(blocks, None)
        if rows:
            yield self._batch(rows, lines, row_start)

    def _from_array(self, first: LineBlock, blocks: Iterator[LineBlock]) -> Iterator[RowBatch]:
        pieces = [first.data]
        num_bytes = len(first.data)
        for block in blocks:
            pieces.append(block.data)
            num_bytes += len(block.data)
            if num_bytes > _MAX_ARRAY_BYTES:
                raise InvalidInput(
                    f"a JSON array of more than {_MAX_ARRAY_BYTES >> 30} GiB, which must be read as a whole; "
                    "expected JSON lines (.jsonl) for files of this size",
                    file=self._file.name,
                )
        self._num_array_bytes = num_bytes
        data = b"".join(pieces)
        rows = self._parse(data, first.first_line)
        for idx, row in enumerate(rows):
            if not isinstance(row, dict):
                raise InvalidInput(
                    f"entry {idx} of the array (counted from 0) is {_kind(row)}; expected objects", file=self._file.name
                )
        for row_start in range(0, len(rows), _BATCH_ROWS):
            part = rows[row_start : row_start + _BATCH_ROWS]
            batch = self._batch(part, None, row_start)
            batch.num_bytes = share_of_bytes(num_bytes, row_start, row_start + len(part), num_rows=len(rows))
            yield batch

    def _batch(self, rows: list[dict[str, Any]], lines: list[int] | None, row_start: int) -> RowBatch:
        def place(idx: int) -> RowPlace:
            if lines is not None:
                return self._file.name, lines[idx], ""
            return self._file.name, None, f"row {row_start + idx} (counted from 0): "

        table = without_system_columns(rows_to_batch(rows, schema=self._schema, place=place))
        return RowBatch(table, 0, lines=lines, row_start=row_start)

    def _parse_line(self, text: bytes, line: int) -> dict[str, Any]:
        row = self._parse(text, line)
        if not isinstance(row, dict):
            raise InvalidInput(
                f"{_kind(row)} where a row is expected; expected one JSON object a line, or one array of objects",
                file=self._file.name,
                line=line,
                column=1,
            )
        return row

    def _parse(self, data: bytes, first_line: int) -> Any:
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            # Says where, if the reason is the encoding: the parser does not.
            decode_block(LineBlock(data, first_line), name=self._file.name)
            raise InvalidInput(
                f"no valid JSON: {error.msg}; expected one object a line, or one array of objects",
                file=self._file.name,
                line=first_line + error.lineno - 1,
                column=error.colno,
            ) from None
        num_keys, is_suspicious = _look_through(value, 1)
        # Equal counts prove that no key was lost; more can also come from `":` inside a text.
        if is_suspicious or num_keys != len(_KEY_END.findall(data)):
            self._look_closer(data, first_line)
        return value

    def _look_closer(self, data: bytes, first_line: int) -> None:
        """Walk through the tokens of valid JSON to say where what is wrong with it stands."""
        keys: list[set[str] | None] = []  # of the open objects; None for arrays
        pending: re.Match[bytes] | None = None
        last_end = 0
        for token in _TOKEN.finditer(data):
            number = _NUMBER.search(data, last_end, token.start())
            if number is not None and not -(2**63) <= int(number[0]) < 2**64:
                raise self._refusal("an integer of more than 64 bits", data, number.start(), first_line)
            last_end = token.end()
            start = token[0][:1]
            if start == b'"':
                pending = token
            elif start in b"{[":
                keys.append(set() if start == b"{" else None)
                if len(keys) > _MAX_DEPTH:
                    raise self._refusal(f"nesting deeper than {_MAX_DEPTH}", data, token.start(), first_line)
            elif start in b"}]":
                keys.pop()
            elif start == b":" and pending is not None and keys[-1] is not None:
                key = orjson.loads(pending[0])
                if key in keys[-1]:
                    raise self._refusal(
                        f"the key {key!r} stands twice in one object", data, pending.start(), first_line
                    )
                keys[-1].add(key)

    def _refusal(self, what: str, data: bytes, at: int, first_line: int) -> InvalidInput:
        line_start = data.rfind(b"\n", 0, at) + 1
        return InvalidInput(
            f"{what}; expected plain rows with unique keys, 64-bit integers and nesting up to {_MAX_DEPTH}",
            file=self._file.name,
            line=first_line + data.count(b"\n", 0, at),
            column=at - line_start + 1,
        )


def _look_through(value: object, depth: int) -> tuple[int, bool]:
    """(number of keys, whether something needs a closer look: nesting, or a float that may have been an integer)."""
    if depth > _MAX_DEPTH:
        return 0, True
    num_keys = 0
    is_suspicious = False
    if isinstance(value, dict):
        num_keys = len(value)
        children: Any = value.values()
    elif isinstance(value, list):
        children = value
    else:
        return 0, False
    for child in children:
        kind = type(child)
        if kind is dict or kind is list:
            below, is_bad = _look_through(child, depth + 1)
            num_keys += below
            is_suspicious |= is_bad
        elif kind is float and not -_EXACT_INT_BOUND < child < _EXACT_INT_BOUND:
            is_suspicious = True
    return num_keys, is_suspicious


def _kind(value: object) -> str:
    names = {list: "an array", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null" if value is None else "an object")
