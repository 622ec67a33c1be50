"""What a request may make the server read: objects of its buckets, and nothing else."""

from __future__ import annotations

from headrace.errors import PermissionDenied
from headrace.service.buckets import Buckets
from headrace.storage.locations import Locations
from headrace.storage.store import ObjectStore

__all__ = ["BucketLocations"]


class BucketLocations(Locations):
    """Opens what lies in a bucket. Rows of an uploaded table may name any address: the server fetches these alone."""

    def __init__(self, buckets: Buckets) -> None:
        super().__init__()
        self._buckets = buckets

    def open(self, uri: str) -> tuple[ObjectStore, str]:
        """The store that holds an object, and its key.

        Raises:
            PermissionDenied: It lies in none of the buckets.
        """
        if not self._buckets.hold(uri):
            raise PermissionDenied(
                f"{uri[:200]!r} lies in none of the server's buckets, so that it is not read; put the file into one"
            )
        return super().open(uri)
