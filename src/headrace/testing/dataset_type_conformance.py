"""What every dataset type must hold to, built in or not.

Subclass `DatasetTypeConformance` in a test module under a name that starts with "Test", set `dataset_type`, and give
sources. Needs no test library; every method that starts with "test_" is one check.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from headrace.datasets.columns import check_columns, media_kind
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.datasets.types.base import DatasetType
from headrace.datasets.views import ViewReader
from headrace.errors import InvalidInput
from headrace.testing.memory_sources import MemoryTable
from headrace.testing.memory_views import MemoryViewReader, MemoryViewWriter
from headrace.testing.type_ingest import IngestResult, ingest_rows

__all__ = ["BrokenSource", "DatasetTypeConformance"]

_UNICODE = "Übergröße 数据 🙂 e\u0301"


@dataclass(frozen=True, slots=True)
class BrokenSource:
    """A source that a type must refuse."""

    source: TableSource | FileSource
    fragments: tuple[str, ...]  # all of them are in the error's text, the file's name among them
    line: int | None = None  # 1-based, where the error must name one
    num_rejected: int | None = None  # rows left out under on_invalid="skip"; None: an error there too


class DatasetTypeConformance:
    """Checks of one type; subclass it."""

    dataset_type: DatasetType
    declared: pa.Schema | None = None  # for types like TABLE
    key: str | None = None  # overrides the type's

    def sources(self) -> Sequence[TableSource | FileSource]:
        """Two or more sources with at least two rows each and different keys, made anew by each call."""
        raise NotImplementedError

    def broken_sources(self) -> Sequence[BrokenSource]:
        """At least one source that the type must refuse."""
        raise NotImplementedError

    def unicode_source(self, text: str) -> TableSource | FileSource | None:
        """A source with `text` in some value, which must come back as it is; None if no value is text."""
        raise NotImplementedError

    def snapshot_of(self, sources: Sequence[TableSource | FileSource], *, batch_rows: int | None = None) -> ViewReader:
        """A snapshot with one commit for each source. Override it to go through a real lake."""
        results = [self.ingest(source) for source in sources]
        schema = self._schema([result.table for result in results])
        tables = [_conform(result.table, schema) for result in results]
        return MemoryViewReader(tables, schema=schema, batch_rows=batch_rows)

    def label_ids(self, files: dict[str, bytes]) -> list[int] | None:
        """Ids of the labels in a view, in the order of its list of labels; None if this view has no such list."""
        listing = files.get("labels.csv")
        for name, content in files.items():
            if listing is None and name.endswith(".zip"):
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    listing = archive.read("labels.csv") if "labels.csv" in archive.namelist() else None
        return None if listing is None else [int(row[0]) for row in csv.reader(io.StringIO(listing.decode()))]

    def ingest(self, source: TableSource | FileSource) -> IngestResult:
        """All rows of a source, media probed."""
        return ingest_rows(self.dataset_type, source, declared=self.declared, key=self.key)

    def view(self, reader: ViewReader) -> dict[str, bytes]:
        """The files of a training view."""
        writer = MemoryViewWriter()
        self.dataset_type.materialise(reader, writer)
        return writer.files

    # The checks.

    def test_name_and_version_are_set(self) -> None:
        """The name is what commits store; the version tells changed rules apart."""
        name = self.dataset_type.name
        _check(bool(name) and name == name.upper() and name.isidentifier(), f"{name!r} is no name in capitals")
        _check(self.dataset_type.version >= 1, "the version starts at 1")

    def test_schemas_are_valid(self) -> None:
        """Both schemas can be stored; key and label column are in the first one."""
        ingest_schema = self.dataset_type.ingest_schema(self.declared)
        check_columns(ingest_schema)
        check_columns(self.dataset_type.training_schema(self.declared))
        _check(ingest_schema == self.dataset_type.ingest_schema(self.declared), "the schema changes from call to call")
        for column in (self.dataset_type.key, self.key, self.dataset_type.label_column):
            _check(column is None or column in ingest_schema.names, f"column {column} is not in the ingest schema")
        key = self.key or self.dataset_type.key
        if self.key is None and key is not None:
            _check(not ingest_schema.field(key).nullable, "the key must not be nullable")
        for column, probe in self.dataset_type.probes(ingest_schema).items():
            _check(
                media_kind(ingest_schema.field(column)) is not None and callable(probe), f"{column} is no media column"
            )

    def test_schema_of_a_typed_dataset_cannot_be_declared(self) -> None:
        """A type with columns of its own refuses a schema instead of ignoring it."""
        if self.declared is not None:
            return
        try:
            self.dataset_type.ingest_schema(pa.schema([pa.field("other", pa.int8())]))
        except InvalidInput:
            return
        raise AssertionError("the type takes a schema that it does not use")

    def test_ingest_is_deterministic(self) -> None:
        """The same source gives the same rows."""
        for first, second in zip(self.sources(), self.sources()):
            _check_equal(self.ingest(first).table, self.ingest(second).table)

    def test_every_row_has_a_key(self) -> None:
        """No key is null or comes twice."""
        key = self.key or self.dataset_type.key
        for source in self.sources():
            table = self.ingest(source).table
            _check(table.num_rows >= 2, "sources() must give at least two rows each")
            if key is not None:
                keys = table.column(key).to_pylist()
                _check(None not in keys and len(set(keys)) == len(keys), f"keys are null or repeated: {keys}")

    def test_rows_say_where_they_come_from(self) -> None:
        """Each row has a member or a line."""
        for source in self.sources():
            result = self.ingest(source)
            for member, line in zip(result.members, result.lines):
                _check(member is not None or line is not None, "a row has neither member nor line")

    def test_rows_do_not_depend_on_batches(self) -> None:
        """Batches of any size give the same rows in the same order."""
        for source in self.sources():
            if isinstance(source, MemoryTable):
                whole = self.ingest(source).table
                for batch_rows in (1, 2, 7):
                    _check_equal(whole, self.ingest(source.in_batches_of(batch_rows)).table)

    def test_media_is_of_its_kind(self) -> None:
        """Every media value of the sources passes the type's own check, and its header says a format."""
        for source in self.sources():
            for column, headers in self.ingest(source).headers.items():
                for header in headers:
                    _check(header is None or header.format is not None, f"a value of {column} has no format")

    def test_unicode_survives(self) -> None:
        """Text comes back as it was, in Unicode form too."""
        source = self.unicode_source(_UNICODE)
        if source is not None:
            _check(_UNICODE in str(self.ingest(source).table.to_pylist()), "the text was changed or lost")

    def test_broken_sources_are_refused(self) -> None:
        """A typed error names file, line and what was expected."""
        broken = self.broken_sources()
        _check(len(broken) > 0, "broken_sources() must give at least one source")
        for case in broken:
            error = self._refusal(case.source)
            for fragment in case.fragments:
                _check(fragment in error.message, f"{fragment!r} is not in the message {error.message!r}")
            _check(case.line is None or error.line == case.line, f"line {error.line} is named, not {case.line}")

    def test_broken_rows_can_be_left_out(self) -> None:
        """With "skip", broken rows are listed with their reasons, and a source that is wrong as a whole is refused."""
        for case in self.broken_sources():
            if case.num_rejected is None:
                self._refusal(case.source, skip=True)
                continue
            result = ingest_rows(
                self.dataset_type, case.source, declared=self.declared, key=self.key, on_invalid="skip", probe=False
            )
            found = len(result.rejected)
            _check(found == case.num_rejected, f"{found} rows were left out, not {case.num_rejected}")
            for rejected in result.rejected:
                _check(bool(rejected.reason and rejected.origin_uri), "a row was left out without reason or origin")
                _check(rejected.member is not None or rejected.line is not None, "nothing says which row was left out")

    def test_view_is_deterministic(self) -> None:
        """Two runs, and readers with other batch sizes, give the same files byte by byte."""
        expected = self.view(self.snapshot_of(self.sources()))
        _check(len(expected) > 0, "the view has no files")
        for batch_rows in (None, 1, 3):
            _check_same_files(expected, self.view(self.snapshot_of(self.sources(), batch_rows=batch_rows)))

    def test_view_names_are_unique_on_every_file_system(self) -> None:
        """Two commits may bring the same keys; no file of the view hides another."""
        files = self.view(self.snapshot_of([self.sources()[0], self.sources()[0]]))
        names = list(files)
        for content in files.values():
            if content.startswith(b"PK\x03\x04"):
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    names += archive.namelist()
        _check(len({name.casefold() for name in names}) == len(names), f"names repeat: {sorted(names)}")

    def test_view_label_ids_are_dense_from_1(self) -> None:
        """Trainers compute id - 1."""
        if self.dataset_type.label_column is None:
            return
        ids = self.label_ids(self.view(self.snapshot_of(self.sources())))
        _check(ids is None or ids == list(range(1, len(ids) + 1)), f"label ids are {ids}")

    def test_view_of_an_empty_snapshot_works(self) -> None:
        """A selection without rows is no error, and its view says so the same way each time."""
        schema = self.dataset_type.ingest_schema(self.declared)
        views = [self.view(MemoryViewReader(commits, schema=schema)) for commits in ([], [schema.empty_table()])]
        _check_same_files(views[0], views[1])

    def _refusal(self, source: TableSource | FileSource, *, skip: bool = False) -> InvalidInput:
        try:
            ingest_rows(
                self.dataset_type,
                source,
                declared=self.declared,
                key=self.key,
                on_invalid="skip" if skip else "raise",
            )
        except InvalidInput as error:
            return error
        raise AssertionError(f"the type takes a source that it must refuse: {source!r}")

    def _schema(self, tables: list[pa.Table]) -> pa.Schema:
        declared = self.dataset_type.ingest_schema(self.declared)
        further: dict[str, pa.Field] = {}
        for table in tables:
            for field in table.schema:
                if field.name not in declared.names:
                    further.setdefault(field.name, pa.field(field.name, field.type))
        return pa.schema([*declared, *further.values()])


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        table.column(field.name) if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def _check_equal(first: pa.Table, second: pa.Table) -> None:
    _check(first.equals(second), f"rows differ:\n{first.slice(0, 5)}\n{second.slice(0, 5)}")


def _check_same_files(first: dict[str, bytes], second: dict[str, bytes]) -> None:
    _check(list(first) == list(second), f"files differ: {list(first)[:10]} and {list(second)[:10]}")
    for name, content in first.items():
        _check(second[name] == content, f"the bytes of {name} differ")
