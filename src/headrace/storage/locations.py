"""Objects anywhere, opened with one set of credentials: sources, adopted media, views and exports of one lake."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from headrace.storage.opening import open_store
from headrace.storage.store import ObjectStore
from headrace.storage.uris import StoreUri

if TYPE_CHECKING:
    from headrace.storage.options import StoreOptions

__all__ = ["Locations"]


class Locations:
    """Keeps one store for each bucket, host or folder that was asked for. Thread-safe; nothing is read here.

    Options (region, endpoint, credentials) apply to every remote store; without them the usual variables do.
    """

    def __init__(self, options: StoreOptions | Mapping[str, object] | None = None) -> None:
        self._options = options
        self._stores: dict[str, ObjectStore] = {}
        self._lock = threading.Lock()

    def open(self, uri: str) -> tuple[ObjectStore, str]:
        """The store that holds an object, and its key; the key is "" for a whole bucket.

        Raises:
            InvalidInput: The URI has no known form.
        """
        location = StoreUri.parse(uri)
        if location.is_local and location.name:
            return self.store(str(location.parent)), location.name
        return self.store(str(location.root)), "" if location.is_local else location.path

    def store(self, uri: str) -> ObjectStore:
        """The store whose root is `uri`."""
        with self._lock:
            store = self._stores.get(uri)
            if store is None:
                store = self._stores[uri] = open_store(uri, options=self._options)
            return store

    def __reduce__(self) -> tuple[type[Locations], tuple[object]]:
        return Locations, (self._options,)
