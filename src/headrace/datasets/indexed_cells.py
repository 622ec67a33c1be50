"""Media cells of an adopted Parquet file as a column: what was found out about each value instead of its bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from headrace.datasets.media import IndexedMedia, MediaHeader, MediaInput, ParquetCell

__all__ = ["FOUND_CELLS_TYPE", "INDEXED_CELLS_TYPE", "FoundCell", "found_cells", "indexed_cells", "inputs_of_cells"]

FOUND_CELLS_TYPE = pa.struct(
    [
        pa.field("path", pa.string()),  # that stands beside the bytes, or instead of them
        pa.field("row_group", pa.int32()),
        pa.field("row", pa.int32()),
        pa.field("size", pa.int64()),  # bytes
        pa.field("digest", pa.binary(32)),  # null: there are no bytes
        pa.field("check", pa.binary(16)),
        pa.field("format", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("duration", pa.float64()),
        pa.field("refusal", pa.string()),  # why the probe refused the content
    ]
)
"""A media column as it is kept in an index of its file."""

INDEXED_CELLS_TYPE = pa.struct(
    [
        *FOUND_CELLS_TYPE,
        pa.field("column", pa.string()),  # path of the leaf column, as Parquet names it
        pa.field("uri", pa.string()),
        pa.field("version", pa.string()),
    ]
)
"""A media column as a source gives it to a dataset type."""


@dataclass(slots=True)
class FoundCell:
    """One row of a media column."""

    row_group: int
    row: int
    path: str | None
    size: int
    media: IndexedMedia | None  # None where there are no bytes


def found_cells(cells: Sequence[FoundCell | None]) -> pa.StructArray:
    """A column of `FOUND_CELLS_TYPE`, [num_rows]; None gives null."""
    rows = [
        None
        if cell is None
        else {
            "path": cell.path,
            "row_group": cell.row_group,
            "row": cell.row,
            **(
                {}
                if cell.media is None
                else {
                    "size": cell.size,
                    "digest": cell.media.digest,
                    "check": cell.media.check,
                    **cell.media.header._asdict(),
                    "refusal": cell.media.refusal,
                }
            ),
        }
        for cell in cells
    ]
    return pa.array(rows, FOUND_CELLS_TYPE)


def indexed_cells(found: pa.StructArray, *, column: str, uri: str, version: str) -> pa.StructArray:
    """The column of `INDEXED_CELLS_TYPE`: the same rows with the place of their file."""
    places = [pa.array([text] * len(found), pa.string()) for text in (column, uri, version)]
    return pa.StructArray.from_arrays(
        [*found.flatten(), *places],
        fields=list(INDEXED_CELLS_TYPE),
        mask=found.is_null() if found.null_count else None,
    )


def inputs_of_cells(values: pa.StructArray, *, name: str) -> Iterator[MediaInput | str | None]:
    """A media value for each row with bytes, the path of each that has only one, else None.

    `name` is for messages about values without a path.
    """
    for row in values.to_pylist():
        if row is None or row["digest"] is None:
            yield None if row is None else row["path"]
            continue
        header = MediaHeader(row["format"], row["width"], row["height"], row["duration"])
        yield MediaInput(
            row["path"] or name,
            size=row["size"],
            uri=row["uri"],
            version=row["version"],
            indexed=IndexedMedia(row["digest"], row["check"], header, row["refusal"]),
            cell=ParquetCell(row["row_group"], row["row"], row["column"]),
        )
