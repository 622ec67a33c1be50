"""Opens a lake, wherever it lies."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

from headrace.errors import InvalidInput

if TYPE_CHECKING:
    from headrace.datasets.lake import Lake
    from headrace.storage.options import StoreOptions

__all__ = ["connect"]


def connect(uri: str | PathLike[str], *, options: StoreOptions | None = None, actor: str | None = None) -> Lake:
    """The lake at a folder, `s3://…`, `gs://…`, `az://…` or `memory://name`; creates nothing.

    Args:
        uri: Root of the lake.
        options: Region, endpoint and credentials of object stores: the lake's own, and those of sources, adopted
            media and exports; by default from the usual variables.
        actor: Who is written into the log; by default HEADRACE_ACTOR, else user@host.

    Raises:
        InvalidInput: An unknown scheme.
    """
    from headrace.datasets.lake import Lake
    from headrace.storage.locations import Locations
    from headrace.storage.opening import open_store

    if not isinstance(uri, str | PathLike):
        raise TypeError(f"a lake is a folder or a URI such as 's3://bucket/lake'; got {uri!r}")
    text = str(uri)
    if text.startswith(("http://", "https://")):
        raise InvalidInput(
            f"{text} is read-only storage, not a lake; this version opens lakes in folders, s3://, gs://, az:// and memory://"
        )
    return Lake(open_store(text, options=options), actor=actor, locations=Locations(options))
