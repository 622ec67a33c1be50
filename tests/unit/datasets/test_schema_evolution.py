"""How columns may change from commit to commit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa
import pytest

import headrace
from headrace.datasets.batches import SampleBatch
from headrace.datasets.lake import Lake
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.datasets.type_widening import wider_type
from headrace.datasets.types.base import DatasetType, IngestContext
from headrace.datasets.types.registry import register_dataset_type
from headrace.datasets.views import ViewReader, ViewWriter
from headrace.errors import InvalidInput
from tests.scripted_store import fresh_memory_uri

_SCHEMA = pa.schema(
    [pa.field("id", pa.int64(), nullable=False), pa.field("n", pa.int32()), pa.field("f", pa.float32())]
)


@pytest.fixture
def lake() -> Lake:
    return headrace.connect(fresh_memory_uri())


@pytest.mark.parametrize(
    ("one", "other", "wider"),
    [
        (pa.int8(), pa.int64(), pa.int64()),
        (pa.uint8(), pa.uint16(), pa.uint16()),
        (pa.int8(), pa.uint8(), pa.int16()),
        (pa.int64(), pa.uint32(), pa.int64()),
        (pa.int64(), pa.uint64(), None),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.int8(), pa.float64(), None),
        (pa.null(), pa.string(), pa.string()),
        (pa.string(), pa.int64(), None),
        (pa.date32(), pa.date32(), pa.date32()),
    ],
)
def test_wider_type_holds_the_values_of_both(one: pa.DataType, other: pa.DataType, wider: pa.DataType | None) -> None:
    assert wider_type(one, other) == wider_type(other, one) == wider


def test_table_gains_optional_columns_and_wider_numbers(lake: Lake) -> None:
    dataset = lake.create_dataset("t", schema=_SCHEMA, key="id", source=[{"id": 1, "n": 1, "f": 0.5}])
    old = dataset.snapshot()
    dataset.commit(pa.table({"id": [2], "n": pa.array([2**40]), "language": ["en"]}))
    dataset.commit([{"id": 3, "n": 7, "f": 1.5}])
    assert dataset.schema == pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False),
            pa.field("n", pa.int64()),
            pa.field("f", pa.float32()),
            pa.field("language", pa.string()),
        ]
    )
    rows = dataset.snapshot(where="n * 1000000 > 0").to_arrow(["id", "n", "f", "language"])
    assert rows.to_pylist() == [
        {"id": 1, "n": 1, "f": 0.5, "language": None},
        {"id": 2, "n": 2**40, "f": None, "language": "en"},
        {"id": 3, "n": 7, "f": 1.5, "language": None},
    ]
    again = headrace.connect(lake.uri).dataset("t").logged_snapshot(old.id)
    assert (again.schema, again.id) == (_SCHEMA, old.id)
    assert dataset.snapshot(upto=1).id == old.id
    assert {side: part.num_rows for side, part in dataset.snapshot().split({"a": 1.0}, group="n").items()} == {"a": 3}
    dataset.compact()
    assert lake.verify().ok


def test_values_that_fit_do_not_widen_a_column(lake: Lake) -> None:
    dataset = lake.create_dataset("t", schema=_SCHEMA, key="id")
    dataset.commit(pa.table({"id": [1], "n": pa.array([5], pa.int64())}))
    assert dataset.schema == _SCHEMA


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([{"id": 3, "n": "x"}], "column n.*row 0"),
        ([{"id": 3, "n": 2.5}], "column n.*row 0"),
        ([{"id": 3, "n": 2**40}], "column n.*row 0"),
        (pa.table({"id": [3, 4], "n": [2.0, 2.5]}), "memory:arrow:2 .column n.: 2.5"),
        (pa.table({"id": [3, None], "n": [1, 1]}), "memory:arrow:2 .column id.: the key is null"),
        ([{"n": 3}], "no column id"),
        ([{"id": 3, "nn": 3}], "no such column.*Did you mean 'n'"),
    ],
)
def test_other_changes_name_row_and_column(lake: Lake, source: object, message: str) -> None:
    dataset = lake.create_dataset("t", schema=_SCHEMA, key="id", source=[{"id": 1, "n": 1}])
    with pytest.raises(InvalidInput, match=message):
        dataset.commit(source)
    assert len(dataset.log()) == 1


def _intents(**columns: list[object] | pa.Array) -> pa.Table:
    num_rows = len(next(iter(columns.values())))
    return pa.table({"text": ["a"] * num_rows, "labels": [["b"]] * num_rows, **columns})


def test_further_columns_of_a_typed_dataset_grow_too(lake: Lake) -> None:
    dataset = lake.create_dataset("x", type="TEXT_INTENT", source=_intents(score=pa.array([1], pa.int8())))
    dataset.commit(_intents(score=pa.array([2**40]), language=["en"]))
    dataset.commit(_intents(score=[3.0]))
    assert dataset.snapshot().to_arrow(["score", "language"]).to_pylist() == [
        {"score": 1, "language": None},
        {"score": 2**40, "language": "en"},
        {"score": 3, "language": None},
    ]
    with pytest.raises(InvalidInput, match=r"memory:arrow:2 .column score.: 2.5 .* earlier commits have int64"):
        dataset.commit(_intents(score=[1.0, 2.5]))
    with pytest.raises(
        InvalidInput, match=r"memory:arrow:1 .column language.: is int64, and earlier commits have text"
    ):
        dataset.commit(_intents(language=[1]))
    commit = dataset.commit(_intents(score=[1.0, 2.5]), on_invalid="skip")
    assert (commit.num_rows, commit.rejected[0].line) == (1, 2)


class Utterances(DatasetType):
    """A user's type: what is asked of collectors grows, what training gets does not."""

    name: ClassVar[str] = "TEST_UTTERANCES"
    columns: ClassVar[tuple[pa.Field, ...]] = (pa.field("text", pa.string(), nullable=False),)
    training: ClassVar[tuple[str, ...]] = ("text",)

    def ingest_schema(self, declared: pa.Schema | None) -> pa.Schema:
        return pa.schema(type(self).columns)

    def training_schema(self, declared: pa.Schema | None) -> pa.Schema:
        return pa.schema([pa.field(name, pa.string()) for name in type(self).training])

    def ingest(self, source: TableSource | FileSource, context: IngestContext) -> Iterator[SampleBatch]:
        assert source.kind == "table"
        for batch in source.batches():
            names = batch.table.schema.names
            num_rows = batch.table.num_rows
            columns = {
                field.name: batch.table.column(field.name) if field.name in names else pa.nulls(num_rows, field.type)
                for field in context.schema
            }
            yield SampleBatch(columns, num_rows=num_rows, origin_idx=batch.origin_idx)

    def materialise(self, reader: ViewReader, writer: ViewWriter) -> None:
        with writer.open("examples.txt") as file:
            for batch in reader.scan(columns=[name for name in type(self).training if name in reader.schema.names]):
                for row in batch.to_pylist():
                    file.write(("\t".join(str(value) for value in row.values()) + "\n").encode())


