"""Passes the bytes of connections on to an S3 service and counts the requests in them, whoever makes them."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

__all__ = ["CountingRelay", "counting_relay"]

_REQUEST = re.compile(rb"(GET|HEAD|PUT|POST|DELETE) (\S+) HTTP/1\.1\r\n")
_LINE_BYTES = 8192  # of a request line, at most
_CHUNK_BYTES = 1 << 16


class CountingRelay:
    """A signature covers the name that the client called, so nothing of what passes needs to be changed."""

    def __init__(self, listener: socket.socket, target: tuple[str, int]) -> None:
        self.endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._listener = listener
        self._target = target
        self._lock = threading.Lock()
        self._requests: list[str] = []

    def take(self) -> list[str]:
        """The requests since the last call, as `METHOD path`."""
        with self._lock:
            taken, self._requests = self._requests, []
        return taken

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            service = socket.create_connection(self._target)
            for each in (client, service):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pass_on, args=(client, service, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(service, client, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_counted: bool) -> None:
        seen = b""  # bytes in which no request line has ended yet
        with suppress(OSError):
            while chunk := source.recv(_CHUNK_BYTES):
                if is_counted:
                    seen = self._count(seen + chunk)
                sink.sendall(chunk)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _count(self, seen: bytes) -> bytes:
        end = 0
        for line in _REQUEST.finditer(seen):
            end = line.end()
            with self._lock:
                self._requests.append(f"{line[1].decode()} {line[2].decode()}")
        return seen[max(end, len(seen) - _LINE_BYTES) :]


@contextmanager
def counting_relay(endpoint: str) -> Iterator[CountingRelay]:
    """A relay before an endpoint such as `http://127.0.0.1:8000`."""
    parts = urlsplit(endpoint)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        relay = CountingRelay(listener, (parts.hostname or "127.0.0.1", parts.port or 80))
        threading.Thread(target=relay.serve, daemon=True).start()
        yield relay
