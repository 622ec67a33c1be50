"""Adding columns to rows that are there: a new version of each column, and one log entry.

    table ──────▶ matches by _id or key ─┐
                                         ├▶ blocks of values ─▶ sidecar parts ─▶ manifest ─▶ entry "add-columns"
    function ───▶ chunks of rows ────────┘

Values of commits that nothing changed stay in the parts where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.datasets.column_choice import check_added_name
from headrace.datasets.column_functions import ColumnFunction
from headrace.datasets.column_tables import ColumnTable, RowMatches
from headrace.datasets.columns import normal_type, type_to_json
from headrace.datasets.html_reprs import HtmlTable
from headrace.datasets.leases import Lease
from headrace.datasets.manifests import write_document
from headrace.datasets.row_digests import encode_values
from headrace.datasets.sidecars import (
    BLOCK_ROWS,
    ColumnManifest,
    ColumnReader,
    ColumnSource,
    ColumnWriter,
    column_keys,
)
from headrace.datasets.types.column_cast import cast_column
from headrace.errors import InvalidInput, NotFound, Unavailable
from headrace.progress import NO_PROGRESS, Progress
from headrace.schema.free_text import check_text
from headrace.schema.near_misses import near_miss
from headrace.storage.canonical import JsonValue, canonical_json

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.dataset_state import DatasetState
    from headrace.datasets.records import CommitRecord

__all__ = ["AddColumnsReport", "add_columns", "drop_columns"]

_MAX_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class AddColumnsReport(HtmlTable):
    """What was added; zeros if every row had its value already."""

    columns: tuple[str, ...]
    num_rows: int  # that the function was asked for, or that the table named
    num_values: int  # that were not there before
    num_found: int  # rows whose values an interrupted run had computed, or equal rows had
    num_bytes: int  # of the new parts and manifests

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)


def add_columns(
    dataset: Dataset,
    source: object,
    *,
    name: str | Sequence[str] | None,
    columns: Sequence[str] | None = None,
    version: str | None = None,
    data_type: pa.DataType | None = None,
    starts_anew: bool = False,
    chunk_rows: int = 1024,
    progress: Progress = NO_PROGRESS,
) -> AddColumnsReport:
    """Write a new version of the columns and claim its entry.

    Raises:
        InvalidInput: See `Dataset.add_columns`.
        Unavailable: Others changed the columns, or purged rows, again and again meanwhile; nothing was changed.
    """
    if isinstance(chunk_rows, bool) or not isinstance(chunk_rows, int) or chunk_rows < 1:
        raise InvalidInput(f"chunk_rows is {chunk_rows!r}: expected a whole number from 1")
    if data_type is not None:
        data_type = normal_type(data_type, column="the values")
    for item in [name] if isinstance(name, str) else name or []:
        check_added_name(item, dataset.state())
    is_function = callable(source)
    if not is_function and (columns is not None or version is not None):
        raise InvalidInput("columns= and version= say what a function gets and is; a table has neither")
    dataset.lake.store.prepare_for_writing()
    try:
        if callable(source):
            names = _function_names(name)
            if version is not None:
                check_text(version, "version")
            function = ColumnFunction(
                dataset,
                source,
                names=names,
                columns=_input_columns(columns),
                version=version,
                chunk_rows=chunk_rows,
                progress=progress,
            )
            try:
                values: _FunctionValues | _TableValues = _FunctionValues(dataset, function, version, progress)
                report = _add(dataset, values, names, data_type=data_type, starts_anew=starts_anew)
                function.forget_chunks()
            finally:
                function.close()
            return report
        progress.start("reading values")
        table = ColumnTable.read(dataset, source, name=name)
        values = _TableValues(dataset, table, data_type)
        return _add(dataset, values, list(table.values), data_type=data_type, starts_anew=starts_anew)
    finally:
        progress.finish()


def drop_columns(dataset: Dataset, name: str | Sequence[str]) -> None:
    """Claim the entry that takes added columns off.

    Raises:
        InvalidInput: No name is given.
        NotFound: There is no such added column.
    """
    names = [name] if isinstance(name, str) else list(name)
    if not names:
        raise InvalidInput("no name of a column; expected at least one")

    def plan(state: DatasetState) -> Mapping[str, JsonValue]:
        for item in names:
            if item not in state.columns:
                own = item in state.schema.names
                known = list(state.columns)
                raise NotFound(
                    f"dataset {dataset.name!r} has no added column {item!r}"
                    + ("; that one is part of the rows, so leave it out of a snapshot's columns instead" if own else "")
                    + f".{near_miss(item, known)} Added columns: {', '.join(sorted(known)) or 'none'}"
                )
        return {"columns": list(dict.fromkeys(names))}

    dataset.append("drop-columns", plan)


def _function_names(name: str | Sequence[str] | None) -> list[str]:
    names = [name] if isinstance(name, str) else list(name or ())
    if not names or len(set(names)) != len(names):
        raise InvalidInput("a function's values need a name: name='aesthetic', or a list of names, each once")
    return names


def _input_columns(columns: Sequence[str] | None) -> list[str] | None:
    if columns is None:
        return None
    if isinstance(columns, str) or not columns:
        raise InvalidInput(f"columns={columns!r}: expected a list of at least one name")
    return list(columns)


class _FunctionValues:
    """New values are those of rows that new snapshots may choose and that lack one."""

    def __init__(self, dataset: Dataset, function: ColumnFunction, version: str | None, progress: Progress) -> None:
        self._dataset = dataset
        self._function = function
        self._progress = progress
        self.sources = [ColumnSource(function.uri, version=version)]
        self._missing: dict[int, np.ndarray] = {}

    def begin(self, state: DatasetState, versions: Sequence[_Version]) -> None:
        left_out = self._dataset.addresses(state.visibility.deleted_rows) | self._dataset.addresses(state.redacted_rows)
        hidden = state.visibility.hidden_commits
        self._missing = {}
        for record in state.commits:
            number = int(record.commit_id)
            is_asked = np.full(record.num_rows, record.commit_id not in hidden)
            gone = left_out.of(number)
            if gone is not None:
                is_asked[gone] = False
            lacks = np.zeros(record.num_rows, dtype=bool)
            for version in versions:
                lacks |= version.lacks(record)
            ordinals = np.flatnonzero(is_asked & lacks)
            if len(ordinals):
                self._missing[number] = ordinals
        names = ", ".join(version.name for version in versions)
        self._progress.start(f"computing {names}", total_rows=self.num_rows)

    @property
    def num_rows(self) -> int:
        return sum(len(ordinals) for ordinals in self._missing.values())

    @property
    def num_found(self) -> int:
        return self._function.num_found

    def touches(self, number: int) -> bool:
        return number in self._missing

    def block(
        self, record: CommitRecord, start: int, end: int, versions: Sequence[_Version]
    ) -> tuple[np.ndarray, dict[str, pa.Array]]:
        """Ordinals in [start, end) with new values, and the values."""
        ordinals = self._missing[int(record.commit_id)]
        mine = ordinals[np.searchsorted(ordinals, start) : np.searchsorted(ordinals, end)]
        pieces: dict[str, list[pa.Array]] = {version.name: [] for version in versions}
        for chunk, values in self._function.values(record, mine):
            for version in versions:
                pieces[version.name].append(version.cast(values[version.name], partial(self._where, record, chunk)))
        return mine, {version.name: version.joined(pieces[version.name]) for version in versions}

    def check(self, record: CommitRecord, name: str, ordinal: int) -> None:
        """Keep what the row has: it was asked for because of another column."""

    def _where(self, record: CommitRecord, chunk: np.ndarray, row: int) -> str:
        return f"row {int(chunk[row]) + 1:,} of commit {record.commit_id}"


class _TableValues:
    """New values are those of the rows that the table names."""

    def __init__(self, dataset: Dataset, table: ColumnTable, data_type: pa.DataType | None) -> None:
        self._dataset = dataset
        self._table = table
        self._data_type = data_type
        self._matches: RowMatches = {}
        self._values: dict[str, pa.Array] = {}
        self.sources = table.sources

    def begin(self, state: DatasetState, versions: Sequence[_Version]) -> None:
        self._matches = self._table.matches(self._dataset, state)
        self._values = {}
        for version in versions:
            values = self._table.typed(version.name, self._data_type or version.data_type)
            self._values[version.name] = version.cast(values, str)

    @property
    def num_rows(self) -> int:
        return len(self._table.ids)

    @property
    def num_found(self) -> int:
        return 0

    def touches(self, number: int) -> bool:
        return number in self._matches

    def block(
        self, record: CommitRecord, start: int, end: int, versions: Sequence[_Version]
    ) -> tuple[np.ndarray, dict[str, pa.Array]]:
        ordinals, rows = self._matches[int(record.commit_id)]
        chosen = slice(int(np.searchsorted(ordinals, start)), int(np.searchsorted(ordinals, end)))
        indices = pa.array(rows[chosen])
        return ordinals[chosen], {version.name: self._values[version.name].take(indices) for version in versions}

    def check(self, record: CommitRecord, name: str, ordinal: int) -> None:
        """Refuse a value that is another than the row has."""
        ordinals, rows = self._matches[int(record.commit_id)]
        row = int(rows[np.searchsorted(ordinals, ordinal)])
        raise self._table.refusal(
            row,
            f"the row {self._table.ids[row].as_py()!r} has another value already; to start the column anew: "
            "replace=True (the command: --replace)",
            column=name,
        )


class _Version:
    """One column while its new version is written."""

    def __init__(
        self, dataset: Dataset, name: str, *, base: ColumnReader | None, data_type: pa.DataType | None
    ) -> None:
        self._dataset = dataset
        self.name = name
        self._base = base
        self.data_type = base.manifest.data_type if base is not None else data_type
        if base is not None and data_type is not None and data_type != self.data_type:
            raise InvalidInput(
                f"the added column is {self.data_type}; to give it another type start anew: replace=True", column=name
            )
        self._writer: ColumnWriter | None = None
        self.num_new = 0

    def lacks(self, record: CommitRecord) -> np.ndarray:
        """Which rows have no value, [num_rows]."""
        number = int(record.commit_id)
        if self._base is None or number not in self._base.manifest.commits:
            return np.ones(record.num_rows, dtype=bool)
        blocks = self._base.blocks(number, record.num_rows)
        return np.concatenate([values.is_null().to_numpy(zero_copy_only=False) for _, values in blocks])

    def cast(self, values: pa.Array, where: Callable[[int], str]) -> pa.Array:
        """The values in the column's type; the first that are not all null decide which that is."""
        if pa.types.is_null(values.type):
            return values
        if self.data_type is None:
            self.data_type = values.type
        found, reasons = cast_column(values, self.data_type, empty_is_null=False)
        for row, reason in reasons.items():
            raise InvalidInput(
                f"{where(row)}: {reason}; the column is {self.data_type} because its first values are. "
                "Give its type with type=",
                column=self.name,
            )
        return found

    def joined(self, pieces: Sequence[pa.Array]) -> pa.Array:
        """Values of neighbouring chunks."""
        kind = self.data_type or pa.null()
        return pa.concat_arrays(
            [piece.cast(kind) if piece.type != kind else piece for piece in pieces] or [pa.nulls(0, kind)]
        )

    def keep(self, record: CommitRecord) -> None:
        """Take over what the column has for a commit."""
        number = int(record.commit_id)
        if self._base is None:
            return
        values = self._base.manifest.commits.get(number)
        if values is None:
            return
        writer = self._open()
        for piece in values.slices:
            writer.keep(number, piece, self._base.manifest.parts[piece.part])
        writer.name_commit(number, values)

    def write(
        self,
        record: CommitRecord,
        start: int,
        end: int,
        ordinals: np.ndarray,
        values: pa.Array,
        refuse: Callable[[int], None],
    ) -> None:
        """The rows [start, end) with new values for some."""
        kind = self.data_type
        if kind is None:
            return  # nothing but nulls so far
        number = int(record.commit_id)
        old = pa.nulls(end - start, kind)
        if self._base is not None:
            old = self._base.values(number, np.arange(start, end))
        if values.type != kind:
            values = values.cast(kind)
        places = ordinals - start
        had = old.take(pa.array(places))
        is_new = values.is_valid().to_numpy(zero_copy_only=False)
        both = np.flatnonzero(is_new & had.is_valid().to_numpy(zero_copy_only=False))
        if len(both):
            before = encode_values(self.name, values=had.take(pa.array(both)))
            after = encode_values(self.name, values=values.take(pa.array(both)))
            for idx, place in enumerate(both.tolist()):
                if before[idx] != after[idx]:
                    refuse(int(ordinals[place]))
        is_new[both] = False
        chosen = np.flatnonzero(is_new)
        self.num_new += len(chosen)
        indices = np.arange(end - start)
        indices[places[chosen]] = end - start + chosen
        self._open().add(number, start, pa.concat_arrays([old, values]).take(pa.array(indices)))

    def finish(self, sources: Iterable[ColumnSource]) -> tuple[ColumnManifest, int] | None:
        """The new manifest and the bytes written; None if it would hold nothing new."""
        if self._writer is None or not self.num_new:
            return None
        known = () if self._base is None else self._base.manifest.sources
        manifest = self._writer.finish(sources=tuple(dict.fromkeys([*known, *sources])))
        return manifest, self._writer.num_bytes

    def _open(self) -> ColumnWriter:
        if self._writer is None:
            if self.data_type is None:
                raise RuntimeError("a column without a type")
            lake = self._dataset.lake
            self._writer = ColumnWriter(lake.store, self._dataset.base, name=self.name, data_type=self.data_type)
        return self._writer