def test_training_view_stays_until_the_training_schema_changes(
    lake: Lake, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The story of the book: collectors hand in the language from some day on, and training does not notice."""
    register_dataset_type(Utterances())
    dataset = lake.create_dataset("u", type="TEST_UTTERANCES", source=[{"text": "hello"}, {"text": "good bye"}])
    first = dataset.snapshot()
    before = first.materialise(f"{tmp_path}/before")
    language = pa.field("language", pa.string())
    monkeypatch.setattr(Utterances, "columns", (*Utterances.columns, language))
    dataset.commit([{"text": "hallo", "language": "de"}])
    assert dataset.schema.field("language") == language
    assert dataset.snapshot(upto=1).id == first.id
    dataset.snapshot(upto=1).materialise(f"{tmp_path}/after")
    both = dataset.snapshot()
    both.materialise(f"{tmp_path}/both")

    def read(name: str) -> str:
        with open(f"{tmp_path}/{name}/examples.txt", encoding="utf-8") as file:
            return file.read()

    assert before is not None
    assert read("before") == read("after") == "hello\ngood bye\n"
    assert read("both") == "hello\ngood bye\nhallo\n"
    monkeypatch.setattr(Utterances, "training", ("text", "language"))
    both.materialise(f"{tmp_path}/new")
    assert read("new") == "hello\tNone\ngood bye\tNone\nhallo\tde\n"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((pa.field("words", pa.string()),), "asks for it no more"),
        ((pa.field("text", pa.int64(), nullable=False),), "asks for int64 now"),
        ((*Utterances.columns, pa.field("language", pa.string(), nullable=False)), "must be nullable"),
    ],
)
def test_type_whose_columns_changed_otherwise_is_refused(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, columns: tuple[pa.Field, ...], message: str
) -> None:
    register_dataset_type(Utterances())
    dataset = lake.create_dataset("u", type="TEST_UTTERANCES", source=[{"text": "hello"}])
    monkeypatch.setattr(Utterances, "columns", columns)
    with pytest.raises(InvalidInput, match=message):
        dataset.commit([{"text": "x"}])
