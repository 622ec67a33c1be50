"""What a user names as an index, listed: tables, shards, or files one by one, each with what pins its content."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal
from urllib.parse import unquote

from headrace.datasets.sources.archive_files import ArchiveFiles
from headrace.datasets.sources.clutter import is_clutter
from headrace.datasets.sources.folder import FolderFiles
from headrace.datasets.sources.joined_files import JoinedFiles
from headrace.datasets.sources.opening import open_source
from headrace.datasets.sources.source import Source
from headrace.datasets.sources.table_file import table_format
from headrace.errors import InvalidInput, NotFound
from headrace.storage.archives import archive_kind
from headrace.storage.containers import Container
from headrace.storage.locations import Locations
from headrace.streaming.brace_patterns import expand_braces
from headrace.streaming.hugging_face import find_tables
from headrace.streaming.options import IndexOptions

__all__ = ["IndexFile", "IndexSource", "list_index"]

_LIST_NAME = "split_file_paths.txt"
_MAX_LIST_BYTES = 256 << 20
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

Kind = Literal["tables", "shards", "files"]


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A file that makes up an index."""

    path: str  # relative to the root
    address: str  # absolute path of this machine, or a URI
    size: int  # bytes
    version: str  # size and time of the last change, or an etag


@dataclass(frozen=True, slots=True)
class IndexSource:
    """Files that make up an index in the order of its rows."""

    kind: Kind
    name: str  # for messages
    root: str  # folder or URI around all files
    files: Sequence[IndexFile]
    containers: Sequence[Container] = ()  # of shards
    names_files: bool = False  # tables of Hugging Face's folders of media: `file_name` is the media column


def list_index(
    source: object, *, options: IndexOptions, locations: Locations, without: str | None = None
) -> IndexSource:
    """List what a path, URI, glob, brace pattern, folder, `split_file_paths.txt` or list of these names.

    Tables keep the order in which they were named; globs and folders are in path order. No content is read. A folder
    is listed without what lies below `without`, where pages are kept.

    Raises:
        NotFound: Nothing there; names what is near.
        InvalidInput: Nothing that can be an index, or several things at once.
    """
    is_list = isinstance(source, list | tuple)
    texts = [_text(item) for item in (source if isinstance(source, list | tuple) else [source])]
    if not texts:
        raise InvalidInput("an empty list is no index; expected at least one path")
    name = texts[0] if len(texts) == 1 else f"{texts[0]} and {len(texts) - 1} more"
    if len(texts) == 1 and re.split(r"[/\\]", texts[0])[-1] == _LIST_NAME:
        texts = _read_list(texts[0], locations)
        is_list = True
    texts = [item for text in texts for item in _expanded(text)]
    found: list[IndexFile] = []
    containers: list[Container] = []
    roots: list[str] = []
    is_folder = False
    for listing in _open(texts, options=options, locations=locations, is_list=is_list):
        for part in listing.sources if isinstance(listing, JoinedFiles) else [listing]:
            if isinstance(part, ArchiveFiles):
                containers.append(part.container)
                continue
            files, root, is_whole = _files_of(part, texts)
            found += [file for file in files if without is None or not file.address.startswith(without + "/")]
            roots.append(root)
            is_folder = is_folder or is_whole
    if containers and found:
        raise InvalidInput(f"{name}: archives beside other files; expected one of them, so open them separately")
    if containers:
        return _shards(containers, name=name)
    if len(roots) > 1:
        found, roots = _rebased(found)
    _refuse_repeated(found, name)
    return _sorted_out(found, name=name, root=roots[0], is_folder=is_folder, options=options, locations=locations)


def _text(item: object) -> str:
    if not isinstance(item, str | os.PathLike):
        raise InvalidInput(f"a {type(item).__name__} among the paths of an index; expected paths or URIs")
    text = os.fspath(item)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise InvalidInput(f"{text!r} is no path or URI of an index")
    return text


def _expanded(text: str) -> list[str]:
    if "{" not in text or os.path.lexists(text):
        return [text]
    return expand_braces(text)


def _read_list(text: str, locations: Locations) -> list[str]:
    """The index files that a list names, one a line, relative to it."""
    store, key = locations.open(text)
    stat = store.stat(key)
    if stat is None:
        raise NotFound(f"{text}: no such file")
    if stat.size > _MAX_LIST_BYTES:
        raise InvalidInput(f"holds {stat.size:,} bytes; expected a list of index files, one a line", file=text)
    try:
        content = store.get(key).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"is not UTF-8 at byte {error.start}; expected text", file=text) from None
    folder = text[: -len(_LIST_NAME)]
    lines = [line.strip() for line in content.splitlines()]
    named = [line if line.startswith("/") or _SCHEME.match(line) else folder + line for line in lines if line]
    if not named:
        raise InvalidInput("names no index file; expected one a line", file=text)
    return named


