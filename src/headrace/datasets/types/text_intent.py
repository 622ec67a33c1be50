"""TEXT_INTENT: utterances with one or more labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import pyarrow as pa

from headrace.datasets.batches import RowBatch, SampleBatch
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.datasets.types.base import DatasetType, IngestContext, refuse_declared
from headrace.datasets.types.carried_columns import CarriedColumns, array_of, keep_rows
from headrace.datasets.types.label_ids import LabelIds
from headrace.datasets.types.row_failures import RowFailures, row_lines
from headrace.datasets.types.table_columns import find_column, string_values
from headrace.datasets.types.table_members import table_batches
from headrace.datasets.views import ViewReader, ViewWriter
from headrace.errors import InvalidInput

__all__ = ["TextIntent", "split_labels"]

_EXPECTED = "expected an utterance and its labels in one row, like: how is the weather,weather;smalltalk"


class TextIntent(DatasetType):
    """Rows of `text` and a list of `labels`; keyless, equal rows count.

    Handed in as CSV without a header (first field the text, then labels, split on ";" or in further fields), or as
    any table with the columns `text` and `labels` (list, or string split on ";") or `label`. Text and labels are
    kept as they are: nothing is trimmed.

    The view is `examples.csv` (`"text","id;id"`) and `labels.csv` (`"id","label"`).
    """

    name: ClassVar[str] = "TEXT_INTENT"
    aliases: ClassVar[tuple[str, ...]] = ("LANGUAGE_INTENT",)
    label_column: ClassVar[str | None] = "labels"
    csv_has_header: ClassVar[bool] = False

    def ingest_schema(self, declared: pa.Schema | None) -> pa.Schema:
        """`text` string, `labels` list of strings; neither is null."""
        refuse_declared(self, declared)
        return pa.schema(
            [
                pa.field("text", pa.string(), nullable=False),
                pa.field("labels", pa.list_(pa.string()), nullable=False),
            ]
        )

    def training_schema(self, declared: pa.Schema | None) -> pa.Schema:
        """`text` string, `label_ids` list of ids from 1."""
        refuse_declared(self, declared)
        return pa.schema(
            [
                pa.field("text", pa.string(), nullable=False),
                pa.field("label_ids", pa.list_(pa.int64()), nullable=False),
            ]
        )

    def ingest(self, source: TableSource | FileSource, context: IngestContext) -> Iterator[SampleBatch]:
        """As the base class says; a row without labels is an error."""
        failures = RowFailures(context.on_invalid, source.origins)
        carried = CarriedColumns(("text", "labels"))
        for batch, member in table_batches(source, self, failures=failures):
            if batch.extra_fields is not None:
                yield self._from_fields(batch, batch.extra_fields, member=member, failures=failures)
            else:
                yield self._from_columns(batch, member=member, failures=failures, carried=carried)

    def materialise(self, reader: ViewReader, writer: ViewWriter) -> None:
        """Write `examples.csv` and `labels.csv`; both are empty for a snapshot without rows."""
        label_ids = LabelIds()
        with writer.open("examples.csv") as examples:
            for batch in reader.scan(columns=["text", "labels"], batch_size=4096):
                texts: list[str] = batch.column("text").to_pylist()
                label_lists = batch.column("labels")
                labels: list[str] = label_lists.flatten().to_pylist()
                counts: list[int] = label_lists.value_lengths().to_pylist()
                lines: list[str] = []
                start = 0
                for text, count in zip(texts, counts):
                    if count == 1:
                        ids = str(label_ids[labels[start]])
                    else:
                        ids = ";".join([str(label_ids[label]) for label in labels[start : start + count]])
                    start += count
                    if '"' in text:
                        text = text.replace('"', '""')
                    lines.append(f'"{text}","{ids}"\n')
                examples.write("".join(lines).encode())
        with writer.open("labels.csv") as file:
            file.write(label_ids.to_csv())

    def _from_fields(
        self, batch: RowBatch, fields: Sequence[Sequence[str]], *, member: str | None, failures: RowFailures
    ) -> SampleBatch:
        texts = array_of(batch.table.column(0))
        lines = row_lines(batch)
        kept: list[int] = []
        labels: list[list[str]] = []
        for row_idx, further in enumerate(fields):
            if not further:
                failures.reject(
                    f"this row has one column only; {_EXPECTED}",
                    origin_idx=batch.origin_idx,
                    member=member,
                    line=lines[row_idx],
                )
                continue
            kept.append(row_idx)
            labels.append(split_labels(further[0] if len(further) == 1 else ";".join(further)))
        columns = keep_rows({"text": texts.cast(pa.string())}, kept, len(fields))
        return _sample_batch(columns["text"], labels, batch, kept, member=member, failures=failures, carried={})

    def _from_columns(
        self, batch: RowBatch, *, member: str | None, failures: RowFailures, carried: CarriedColumns
    ) -> SampleBatch:
        table, origin_idx = batch.table, batch.origin_idx
        place = failures.place(origin_idx, member)
        expected = "the columns text and labels (list, or string split on ';') or label"
        text_name = find_column(table.schema, ("text",), expected=expected, place=place)
        label_name = find_column(table.schema, ("labels", "label"), expected=expected, place=place)
        further = carried.select(table, used=(text_name, label_name), place=place)
        texts = string_values(table.column(text_name), column=text_name, place=place)
        label_values = array_of(table.column(label_name))
        are_lists = pa.types.is_nested(label_values.type)
        if not are_lists:
            label_values = string_values(label_values, column=label_name, place=place)
        elif not _is_string_list(label_values.type):
            raise InvalidInput(
                f"is {label_values.type}; expected a list of strings, or strings split on ';'",
                file=place,
                column=label_name,
            )
        lines = row_lines(batch)
        kept: list[int] = []
        labels: list[list[str]] = []
        for row_idx, value in enumerate(label_values.to_pylist()):
            if value is None or (are_lists and None in value):
                failures.reject(
                    "the labels are null; expected a list of strings, [] for none",
                    origin_idx=origin_idx,
                    member=member,
                    line=lines[row_idx],
                    column=label_name,
                )
            elif texts.null_count and not texts[row_idx].is_valid:
                failures.reject(
                    "the text is null; expected an utterance",
                    origin_idx=origin_idx,
                    member=member,
                    line=lines[row_idx],
                    column=text_name,
                )
            else:
                kept.append(row_idx)
                labels.append(value if are_lists else split_labels(value))
        columns = keep_rows({"text": texts, **further}, kept, table.num_rows)
        texts = columns.pop("text")
        return _sample_batch(texts, labels, batch, kept, member=member, failures=failures, carried=columns)


def split_labels(text: str) -> list[str]:
    """Labels of one field: split on ";", trailing empty ones dropped, an empty field is one empty label."""
    if ";" not in text:
        return [text]
    labels = text.split(";")
    while labels and not labels[-1]:
        labels.pop()
    return labels


def _is_string_list(kind: pa.DataType) -> bool:
    types = pa.types
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    item = kind.value_type
    if types.is_dictionary(item):
        item = item.value_type
    return bool(
        types.is_string(item) or types.is_large_string(item) or types.is_string_view(item) or types.is_null(item)
    )


def _sample_batch(
    texts: pa.Array,
    labels: list[list[str]],
    batch: RowBatch,
    kept: list[int],
    *,
    member: str | None,
    failures: RowFailures,
    carried: dict[str, pa.Array],
) -> SampleBatch:
    lines = row_lines(batch)
    return SampleBatch(
        {"text": texts, "labels": pa.array(labels, pa.list_(pa.string())), **carried},
        num_rows=len(kept),
        origin_idx=batch.origin_idx,
        members=None if member is None else [member] * len(kept),
        lines=lines if len(kept) == len(lines) else [lines[row_idx] for row_idx in kept],
        rejected=failures.drain(),
    )
