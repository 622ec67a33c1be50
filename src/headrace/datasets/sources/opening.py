"""From whatever a user hands in to a source of rows or of files."""

from __future__ import annotations

import glob
import io
import itertools
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, BinaryIO, Literal, TypeGuard, cast
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from headrace.datasets.batches import BadRow, FileEntry, RejectedRow
from headrace.datasets.sources.archive_files import ArchiveFiles
from headrace.datasets.sources.arrow_table import arrow_table
from headrace.datasets.sources.clutter import is_clutter
from headrace.datasets.sources.csv_table import CsvTable
from headrace.datasets.sources.file_list import StoredFiles, list_local_files, list_stored_files
from headrace.datasets.sources.folder import open_folder
from headrace.datasets.sources.joined_files import JoinedFiles
from headrace.datasets.sources.json_table import JsonTable
from headrace.datasets.sources.one_schema import OneSchemaTable, one_schema
from headrace.datasets.sources.parquet_table import ParquetTable
from headrace.datasets.sources.row_iterable import RowIterable
from headrace.datasets.sources.source import FileSource, Source, TableSource
from headrace.datasets.sources.stored_objects import (
    SourceOpener,
    StoredObject,
    find_object,
    glob_objects,
    list_objects,
)
from headrace.datasets.sources.table_file import TABLE_SUFFIXES, TableFile, table_file_of, table_format
from headrace.errors import InvalidInput, NotFound
from headrace.schema.near_misses import did_you_mean, nearest
from headrace.storage.archive_limits import ArchiveLimits
from headrace.storage.archives import ARCHIVE_SUFFIXES, archive_kind
from headrace.storage.containers import Container, LocalContainer, local_error
from headrace.storage.locations import Locations
from headrace.storage.uris import StoreUri

