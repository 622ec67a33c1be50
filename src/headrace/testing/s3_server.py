"""A small S3 service with faults on demand: it answers late, wrongly, or not at all, as told."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

__all__ = ["Fault", "FaultyS3Server"]


class Fault(Enum):
    """What goes wrong with one request."""

    ERROR_BEFORE = "answer 500 without doing anything"
    ERROR_AFTER = "do it, then answer 500"
    DROP_BEFORE = "close the connection without doing anything"
    DROP_AFTER = "do it, then close the connection without an answer"
    CONFLICT = "answer 409 without doing anything"
    SLOW_DOWN = "answer 503 without doing anything"
    REFUSED = "answer 403"
    CUT_SHORT = "answer a byte range with fewer bytes than asked for"


@dataclass(slots=True)
class _Stored:
    content: bytes
    attributes: dict[str, str]
    modified_at: float


@dataclass(slots=True)
class _Service:
    buckets: dict[str, dict[str, _Stored]]
    ignores_conditions: bool
    forgets_attributes: bool
    region: str | None
    redirects: bool
    clock: float = 1_700_000_000.0
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    always: dict[str, Fault] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_fault(self, method: str) -> Fault | None:
        queue = self.faults.get(method)
        return queue.pop(0) if queue else self.always.get(method)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with the default of 5, clients that come together wait a second for their SYN


class FaultyS3Server:
    """Serves GET, HEAD, PUT, DELETE and ListObjectsV2 over real HTTP on a free port of this machine.

    Signatures are not checked. Google's and Azure's clients can put, claim and get here as well.

    Args:
        buckets: Names of the buckets that exist.
        ignores_conditions: Overwrite in spite of `If-None-Match: *`, as some gateways do.
        forgets_attributes: Do not keep user metadata.
        region: Refuse requests signed for another region, and name this one.
        redirects: Refuse them with a 301 that has no body, as S3 does for HEAD.
    """

    def __init__(
        self,
        *buckets: str,
        ignores_conditions: bool = False,
        forgets_attributes: bool = False,
        region: str | None = None,
        redirects: bool = False,
    ) -> None:
        self._service = _Service(
            {name: {} for name in buckets}, ignores_conditions, forgets_attributes, region, redirects
        )
        self._server = _Server(("127.0.0.1", 0), _handler(self._service))

    @property
    def endpoint(self) -> str:
        """Its address, for the store option of that name."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[FaultyS3Server]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def fail_next(self, method: str, *faults: Fault) -> None:
        """Let the next requests with that HTTP method fail in this order."""
        with self._service.lock:
            self._service.faults.setdefault(method, []).extend(faults)

    def fail_always(self, method: str, fault: Fault | None) -> None:
        """Let every request with that method fail, or none any more."""
        with self._service.lock:
            self._service.always.pop(method, None)
            if fault is not None:
                self._service.always[method] = fault

    def stored(self, bucket: str) -> dict[str, bytes]:
        """The objects of a bucket by key."""
        with self._service.lock:
            return {key: entry.content for key, entry in self._service.buckets[bucket].items()}

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Method and path of each request so far."""
        with self._service.lock:
            return list(self._service.requests)


def _handler(service: _Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # head and body in one packet, or the client waits 40 ms for the second
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self._serve("GET")

        def do_HEAD(self) -> None:
            self._serve("HEAD")

        def do_PUT(self) -> None:
            self._serve("PUT")

        def do_DELETE(self) -> None:
            self._serve("DELETE")

        def _serve(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            address = urlsplit(self.path)
            bucket, _, key = unquote(address.path).lstrip("/").partition("/")
            with service.lock:
                service.requests.append((method, address.path))
                fault = service.next_fault(method)
            match fault:
                case Fault.DROP_BEFORE:
                    self.close_connection = True
                    return None
                case Fault.ERROR_BEFORE:
                    return self._refuse(500, "InternalError")
                case Fault.CONFLICT:
                    return self._refuse(409, "ConditionalRequestConflict")
                case Fault.SLOW_DOWN:
                    return self._refuse(503, "SlowDown")
                case Fault.REFUSED:
                    return self._refuse(403, "AccessDenied")
            if (refusal := self._region_refusal()) is not None:
                return self._refuse(*refusal)
            with service.lock:
                answer = self._answer(method, bucket, key, body, parse_qs(address.query, keep_blank_values=True))
            if fault is Fault.DROP_AFTER:
                self.close_connection = True
                return None
            if fault is Fault.ERROR_AFTER:
                return self._refuse(500, "InternalError")
            status, headers, content = answer
            if fault is Fault.CUT_SHORT and status == 206:
                content = content[:-1]
            return self._send(status, headers, content)

        def _region_refusal(self) -> tuple[int, str] | None:
            signed_for = re.search(r"Credential=[^/]+/[0-9]+/([^/]+)/s3/", self.headers.get("Authorization") or "")
            if service.region is None or (signed_for is not None and signed_for[1] == service.region):
                return None
            return (301, "PermanentRedirect") if service.redirects else (400, "AuthorizationHeaderMalformed")

        def _answer(
            self, method: str, bucket: str, key: str, body: bytes, query: dict[str, list[str]]
        ) -> tuple[int, dict[str, str], bytes]:
            objects = service.buckets.get(bucket)
            if objects is None:
                return 404, {}, _error("NoSuchBucket")
            if method == "PUT":
                is_claim = (
                    self.headers.get("If-None-Match") == "*" or self.headers.get("x-goog-if-generation-match") == "0"
                )
                if is_claim and key in objects and not service.ignores_conditions:
                    return 412, {}, _error("PreconditionFailed")
                attributes = {
                    name.lower(): value
                    for name, value in self.headers.items()
                    if re.match(r"x-(amz|goog|ms)-meta-", name.lower())
                }
                service.clock += 1
                objects[key] = _Stored(body, {} if service.forgets_attributes else attributes, service.clock)
                return 200, {"ETag": _etag(body)}, b""
            if method == "DELETE":
                objects.pop(key, None)
                return 204, {}, b""
            if not key:
                return 200, {}, _listing(objects, query)
            if key not in objects:
                return 404, {}, _error("NoSuchKey")
            found = objects[key]
            headers = {
                **found.attributes,
                "ETag": _etag(found.content),
                "Last-Modified": formatdate(found.modified_at, usegmt=True),
            }
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
            if wanted is None:
                return 200, headers, found.content
            start, last = int(wanted[1]), min(int(wanted[2]), len(found.content) - 1)
            if start > last:
                return 416, {}, _error("InvalidRange")
            headers["Content-Range"] = f"bytes {start}-{last}/{len(found.content)}"
            return 206, headers, found.content[start : last + 1]

        def _refuse(self, status: int, code: str) -> None:
            headers = {"x-amz-bucket-region": service.region} if service.region is not None else {}
            self._send(status, headers, b"" if status == 301 else _error(code, region=service.region))

        def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    return Handler


def _etag(content: bytes) -> str:
    return f'"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'


def _error(code: str, *, region: str | None = None) -> bytes:
    place = f"<Region>{region}</Region>" if region is not None else ""
    return f"<Error><Code>{code}</Code><Message>as told</Message>{place}</Error>".encode()


def _listing(objects: dict[str, _Stored], query: dict[str, list[str]]) -> bytes:
    prefix = query.get("prefix", [""])[0]
    start_after = query.get("continuation-token", query.get("start-after", [""]))[0]
    page_size = int(query.get("max-keys", ["1000"])[0])
    keys = sorted(key for key in objects if key.startswith(prefix) and key > start_after)
    page, rest = keys[:page_size], keys[page_size:]
    token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if rest else ""
    return (
        f"<ListBucketResult><IsTruncated>{str(bool(rest)).lower()}</IsTruncated>{token}"
        f"<KeyCount>{len(page)}</KeyCount>{''.join(_listed(key, objects[key]) for key in page)}</ListBucketResult>"
    ).encode()


def _listed(key: str, entry: _Stored) -> str:
    modified = f"{datetime.fromtimestamp(entry.modified_at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return (
        f"<Contents><Key>{escape(key)}</Key><Size>{len(entry.content)}</Size>"
        f"<ETag>{escape(_etag(entry.content))}</ETag><LastModified>{modified}</LastModified></Contents>"
    )
