"""Objects in a bucket (S3, Google, Azure) or behind a web address, through obstore."""

from __future__ import annotations

import contextlib
import random
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError

from headrace.errors import (
    Conflict,
    DataCorrupted,
    HeadraceError,
    InvalidInput,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from headrace.storage.bucket_region import find_bucket_region
from headrace.storage.keys import check_key, check_new_key, check_prefix
from headrace.storage.options import StoreOptions
from headrace.storage.probe import ProvenStores, probe_conditional_puts
from headrace.storage.ranges import coalesce, copy_into
from headrace.storage.remote_client import CONNECT_SECONDS, connect_client
from headrace.storage.remote_errors import RemoteFailure, describe_failure
from headrace.storage.store import Arrived, ObjectStat, Range
from headrace.storage.uris import StoreUri

if TYPE_CHECKING:
    from obstore import ObjectMeta

__all__ = ["RemoteStore"]

_GAP_BYTES: Final = 256 * 1024  # reading past this much costs less than another request
_FETCH_BYTES: Final = 8 * 1024 * 1024  # larger requests would leave the other connections idle
_NUM_FETCHERS: Final = 16
_SINGLE_PUT_BYTES: Final = 16 * 1024 * 1024  # above it in parts, each with its own time limit
_PART_BYTES: Final = 8 * 1024 * 1024
_STREAM_BYTES: Final = 1024 * 1024  # small enough to hash while the next piece comes
# User metadata that tells our own write from another's equal bytes; Azure takes no hyphen in its name.
_CLAIM_ATTRIBUTE: Final = "headraceclaim"
_LONGEST_PAUSE_SECONDS: Final = 2.0

# A fact about the store, so a worker process that inherits it only saves itself the probe.
_PROVEN = ProvenStores()


class RemoteStore:
    """A bucket, or a folder in it; http(s) addresses can be read only.

    Safe from several threads; not usable in a process that was forked after the first request (spawn instead).
    """

    def __init__(self, uri: str | StoreUri, *, options: StoreOptions | None = None) -> None:
        self._location = StoreUri.parse(uri) if isinstance(uri, str) else uri
        self._given_options = StoreOptions() if options is None else options
        self._options = self._given_options
        if self._location.scheme == "s3":
            self._options = self._given_options.with_s3_environment()
        self._prefix = f"{self._location.path}/" if self._location.path else ""
        self._client = connect_client(self._location, self._options, max_retries=self._options.max_retries)
        # A claim is never repeated blindly: after each failed attempt we look at what is there.
        self._single_try_client = connect_client(self._location, self._options, max_retries=0)
        self._fetchers: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._has_seen_bucket = False

    def __reduce__(self) -> tuple[object, tuple[str, StoreOptions]]:
        return _reopen, (str(self._location), self._given_options)

    def __repr__(self) -> str:
        return f"RemoteStore({self.uri!r})"

    @property
    def uri(self) -> str:
        return str(self._location)

    @property
    def is_local(self) -> bool:
        return False

    def get(self, key: str) -> bytes:
        path = self._path(key)
        with self._requesting("read", key):
            data = obstore.get(self._client, path).bytes().to_bytes()
        self._has_seen_bucket = True
        return data

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> list[bytes]:
        path = self._path(key)
        plan = coalesce(ranges, gap_bytes=_GAP_BYTES, max_bytes=_FETCH_BYTES)
        last_end = max((end for _, end in plan.fetches), default=0)
        if any(start == end > last_end for start, end in ranges):
            self._check_size(key, max(end for _, end in ranges))  # an empty range fetches nothing that could be short
        fetched: Sequence[memoryview] | None = None
        with self._requesting("read", key):
            try:
                fetched = self._fetch(path, plan.fetches)
            except Exception as error:
                if not RemoteFailure.of(error).is_range_refused:
                    raise
        if fetched is None:
            return list(self._cut_from_whole(key, ranges))
        for (start, end), data in zip(plan.fetches, fetched, strict=True):
            if len(data) != end - start:
                raise self._short(key, start=start, end=end, found=start + len(data))
        return [
            bytes(fetched[piece.fetch_idx][piece.start : piece.end]) if piece.fetch_idx >= 0 else b""
            for piece in plan.pieces
        ]

    def read_into(
        self, key: str, ranges: Sequence[Range], targets: Sequence[memoryview], *, arrived: Arrived | None = None
    ) -> None:
        copy_into(self, key, ranges, targets, arrived=arrived)

    def stream(self, key: str, *, start: int = 0) -> tuple[ObjectStat, Iterator[bytes]]:
        """What the object is, and its bytes from `start` in pieces; one request."""
        path = self._path(key)
        with self._requesting("read", key):
            found = obstore.get(self._client, path, options={"range": {"offset": start}} if start else None)
            pieces = iter(found.stream(min_chunk_size=_STREAM_BYTES))
        self._has_seen_bucket = True
        return self._object_stat(found.meta), self._pieces(pieces, key)

    def _pieces(self, pieces: Iterator[bytes], key: str) -> Iterator[bytes]:
        while True:
            with self._requesting("read", key):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        check_new_key(key)
        self._refuse_read_only(key)
        path = self._path(key)
        payload = memoryview(data).cast("B")
        claim = uuid.uuid4().hex
        give_up_at = time.monotonic() + 2 * self._options.timeout_seconds
        last_failure: HeadraceError | None = None
        num_failures = 0
        attempt = 0
        while num_failures <= self._options.max_retries and (attempt == 0 or time.monotonic() < give_up_at):
            if attempt:
                time.sleep(_pause_seconds(attempt))
            attempt += 1
            try:
                if self._try_claim(path, key=key, payload=payload, claim=claim):
                    return True
            except Unavailable as error:
                last_failure, num_failures = error, num_failures + 1
            except HeadraceError:
                if last_failure is None:
                    raise  # refused before anything could have been written
                num_failures += 1
            try:
                is_ours = self._is_our_claim(path, key=key, payload=payload, claim=claim)
            except Unavailable as error:
                last_failure, num_failures = error, num_failures + 1
                continue
            if is_ours is not None:
                return is_ours
        if last_failure is None:
            raise Unavailable(f"store {self.uri} kept asking to repeat the write of {key}; trying again is safe")
        raise Unavailable(
            f"whether {self._name(key)} was written is unknown after {attempt} attempts ({last_failure}). Nothing was "
            "deleted; trying again is safe"
        ) from last_failure

    def put(self, key: str, data: bytes | memoryview) -> None:
        self.put_parts(key, [data])

    def put_parts(self, key: str, buffers: Sequence[bytes | memoryview]) -> None:
        check_new_key(key)
        self._refuse_read_only(key)
        path = self._path(key)
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        num_bytes = sum(view.nbytes for view in views)
        with self._requesting("write", key):
            if num_bytes <= _SINGLE_PUT_BYTES:
                payload = views[0] if len(views) == 1 else b"".join(views)
                obstore.put(self._client, path, payload, use_multipart=False)
            else:
                obstore.put(
                    self._client,
                    path,
                    (view for view in views if view.nbytes),
                    use_multipart=True,
                    chunk_size=_PART_BYTES,
                    max_concurrency=8,
                )
        self._has_seen_bucket = True

    def stat(self, key: str) -> ObjectStat | None:
        path = self._path(key)
        try:
            with self._requesting("look up", key):
                found = obstore.head(self._client, path)
        except NotFound:
            self._check_bucket(path, key)
            return None
        self._has_seen_bucket = True
        return self._object_stat(found)

    def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectStat]:
        check_prefix(prefix)
        if self._location.is_read_only:
            raise InvalidInput(f"{self.uri} is a web address and cannot be listed; name one file")
        return self._list(prefix, start_after=start_after or "")

    def delete(self, key: str) -> None:
        self._refuse_read_only(key)
        path = self._path(key)
        try:
            with self._requesting("delete", key):
                obstore.delete(self._client, path)
        except NotFound as error:
            _raise_if_bucket_missing(error)

    def prepare_for_writing(self) -> None:
        """Probe conditional writes in the real bucket, once per process and store.

        Raises:
            Conflict: A second write to a taken key went through.
        """
        self._refuse_read_only("")
        _PROVEN.prove(f"{self._options.endpoint or ''} {self.uri}", lambda: probe_conditional_puts(self))

    def prepare_for_erasing(self) -> None:
        """Ask the bucket by a small object: one that keeps versions says which version it wrote.

        Raises:
            Conflict: Deleted objects stay as old versions, also those under an object lock.
        """
        self._refuse_read_only("")
        key = f"derived/erasing/{uuid.uuid4().hex}"
        path = self._path(key)
        with self._requesting("write", key):
            written = obstore.put(self._client, path, b"", use_multipart=False)
        self.delete(key)
        # Google's stores number every object so; whether old ones stay, they do not say here.
        if self._location.scheme in {"s3", "az"} and written.get("version") not in {None, "null"}:
            raise Conflict(
                f"{self.uri} lies in a bucket that keeps old versions of objects, so that nothing can be erased there. "
                "Switch versioning off, remove the old versions (a lifecycle rule for noncurrent versions does it), "
                "and run this again; to look: headrace doctor"
            )

    # Requests

    def _fetch(self, path: str, fetches: Sequence[Range]) -> Sequence[memoryview]:
        def fetch(wanted: Range) -> memoryview:
            return memoryview(obstore.get_range(self._client, path, start=wanted[0], end=wanted[1]))

        if len(fetches) < 2:
            return [fetch(wanted) for wanted in fetches]
        with self._lock:
            if self._fetchers is None:
                self._fetchers = ThreadPoolExecutor(_NUM_FETCHERS, thread_name_prefix="headrace-fetch")
        return list(self._fetchers.map(fetch, fetches))

    def _cut_from_whole(self, key: str, ranges: Sequence[Range]) -> Sequence[bytes]:
        """For web servers that do not know ranges, and to tell a range past the end from one refused."""
        if not self._location.is_read_only:
            self._check_size(key, max(end for _, end in ranges))
            raise Unavailable(
                f"the store refuses byte ranges of {self._name(key)}, although they lie within the object"
            )
        data = self.get(key)
        for start, end in ranges:
            if end > len(data):
                raise self._short(key, start=start, end=end, found=len(data))
        return [data[start:end] for start, end in ranges]

    def _check_size(self, key: str, num_bytes: int) -> None:
        found = self.stat(key)
        if found is None:
            raise NotFound(f"object {self._name(key)} does not exist")
        if num_bytes > found.size:
            raise self._short(key, start=num_bytes, end=num_bytes, found=found.size)

    def _short(self, key: str, *, start: int, end: int, found: int) -> DataCorrupted:
        return DataCorrupted(
            f"object {self._name(key)} ends at byte {found:,}, but bytes {start:,} to {end:,} of it were recorded: "
            "it was cut off or replaced after it was written"
        )

    def _try_claim(self, path: str, *, key: str, payload: memoryview, claim: str) -> bool:
        """Send one conditional put; False if the key is taken or, after a 409, may or may not be."""
        with self._requesting("write", key):
            try:
                obstore.put(
                    self._single_try_client,
                    path,
                    payload,
                    mode="create",
                    attributes={_CLAIM_ATTRIBUTE: claim},
                    use_multipart=False,
                )
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def _is_our_claim(self, path: str, *, key: str, payload: memoryview, claim: str) -> bool | None:
        """Whether the object there is what we sent; None if there is none."""
        try:
            with self._requesting("read back", key):
                found = obstore.get(self._client, path)
                if found.meta["size"] != payload.nbytes:
                    return False
                stored_claim = {str(name).lower(): value for name, value in found.attributes.items()}.get(
                    _CLAIM_ATTRIBUTE
                )
                data = found.bytes()
        except NotFound as error:
            _raise_if_bucket_missing(error)
            return None
        # A gateway that drops user metadata leaves the comparison of bytes: a log entry holds a random id.
        return (stored_claim is None or stored_claim == claim) and memoryview(data) == payload

    def _check_bucket(self, path: str, key: str) -> None:
        """Raise `NotFound` for a missing bucket. The answer to HEAD has no body to say so, that to GET has."""
        if self._has_seen_bucket or self._location.is_read_only:
            return
        try:
            with self._requesting("look up", key):
                obstore.get(self._client, path)
        except NotFound as error:
            _raise_if_bucket_missing(error)
        self._has_seen_bucket = True

    def _list(self, prefix: str, *, start_after: str) -> Iterator[ObjectStat]:
        # obstore matches whole segments, so ask for the folder and filter the rest of the prefix here.
        folder = (self._prefix + prefix).rpartition("/")[0]
        wanted = self._prefix + prefix
        offset = _listing_offset(wanted, start_after=self._prefix + start_after)
        with self._requesting("list", prefix):
            pages = obstore.list(self._client, folder or None, offset=offset, chunk_size=1000)
        while True:
            with self._requesting("list", prefix):
                page = next(pages, None)
            if page is None:
                return
            for found in page:
                path = found["path"]
                if path.startswith(wanted):
                    if path > self._prefix + start_after:
                        yield self._object_stat(found)
                elif path > wanted:
                    return  # in key order nothing that starts with the prefix can follow

    def _object_stat(self, found: ObjectMeta) -> ObjectStat:
        # Ceph's listings have milliseconds; the header that a look-up answers with has seconds everywhere.
        modified_at = float(int(found["last_modified"].timestamp()))
        version = found["e_tag"] or found["version"] or f"{found['size']}-{modified_at:.0f}"
        return ObjectStat(found["path"][len(self._prefix) :], found["size"], version, modified_at)

    # Names and errors

    def _path(self, key: str) -> str:
        check_key(key)
        return self._prefix + key

    def _name(self, key: str) -> str:
        return f"{self.uri}/{key}" if key else self.uri

    def _refuse_read_only(self, key: str) -> None:
        if self._location.is_read_only:
            raise PermissionDenied(f"cannot write {self._name(key)}: http(s) locations are read only")

    @contextlib.contextmanager
    def _requesting(self, action: str, key: str) -> Iterator[None]:
        try:
            yield
        except (HeadraceError, StopIteration):
            raise
        except Exception as error:
            failure = RemoteFailure.of(error)
            self._refuse_wrong_region(failure, action=action, key=key)
            raise describe_failure(
                error,
                uri=self._name(key),
                bucket_uri=str(self._location.root),
                action=action,
                attempts=self._options.max_retries + 1,
            ) from error

    def _refuse_wrong_region(self, failure: RemoteFailure, *, action: str, key: str) -> None:
        if self._location.scheme != "s3":
            return
        names_region = failure.service_code in {
            "AuthorizationHeaderMalformed",
            "PermanentRedirect",
            "TemporaryRedirect",
        }
        is_mute = failure.status == 400 and failure.service_code is None  # the answer to a HEAD
        if not (failure.is_redirect or names_region or is_mute):
            return
        asked = self._options.region or "us-east-1"
        actual = failure.bucket_region or find_bucket_region(
            self._location.bucket,
            endpoint=self._options.endpoint or f"https://s3.{asked}.amazonaws.com",
            timeout_seconds=min(CONNECT_SECONDS, self._options.timeout_seconds),
        )
        if actual is not None and actual != asked:
            raise InvalidInput(
                f"cannot {action} {self._name(key)}: the bucket is in region {actual}, but was asked for in {asked}. "
                f"Set AWS_REGION={actual} or the option region={actual!r}"
            )
        if failure.is_redirect:
            raise InvalidInput(
                f"cannot {action} {self._name(key)}: the store redirects to another address, so the bucket is not in "
                f"region {asked}; set AWS_REGION or the option region to the bucket's own"
            )


def _pause_seconds(attempt: int) -> float:
    # Writers that met must not meet again, so the pause is random; nothing secret depends on it.
    return random.uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.05 * 2**attempt))  # noqa: S311


def _reopen(uri: str, options: StoreOptions) -> RemoteStore:
    return RemoteStore(uri, options=options)


def _raise_if_bucket_missing(error: NotFound) -> None:
    if isinstance(error.__cause__, Exception) and RemoteFailure.of(error.__cause__).is_missing_bucket:
        raise error


def _listing_offset(wanted: str, *, start_after: str) -> str | None:
    """A name before the first key to list, so that the store skips what comes earlier.

    It only has to be early enough; it is cut to what obstore takes as a path.
    """
    offset = max(wanted[:-1], start_after)
    segments = offset.split("/")
    for idx, segment in enumerate(segments):
        if segment in {"", ".", ".."} or any(character < " " or character == "\x7f" for character in segment):
            segments = segments[:idx]
            break
    return "/".join(segments) or None
