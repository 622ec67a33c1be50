"""Export formats: found by name, built in or registered by a package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.datasets.reported_reading import reported
from headrace.datasets.view_folder import View, write_view
from headrace.datasets.views import ViewReader, ViewWriter
from headrace.errors import InvalidInput
from headrace.progress import Progress
from headrace.schema.near_misses import near_miss
from headrace.storage.uris import StoreUri

if TYPE_CHECKING:
    from headrace.datasets.snapshot import Snapshot

__all__ = ["ENTRY_POINT_GROUP", "ExportFormat", "export", "export_format", "export_formats", "take_size"]

ENTRY_POINT_GROUP = "headrace.exports"

_BUILT_IN = {
    "parquet": "headrace.datasets.exports.parquet:ParquetExport",
    "webdataset": "headrace.datasets.exports.webdataset:WebDatasetExport",
}


class ExportFormat(ABC):
    """Subclass, set `name`, register under the entry point group `headrace.exports`."""

    name: ClassVar[str]

    @abstractmethod
    def write(self, reader: ViewReader, writer: ViewWriter, **options: Any) -> None:
        """Write all rows; an option that it does not know is an `InvalidInput`."""


def export_formats() -> list[str]:
    """Names of all formats, sorted."""
    return sorted({*_BUILT_IN, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))})


def export_format(name: str) -> ExportFormat:
    """The format with this name.

    Raises:
        InvalidInput: There is none; names the closest.
    """
    from pkgutil import resolve_name

    target = _BUILT_IN.get(name)
    if target is not None:
        found = resolve_name(target)
    else:
        points = [point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name == name]
        if not points:
            known = export_formats()
            raise InvalidInput(f"unknown export format {name!r}.{near_miss(name, known)} Formats: {', '.join(known)}")
        found = points[0].load()
    made: ExportFormat = found()
    return made


def take_size(options: dict[str, Any], name: str, default: int) -> int:
    """Remove an option that is a number of bytes, at least 1.

    Raises:
        InvalidInput: It is something else.
    """
    value = options.pop(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidInput(f"{name}={value!r}: expected a whole number of bytes from 1")
    return value


def export(snapshot: Snapshot, uri: str, *, format: str, options: Mapping[str, Any], progress: Progress) -> View:
    """Write all rows of a snapshot in a format to a folder or a prefix."""
    chosen = export_format(format)
    target = str(StoreUri.parse(uri))
    with (
        write_view(target, snapshot_id=snapshot.id, locations=snapshot.dataset.lake.locations) as writer,
        reported(snapshot, f"writing {format}", progress=progress) as reader,
    ):
        chosen.write(reader, writer, **options)
    return writer.view
