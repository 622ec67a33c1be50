"""The object at a lake's root that says that a lake is here, and of which format."""

from __future__ import annotations

import secrets

from headrace.errors import DataCorrupted, InvalidInput, NotFound, Unavailable
from headrace.storage.sealed import read_sealed, seal
from headrace.storage.store import ObjectStore

__all__ = ["LakeMarker"]

_FORMAT = 1
_KEY = "headrace.json"


class LakeMarker:
    """Of one store. Reads nothing before it is asked; once it was seen, it is not read again. Thread-safe."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._is_checked = False

    @property
    def exists(self) -> bool:
        """Whether a lake is there that this version can read.

        Raises:
            InvalidInput: The object is none of ours.
            Unavailable: The lake was written by a newer version.
            DataCorrupted: The object is not what was written.
        """
        if not self._is_checked:
            name = f"{self._store.uri}/{_KEY}"
            try:
                data = self._store.get(_KEY)  # one request where there is a lake
            except NotFound:
                if self._store.stat(_KEY) is None:  # raises where there is no such bucket
                    return False
                data = self._store.get(_KEY)  # it was created between the two looks
            document = read_sealed(data, name=name)
            if not isinstance(document.get("format"), int):
                raise InvalidInput(f"{name} does not describe a lake; is {self._store.uri} the right folder?")
            if document["format"] > _FORMAT:
                raise Unavailable(
                    f"the lake at {self._store.uri} has format {document['format']}, this version of Headrace reads up "
                    f"to {_FORMAT}; update Headrace"
                )
            if not isinstance(document.get("lake"), str):
                raise DataCorrupted(
                    f"{name} holds another object, whole in itself; it was swapped or copied to a wrong place. Restore "
                    "it from a copy of the lake"
                )
            self._is_checked = True
        return True

    def write(self) -> None:
        """Make the place a lake, unless it is one."""
        if not self.exists:
            self._store.put_new(_KEY, seal({"format": _FORMAT, "lake": secrets.token_hex(16)}))
