"""The rows of a snapshot as a provider: parts become memory-mapped pages, media is read from shards by place."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace.datasets.columns import CELL_LOCATOR_TYPE, media_kind
from headrace.datasets.layouts import CommitLayout
from headrace.datasets.media_reading import MediaReader
from headrace.errors import InvalidInput
from headrace.storage.arrow_values import row_numbers
from headrace.storage.digests import require_digest
from headrace.storage.locations import Locations
from headrace.storage.parts import PartRecord, part_key
from headrace.storage.shards import ShardRecord, shard_key
from headrace.storage.store import ObjectStore
from headrace.streaming.media_fetching import Container, MediaFetcher, Places
from headrace.streaming.pages import (
    NULL_CONTAINER,
    OWN_FIRST,
    MediaColumn,
    Page,
    PageFolder,
    null_filled,
    page_table,
)

if TYPE_CHECKING:
    from headrace.datasets.located_rows import PlacedRows
    from headrace.datasets.snapshot import Snapshot

__all__ = ["SnapshotRows"]


@dataclass(frozen=True, slots=True)
class _Slices:
    """Runs of rows in parts, over all layout rows of all commits one after the other."""

    starts: np.ndarray  # int64 [num_slices + 1]
    parts: np.ndarray  # int64 [num_slices]
    part_rows: np.ndarray  # int64 [num_slices], where the run starts in its part
    layouts: np.ndarray  # int64 [num_slices]


class SnapshotRows:
    """Immutable and thread-safe. Holds no log and no lake, so it goes to worker processes as it is."""

    def __init__(self, snapshot: Snapshot, *, pages: PageFolder) -> None:
        dataset = snapshot.dataset
        self._store: ObjectStore = dataset.lake.store
        self._base = dataset.base
        self._locations: Locations = dataset.lake.locations
        self.pages = pages
        self.identity = snapshot.id
        self.name = f"{dataset.lake.uri}::{dataset.name}@id:{snapshot.id[:12]}"
        self.schema = snapshot.schema
        self._snapshot: Snapshot | None = snapshot
        self._added = sorted(snapshot.added_columns)
        placed = snapshot.placed_rows()
        self._commit_ids = [rows.commit_id for rows in placed]
        self._keeps_keys = snapshot.keeps_duplicate_keys
        self._row_starts = np.cumsum([0, *(rows.num_rows for rows in placed)])  # [num_commits + 1]
        self._places = [rows.places for rows in placed]
        self._ordinals = [rows.ordinals for rows in placed]
        self._parts: list[PartRecord] = []
        self._layouts: list[tuple[ShardRecord, ...]] = []
        self._layout_starts, self._slices = self._lay_out(placed)
        self.num_rows = int(self._row_starts[-1])
        media_bytes = sum(rows.mean_media_bytes * rows.num_rows for rows in placed)
        part_bytes = sum(part.size for part in self._parts)
        self.mean_row_bytes = (media_bytes + part_bytes) // max(self.num_rows, 1)
        self._prepare()

    def _prepare(self) -> None:
        self.is_local = self._store.is_local
        self._media = [field.name for field in self.schema if media_kind(field) is not None]
        self._fetcher = MediaFetcher(self._store, self._base, locations=self._locations)
        self._cells = MediaReader(self._store, self._base, locations=self._locations)
        self._is_whole = all(places is None for places in self._places)
        self._opened: dict[int, Page] = {}
        self._commit_numbers = np.array([int(name) for name in self._commit_ids], dtype=np.int64)  # [num_commits]
        self._shards: list[dict[int, Container]] = [{} for _ in self._layouts]
        self._row_starts_list: list[int] = self._row_starts.tolist()
        self._layout_starts_list: list[int] = self._layout_starts.tolist()
        self._slice_starts_list: list[int] = self._slices.starts.tolist()
        slices = self._slices
        self._slices_list = list(zip(slices.parts.tolist(), slices.part_rows.tolist(), slices.layouts.tolist()))

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._added and self._snapshot is not None:
            self._added_page()  # a worker has no snapshot to make it from
        for name in (
            "_fetcher",
            "_cells",
            "_opened",
            "_shards",
            "_row_starts_list",
            "_slice_starts_list",
            "_slices_list",
        ):
            del state[name]
        state["_snapshot"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def _lay_out(self, placed: Sequence[PlacedRows]) -> tuple[np.ndarray, _Slices]:
        """Where each commit's layout begins among all layout rows, [num_commits + 1], and the runs."""
        part_idx: dict[str, int] = {}
        layout_idx: dict[int, int] = {}
        counts: list[int] = []
        runs: list[tuple[int, int, int, int]] = []  # rows, part, first row in it, layout
        for rows in placed:
            layout: CommitLayout = rows.layout
            which = layout_idx.setdefault(id(layout.shards), len(layout_idx))
            if which == len(self._layouts):
                self._layouts.append(layout.shards)
            for piece in layout.slices:
                number = part_idx.setdefault(piece.part.digest, len(part_idx))
                if number == len(self._parts):
                    self._parts.append(piece.part)
                runs.append((piece.num_rows, number, piece.row_start, which))
            counts.append(sum(piece.num_rows for piece in layout.slices))
        table = np.array(runs, dtype=np.int64).reshape(-1, 4)
        slices = _Slices(np.concatenate([[0], np.cumsum(table[:, 0])]), table[:, 1], table[:, 2], table[:, 3])
        return np.cumsum([0, *counts]), slices

    # -- rows by number -------------------------------------------------------------------------------------------

    def addresses(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Commit numbers and ordinals in them, int64 [num_rows] each; the same row keeps its address for ever."""
        commit = np.searchsorted(self._row_starts, rows, side="right") - 1
        ordinals = rows - self._row_starts[commit]
        for idx in np.unique(commit).tolist():
            chosen = self._ordinals[idx]
            if chosen is not None:
                mine = commit == idx
                ordinals[mine] = chosen[ordinals[mine]]
        return self._commit_numbers[commit], ordinals

    @property
    def replaces_keys(self) -> bool:
        """Whether later rows replace earlier ones of their key, so that the key names the sample."""
        return not self._keeps_keys

    def keys(self, rows: np.ndarray) -> pa.LargeStringArray:
        """The key of each row in its commit, int64 [num_rows] by number."""
        if not len(rows):
            return pa.array([], pa.large_string())
        found: list[pa.Array] = []
        order: list[np.ndarray] = []
        for which, in_part, page, _ in self._runs(rows):
            found.append(page.array("_key").take(row_numbers(in_part)).cast(pa.large_string()))
            order.append(np.arange(len(rows)) if which is None else which)
        places = np.argsort(np.concatenate(order))  # [num_rows], where each row's key stands
        return pa.concat_arrays(found).take(row_numbers(places))

    def version(self, identity: str) -> SnapshotRows:
        """The rows of another snapshot of the dataset; only where the provider was made, not in its copies.

        Raises:
            NotFound: The dataset knows no such snapshot.
        """
        dataset = self._open_snapshot.dataset
        return SnapshotRows(dataset.lake.snapshot(f"{dataset.name}@id:{identity}"), pages=self.pages)

    def _layout_rows(self, rows: np.ndarray) -> np.ndarray:
        """Numbers among the rows of all layouts, int64 [num_rows]."""
        if self._is_whole:
            return rows
        commit = np.searchsorted(self._row_starts, rows, side="right") - 1
        places = rows - self._row_starts[commit]
        for idx in np.unique(commit).tolist():
            chosen = self._places[idx]
            if chosen is not None:
                mine = commit == idx
                places[mine] = chosen[places[mine]]
        numbers: np.ndarray = places + self._layout_starts[commit]
        return numbers

    def _runs(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray | None, np.ndarray, Page, int]]:
        """(which of the rows: None for all, rows in the page, page, index of the layout), one a part and layout."""
        if self._is_whole and len(self._slices.parts) == 1:
            yield None, rows + self._slices.part_rows[0], self._page(int(self._slices.parts[0])), 0
            return
        places = self._layout_rows(rows)
        slices = self._slices
        run = np.searchsorted(slices.starts, places, side="right") - 1
        in_part = places - slices.starts[run] + slices.part_rows[run]
        groups = slices.parts[run] * len(self._layouts) + slices.layouts[run]
        first = int(groups[0])
        if (groups == first).all():
            yield None, in_part, self._page(first // len(self._layouts)), first % len(self._layouts)
            return
        for group in np.unique(groups).tolist():
            mine = np.flatnonzero(groups == group)
            yield mine, in_part[mine], self._page(group // len(self._layouts)), group % len(self._layouts)

    # -- reading ------------------------------------------------------------------------------------------------

    def read(self, rows: np.ndarray, columns: Sequence[str]) -> dict[str, list[Any]]:
        """As `Provider.read`."""
        if not len(rows):
            return {name: [] for name in columns}
        found: dict[str, list[Any]] = {}
        for name in columns:  # in the order asked
            found[name] = self._added_page().values(name, rows) if name in self._added else []
        stored = [name for name in columns if name not in self._added]
        for which, in_part, page, layout in self._runs(rows):
            for name in stored:
                if name in self._media:
                    values = self._fetch(name, in_part, page, layout)
                elif name == "_id":
                    values = page.values("_key", in_part)
                elif page.has(name):
                    values = page.values(name, in_part)
                else:
                    values = [None] * len(in_part)
                if which is None:
                    found[name] = values
                else:
                    whole = found[name] = found[name] or [None] * len(rows)
                    for position, value in zip(which.tolist(), values):
                        whole[position] = value
        if "_id" in found and self._keeps_keys:
            found["_id"] = self._ids(rows, found["_id"])
        return found

    def _ids(self, rows: np.ndarray, keys: list[str]) -> list[str]:
        commit = np.searchsorted(self._row_starts, rows, side="right") - 1
        return [f"{self._commit_ids[idx]}:{key}" for idx, key in zip(commit.tolist(), keys)]

    def read_one(self, row: int, columns: Sequence[str]) -> list[Any]:
        """As `Provider.read_one`: no arrays are made for one row."""
        commit = bisect_right(self._row_starts_list, row) - 1
        ordinal = row - self._row_starts_list[commit]
        chosen = self._places[commit]
        place = self._layout_starts_list[commit] + (ordinal if chosen is None else int(chosen[ordinal]))
        run = bisect_right(self._slice_starts_list, place) - 1
        part, first, layout = self._slices_list[run]
        in_part = place - self._slice_starts_list[run] + first
        page = self._page(part)
        values: list[Any] = []
        for name in columns:
            if name == "_id":
                key = page.value("_key", in_part)
                values.append(f"{self._commit_ids[commit]}:{key}" if self._keeps_keys else key)
            elif name in self._added:
                values.append(self._added_page().value(name, row))
            elif name not in self._media:
                values.append(page.value(name, in_part) if page.has(name) else None)
            elif not page.has_part(name, "container"):
                values.append(None)
            elif page.has_part(name, "locator"):
                values += self._fetch(name, np.array([in_part]), page, layout)
            else:
                number, offset, size, check = page.place(name, in_part)
                container = self._container(page, layout, number)
                values.append(self._fetcher.fetch_one(container, offset=offset, size=size, check=check))
        return values

    def narrow(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """As `Provider.narrow`; only where the provider was made, not in its copies."""
        return self._open_snapshot.narrow(list(columns))

    @property
    def _open_snapshot(self) -> Snapshot:
        if self._snapshot is None:
            raise InvalidInput(
                f"{self.name}: a copy in a worker process reads samples only; plans and states are made where the "
                "snapshot is open"
            )
        return self._snapshot

    def _fetch(self, name: str, rows: np.ndarray, page: Page, layout: int) -> list[bytes | None]:
        if not page.has_part(name, "container"):
            return [None] * len(rows)
        numbers = page.numbers(name, "container")
        locators = page.part(name, "locator")
        if locators is not None:
            taken = locators.take(pa.array(rows))
            shards = CommitLayout(self.schema, (), self._layouts[layout])
            values: list[bytes | None] = self._cells.read([taken], [shards]).to_pylist()
            return values
        offsets, sizes = page.numbers(name, "offset"), page.numbers(name, "size")
        checks = page.numbers(name, "check")
        containers = [self._container(page, layout, number) for number in numbers[rows].tolist()]
        return self._fetcher.fetch(Places(containers, offsets[rows].tolist(), sizes[rows].tolist(), checks[rows]))

    def _container(self, page: Page, layout: int, number: int) -> Container | None:
        if number < 0:
            return None if number == NULL_CONTAINER else page.containers[OWN_FIRST - number]
        known = self._shards[layout]
        container = known.get(number)
        if container is None:
            container = known[number] = Container(shard_key(self._layouts[layout][number].digest))
        return container

    # -- pages --------------------------------------------------------------------------------------------------

    def _page(self, part: int) -> Page:
        page = self._opened.get(part)
        if page is None:
            record = self._parts[part]
            page = self._opened[part] = self.pages.page(record.digest, lambda: self._page_of(record))
        return page

    def _page_of(self, part: PartRecord) -> pa.Table:
        """The page of a part, read and verified."""
        key = self._base + part_key(part.digest)
        data = self._store.get(key)
        require_digest(data, part.digest, name=f"{self._store.uri}/{key}")
        table = pq.read_table(pa.BufferReader(data)).combine_chunks()
        columns: dict[str, pa.Array | MediaColumn] = {}
        containers: dict[tuple[str, str | None], int] = {}
        for name, column in zip(table.column_names, table.columns):
            array = column.chunk(0) if column.num_chunks else pa.array([], column.type)
            if pa.types.is_struct(array.type) and array.type.get_field_index("shard") == 0:
                columns[name] = _media_column(array, containers)
            elif name != "_digest":
                columns[name] = array
        return page_table(columns, containers=[Container(None, uri, version) for uri, version in containers])

    def _added_page(self) -> Page:
        """Values of added columns, row by row of the snapshot."""
        digest = hashlib.blake2b("\n".join([self.identity, *self._added]).encode(), digest_size=16).hexdigest()

        def make() -> Iterator[pa.Table]:
            self._open_snapshot.require_unpurged()
            for table in self.narrow(self._added):
                yield page_table({name: table.column(name).combine_chunks() for name in self._added})

        return self.pages.page(f"added-{digest}", make)


def _media_column(locators: pa.StructArray, containers: dict[tuple[str, str | None], int]) -> MediaColumn:
    """Locators as flat columns; `containers` collects adopted objects."""
    shard = pc.struct_field(locators, "shard")
    numbers = pc.fill_null(shard, NULL_CONTAINER).to_numpy(zero_copy_only=False).copy()
    uris = pc.struct_field(locators, "uri")
    if uris.null_count < len(uris):
        versions = pc.struct_field(locators, "version").to_pylist()
        for row, uri in enumerate(uris.to_pylist()):
            if uri is not None and numbers[row] < 0:
                numbers[row] = OWN_FIRST - containers.setdefault((uri, versions[row]), len(containers))
    check = pc.struct_field(locators, "check")
    has_cells = locators.type.get_field_index("cell") >= 0 and (
        pc.struct_field(locators, "cell").null_count < len(locators)
    )
    return MediaColumn(
        containers=pa.array(numbers, pa.int32()),
        offsets=null_filled(pc.struct_field(locators, "offset"), 0),
        sizes=null_filled(pc.struct_field(locators, "size"), 0),
        checks=null_filled(check, bytes(16)) if check.null_count else check,
        locators=locators.cast(CELL_LOCATOR_TYPE) if has_cells else None,
    )
