"""A stage that is one table operator: it sees the columns that it reads and the ids, and gives columns and drops."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.curation.applying import DROPPED, DROPPED_THRESHOLD, DROPPED_VALUE, apply_to_table
from headrace.curation.operator_columns import columns_after_table_operator
from headrace.curation.operator_spec import OperatorSpec
from headrace.curation.row_groups import compared_values
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.table_stages.key_files import KeyFiles
from headrace.curation.table_stages.table_result import DROPPED_SCHEMA, TableResult
from headrace.progress import NO_PROGRESS, Progress

__all__ = ["run_table_operator"]

_POSITION = "_headrace_position"


def run_table_operator(
    stage_store: StageStore,
    rows: StageRows,
    *,
    spec: OperatorSpec,
    settings: Mapping[str, object],
    memory_bytes: int,
    scratch: Path,
    progress: Progress = NO_PROGRESS,
) -> TableResult:
    """Run a table operator over all rows; the rows that stay keep their order.

    Only the columns that it reads and `_id` are in memory. Where it declares a key and these columns are larger than a
    quarter of the memory, it is called once for each partition of the key: rows with equal keys come together, those
    without one (null, NaN) as well. An operator that looks at each row by itself is called part by part.

    Args:
        settings: From `spec.bind`.

    Raises:
        InvalidInput: It is no table operator, a column is missing, the rows have no ids, or an output's name is taken.
        TypeError: The operator gave something that it does not declare.
    """
    columns, schema = columns_after_table_operator(spec, settings, rows.schema)
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="operator-", dir=scratch))
    try:
        progress.start(spec.name, total_rows=rows.num_rows)
        if spec.is_rowwise:
            found = [apply_to_table(spec, table, settings) for table in stage_store.tables(rows, columns=columns)]
            outputs = pa.concat_tables(found, promote_options="default")
        else:
            key = [] if rows.num_rows == 0 else list(spec.key_columns(settings, rows.schema))
            outputs = _by_partitions(stage_store, rows, columns, key, spec, settings, memory_bytes, folder)
        return _written(stage_store, rows, outputs, spec, schema, progress)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _by_partitions(
    stage_store: StageStore,
    rows: StageRows,
    columns: Sequence[str],
    key: list[str],
    spec: OperatorSpec,
    settings: Mapping[str, object],
    memory_bytes: int,
    folder: Path,
) -> pa.Table:  # [num_rows], in the order of the rows
    first = next(stage_store.tables(StageRows(rows.schema, rows.parts[:1]), columns=columns))
    size = int(first.nbytes * rows.num_rows / max(first.num_rows, 1))
    num_partitions = max(1, -(-size * 4 // memory_bytes)) if key else 1
    if num_partitions == 1:
        table = stage_store.table(rows, columns=columns)
        return apply_to_table(spec, table, settings)
    with KeyFiles(folder, num_partitions) as files:
        row_start = 0
        for table in stage_store.tables(rows, columns=columns):
            numbered = table.append_column(_POSITION, pa.array(np.arange(row_start, row_start + table.num_rows)))
            files.add(numbered, _partitions(table, key, num_partitions))
            row_start += table.num_rows
        results, positions = [], []
        for table in files.tables():
            results.append(apply_to_table(spec, table.drop_columns([_POSITION]), settings))
            positions.append(table.column(_POSITION).to_numpy())
    order = np.argsort(np.concatenate(positions), kind="stable")  # [num_rows]
    return pa.concat_tables(results, promote_options="default").take(pa.array(order))


def _partitions(table: pa.Table, key: list[str], num_partitions: int) -> NDArray[np.int64]:  # [num_rows]
    """A partition for each row, the same for equal keys in any part of the table."""
    import xxhash

    codes = np.zeros(table.num_rows, dtype=np.uint64)
    for name in key:
        values = compared_values(table.column(name))
        encoded = values.dictionary_encode(null_encoding="encode")
        hashes = np.array(
            [xxhash.xxh3_64_intdigest(repr(value).encode()) for value in encoded.dictionary.to_pylist()],
            dtype=np.uint64,
        )
        indices = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)  # [num_rows]
        codes = codes * np.uint64(0x9E3779B97F4A7C15) + hashes[indices]  # wraps round, as hashes do
    return (codes % np.uint64(num_partitions)).astype(np.int64)


def _written(
    stage_store: StageStore,
    rows: StageRows,
    outputs: pa.Table,
    spec: OperatorSpec,
    schema: pa.Schema,
    progress: Progress,
) -> TableResult:
    """Rows with the new columns, without those that leave, and the record of these."""
    kept = stage_store.writer(schema)
    dropped = stage_store.writer(DROPPED_SCHEMA)
    row_start = 0
    for table in stage_store.tables(rows):
        found = outputs.slice(row_start, table.num_rows)
        row_start += table.num_rows
        reasons = found.column(DROPPED)
        leaves = pc.is_valid(reasons)
        arrays = [*table.columns, *(found.column(name) for name in spec.outputs)]
        whole: Any = pa.Table.from_arrays(arrays, schema=schema)
        kept.add(whole.filter(pc.invert(leaves)))
        nothing = pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
        measured = [
            found.column(name) if name in found.column_names else nothing for name in (DROPPED_VALUE, DROPPED_THRESHOLD)
        ]
        said = [column.filter(leaves) for column in (reasons, *measured)]
        record = [table.column("_id").filter(leaves), *said]
        dropped.add(pa.Table.from_arrays(record, schema=DROPPED_SCHEMA))
        progress.advance(rows=table.num_rows)
    return TableResult(kept.finish(), dropped.finish(), rows.num_rows)
