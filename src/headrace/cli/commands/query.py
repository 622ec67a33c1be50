"""`headrace query`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headrace.cli.command import command
from headrace.cli.json_values import to_json_value
from headrace.cli.output import Output, write_stdout
from headrace.cli.parameters import reference_argument
from headrace.cli.tables import Column
from headrace.cli.targets import open_snapshot
from headrace.cli.wording import format_rows
from headrace.schema.references import Reference

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN_ROWS = 50


@command(
    "query",
    example="headrace query lake::intents@train \\\n"
    '    "SELECT labels, count(*) AS n FROM snapshot GROUP BY ALL LIMIT 5"',
)
@reference_argument()
@click.argument("sql")
@click.option("--csv", "is_csv", is_flag=True, help="Print all rows as CSV with a header.")
def query(output: Output, *, ref: Reference, sql: str, is_csv: bool) -> None:
    """Run SQL over the rows of a snapshot.

    SQL is one SELECT in DuckDB's dialect over the table `snapshot`. A media column is a struct (size, format, width,
    height, duration, digest). The table on the terminal is cut; --json and --csv hold every row.
    """
    if is_csv and output.is_json:
        raise click.UsageError("--csv and --json exclude each other")
    result = open_snapshot(ref).query(sql)
    if output.is_json:
        output.document(
            {
                "columns": [{"name": field.name, "type": str(field.type)} for field in result.schema],
                "num_rows": result.num_rows,
                "rows": result.to_pylist(),
            }
        )
    elif is_csv:
        _print_csv(result)
    else:
        output.table(_columns(result), [list(row.values()) for row in _plain(result.slice(0, _SHOWN_ROWS))])
        if result.num_rows > _SHOWN_ROWS:
            output.note(f"and {format_rows(result.num_rows - _SHOWN_ROWS)} more; --csv and --json print all")
        output.next("sample", str(ref), "--n", "3")


def _columns(result: pa.Table) -> list[Column]:
    import pyarrow as pa

    is_number = [pa.types.is_integer(field.type) or pa.types.is_floating(field.type) for field in result.schema]
    return [
        Column(field.name, align="right" if number else "left", is_whole=number or field.name == "_id")
        for field, number in zip(result.schema, is_number, strict=True)
    ]


def _plain(rows: pa.Table) -> list[dict[str, object]]:
    """Rows whose bytes are text; floats as Python prints them."""
    return [{name: _cell(value) for name, value in row.items()} for row in rows.to_pylist()]


def _cell(value: object) -> object:
    import json

    plain = to_json_value(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, list | dict) else plain


def _print_csv(result: pa.Table) -> None:
    import csv
    import io

    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(result.schema.names)
    for batch in result.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            writer.writerow(["" if (cell := _cell(value)) is None else cell for value in row.values()])
        write_stdout(page.getvalue())
        page.seek(0)
        page.truncate()
