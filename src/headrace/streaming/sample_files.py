"""Files as samples: those with the same stem belong together, one field for each full extension.

Source: WebDataset's convention: `a/0001.seg.png` belongs to the sample `a/0001` and is its field `seg.png`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from headrace.datasets.columns import media_field
from headrace.datasets.sources.clutter import is_clutter
from headrace.datasets.sources.table_file import table_format
from headrace.errors import InvalidInput
from headrace.storage.archive_limits import ArchiveLimits
from headrace.storage.archives import archive_kind, read_archive
from headrace.storage.containers import Container
from headrace.streaming.index_pages import IndexDocument, PageWriter, Rows, describe_index
from headrace.streaming.index_source import IndexSource
from headrace.streaming.media_addresses import kind_of_path
from headrace.streaming.pages import NULL_CONTAINER, OWN_FIRST, MediaColumn

__all__ = ["write_files", "write_shards"]

_MAX_FIELDS = 256
_PAGE_ROWS = 1 << 20
_PARALLEL_REQUESTS = 16


def write_files(source: IndexSource, writer: PageWriter) -> IndexDocument:
    """Convert a listing of files.

    Raises:
        InvalidInput: Two files would be the same field of the same sample, or names that give no fields.
    """
    files = source.files
    samples = _Samples([file.path for file in files], name=source.name)
    _refuse_beside_table(samples, files_name=source.name, paths=[file.path for file in files])
    paths = pa.array([file.path for file in files], pa.string())
    sizes = np.array([file.size for file in files], dtype=np.int64)
    versions = pa.array([file.version for file in files], pa.string())
    fields = sorted(samples.fields)
    for start in range(0, len(samples.stems), _PAGE_ROWS):
        columns: dict[str, pa.Array | MediaColumn] = {}
        pins: dict[str, pa.Array] = {}
        for name in fields:
            which = samples.files(name)[start : start + _PAGE_ROWS]
            taken = pa.array(which, mask=which < 0)
            columns[name] = MediaColumn(paths=paths.take(taken), sizes=pa.array(np.where(which < 0, 0, sizes[which])))
            pins[name] = versions.take(taken)
        keys = pa.array(samples.stems[start : start + _PAGE_ROWS], pa.string())
        writer.add(Rows(columns, pins, keys))
    return describe_index(
        schema=_schema(fields),
        key=None,
        file_rows=[],
        mean_row_bytes=int(sizes.sum()) // max(len(samples.stems), 1),
        is_local="://" not in source.root,
    )


def write_shards(source: IndexSource, writer: PageWriter, *, limits: ArchiveLimits) -> IndexDocument:
    """Convert the members of archives; only headers of local tars are read. Compressed members are unpacked.

    Raises:
        InvalidInput: An archive is damaged or unsafe, or two members would be the same field of the same sample.
    """
    is_remote = any(container.path is None for container in source.containers)
    with ThreadPoolExecutor(_PARALLEL_REQUESTS if is_remote else 2, thread_name_prefix="headrace-index") as pool:
        shards = list(pool.map(lambda container: _read_shard(container, limits=limits), source.containers))
    fields = sorted({name for shard in shards for name in shard.samples.fields})
    has_data = {
        name
        for shard in shards
        for name in shard.samples.fields
        if any(shard.data[idx] is not None for idx in shard.samples.files(name).tolist() if idx >= 0)
    }
    if len(fields) > _MAX_FIELDS:
        raise _too_many_fields(source.name, fields)
    keys = _unique_keys([shard.samples.stems for shard in shards], [file.path for file in source.files])
    for number, shard in enumerate(shards):
        columns = {name: shard.column(name, number=number, holds_data=name in has_data) for name in fields}
        writer.add(Rows(dict(columns), keys=pa.array(keys[number], pa.string())))
    num_rows = sum(len(shard.samples.stems) for shard in shards)
    return describe_index(
        schema=_schema(fields),
        key=None,
        file_rows=[len(shard.samples.stems) for shard in shards],
        mean_row_bytes=sum(int(shard.sizes.sum()) for shard in shards) // max(num_rows, 1),
        is_local=not is_remote,
    )


class _Samples:
    """Which file is which field of which sample; samples in order of their first file."""

    def __init__(self, paths: Sequence[str], *, name: str) -> None:
        rows: dict[str, int] = {}
        fields: dict[str, dict[int, int]] = {}
        for idx, path in enumerate(paths):
            folder_end = path.rfind("/") + 1
            dot = path.find(".", folder_end)
            stem, field = (path, "") if dot < 0 else (path[:dot], path[dot + 1 :].lower())
            row = rows.setdefault(stem, len(rows))
            places = fields.get(field)
            if places is None:
                places = fields[field] = {}
                if len(fields) > _MAX_FIELDS:
                    raise _too_many_fields(name, sorted(fields))
            other = places.setdefault(row, idx)
            if other != idx:
                raise InvalidInput(
                    f"{paths[other]!r} and {path!r} would both be the field {field!r} of the sample {stem!r}; rename "
                    "one (letters count the same in upper and lower case)",
                    file=name,
                )
        if "" in fields:
            first = paths[next(iter(fields[""].values()))]
            raise InvalidInput(
                f"the file {first!r} has no extension, which would name its field; rename it or leave it out", file=name
            )
        self.stems = list(rows)
        self.fields = fields

    def files(self, field: str) -> np.ndarray:
        """Number of the file that is this field of each sample, -1 for none: int64 [num_samples]."""
        found = np.full(len(self.stems), -1, dtype=np.int64)
        places = self.fields.get(field, {})
        found[np.fromiter(places.keys(), np.int64, len(places))] = np.fromiter(places.values(), np.int64, len(places))
        return found


class _Shard:
    """The members of one archive."""

    def __init__(self, samples: _Samples, offsets: np.ndarray, sizes: np.ndarray, data: list[bytes | None]) -> None:
        self.samples = samples
        self.offsets = offsets  # int64 [num_files]
        self.sizes = sizes  # int64 [num_files]
        self.data = data  # of members that do not lie in the archive as they are

    def column(self, field: str, *, number: int, holds_data: bool) -> MediaColumn:
        """Where the values of a field lie."""
        which = self.samples.files(field)
        there = which >= 0
        is_placed = there
        if holds_data:
            is_placed = there & np.array([self.data[idx] is None for idx in which.tolist()], dtype=bool)
        containers = np.where(is_placed, OWN_FIRST - number, NULL_CONTAINER).astype(np.int32)
        data = None
        if holds_data:
            data = pa.array([self.data[idx] if idx >= 0 else None for idx in which.tolist()], pa.large_binary())
        return MediaColumn(
            containers=pa.array(containers),
            offsets=pa.array(np.where(is_placed, self.offsets[which], 0)),
            sizes=pa.array(np.where(there, self.sizes[which], 0)),
            data=data,
        )


def _read_shard(container: Container, *, limits: ArchiveLimits) -> _Shard:
    kind = archive_kind(container.uri)
    if kind is None:
        raise InvalidInput("is no archive; expected .tar, .tar.gz, .tar.zst or .zip", file=container.name)
    paths: list[str] = []
    offsets: list[int] = []
    sizes: list[int] = []
    data: list[bytes | None] = []
    for member in read_archive(container, kind=kind, limits=limits):
        if is_clutter(member.path):
            continue
        paths.append(member.path)
        offsets.append(member.offset or 0)
        content = None
        if member.offset is None:
            content = member.data if member.data is not None or member.fetch is None else member.fetch()
        data.append(content)
        sizes.append(member.size if content is None else len(content))
    if not paths:
        raise InvalidInput("empty archive; expected at least one file that is not hidden", file=container.name)
    samples = _Samples(paths, name=container.name)
    return _Shard(samples, np.array(offsets, dtype=np.int64), np.array(sizes, dtype=np.int64), data)


def _unique_keys(stems: Sequence[list[str]], shard_paths: Sequence[str]) -> Sequence[list[str]]:
    """The stems; with the shard's path before them where shards count their samples each from the start."""
    total = sum(len(names) for names in stems)
    if len(stems) == 1 or len(set().union(*stems)) == total:
        return stems
    return [[f"{path}/{name}" for name in names] for path, names in zip(shard_paths, stems)]


def _schema(fields: Sequence[str]) -> pa.Schema:
    return pa.schema([media_field(name, kind_of_path(f".{name}") or "bytes", nullable=True) for name in fields])


def _refuse_beside_table(samples: _Samples, *, files_name: str, paths: Sequence[str]) -> None:
    """A single table among media is their index, which nobody wants as one more sample."""
    for field, places in samples.fields.items():
        if len(places) == 1 and len(samples.stems) > 1 and table_format(f"x.{field}") is not None:
            path = paths[next(iter(places.values()))]
            is_alone = sum(next(iter(places)) in other for other in samples.fields.values()) == 1
            if is_alone:
                raise InvalidInput(
                    f"holds the table {path!r} beside media; if it is their index, open it instead: "
                    f"{os.path.join(files_name, path)}",
                    file=files_name,
                )


def _too_many_fields(name: str, fields: Sequence[str]) -> InvalidInput:
    shown = ", ".join(repr(field) for field in list(fields)[:4])
    return InvalidInput(
        f"has more than {_MAX_FIELDS} extensions, such as {shown}; a name up to its first dot is the sample, the rest "
        "its field. Rename files that have dots in their names, or list them in a table",
        file=name,
    )
