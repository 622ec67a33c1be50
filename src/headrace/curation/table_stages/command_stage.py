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
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.table_stages.command_environment import CommandEnvironment, ensure_environment
from headrace.curation.table_stages.command_output import joined_rows, read_output
from headrace.curation.table_stages.command_process import run_process
from headrace.curation.table_stages.table_result import TableResult
from headrace.errors import InvalidInput
from headrace.progress import NO_PROGRESS, Progress

__all__ = ["MediaFiles", "run_command"]


class MediaFiles(Protocol):
    """Bytes of media for a command; the rows themselves have none."""

    def read(self, table: pa.Table, column: str) -> Iterator[bytes | None]:
        """The bytes of a media column for each row of a part, in order."""
        ...

    def write(self, column: str, sample_id: str, data: bytes) -> None:
        """Keep what the command made for a row."""
        ...


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
    media: MediaFiles | None = None,
    media_columns: Sequence[str] = (),
    progress: Progress = NO_PROGRESS,
) -> TableResult:
    """Run a program over the rows; nothing of its output is read before it has ended well.

    Args:
        command: Program and arguments, never a shell; `{input}` and `{output}` stand for the two folders.
        folder: Where it runs: the recipe's folder, so that relative paths mean what they say.
        memory_bytes: The tables in the output may have a quarter of it; the program's own memory is not limited.
        environments: Where environments are kept; needed with `environment`.
        media: Where bytes come from and go to; needed where the command reads or makes media.
        media_columns: Columns whose media the command reads.

    Raises:
        InvalidInput: The command or its output is not as above; the message says which file and id.
        NotFound: There is no such program.
        HeadraceError: It failed or took too long; with its exit code and the end of what it printed.
    """
    _check(command, rows, media, media_columns, environment, environments)
    scratch.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="command-", dir=scratch)).resolve()
    try:
        given, made = place / "input", place / "output"
        given.mkdir()
        made.mkdir()
        progress.start("writing the command's input", total_rows=rows.num_rows)
        _write_input(stage_store, rows, given, media, media_columns, progress)
        variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        if environment is not None and environments is not None:
            programs = ensure_environment(environment, folder=environments.resolve())
            variables["PATH"] = f"{programs}{os.pathsep}{variables.get('PATH', os.defpath)}"
            variables["VIRTUAL_ENV"] = str(programs.parent)
        words = [word.replace("{input}", str(given)).replace("{output}", str(made)) for word in command]
        progress.start(f"running {command[0]}")
        run_process(
            words, folder=folder, environment=variables, said=place / "said.txt", timeout_seconds=timeout_seconds
        )
        progress.start("reading the command's output", total_rows=rows.num_rows)
        found = read_output(made, limit_bytes=memory_bytes // 4)
        _keep_media(found.media, media, known=_ids(stage_store, rows))
        return joined_rows(stage_store, rows, found.table, command=command[0], progress=progress)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _check(
    command: Sequence[str],
    rows: StageRows,
    media: MediaFiles | None,
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
    media: MediaFiles | None,
    media_columns: Sequence[str],
    progress: Progress,
) -> None:
    with pq.ParquetWriter(folder / "rows.parquet", rows.schema) as writer:
        for table in stage_store.tables(rows):
            writer.write_table(table)
            if media is not None:
                for column in media_columns:
                    _write_media(table, column, folder / "media" / quote(column, safe=""), media)
            progress.advance(rows=table.num_rows)


def _write_media(table: pa.Table, column: str, folder: Path, media: MediaFiles) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    formats = pa.compute.struct_field(table.column(column), "format").to_pylist()
    for sample_id, format_, data in zip(table.column("_id").to_pylist(), formats, media.read(table, column)):
        if data is not None:
            (folder / f"{quote(sample_id, safe='')}.{format_ or 'bin'}").write_bytes(data)


def _ids(stage_store: StageStore, rows: StageRows) -> set[str]:
    return {each for table in stage_store.tables(rows, columns=["_id"]) for each in table.column("_id").to_pylist()}


def _keep_media(found: Mapping[str, Sequence[Path]], media: MediaFiles | None, *, known: set[str]) -> None:
    for column, files in found.items():
        if media is None:
            raise InvalidInput(f"command: it made media for {column!r}, and these rows have no place for media")
        for file in files:
            sample_id = unquote(file.stem)
            if sample_id not in known:
                raise InvalidInput(
                    f"command: the output file {file.name!r} belongs to no row: there is no id {sample_id!r}"
                )
            media.write(column, sample_id, file.read_bytes())