def _open(texts: Sequence[str], *, options: IndexOptions, locations: Locations, is_list: bool) -> Iterator[Source]:
    """One listing for all, or one for each where some are patterns."""
    has_pattern = any(glob.has_magic(text) for text in texts)
    values: list[object] = list(texts) if has_pattern or (not is_list and len(texts) == 1) else [list(texts)]
    for value in values:
        yield open_source(
            value, csv_has_header=options.csv_has_header, opener=locations, tables_are_files=True
        )  # fmt: skip


def _files_of(part: Source, texts: Sequence[str]) -> tuple[list[IndexFile], str, bool]:
    """Files in the order that they were named in, their root, and whether it is a folder with all that is in it."""
    root = part.origins[0].uri
    if isinstance(part, FolderFiles):
        root = unquote(root.removeprefix("file://"))
        prefix = root.rstrip("/") + "/"
        files = [
            IndexFile(path, prefix + path, size, f"{size}-{mtime_ns}")
            for path, size, mtime_ns in part.listed
        ]  # fmt: skip
    elif part.kind == "files":
        files = [
            IndexFile(entry.path, str(entry.media.uri), entry.media.size or 0, str(entry.media.version))
            for entry in part.files()
        ]
    else:
        raise InvalidInput(f"{root} is no file, folder or archive")
    named = {os.path.abspath(os.path.expanduser(_local(text))): place for place, text in enumerate(texts)}
    if len(named) > 1 and all(file.address in named for file in files):
        files.sort(key=lambda file: named[file.address])
    is_one = len(files) == 1 and files[0].address.endswith(texts[0].rpartition("/")[2])
    return files, root, len(texts) == 1 and not glob.has_magic(texts[0]) and not is_one


def _local(text: str) -> str:
    return unquote(text.removeprefix("file://")) if text.startswith("file://") else text


def _rebased(files: Sequence[IndexFile]) -> tuple[list[IndexFile], list[str]]:
    """Files of several folders under the folder around all of them."""
    first, last = min(file.address for file in files).split("/"), max(file.address for file in files).split("/")
    shared = [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first[:-1], last))]
    root = "/".join(shared)
    if "://" in files[0].address and root.count("/") < 2:
        raise InvalidInput("the files lie in several buckets or hosts; expected one, so open them separately")
    return [IndexFile(file.address[len(root) + 1 :], file.address, file.size, file.version) for file in files], [root]


def _refuse_repeated(files: Sequence[IndexFile], name: str) -> None:
    seen: set[str] = set()
    for file in files:
        if file.address in seen:
            raise InvalidInput(f"{name}: names {file.address} twice; expected each file once")
        seen.add(file.address)


def _shards(containers: Sequence[Container], *, name: str) -> IndexSource:
    files = [
        IndexFile("", container.path or container.uri, container.size, container.version) for container in containers
    ]
    _refuse_repeated(files, name)
    files, (root,) = _rebased(files)
    return IndexSource("shards", name, root, files, containers)


def _sorted_out(
    files: Sequence[IndexFile],
    *,
    name: str,
    root: str,
    is_folder: bool,
    options: IndexOptions,
    locations: Locations,
) -> IndexSource:
    """Tables, shards or files, by what there is."""
    if is_folder:
        chosen = find_tables([file.path for file in files], root=root, split=options.split)
        if chosen is not None:
            by_path = {file.path: file for file in files}
            tables = [by_path[path] for path in chosen.paths]
            return IndexSource("tables", name, root, tables, names_files=chosen.names_files)
    if options.split is not None:
        raise InvalidInput(f"split={options.split!r}: {name} is no folder of a Hugging Face repository")
    meant = [file for file in files if not is_clutter(file.path)]
    if not meant:
        raise InvalidInput("holds nothing but read-mes; expected tables, tar shards or media", file=name)
    if all(table_format(file.path) is not None for file in meant):
        return IndexSource("tables", name, root, meant)
    if all(archive_kind(file.path) is not None for file in meant):
        listing = open_source(
            [file.address for file in meant], csv_has_header=options.csv_has_header, opener=locations
        )  # fmt: skip
        parts = listing.sources if isinstance(listing, JoinedFiles) else [listing]
        return _shards([part.container for part in parts if isinstance(part, ArchiveFiles)], name=name)
    return IndexSource("files", name, root, meant)
