"""Media of a command's folders: bytes of the rows go in, what it made takes their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.curation.media_access import MediaAccess
from headrace.curation.replaced_media import AT, PLACE_TYPE, pack_media, put_new_media
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.datasets.columns import MEDIA_VIEW_TYPE
from headrace.errors import DataCorrupted, HeadraceError, InvalidInput

__all__ = ["PackedMedia", "pack_files", "with_new_media", "write_media"]

_NAME_LETTERS = 255  # file systems have no more
_PACKED_BYTES = 64 << 20  # held at once


def write_media(media: MediaAccess, table: pa.Table, column: str, folder: Path) -> None:
    """Write the bytes of a column, each under its row's id and format.

    Raises:
        DataCorrupted: One cannot be read; `image.verify` before the command drops such rows.
        InvalidInput: An id is too long for a file's name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ids = table.column("_id").to_pylist()
    formats = pc.struct_field(table.column(column), "format").to_pylist()
    for places, contents in media.runs(table, [column]):
        for place, content in zip(places.tolist(), contents[column], strict=True):
            if isinstance(content, HeadraceError):
                raise DataCorrupted(f"command: {column} of row {ids[place]}: {content.message}") from content
            if content is None:
                continue
            name = f"{quote(ids[place], safe='')}.{formats[place] or 'bin'}"
            if len(name) > _NAME_LETTERS:
                raise InvalidInput(
                    f"command: the id {ids[place]!r} is too long for a file's name; give rows shorter keys"
                )
            (folder / name).write_bytes(content)


class PackedMedia:
    """What a command made for one column, written to the lake. Rows are found by their id."""

    def __init__(self, ids: pa.Array, places: pa.Array, views: pa.Array) -> None:
        """All [num_files], as `pack_media` gives them."""
        self._ids = ids
        self._places = places
        self._views = views

    def of(self, ids: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
        """Places and views of rows with these ids, [num_rows]; null where the command made nothing."""
        found = pc.index_in(ids.cast(pa.string()).combine_chunks(), value_set=self._ids)
        return self._places.take(found), self._views.take(found)


def pack_files(media: MediaAccess, files: Sequence[Path], *, known: pa.Array) -> PackedMedia:
    """Write files to the lake, durably.

    Raises:
        InvalidInput: A file is called after an id that is not among `known`, or two after the same.
    """
    ids = pa.array([unquote(file.stem) for file in files], pa.string())
    strange = np.flatnonzero(pc.invert(pc.is_in(ids, value_set=known)).to_numpy(zero_copy_only=False))
    if len(strange):
        file, name = files[strange[0]], ids[int(strange[0])].as_py()
        raise InvalidInput(f"command: the output file {file.name!r} belongs to no row: there is no id {name!r}")
    counts = pc.value_counts(ids)
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if len(twice):
        raise InvalidInput(f"command: the output has two files for the id {twice[0].as_py()!r}; leave one")
    packed = [pack_media(media.store, media.base, [file.read_bytes() for file in run]) for run in _runs(files)]
    places = pa.concat_arrays([each[0] for each in packed]) if packed else pa.nulls(0, PLACE_TYPE)
    views = pa.concat_arrays([each[1] for each in packed]) if packed else pa.nulls(0, MEDIA_VIEW_TYPE)
    return PackedMedia(ids, places, views)


def with_new_media(stage_store: StageStore, rows: StageRows, made: Mapping[str, PackedMedia]) -> StageRows:
    """The rows with what was made in the place of what they had."""
    fields = {field.name: field for field in rows.schema}
    fields |= {AT + column: pa.field(AT + column, PLACE_TYPE) for column in made}
    writer = stage_store.writer(pa.schema(list(fields.values())))
    for table in stage_store.tables(rows):
        columns: dict[str, pa.ChunkedArray | pa.Array] = {name: table.column(name) for name in table.column_names}
        for column, packed in made.items():
            places, views = packed.of(table.column("_id"))
            put_new_media(columns, column, places=places, views=views)
        writer.add(pa.table([columns[name] for name in fields], schema=writer.schema))
    return writer.finish()


def _runs(files: Sequence[Path]) -> Iterator[list[Path]]:
    run: list[Path] = []
    num_bytes = 0
    for file in files:
        size = file.stat().st_size
        if run and num_bytes + size > _PACKED_BYTES:
            yield run
            run, num_bytes = [], 0
        run.append(file)
        num_bytes += size
    if run:
        yield run
