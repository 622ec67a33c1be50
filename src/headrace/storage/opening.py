"""From a URI to the store that serves it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import MissingExtra
from headrace.storage.local import LocalStore
from headrace.storage.store import ObjectStore
from headrace.storage.uris import StoreUri

if TYPE_CHECKING:
    from headrace.storage.options import StoreOptions

__all__ = ["open_store"]


def open_store(
    uri: str | Path | StoreUri, *, options: StoreOptions | Mapping[str, object] | None = None
) -> ObjectStore:
    """The store whose root is `uri`; nothing is read, written or created yet.

    Args:
        options: Region, endpoint, credentials and time limits of a remote store; others ignore them.

    Raises:
        InvalidInput: The URI or an option is wrong.
    """
    location = uri if isinstance(uri, StoreUri) else StoreUri.parse(uri)
    if location.scheme == "file":
        return LocalStore(location.path)
    if location.scheme == "memory":
        from headrace.storage.memory import MemoryStore

        return MemoryStore(location)
    try:
        # Costs 100 ms, so only those pay who use it.
        from headrace.storage.options import StoreOptions
        from headrace.storage.remote import RemoteStore
    except ImportError as error:
        raise MissingExtra(f"reading {location} needs obstore, which is not installed: pip install obstore") from error
    return RemoteStore(location, options=StoreOptions.of(options))
