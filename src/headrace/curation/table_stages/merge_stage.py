"""A stage that merges sources: vocabularies looked up over all rows, then identity by identity, whole or in partitions.

The rows and their order are the same whichever it is, however many partitions, workers and bytes there are.
"""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.curation.merge_columns import merged_schema, read_schema
from headrace.curation.merge_rules import MergeRules
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.table_stages.exchange import Exchange, input_bytes
from headrace.curation.table_stages.local_partitions import LocalTables
from headrace.curation.table_stages.merge_partition import combined
from headrace.curation.table_stages.merged_rows import merged_rows
from headrace.curation.table_stages.partition_workers import TableEngine
from headrace.curation.table_stages.source_vocabularies import Vocabulary, VocabularyCounter, check_rows
from headrace.datasets.columns import schema_to_json
from headrace.progress import NO_PROGRESS, Progress

__all__ = ["run_merge"]

_SMALL_BYTES = 32 << 20  # below this one process is done before others have started
_GROWTH = 12  # what a merge holds of its input at worst: positions, scores and both tables
_PARTITION_BYTES = 16 << 20
_MOST_PARTITIONS = 1_024

_LOG = logging.getLogger(__name__)


def run_merge(
    stage_store: StageStore,
    inputs: Mapping[str, StageRows],
    *,
    rules: MergeRules,
    memory_bytes: int,
    num_workers: int,
    scratch: Path,
    progress: Progress = NO_PROGRESS,
    num_partitions: int | None = None,
    engine: TableEngine | None = None,
) -> StageRows:
    """One row of each identity, ascending by identity.

    Args:
        memory_bytes: Of this process and all that it starts, together.
        num_workers: Processes at most.
        scratch: A folder for temporary files of about the size of the inputs; what is made in it is removed.
        num_partitions: None chooses; for tests and measurements.
        engine: What works on partitions; None: `num_workers` processes of this machine.

    Raises:
        InvalidInput: Columns that are not there, rows without identity or of unknown sources, scores that are none; or
            too little memory.
        Unavailable: Worker processes died again and again.
        DataCorrupted: A part of an input is not what was written.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="merge-", dir=scratch))
    try:
        run = _Run(
            stage_store,
            inputs,
            rules,
            engine or LocalTables(num_workers),
            memory_bytes,
            folder=folder,
            progress=progress,
        )
        writer = stage_store.writer(run.schema)
        for table in run.tables(num_partitions=num_partitions):
            writer.add(table)
        return writer.finish()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Run:
    """One run, in a folder of its own."""

    def __init__(
        self,
        stage_store: StageStore,
        inputs: Mapping[str, StageRows],
        rules: MergeRules,
        engine: TableEngine,
        memory_bytes: int,
        *,
        folder: Path,
        progress: Progress,
    ) -> None:
        schemas = {name: rows.schema for name, rows in inputs.items()}
        self.schema = merged_schema(rules, schemas)
        self._read = read_schema(rules, schemas)
        self._stage_store = stage_store
        self._inputs = inputs
        self._rules = rules
        self._engine = engine
        self._budget = engine.budget(memory_bytes)
        self._folder = folder
        self._progress = progress
        wanted = [*self._read.names, *([] if rules.source is None else [rules.source])]
        self._columns = {name: [each for each in schema.names if each in wanted] for name, schema in schemas.items()}

    def tables(self, *, num_partitions: int | None) -> Iterator[pa.Table]:
        """The result in its order."""
        num_rows = sum(rows.num_rows for rows in self._inputs.values())
        self._progress.start("looking up vocabularies", total_rows=num_rows)
        vocabularies = self._vocabularies()
        size = sum(input_bytes(self._stage_store, rows, self._columns[name]) for name, rows in self._inputs.items())
        number = self._num_partitions(size) if num_partitions is None else num_partitions
        has_workers = self._budget.num_workers > 0 and num_rows > 0
        _LOG.info("stage=merge partitions=%d bytes=%d workers=%d", number, size, self._budget.num_workers)
        if number > 1 and has_workers:
            yield from self._partitioned(size, number, vocabularies)
            return
        self._progress.start("merging", total_rows=num_rows)
        read = {name: self._stage_store.table(rows, columns=self._columns[name]) for name, rows in self._inputs.items()}
        table = combined(read, self._rules, self._read)
        yield merged_rows(table, self._rules, vocabularies=vocabularies, schema=self.schema)
        self._progress.advance(rows=num_rows)

    def _num_partitions(self, size: int) -> int:
        is_small = size * _GROWTH <= self._budget.whole_engine_bytes
        if is_small and (self._engine.num_workers == 1 or size <= _SMALL_BYTES):
            return 1
        fitting = math.ceil(size * _GROWTH / max(1, self._budget.engine_bytes))
        return min(max(math.ceil(size / _PARTITION_BYTES), fitting, 2 * self._budget.num_workers), _MOST_PARTITIONS)

    def _vocabularies(self) -> dict[str, Vocabulary]:
        """One look at the columns that all rows have a say in; rows that cannot be merged are found here."""
        rules = self._rules
        counters = {field: VocabularyCounter(rules, field, kind=self._read.field(field).type) for field in rules.voted}
        wanted = {rules.identity, *rules.voted, *([] if rules.source is None else [rules.source])}
        for name, rows in self._inputs.items():
            columns = [each for each in self._columns[name] if each in wanted]
            read = pa.schema([self._read.field(0), *(self._read.field(each) for each in self._named(wanted))])
            for part in self._stage_store.tables(rows, columns=columns):
                table = combined({name: part}, rules, read)
                sources = check_rows(table, rules)
                for field, counter in counters.items():
                    for chunk, place in _chunks(table.column(field)):
                        counter.add(chunk, sources[place : place + len(chunk)])
                self._progress.advance(rows=part.num_rows)
        return {field: counter.finish() for field, counter in counters.items()}

    def _named(self, wanted: set[str]) -> list[str]:
        return [name for name in self._read.names[1:] if name in wanted]

    def _partitioned(
        self, size: int, num_partitions: int, vocabularies: Mapping[str, Vocabulary]
    ) -> Iterator[pa.Table]:
        files = {field: f"vocabulary-{idx}.arrow" for idx, field in enumerate(vocabularies)}
        for field, vocabulary in vocabularies.items():
            vocabulary.write(self._folder / files[field])
        exchange = Exchange(
            stage_store=self._stage_store,
            inputs=self._inputs,
            schemas={name: self._sent(rows.schema, self._columns[name]) for name, rows in self._inputs.items()},
            key=[self._rules.identity],
            input_bytes=size,
            budget=self._budget,
            engine=self._engine,
            folder=self._folder,
            progress=self._progress,
        )
        arguments: dict[str, Any] = {
            "rules": self._rules.to_json(),
            "vocabularies": files,
            "read": schema_to_json(self._read),
            "schema": schema_to_json(self.schema),
        }
        return exchange.gathered(
            "merge",
            arguments,
            num_partitions=num_partitions,
            activity="merging partitions",
            files=list(files.values()),
        )

    def _sent(self, schema: pa.Schema, columns: list[str]) -> pa.Schema:
        """As `read_schema` has them: no dictionaries, which files of several batches do not mix."""
        return pa.schema(
            [
                self._read.field(name) if name in self._read.names else pa.field(name, pa.string())
                for name in schema.names
                if name in columns
            ]
        )


def _chunks(column: pa.ChunkedArray) -> Iterator[tuple[pa.Array, int]]:
    place = 0
    for chunk in column.chunks:
        yield chunk, place
        place += len(chunk)
