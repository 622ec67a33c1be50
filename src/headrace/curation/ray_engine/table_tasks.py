"""The steps of an exchange as Ray tasks: rows come from the lake and from Ray's objects, and go to Ray's objects.

Nothing here needs a disk that nodes share. An object that is lost with its node is made again by its task.
"""

from __future__ import annotations

import functools
import io
import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.curation.ray_engine.blocks import Block, block_of, table_of
from headrace.curation.ray_engine.owned_folders import make_owned_folder
from headrace.curation.stage_rows import StageStore
from headrace.curation.table_stages.gathering import Gatherer
from headrace.curation.table_stages.merge_partition import merged_partition
from headrace.curation.table_stages.result_columns import ResultColumns
from headrace.curation.table_stages.scattering import scattered
from headrace.datasets.columns import schema_from_json
from headrace.storage.parts import PartRecord

__all__ = ["PartitionTask", "ScatterTask", "get_ready", "run_partition", "run_scatter"]

_BATCH_ROWS = 8_192


@dataclass(frozen=True, slots=True)
class ScatterTask:
    """A piece of an input.

    Attributes:
        store: The lake's URI.
        base: Of its stage store.
        parts: Digest, size and rows of each.
        schema: Columns to take and the types to give them, as JSON.
        group_sizes: Partitions in each object that is made, [num_objects].
    """

    store: str
    base: str
    parts: tuple[tuple[str, int, int], ...]
    schema: Sequence[Any]
    key: tuple[str, ...]
    group_sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PartitionTask:
    """One partition.

    Attributes:
        step: "gather" or "merge".
        inputs: Name, schema as JSON, and number of objects of each input, in the order of the objects.
        place: Of the partition in each object.
        exchange: Names it among all exchanges.
        scratch: A folder of this node; None: its temporary folder.
    """

    step: str
    arguments: Mapping[str, Any]
    inputs: tuple[tuple[str, Sequence[Any], int], ...]
    place: int
    exchange: str
    scratch: str | None


def get_ready() -> None:
    """Nothing: a process of Ray that was asked for this has started, and has imported what the other tasks need."""


def run_scatter(task: ScatterTask, edges: Block) -> list[Any]:
    """The number of rows, then the objects: of each partition in it a block."""
    _use_one_core()
    store = _stage_store(task.store, task.base)
    schema = schema_from_json(task.schema)
    files = [io.BytesIO(store.part_data(PartRecord(*part))) for part in task.parts]
    num_rows = sum(num_rows for _, _, num_rows in task.parts)
    bounds = pa.ipc.open_stream(pa.py_buffer(edges)).read_all()
    blocks = (block_of(batches, schema) for batches in scattered(files, schema=schema, key=task.key, edges=bounds))
    return [num_rows, *(list(itertools.islice(blocks, size)) for size in task.group_sizes)]


def run_partition(task: PartitionTask, files: Mapping[str, bytes], *objects: list[Block]) -> Block:
    """The result of one partition in its final order.

    Args:
        files: By name, what the step reads beside its rows.
        objects: Of all inputs, one after the other.
    """
    _use_one_core()
    coming = iter(objects)
    tables = {
        name: table_of(
            (blocks[task.place] for blocks in itertools.islice(coming, num_objects)), schema_from_json(schema)
        )
        for name, schema, num_objects in task.inputs
    }
    arguments = dict(task.arguments)
    if task.step == "merge":
        folder = _folder_with(files, task.exchange, _scratch(task.scratch))
        merged = merged_partition(tables, **arguments, folder=folder)
        return block_of(merged.to_batches(max_chunksize=_BATCH_ROWS), merged.schema, compression="lz4")
    gatherer = _gatherer(arguments["memory_bytes"])
    found = gatherer.tables(tables, **arguments, folder=_scratch(task.scratch))
    schema = ResultColumns.from_json(dict(arguments["columns"])).schema
    return block_of(_batches(found), schema, compression="lz4")


def _batches(tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    for table in tables:
        yield from table.to_batches()


def _use_one_core() -> None:
    """As Ray was asked for."""
    pa.set_cpu_count(1)
    pa.set_memory_pool(pa.system_memory_pool())


@functools.lru_cache(maxsize=4)
def _stage_store(uri: str, base: str) -> StageStore:
    from headrace.connecting import connect

    return StageStore.at(connect(uri), base)


@functools.lru_cache(maxsize=1)
def _gatherer(memory_bytes: int) -> Gatherer:
    """Its engine keeps its memory from one partition to the next."""
    return Gatherer()


@functools.lru_cache(maxsize=1)
def _scratch(place: str | None) -> Path:
    """A folder of this process."""
    return make_owned_folder("headrace-partitions-", root=place)


def _folder_with(files: Mapping[str, bytes], exchange: str, scratch: Path) -> Path:
    """Files that all partitions of an exchange read, written by the first; those of the last exchange go."""
    folder = scratch / exchange
    if not folder.exists():
        for other in scratch.glob("exchange-*"):
            shutil.rmtree(other, ignore_errors=True)
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
    return folder
