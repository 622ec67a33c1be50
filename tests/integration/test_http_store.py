"""Reading over plain HTTP, from servers with and without byte ranges."""

from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from headrace.errors import DataCorrupted, InvalidInput, NotFound, PermissionDenied
from headrace.storage.locations import Locations
from headrace.storage.opening import open_store

_CONTENT = bytes(number % 256 for number in range(5000))


class _WithoutRanges(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class _WithRanges(_WithoutRanges):
    def do_GET(self) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if wanted is None or not os.path.isfile(self.translate_path(self.path)):
            super().do_GET()
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        part = content[int(wanted[1]) : int(wanted[2]) + 1]
        self.send_response(206 if part else 416)
        self.send_header("Content-Range", f"bytes {wanted[1]}-{int(wanted[1]) + len(part) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(part)


@pytest.fixture(params=[_WithRanges, _WithoutRanges])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "ä#1.bin").write_bytes(_CONTENT)
    (tmp_path / "empty").write_bytes(b"")
    handler: type[SimpleHTTPRequestHandler] = request.param
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(tmp_path)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_file_is_read_whole_and_by_range(address: str) -> None:
    store, key = Locations().open(f"{address}/a%20b/%C3%A4%231.bin")
    assert (store.uri, key) == (address, "a b/ä#1.bin")
    assert store.get(key) == _CONTENT
    ranges = [(0, 10), (4990, 5000), (100, 100), (7, 4000)]
    assert store.get_ranges(key, ranges) == [_CONTENT[start:end] for start, end in ranges]
    found = store.stat(key)
    assert found is not None
    assert found.size == 5000
    assert store.get("empty") == b""


def test_range_past_the_end_is_corruption(address: str) -> None:
    store = open_store(f"{address}/a%20b")
    for wanted in [(4999, 5001), (5000, 5001), (9000, 9001)]:
        with pytest.raises(DataCorrupted):
            store.get_ranges("ä#1.bin", [wanted])


def test_missing_file_is_named(address: str) -> None:
    store = open_store(address)
    assert store.stat("nothing.csv") is None
    with pytest.raises(NotFound, match=f"{address}/nothing.csv does not exist"):
        store.get("nothing.csv")
    with pytest.raises(NotFound):
        store.get_ranges("nothing.csv", [(0, 1)])


def test_writing_and_listing_are_refused(address: str) -> None:
    store = open_store(address)
    for write in (
        lambda: store.put_new("x", b""),
        lambda: store.put("x", b""),
        lambda: store.put_parts("x", [b""]),
        lambda: store.delete("x"),
        store.prepare_for_writing,
    ):
        with pytest.raises(PermissionDenied, match="read only"):
            write()
    with pytest.raises(InvalidInput, match="cannot be listed"):
        store.list("")
