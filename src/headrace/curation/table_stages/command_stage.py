"""A stage that is any program: rows go in as files of a folder, what it leaves in another folder is joined to them.

    input/rows.parquet               the rows, with `_id`
    input/media/COLUMN/ID.EXTENSION  where media is asked for
    output/*.parquet, *.csv, *.jsonl rows with `_id` and new columns; rows that are missing leave
    output/media/COLUMN/ID.EXTENSION new media

An id is written as in an address (`quote(id, safe="")`) where it is a file's name.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.curation.media_access import MediaAccess
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.table_stages.command_environment import CommandEnvironment, ensure_environment
from headrace.curation.table_stages.command_media import PackedMedia, pack_files, with_new_media, write_media
from headrace.curation.table_stages.command_output import joined_rows, read_output
from headrace.curation.table_stages.command_process import run_process
from headrace.curation.table_stages.table_result import TableResult
from headrace.errors import InvalidInput
from headrace.progress import NO_PROGRESS, Progress

__all__ = ["run_command"]


def run_command(
    stage_store: StageStore,
    rows: StageRows,
    *,
    command: Sequence[str],
    folder: Path,
    scratch: Path,
    memory_bytes: int,
    environment: CommandEnvironment | None = None,
    environments: Path | None = None,
    timeout_seconds: float | None = None,
    media: MediaAccess | None = None,
    media_columns: Sequence[str] = (),
    progress: Progress = NO_PROGRESS,
) -> TableResult:
    """Run a program over the rows; nothing of its output is read before it has ended well.

    Args:
        command: Program and arguments, never a shell; `{input}` and `{output}` stand for the two folders.
        folder: Where it runs: the recipe's folder, so that relative paths mean what they say.
        memory_bytes: The tables in the output may have a quarter of it; the program's own memory is not limited.
        environments: Where environments are kept; needed with `environment`.
        media: Where bytes come from and go to; needed with `media_columns`.
        media_columns: Columns whose media the command reads, and may make anew.

    Raises:
        InvalidInput: The command or its output is not as above; the message says which file and id.
        NotFound: There is no such program.
        HeadraceError: It failed or took too long; with its exit code and the end of what it printed.
    """
    _check(command, rows, media, media_columns, environment, environments)
    scratch.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="command-", dir=scratch)).resolve()
    try:
        given, left = place / "input", place / "output"
        given.mkdir()
        left.mkdir()
        progress.start("writing the command's input", total_rows=rows.num_rows)
        _write_input(stage_store, rows, given, media, media_columns, progress)
        variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        programs = Path(sys.executable).parent  # the run's own Python is `python`, also where nobody activated it
        if environment is not None and environments is not None:
            programs = ensure_environment(environment, folder=environments.resolve())
            variables["VIRTUAL_ENV"] = str(programs.parent)
        variables["PATH"] = f"{programs}{os.pathsep}{variables.get('PATH', os.defpath)}"
        words = [word.replace("{input}", str(given)).replace("{output}", str(left)) for word in command]
        progress.start(f"running {command[0]}")
        run_process(
            words, folder=folder, environment=variables, said=place / "said.txt", timeout_seconds=timeout_seconds
        )
        progress.start("reading the command's output", total_rows=rows.num_rows)
        found = read_output(left, limit_bytes=memory_bytes // 4)
        made = _packed(found.media, media, media_columns, known=stage_store.table(rows, columns=["_id"]))
        joined = joined_rows(stage_store, rows, found.table, command=command[0], progress=progress)
        return replace(joined, rows=with_new_media(stage_store, joined.rows, made)) if made else joined
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _check(
    command: Sequence[str],
    rows: StageRows,
    media: MediaAccess | None,
    media_columns: Sequence[str],
    environment: CommandEnvironment | None,
    environments: Path | None,
) -> None:
    if not command or not all(isinstance(word, str) and word for word in command):
        raise InvalidInput("command: expected a list of words, such as [python, tools/crop.py, '{input}', '{output}']")
    if not any("{output}" in word for word in command):
        raise InvalidInput("command: no word holds {output}, the folder that is read back; add it")
    if "_id" not in rows.schema.names:
        raise InvalidInput("command: the rows have no column _id, so its output cannot be joined; select it before")
    unknown = [name for name in media_columns if name not in rows.media_columns]
    if unknown:
        raise InvalidInput(
            f"command: {unknown[0]!r} is no media column; there are {', '.join(rows.media_columns) or 'none'}"
        )
    if media_columns and media is None:
        raise InvalidInput("command: media is asked for, and these rows have none")
    if environment is not None and environments is None:
        raise InvalidInput("command: an environment needs a folder to be made in")


def _write_input(
    stage_store: StageStore,
    rows: StageRows,
    folder: Path,
    media: MediaAccess | None,
    media_columns: Sequence[str],
    progress: Progress,
) -> None:
    with pq.ParquetWriter(folder / "rows.parquet", rows.schema) as writer:
        for table in stage_store.tables(rows):
            writer.write_table(table)
            if media is not None:
                for column in media_columns:
                    write_media(media, table, column, folder / "media" / quote(column, safe=""))
            progress.advance(rows=table.num_rows)


def _packed(
    found: Mapping[str, Sequence[Path]], media: MediaAccess | None, columns: Sequence[str], *, known: pa.Table
) -> dict[str, PackedMedia]:
    ids = known.column("_id").cast(pa.string()).combine_chunks()
    made: dict[str, PackedMedia] = {}
    for column, files in found.items():
        if media is None or column not in columns:
            raise InvalidInput(
                f"command: it made media for {column!r}, which the stage does not list; it lists "
                f"media: [{', '.join(columns)}]"
            )
        made[column] = pack_files(media, files, known=ids)
    return made
