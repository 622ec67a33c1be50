"""From whatever a user hands in to a provider, and the folder where its plans and pages lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from headrace.datasets.derived_views import STREAMS
from headrace.errors import InvalidInput
from headrace.storage.local import LocalStore
from headrace.streaming.index_opening import open_index
from headrace.streaming.options import IndexOptions
from headrace.streaming.pages import PageFolder
from headrace.streaming.provider import Provider
from headrace.streaming.snapshot_rows import SnapshotRows

if TYPE_CHECKING:
    from headrace.datasets.snapshot import Snapshot

__all__ = ["cache_folder", "open_provider", "plan_folder"]


def open_provider(source: object, *, options: IndexOptions) -> Provider:
    """The rows of a source.

    Args:
        source: A snapshot; a reference such as "lake::dataset@alias"; a provider; or an index: a table, folder, glob,
            `split_file_paths.txt`, tar shards, a Lance dataset, a folder of a Hugging Face repository.

    Raises:
        NotFound: There is no such thing.
        InvalidInput: It is nothing that can be read, or the folder of the options cannot be made.
    """
    if options.directory is not None:
        _make_folder(options.directory)
    if _is_snapshot(source):
        return SnapshotRows(source, pages=PageFolder(_snapshot_folder(source, options)))
    if isinstance(source, str) and "::" in source:
        from headrace.connecting import connect
        from headrace.schema.references import Reference

        reference = Reference.parse(source)
        lake = connect(str(reference.lake))
        return open_provider(lake.snapshot(source.rpartition("::")[2]), options=options)
    if isinstance(source, str | os.PathLike | list | tuple):
        return open_index(source, options=options, folder=os.fspath(options.directory or cache_folder()))
    if isinstance(source, Provider):
        return source
    raise InvalidInput(
        f"a {type(source).__name__} cannot be streamed; expected a snapshot, a reference such as "
        "'lake::dataset@alias', a path or glob of an index, or an object with the methods of a Provider"
    )


def _is_snapshot(source: object) -> TypeGuard[Snapshot]:
    """Without importing what snapshots need, which takes longer than to open an index."""
    module = sys.modules.get("headrace.datasets.snapshot")
    return module is not None and isinstance(source, module.Snapshot)


def _make_folder(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"the folder {directory} cannot be made: {error.strerror}; expected one that can be written, in "
            "IndexOptions(directory=…)"
        ) from error


def plan_folder(provider: Provider, *, options: IndexOptions) -> str:
    """Where plans of a provider lie."""
    pages = getattr(provider, "pages", None)
    if isinstance(pages, PageFolder):
        return os.path.join(os.path.dirname(pages.folder), "plans")
    return os.path.join(options.directory or cache_folder(), "plans")


def cache_folder() -> Path:
    """`$HEADRACE_CACHE`, or ~/.cache/headrace."""
    named = os.environ.get("HEADRACE_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace"


def _snapshot_folder(snapshot: Snapshot, options: IndexOptions) -> str:
    """Below `derived/` of a local lake that may be written, else in the cache."""
    lake = snapshot.dataset.lake
    uid = snapshot.dataset.base.rstrip("/").rpartition("/")[2]
    if options.directory is not None:
        return os.path.join(options.directory, uid, "pages")
    if isinstance(lake.store, LocalStore) and os.access(lake.store.uri, os.W_OK):
        return os.path.join(lake.store.uri, STREAMS, uid, "pages")
    return os.path.join(cache_folder(), uid, "pages")
