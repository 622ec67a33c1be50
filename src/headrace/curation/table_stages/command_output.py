"""The folder that a command leaves: tables with `_id` and media by id, joined to the rows that it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from headrace.curation.stage_rows import ROW_COLUMNS, StageRows, StageStore
from headrace.curation.table_stages.table_result import DROPPED_SCHEMA, TableResult
from headrace.datasets.columns import normal_type
from headrace.errors import InvalidInput
from headrace.progress import Progress

__all__ = ["CommandOutput", "joined_rows", "read_output"]

_SHOWN = 5
_READERS = {".parquet": pq.read_table, ".csv": pyarrow.csv.read_csv, ".jsonl": pyarrow.json.read_json}


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """What was found."""

    table: pa.Table | None  # with `_id` as text, each once; None where there are no tables
    media: Mapping[str, Sequence[Path]]  # column -> files, named by id


def read_output(folder: Path, *, limit_bytes: int) -> CommandOutput:
    """Read the tables and list the media.

    Raises:
        InvalidInput: A file that is neither, a link, tables with other columns than the first, no `_id`, an id twice,
            or tables above the limit.
    """
    tables: dict[str, pa.Table] = {}
    num_bytes = 0
    for path in sorted(folder.iterdir()):
        if path.name == "media" and path.is_dir() and not path.is_symlink():
            continue
        if path.is_symlink() or not path.is_file() or path.suffix not in _READERS:
            raise InvalidInput(
                f"command: the output holds {path.name!r}; expected *.parquet, *.csv or *.jsonl with _id, "
                "or media/COLUMN/"
            )
        num_bytes += path.stat().st_size
        if num_bytes > limit_bytes:
            raise InvalidInput(
                f"command: the tables in its output have more than {limit_bytes:,} bytes; write fewer columns, "
                "or raise --memory"
            )
        tables[path.name] = _read(path)
    return CommandOutput(_one_table(tables), _media(folder / "media"))


def _read(path: Path) -> pa.Table:
    try:
        table = _READERS[path.suffix](str(path))
    except (pa.ArrowException, OSError) as error:
        if path.stat().st_size == 0:
            raise InvalidInput(f"command: the output file {path.name!r} is empty") from error
        raise InvalidInput(f"command: the output file {path.name!r} cannot be read: {error}") from error
    if "_id" not in table.column_names:
        raise InvalidInput(f"command: the output file {path.name!r} has no column _id; copy it from the input")
    place = table.column_names.index("_id")
    # A CSV reader takes ids such as 17 for numbers.
    return table.set_column(place, "_id", table.column("_id").cast(pa.string()))


def _one_table(tables: Mapping[str, pa.Table]) -> pa.Table | None:
    if not tables:
        return None
    first = next(iter(tables))
    schema = tables[first].schema.remove_metadata()
    for name, table in tables.items():
        if table.schema.remove_metadata() != schema:
            raise InvalidInput(f"command: {name!r} and {first!r} in its output have other columns or types")
    table = pa.concat_tables(each.replace_schema_metadata() for each in tables.values()).combine_chunks()
    counts = pc.value_counts(table.column("_id"))
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if len(twice):
        raise InvalidInput(f"command: its output has ids twice: {_listed(twice)}")
    if table.column("_id").null_count:
        raise InvalidInput(f"command: its output has {table.column('_id').null_count:,} rows without an _id")
    return table


def _media(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for column in sorted(folder.iterdir()) if folder.is_dir() else []:
        files = sorted(column.iterdir()) if column.is_dir() and not column.is_symlink() else [column]
        for file in files:
            if file.is_symlink() or not file.is_file() or file.parent != column:
                raise InvalidInput(f"command: the output holds media/{file.name!r}; expected media/COLUMN/ID.EXTENSION")
        found[unquote(column.name)] = files
    return found


def joined_rows(
    stage_store: StageStore, rows: StageRows, output: pa.Table | None, *, command: str, progress: Progress
) -> TableResult:
    """The rows that the output has, in their order, with its columns; columns of both have the output's values.

    Columns that say where a row and its media come from stay as they were.

    Raises:
        InvalidInput: The output has ids that no row has.
    """
    dropped = stage_store.writer(DROPPED_SCHEMA)
    if output is None:
        return TableResult(rows, dropped.finish(), rows.num_rows)
    fixed = {*ROW_COLUMNS.names, *rows.media_columns}
    new = [field for field in output.schema if field.name not in fixed]
    fields = {field.name: field for field in rows.schema}
    fields |= {field.name: pa.field(field.name, normal_type(field.type, column=field.name)) for field in new}
    schema = pa.schema(list(fields.values()))
    kept = stage_store.writer(schema)
    ids = output.column("_id").combine_chunks()
    num_kept = 0
    for table in stage_store.tables(rows):
        places = pc.index_in(table.column("_id").cast(pa.string()), value_set=ids)
        stays = pc.is_valid(places)
        taken = output.take(places.filter(stays))
        base = table.filter(stays)
        arrays = [
            (taken if name in output.column_names and name not in fixed else base).column(name).cast(field.type)
            for name, field in fields.items()
        ]
        kept.add(pa.Table.from_arrays(arrays, schema=schema))
        num_kept += base.num_rows
        gone = table.column("_id").filter(pc.invert(stays))
        nothing = pa.nulls(len(gone), pa.string())
        reason = pa.array([f"left out by {command}"] * len(gone), pa.string())
        dropped.add(pa.Table.from_arrays([gone, reason, nothing, nothing], schema=DROPPED_SCHEMA))
        progress.advance(rows=table.num_rows)
    if num_kept != output.num_rows:
        raise InvalidInput(
            f"command: its output has ids that no row has: {_listed(_strangers(stage_store, rows, ids))}"
        )
    return TableResult(kept.finish(), dropped.finish(), rows.num_rows)


def _strangers(stage_store: StageStore, rows: StageRows, ids: pa.Array) -> pa.Array:
    for table in stage_store.tables(rows, columns=["_id"]):
        ids = ids.filter(pc.invert(pc.is_in(ids, value_set=table.column("_id").combine_chunks())))
    return ids


def _listed(ids: pa.Array) -> str:
    shown = ", ".join(repr(each) for each in ids.slice(0, _SHOWN).to_pylist())
    return shown if len(ids) <= _SHOWN else f"{shown} and {len(ids) - _SHOWN:,} more"
