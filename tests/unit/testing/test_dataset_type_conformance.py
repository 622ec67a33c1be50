"""The conformance suite finds types that break its rules."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import ClassVar

import pyarrow as pa
import pytest

from headrace.datasets.batches import SampleBatch
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.datasets.types.base import IngestContext
from headrace.datasets.types.generic import Generic
from headrace.datasets.views import ViewReader, ViewWriter
from headrace.testing import BrokenSource, DatasetTypeConformance, MemoryFiles


class SchemaIgnored(Generic):
    def ingest_schema(self, declared: pa.Schema | None) -> pa.Schema:
        return super().ingest_schema(None)


class KeyRepeated(Generic):
    def ingest(self, source: TableSource | FileSource, context: IngestContext) -> Iterator[SampleBatch]:
        for batch in super().ingest(source, context):
            batch.columns["name"] = pa.array(["same"] * batch.num_rows)
            yield batch


class KeyNull(Generic):
    def ingest(self, source: TableSource | FileSource, context: IngestContext) -> Iterator[SampleBatch]:
        for batch in super().ingest(source, context):
            batch.columns["name"] = pa.nulls(batch.num_rows, pa.string())
            yield batch


class Random(Generic):
    def materialise(self, reader: ViewReader, writer: ViewWriter) -> None:
        with writer.open("file") as file:
            file.write(random.randbytes(8))


class Repeating(Generic):
    def materialise(self, reader: ViewReader, writer: ViewWriter) -> None:
        for name in ("a", "A"):
            with writer.open(name):
                pass


class Lenient(Generic):
    def ingest(self, source: TableSource | FileSource, context: IngestContext) -> Iterator[SampleBatch]:
        if source.kind == "files" and source.num_files:
            yield from super().ingest(source, context)


class OddName(Generic):
    name: ClassVar[str] = "odd name"


class Suite(DatasetTypeConformance):
    def __init__(self, dataset_type: Generic) -> None:
        self.dataset_type = dataset_type

    def sources(self) -> Sequence[TableSource | FileSource]:
        return [MemoryFiles({"a": b"1", "b": b"2"}), MemoryFiles({"c": b"3", "d": b"4"})]

    def broken_sources(self) -> Sequence[BrokenSource]:
        return [BrokenSource(MemoryFiles({}), ("no files",))]

    def unicode_source(self, text: str) -> TableSource | FileSource | None:
        return MemoryFiles({text: b""})


@pytest.mark.parametrize(
    ("dataset_type", "check"),
    [
        (OddName(), "test_name_and_version_are_set"),
        (SchemaIgnored(), "test_schema_of_a_typed_dataset_cannot_be_declared"),
        (KeyRepeated(), "test_every_row_has_a_key"),
        (KeyNull(), "test_every_row_has_a_key"),
        (KeyRepeated(), "test_unicode_survives"),
        (Random(), "test_view_is_deterministic"),
        (Repeating(), "test_view_names_are_unique_on_every_file_system"),
        (Lenient(), "test_broken_sources_are_refused"),
        (Lenient(), "test_broken_rows_can_be_left_out"),
    ],
)
def test_suite_finds_broken_rules(dataset_type: Generic, check: str) -> None:
    getattr(Suite(Generic()), check)()
    with pytest.raises(AssertionError):
        getattr(Suite(dataset_type), check)()
