"""`headrace serve`."""

from __future__ import annotations

import importlib.util
import logging
import signal
import threading
from collections.abc import Sequence

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import lake_argument
from headrace.connecting import connect
from headrace.errors import InvalidInput, MissingExtra

_NEEDED = ("alembic", "fastapi", "grpc", "grpc_health", "grpc_reflection", "prometheus_client", "sqlalchemy", "uvicorn")


@command("serve", example="headrace serve lake --bucket uploads=uploads")
@lake_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--http-port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 takes a free one.")
@click.option("--grpc-port", type=click.IntRange(0, 65535), default=6000, show_default=True, help="0 takes a free one.")
@click.option(
    "--bucket",
    "buckets",
    metavar="NAME=URI",
    multiple=True,
    help="What requests call NAME lies there: a folder, s3://…, gs://…, az://… (repeatable).",
)
@click.option("--view-bucket", metavar="NAME", help="Takes the files of prepared snapshots; by default the first.")
@click.option(
    "--database", metavar="URL", help="postgresql://… or sqlite:///…; by default a file in the lake's folder."
)
@click.option("--no-auth", "is_open", is_flag=True, help="Whoever reaches the ports may do everything.")
@click.option(
    "--drain", "drain_seconds", type=click.FloatRange(0), default=30.0, show_default=True, metavar="SECONDS",
    help="How long calls and jobs may go on when the server is told to end.",
)  # fmt: skip
def serve(
    output: Output,
    *,
    lake: str,
    host: str,
    http_port: int,
    grpc_port: int,
    buckets: Sequence[str],
    view_bucket: str | None,
    database: str | None,
    is_open: bool,
    drain_seconds: float,
) -> None:
    """Serve a lake over gRPC and HTTP until it is told to end.

    The lake need not be there yet. Ctrl-C or SIGTERM ends it: what runs is brought to its end, then nothing is lost.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(f"headrace serve needs {', '.join(missing)}: pip install 'headrace[server]'")
    from headrace.service.serving import Service, ServiceSettings

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = ServiceSettings(
        host, http_port, grpc_port, _places(buckets), view_bucket, database, is_open, drain_seconds
    )
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    target = connect(lake)
    service = Service(target, settings)
    try:
        service.start()
        if output.is_json:
            output.document({"lake": target.uri, "http": service.http_address, "grpc": service.grpc_address})
        else:
            output.fields([("lake", target.uri), ("HTTP", service.http_address), ("gRPC", service.grpc_address)])
            output.note("Ctrl-C ends it")
        end.wait()
    finally:
        service.stop()


def _places(buckets: Sequence[str]) -> dict[str, str]:
    from headrace.service.buckets import parse_bucket

    places: dict[str, str] = {}
    for text in buckets:
        name, place = parse_bucket(text)
        if name in places:
            raise InvalidInput(f"--bucket {text}: there are two buckets {name!r}; each name is given once")
        places[name] = place
    return places