__all__ = ["SourceOpener", "local_path", "location_text", "open_source", "read_table_entry"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_EXPECTED = (
    "a path, URI, list of paths, glob, folder, archive, Arrow table or reader, pandas or polars frame, "
    "or an iterable of dicts"
)
_DEFAULT_LIMITS = ArchiveLimits()
_NOTHING = object()
_PARALLEL_REQUESTS = 16

Kind = Literal["table", "archive", "folder", "file"]


def open_source(
    value: object,
    *,
    csv_has_header: bool,
    limits: ArchiveLimits = _DEFAULT_LIMITS,
    opener: SourceOpener | None = None,
    schema: pa.Schema | None = None,
    allow_nested: bool = True,
    tables_are_files: bool = False,
    joins_parquet_folders: bool = False,
    on_bad_row: Callable[[RejectedRow], None] | None = None,
) -> Source:
    """The rows or files of `value`. Listings are made here; contents are read when they are iterated.

    Args:
        value: A path or URI of a table, archive or folder; a glob; a list of paths or URIs; an Arrow table, batch or
            reader; a pandas or polars frame; an iterable of dicts; or a `TableSource` or `FileSource`.
        csv_has_header: Whether the first row of CSV files names the columns.
        opener: Opens remote URIs; by default with the credentials of the usual environment variables.
        schema: Types of columns that the source itself does not type: CSV, JSON, dicts.
        allow_nested: Whether archives may hold archives (as files; they are never opened).
        tables_are_files: Take a single file, or listed ones, as they are, even where the extension is a table's.
        joins_parquet_folders: Take a folder or prefix that holds nothing but Parquet files (and read-mes) as one table.
        on_bad_row: Takes the rows of CSV files that have the wrong number of fields; without it the first is an error.

    Raises:
        NotFound: Nothing there; names what is near.
        PermissionDenied: May not be read.
        InvalidInput: Nothing that can be read, empty, or unsafe.
    """
    opening = _Opening(
        csv_has_header=csv_has_header,
        limits=limits,
        opener=opener or Locations(),
        schema=schema,
        allow_nested=allow_nested,
        tables_are_files=tables_are_files,
        joins_parquet_folders=joins_parquet_folders,
        on_bad_row=on_bad_row,
    )
    return opening.open(value)


def read_table_entry(
    entry: FileEntry,
    *,
    has_header: bool = True,
    schema: pa.Schema | None = None,
    limits: ArchiveLimits = _DEFAULT_LIMITS,
    on_bad_row: BadRow | None = None,
) -> TableSource:
    """A table that lies in a folder or archive, for types whose rows refer to files beside it.

    Raises:
        InvalidInput: The extension is none of a table.
    """
    media = entry.media

    def open_entry() -> BinaryIO:
        if media.path is not None and media.fetch is None and media.offset == 0 and media.data is None:
            return LocalContainer(media.path, name=media.name).open()
        return io.BytesIO(media.load())

    file = TableFile(name=media.name, uri=media.uri or media.name, size=media.size, open=open_entry, limits=limits)
    return _open_table(file, entry.path, csv_has_header=has_header, schema=schema, on_bad_row=on_bad_row)


class _Opening:
    """One call of `open_source`."""

    def __init__(
        self,
        *,
        csv_has_header: bool,
        limits: ArchiveLimits,
        opener: SourceOpener,
        schema: pa.Schema | None,
        allow_nested: bool,
        tables_are_files: bool,
        joins_parquet_folders: bool,
        on_bad_row: Callable[[RejectedRow], None] | None,
    ) -> None:
        self._csv_has_header = csv_has_header
        self._limits = limits
        self._opener = opener
        self._schema = schema
        self._allow_nested = allow_nested
        self._tables_are_files = tables_are_files
        self._joins_parquet_folders = joins_parquet_folders
        self._on_bad_row = on_bad_row

    def open(self, value: object) -> Source:
        if isinstance(value, (str, os.PathLike)):
            return self._open_location(location_text(value))
        if _is_source(value):
            return value
        table = arrow_table(value)
        if table is not None:
            return table
        if isinstance(value, (bytes, bytearray, memoryview, Mapping)) or not isinstance(value, Iterable):
            raise InvalidInput(f"a {type(value).__name__} is no source; expected {_EXPECTED}")
        return self._open_iterable(value)

    def _open_iterable(self, value: Iterable[Any]) -> Source:
        items: Iterable[Any] = value
        if isinstance(value, Sequence):
            first = value[0] if len(value) else _NOTHING
        else:
            iterator = iter(value)
            first = next(iterator, _NOTHING)
            # A set or another container can be read again; an iterator cannot, and must not lose its first row.
            items = itertools.chain([first], iterator) if iterator is value else value
        if first is _NOTHING:
            raise InvalidInput(f"an empty {type(value).__name__}; expected at least one path or dict")
        if isinstance(first, (str, os.PathLike)):
            paths = []
            for idx, item in enumerate(items):
                if not isinstance(item, (str, os.PathLike)):
                    raise InvalidInput(
                        f"entry {idx} (counted from 0) is a {type(item).__name__} among paths; expected paths only"
                    )
                paths.append(location_text(item))
            return self._open_list(paths if isinstance(value, (Sequence, Iterator)) else sorted(paths))
        if isinstance(first, Mapping):
            return one_schema(RowIterable(items, schema=self._schema), name="memory:rows")
        raise InvalidInput(f"a {type(value).__name__} of {type(first).__name__} is no source; expected {_EXPECTED}")

    def _open_location(self, text: str) -> Source:
        location = local_path(text)
        if location is None:
            return self._open_uri(text)
        path = location
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            if glob.has_magic(path):
                return self._open_list(_matches(path), pattern=text)
            raise _missing(path) from None
        except OSError as error:
            raise local_error(error, path) from error
        if os.path.isdir(path):
            folder = open_folder(path, name=path, limits=self._limits)
            names = [name for name, _, _ in folder.listed]
            joined = self._files_that_are_meant(names)
            if not joined:
                return folder
            return self._joined([LocalContainer(os.path.join(path, name)) for name in joined], joined)
        if self._tables_are_files and archive_kind(path) is None:
            return list_local_files([(path, _status(path))])
        return self._open_file(LocalContainer(path), path)

    def _open_uri(self, uri: str) -> Source:
        try:
            found = find_object(uri, self._opener)
        except InvalidInput:
            # A web address cannot hold '?', a pattern can.
            if not glob.has_magic(uri):
                raise
            found = None
        if found is not None and self._tables_are_files and archive_kind(found.key) is None:
            return list_stored_files([found])
        if found is not None:
            return self._open_file(found.container(), found.key)
        if glob.has_magic(uri):
            objects = glob_objects(uri, self._opener, limits=self._limits)
            if not objects:
                raise NotFound(f"no object matches {uri}")
            return self._open_objects(objects)
        if uri.lower().startswith(("http://", "https://")):
            raise NotFound(f"{uri}: no such object; web addresses must name one file, they cannot be listed")
        found_below = list_objects(uri, self._opener, limits=self._limits)
        joined = self._files_that_are_meant([name for name, _ in found_below])
        if joined:
            containers = {name: item.container() for name, item in found_below}
            return self._joined([containers[name] for name in joined], joined)
        return StoredFiles(uri.rstrip("/"), found_below)

    def _files_that_are_meant(self, names: Sequence[str]) -> list[str]:
        """The shards of a folder of archives, if an archive is no sample; the tables of a folder of Parquet files.

        Empty where the folder itself is meant.
        """
        if not self._allow_nested and all(archive_kind(name) is not None for name in names):
            return list(names)
        tables = [name for name in names if not is_clutter(name)] if self._joins_parquet_folders else []
        return tables if all(name.lower().endswith(".parquet") for name in tables) else []

    def _open_file(self, container: Container, path: str) -> Source:
        kind = archive_kind(path)
        if kind is not None:
            return ArchiveFiles(container, archive_kind=kind, limits=self._limits, allow_nested=self._allow_nested)
        if table_format(path) is None:
            raise InvalidInput(
                f"{_extension(path)} is not supported; expected {_supported()}, or a folder. To take a file as it is, "
                "hand in a list with it",
                file=container.name,
            )
        return _open_table(
            table_file_of(container, limits=self._limits),
            path,
            csv_has_header=self._csv_has_header,
            schema=self._schema,
            on_bad_row=None if self._on_bad_row is None else partial(_reject, self._on_bad_row, container.uri),
        )

    def _open_list(self, paths: Sequence[str], *, pattern: str | None = None) -> Source:
        local: list[str] = []
        remote: list[str] = []
        for text in paths:
            path = local_path(text)
            if path is None:
                remote.append(text)
            else:
                local.append(path)
        objects = self._find_all(remote)
        if local and objects:
            raise InvalidInput("a list of local and remote files; expected one of them, so hand them in separately")
        if objects:
            return self._open_objects(objects)
        files = [(path, _status(path)) for path in local]
        folders = [path for path, status in files if stat.S_ISDIR(status.st_mode)]
        if folders and pattern is not None and len(folders) < len(files):
            # A pattern such as photos/* is meant for the files that it finds.
            files = [(path, status) for path, status in files if not stat.S_ISDIR(status.st_mode)]
            folders = []
        if folders:
            if len(folders) < len(files):
                raise InvalidInput(
                    "is a folder in a list with files; expected folders only or files only", file=folders[0]
                )
            return JoinedFiles([open_folder(path, name=path, limits=self._limits) for path in folders])
        local = [path for path, _ in files]
        if self._kind(local) == "file":
            return list_local_files(files)
        return self._joined([LocalContainer(path) for path in local], local)

    def _find_all(self, uris: Sequence[str]) -> list[StoredObject]:
        """Objects by name, asked for side by side because each takes a round trip."""
        objects: list[StoredObject] = []
        with ThreadPoolExecutor(_PARALLEL_REQUESTS, thread_name_prefix="headrace-find") as pool:
            for uri, found in zip(uris, pool.map(lambda uri: find_object(uri, self._opener), uris), strict=True):
                if found is None:
                    raise NotFound(f"{uri}: no such object")
                objects.append(found)
        return objects

    def _open_objects(self, objects: Sequence[StoredObject]) -> Source:
        keys = [item.key for item in objects]
        if self._kind(keys) == "file":
            return list_stored_files(objects)
        return self._joined([item.container() for item in objects], keys)

    def _kind(self, paths: Sequence[str]) -> Kind:
        kind = _common_kind(paths)
        return "file" if kind == "table" and self._tables_are_files else kind

    def _joined(self, containers: Sequence[Container], paths: Sequence[str]) -> Source:
        """Tables only, or archives only."""
        if any(container.path is None for container in containers):  # of tables the footer is read
            with ThreadPoolExecutor(_PARALLEL_REQUESTS, thread_name_prefix="headrace-open") as pool:
                sources = list(pool.map(self._open_file, containers, paths))
        else:
            sources = [self._open_file(container, path) for container, path in zip(containers, paths)]
        if len(sources) == 1:
            return sources[0]
        if sources[0].kind == "files":
            return JoinedFiles(cast(Sequence[FileSource], sources))
        headers = {source.is_csv for source in cast(Sequence[TableSource], sources)}
        if not self._csv_has_header and len(headers) > 1:
            raise InvalidInput(
                "a list of CSV files without header and of other tables; expected one kind, so hand them in separately"
            )
        return OneSchemaTable(cast(Sequence[TableSource], sources), names=[container.name for container in containers])


def _reject(on_bad_row: Callable[[RejectedRow], None], uri: str, error: InvalidInput) -> None:
    on_bad_row(RejectedRow(uri, None, error.line, error.message))


def _open_table(
    file: TableFile, path: str, *, csv_has_header: bool, schema: pa.Schema | None, on_bad_row: BadRow | None
) -> TableSource:
    found = table_format(path)
    if found is None:
        raise InvalidInput(f"{_extension(path)} is no table; expected {', '.join(TABLE_SUFFIXES)}", file=file.name)
    kind, compression = found
    if compression is not None:
        file = TableFile(
            name=file.name, uri=file.uri, size=file.size, open=file.open, compression=compression, limits=file.limits
        )
    if file.size == 0:
        raise InvalidInput("empty file; expected rows", file=file.name)
    if kind == "parquet":
        return ParquetTable.open(file)
    if kind in ("csv", "tsv"):
        return CsvTable(
            file,
            has_header=csv_has_header,
            delimiter="\t" if kind == "tsv" else ",",
            schema=schema,
            on_bad_row=on_bad_row,
        )
    return one_schema(JsonTable(file, is_lines=kind == "jsonl", schema=schema), name=file.name)


def _common_kind(paths: Sequence[str]) -> Kind:
    """What a list of files is: tables, archives, or files as they are."""
    num_archives = sum(archive_kind(path) is not None for path in paths)
    if num_archives == len(paths):
        return "archive"
    if num_archives:
        archive = next(path for path in paths if archive_kind(path) is not None)
        raise InvalidInput("is an archive in a list with other files; hand archives in separately", file=archive)
    return "table" if all(table_format(path) is not None for path in paths) else "file"


def _is_source(value: object) -> TypeGuard[Source]:
    kind = getattr(value, "kind", None)
    method = {"table": "batches", "files": "files"}.get(kind) if isinstance(kind, str) else None
    return method is not None and callable(getattr(value, method, None)) and hasattr(value, "origins")


def location_text(value: str | os.PathLike[str]) -> str:
    """A path or URI as text.

    Raises:
        InvalidInput: It is empty, bytes, or holds a NUL character.
    """
    text = os.fspath(value)
    if isinstance(text, bytes):
        raise InvalidInput(f"the path {text!r} is bytes; expected text")
    if not text.strip():
        raise InvalidInput("an empty path; expected a path or URI")
    if "\0" in text:
        raise InvalidInput(f"the path {text!r} holds a NUL character; expected a path or URI")
    return text


def local_path(text: str) -> str | None:
    """A path of this machine; None for remote URIs."""
    match = _SCHEME.match(text)
    if match is None:
        return os.path.expanduser(text) if text.startswith("~") else text
    if match[1].lower() != "file":
        return None
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise InvalidInput(
            f"{text!r} names the host {parts.netloc!r}; expected three slashes, as in file:///data/part.csv"
        )
    return unquote(text[match.end() + len(parts.netloc) :], errors="surrogateescape")


def _status(path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(path) from None
    except OSError as error:
        raise local_error(error, path) from error


def _matches(pattern: str) -> list[str]:
    """Files and folders that match, in order; hidden ones do not.

    Raises:
        NotFound: There are none.
        InvalidInput: A match leads out of the folder that the pattern starts in.
    """
    try:
        found = sorted(glob.glob(pattern, recursive=True))
    except OSError as error:
        raise local_error(error, pattern) from error
    if not found:
        raise NotFound(f"no file matches {pattern!r}; expected at least one")
    fixed = list(itertools.takewhile(lambda part: not glob.has_magic(part), pattern.split("/")))
    root = os.path.realpath("/".join(fixed) or ("/" if pattern.startswith("/") else "."))
    inside = root.rstrip("/") + "/"
    real_folders: dict[str, str] = {}
    for path in found:
        folder, name = os.path.split(path)
        if folder not in real_folders:
            real_folders[folder] = os.path.realpath(folder or ".")
        real = os.path.realpath(path) if os.path.islink(path) else os.path.join(real_folders[folder], name)
        if not real.startswith(inside) and real != root:
            raise InvalidInput(
                f"is a link that leads out of the folder of the pattern, to {real!r}; expected files inside it",
                file=path,
            )
    return found


def _missing(path: str) -> NotFound:
    """What is wrong with a path that does not exist, with names near it.

    Raises:
        InvalidInput: It is a URI that lost a slash.
    """
    StoreUri.parse(path)
    absolute = os.path.abspath(path)
    parent, name = os.path.split(absolute)
    while parent != "/" and not os.path.isdir(parent):
        parent, name = os.path.split(parent)
    try:
        siblings = os.listdir(parent)
    except OSError:
        siblings = []
    hint = did_you_mean([os.path.join(parent, item) for item in nearest(name, siblings, limit=3)])
    where = "" if os.path.join(parent, name) == absolute else f" ({os.path.join(parent, name)} does not exist)"
    return NotFound(f"{path}: no such file or folder{where}.{hint}")


def _extension(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return f"the extension {os.path.splitext(name)[1]!r}" if "." in name.strip(".") else "a file without extension"


def _supported() -> str:
    return ", ".join((*TABLE_SUFFIXES, *ARCHIVE_SUFFIXES))
