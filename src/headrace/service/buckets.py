"""The buckets that requests may name, and where each of them lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known
from headrace.storage.uris import StoreUri

__all__ = ["Buckets", "parse_bucket"]

_MAX_PATH_CHARS = 1_024


def parse_bucket(text: str) -> tuple[str, str]:
    """Name and place of "NAME=URI".

    Raises:
        InvalidInput: No '=', an empty side, or a place that cannot be one.
    """
    name, separator, place = text.partition("=")
    if not separator or not name or not place or "/" in name:
        raise InvalidInput(f"{text!r} is no bucket: expected NAME=FOLDER or NAME=s3://…, such as mini-automl-dm=bucket")
    return name, str(StoreUri.parse(place))


@dataclass(frozen=True, slots=True)
class Buckets:
    """Places by name. What requests name lies below one of them, and nowhere else.

    Attributes:
        view_bucket: Where the files of prepared snapshots appear; None: there are no buckets.
    """

    places: Mapping[str, str]
    view_bucket: str | None

    @classmethod
    def of(cls, places: Mapping[str, str], *, view_bucket: str | None = None) -> Buckets:
        """The first bucket takes views unless another is named. Folders that are missing are made.

        Raises:
            InvalidInput: `view_bucket` is none of them.
        """
        if view_bucket is not None and view_bucket not in places:
            raise InvalidInput(
                f"the view bucket {view_bucket!r} is no bucket.{near_miss_or_known(view_bucket, sorted(places))}"
            )
        for place in places.values():
            if "://" not in place:
                Path(place).mkdir(parents=True, exist_ok=True)
        return cls(dict(places), view_bucket or next(iter(places), None))

    def locate(self, bucket: str, path: str) -> str:
        """The URI of an object or folder in a bucket; nothing is read.

        Raises:
            InvalidInput: An unknown bucket, or a path that leads out of it.
        """
        place = self.places.get(bucket)
        if place is None:
            raise InvalidInput(
                f"bucket {bucket!r} is not configured.{near_miss_or_known(bucket, sorted(self.places))} Buckets are "
                "named when the server is started: --bucket NAME=URI"
            )
        names = path.rstrip("/").split("/")
        if (
            not path
            or len(path) > _MAX_PATH_CHARS
            or not path.isprintable()
            or any(n in ("", ".", "..") for n in names)
        ):
            raise InvalidInput(
                f"path {path[:100]!r} in bucket {bucket!r}: expected the key of an object, such as upload/001.csv, "
                "without '..' and empty parts"
            )
        return f"{place}/{'/'.join(names)}"

    def hold(self, uri: str) -> bool:
        """Whether an address lies in one of the buckets."""
        text = str(StoreUri.parse(uri))
        return any(text.startswith(f"{place}/") for place in self.places.values())

    def told(self, message: str) -> str:
        """A message without the places of buckets, which are the server's own matter."""
        for name, place in sorted(self.places.items(), key=lambda item: -len(item[1])):
            message = message.replace(place, name)
        return message