def _add(
    dataset: Dataset,
    values: _FunctionValues | _TableValues,
    names: Sequence[str],
    *,
    data_type: pa.DataType | None,
    starts_anew: bool,
) -> AddColumnsReport:
    for _ in range(_MAX_ATTEMPTS):
        state = dataset.state()
        since = dataset.log_of_entries.number
        for name in names:
            check_added_name(name, state)
        with Lease(dataset.lake.store, dataset.base):
            report = _attempt(dataset, state, since, values, names, data_type=data_type, starts_anew=starts_anew)
        if report is not None:
            return report
    raise Unavailable(
        f"columns of dataset {dataset.name!r} were changed, or rows purged, by others {_MAX_ATTEMPTS} times meanwhile; "
        "nothing was changed, try again"
    )


def _attempt(
    dataset: Dataset,
    state: DatasetState,
    since: int,
    values: _FunctionValues | _TableValues,
    names: Sequence[str],
    *,
    data_type: pa.DataType | None,
    starts_anew: bool,
) -> AddColumnsReport | None:
    """The report, or None if somebody changed these columns or purged rows meanwhile."""
    versions = [
        _Version(
            dataset,
            name,
            base=None
            if starts_anew or name not in state.columns
            else dataset.column_reader(state.columns[name].manifest),
            data_type=data_type,
        )
        for name in names
    ]
    values.begin(state, versions)
    for record in state.commits:
        if not values.touches(int(record.commit_id)):
            for version in versions:
                version.keep(record)
            continue
        for start in range(0, record.num_rows, BLOCK_ROWS):
            end = min(start + BLOCK_ROWS, record.num_rows)
            ordinals, found = values.block(record, start, end, versions)
            for version in versions:
                version.write(
                    record,
                    start,
                    end,
                    ordinals,
                    found[version.name],
                    partial(values.check, record, version.name),
                )
    finished = {version.name: version.finish(values.sources) for version in versions}
    written = {name: item for name, item in finished.items() if item is not None}
    if starts_anew and len(written) < len(names):
        name = next(name for name in names if name not in written)
        raise InvalidInput("no row got a value; to take the column off, drop it", column=name)
    if not written:
        return AddColumnsReport(tuple(names), values.num_rows, 0, values.num_found, 0)
    keys: list[str] = []
    columns: list[JsonValue] = []
    num_bytes = 0
    for name, (manifest, part_bytes) in written.items():
        data = canonical_json(manifest.to_json())
        digest = write_document(dataset.lake.store, dataset.base, data=data)
        num_bytes += part_bytes + len(data)
        keys += column_keys(digest, manifest)
        columns.append(
            {
                "name": name,
                "type": type_to_json(manifest.data_type, column=name),
                "manifest": digest,
                "num_values": manifest.num_values,
            }
        )
    is_current = True

    def plan(newest: DatasetState) -> Mapping[str, JsonValue] | None:
        nonlocal is_current
        for name in names:
            check_added_name(name, newest)
        is_current = newest.redacted_rows == state.redacted_rows and all(
            _manifest(newest, name) == _manifest(state, name) for name in names
        )
        return {"columns": columns} if is_current else None

    dataset.append("add-columns", plan, refers_to=lambda: keys, since=since)
    if not is_current:
        return None
    num_values = sum(version.num_new for version in versions)
    return AddColumnsReport(tuple(names), values.num_rows, num_values, values.num_found, num_bytes)


def _manifest(state: DatasetState, name: str) -> str | None:
    record = state.columns.get(name)
    return None if record is None else record.manifest
