"""Media bytes of rows, read from the snapshots that they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.curation.replaced_media import AT, read_places
from headrace.datasets.snapshot import Snapshot
from headrace.errors import DataCorrupted, HeadraceError, InvalidInput, NotFound
from headrace.storage.store import ObjectStore

__all__ = ["MediaAccess", "MediaRun"]

MediaRun = tuple[
    NDArray[np.int64],  # places of rows in the table, [num_rows]
    Mapping[str, Sequence["bytes | HeadraceError | None"]],  # by column, each [num_rows]
]


class MediaAccess:
    """Reads media of rows by their `_source` and `_row`. Thread-safe, as snapshots are."""

    def __init__(self, snapshots: Mapping[str, Snapshot], store: ObjectStore, base: str) -> None:
        """`store` and `base` hold what operators wrote anew."""
        self._snapshots = dict(snapshots)
        self.store = store
        self.base = base

    def runs(
        self,
        table: pa.Table,  # `_source` and `_row`, [num_rows]
        columns: Sequence[str],
    ) -> Iterator[MediaRun]:
        """All rows once, in runs whose media stay below 64 MB; a value that cannot be read comes as its error.

        Without columns there is one run.
        """
        if not columns:
            yield np.arange(table.num_rows), {}
            return
        for places, contents in self._original_runs(table, columns):
            for name in columns:
                self._put_new(table, places, name, contents[name])
            yield places, contents

    def _put_new(
        self, table: pa.Table, places: NDArray[np.int64], name: str, contents: list[bytes | HeadraceError | None]
    ) -> None:
        """Put what an operator wrote in the place of what the source holds."""
        if AT + name not in table.column_names:
            return
        column = table.column(AT + name).combine_chunks().take(pa.array(places))
        values = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
        for idx, value in enumerate(
            read_places(self.store, self.base, values) if values.null_count < len(values) else ()
        ):
            if value is not None:
                contents[idx] = value

    def _original_runs(
        self, table: pa.Table, columns: Sequence[str]
    ) -> Iterator[tuple[NDArray[np.int64], dict[str, list[bytes | HeadraceError | None]]]]:
        sources = np.asarray(table.column("_source").to_pylist(), dtype=object)  # [num_rows]
        numbers = table.column("_row").to_numpy()  # [num_rows]
        for name in dict.fromkeys(sources.tolist()):
            snapshot = self._snapshot(name)
            places = np.flatnonzero(sources == name)
            rows = numbers[places].astype(np.int64)
            start = 0
            for run in snapshot.bounded_runs(rows, list(columns)):
                yield places[start : start + len(run)], _read(snapshot, run, columns)
                start += len(run)

    def _snapshot(self, name: object) -> Snapshot:
        found = self._snapshots.get(str(name))
        if found is None:
            raise InvalidInput(
                f"a row says that its media lies in source {name!r}, which is none of "
                f"{', '.join(sorted(self._snapshots))}; SQL that joins sources must keep _source and _row as they are"
            )
        return found


def _read(
    snapshot: Snapshot, rows: NDArray[np.int64], columns: Sequence[str]
) -> dict[str, list[bytes | HeadraceError | None]]:
    try:
        table = snapshot.take(rows, columns=columns)
    except (DataCorrupted, NotFound) as error:
        if len(rows) == 1:
            return {name: [error] for name in columns}
        halves = [_read(snapshot, half, columns) for half in np.array_split(rows, 2)]
        return {name: [*halves[0][name], *halves[1][name]] for name in columns}
    return {name: table.column(name).to_pylist() for name in columns}
