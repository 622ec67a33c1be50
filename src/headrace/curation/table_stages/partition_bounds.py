"""Where partitions of a key begin: quantiles of a sample, so that the partitions are the result in its order.

Parting by ranges instead of by a hash needs no merge at the end, and equal keys are together either way. The bounds
only decide how even the partitions are, never what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.curation.stage_rows import StageRows, StageStore
from headrace.storage.arrow_values import row_numbers

__all__ = ["partition_bounds"]

_SAMPLED_PARTS = 64  # of each input
_SAMPLES_A_PARTITION = 512


def partition_bounds(
    stage_store: StageStore, inputs: Mapping[str, StageRows], *, key: Sequence[str], num_partitions: int
) -> pa.Table:  # [at most num_partitions - 1], the key columns
    """The smallest key of each partition but the first, ascending, each once."""
    num_rows = sum(rows.num_rows for rows in inputs.values())
    wanted = num_partitions * _SAMPLES_A_PARTITION
    samples: list[pa.Table] = []
    for rows in inputs.values():
        names = [_named(rows.schema, name) for name in key]
        step = max(1, -(-len(rows.parts) // _SAMPLED_PARTS))
        chosen = replace(rows, parts=rows.parts[::step])
        if not chosen.num_rows:
            continue
        share = max(1, wanted * rows.num_rows // max(num_rows, 1))
        stride = max(1, chosen.num_rows // share)
        for table in stage_store.tables(chosen, columns=names):
            # From the middle: with a stride above a part's rows, its first would stand for all.
            picked = row_numbers(np.arange(min(stride // 2, table.num_rows - 1), table.num_rows, stride))
            samples.append(table.take(picked).rename_columns(list(key)).replace_schema_metadata())
    if not samples:
        rows = next(iter(inputs.values()))
        return pa.schema([rows.schema.field(_named(rows.schema, name)).with_name(name) for name in key]).empty_table()
    sample = pa.concat_tables(samples).combine_chunks()
    order = pc.sort_indices(sample, sort_keys=[(name, "ascending", "at_end") for name in key])
    places = np.unique(np.arange(1, num_partitions) * sample.num_rows // num_partitions)
    edges = sample.take(order.take(row_numbers(places)))
    seen: set[tuple[str, ...]] = set()
    kept = []
    for idx, row in enumerate(edges.to_pylist()):
        values = tuple(repr(row[name]) for name in key)  # repr: NaN equals itself, and so it is one bound
        if values not in seen:
            seen.add(values)
            kept.append(idx)
    return edges.take(row_numbers(np.array(kept, np.int64)))


def _named(schema: pa.Schema, name: str) -> str:
    """SQL names columns in any case."""
    if name in schema.names:
        return name
    return next(str(known) for known in schema.names if known.casefold() == name.casefold())
