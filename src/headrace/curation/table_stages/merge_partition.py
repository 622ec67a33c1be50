"""A worker's step: the merge of one partition, the result as one file in its final order."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.curation.merge_columns import SOURCE_NAME
from headrace.curation.merge_rules import MergeRules
from headrace.curation.table_stages.merged_rows import merged_rows
from headrace.curation.table_stages.partition_views import PartitionView
from headrace.curation.table_stages.source_vocabularies import Vocabulary
from headrace.datasets.columns import schema_from_json

__all__ = ["combined", "merge_partition", "merged_partition"]

_BATCH_ROWS = 8_192


def merge_partition(
    *,
    views: Mapping[str, Mapping[str, Any]],
    rules: Mapping[str, Any],
    vocabularies: Mapping[str, str],
    read: Sequence[Any],
    schema: Sequence[Any],
    folder: str,
    out: str,
) -> dict[str, Any]:
    """Write `out`, an Arrow file that appears only when it is complete; gives {"rows": number of rows}.

    Args: as `merged_partition`.
    """
    tables = {name: PartitionView.from_json(view).table() for name, view in views.items()}
    table = merged_partition(
        tables, rules=rules, vocabularies=vocabularies, read=read, schema=schema, folder=Path(folder)
    )
    temporary = f"{out}.partial"
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(temporary, "wb") as sink, pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=_BATCH_ROWS)
    os.replace(temporary, out)
    return {"rows": table.num_rows}


def merged_partition(
    tables: Mapping[str, pa.Table],
    *,
    rules: Mapping[str, Any],
    vocabularies: Mapping[str, str],
    read: Sequence[Any],
    schema: Sequence[Any],
    folder: Path,
) -> pa.Table:
    """The rows of one partition in their final order.

    Args:
        tables: Rows by input.
        vocabularies: Names of files in the folder, by field.
        read: Schema of the rows, see `read_schema`.
        schema: Of the result.
    """
    checked = MergeRules.from_json(dict(rules))
    return merged_rows(
        combined(tables, checked, schema_from_json(read)),
        checked,
        vocabularies={field: _vocabulary(str(folder / name)) for field, name in vocabularies.items()},
        schema=schema_from_json(schema),
    )


def combined(tables: Mapping[str, pa.Table], rules: MergeRules, schema: pa.Schema) -> pa.Table:
    """Rows of all inputs as one table with the name of their source; what an input does not have is null."""
    found = []
    for name, table in tables.items():
        sources = (
            pa.array([name], pa.string()).take(pa.array([0] * table.num_rows, pa.int8()))
            if rules.source is None
            else table.column(rules.source).cast(pa.string())
        )
        columns = {SOURCE_NAME: sources} | {each: table.column(each) for each in table.column_names}
        arrays = [
            columns[field.name].cast(field.type) if field.name in columns else pa.nulls(table.num_rows, field.type)
            for field in schema
        ]
        found.append(pa.Table.from_arrays(arrays, schema=schema))
    return pa.concat_tables(found)


@functools.lru_cache(maxsize=16)
def _vocabulary(path: str) -> Vocabulary:
    return Vocabulary.read(Path(path))
