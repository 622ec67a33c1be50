"""Rows in the body of a request: received into a temporary file, then read as a table."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from headrace.datasets.batches import FileEntry
from headrace.datasets.dataset import Dataset
from headrace.datasets.media import MediaInput
from headrace.datasets.schema_evolution import evolved_schema
from headrace.datasets.sources.opening import read_table_entry
from headrace.datasets.sources.source import TableSource
from headrace.service.http_api.edge import EdgeOfRequest

__all__ = ["ROWS_BODY", "ReceivedRows", "RowsOfRequest"]

_SUFFIXES = {
    "application/x-ndjson": ".jsonl",
    "text/csv": ".csv",
    "application/vnd.apache.parquet": ".parquet",
}

ROWS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The rows, at most 64 MiB: one JSON object a line, CSV, or a Parquet file. Media columns hold "
        "bytes, so rows with media come as Parquet.",
        "content": {
            "application/x-ndjson": {"schema": {"type": "string"}, "example": '{"text": "hello", "labels": "greet"}\n'},
            "text/csv": {"schema": {"type": "string"}, "example": "hello,greet\n"},
            "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
"""What OpenAPI says of such a body."""


@dataclass(frozen=True, slots=True)
class ReceivedRows:
    """A body that lies in a file while the request lasts."""

    path: str
    suffix: str
    num_bytes: int

    def table_for(self, dataset: Dataset) -> TableSource:
        """The rows as a source for a dataset; it names the body, not the file.

        Raises:
            InvalidInput: The body is empty or damaged.
        """
        name = f"rows{self.suffix}"
        # The address is no place: nothing relative to it can be opened.
        media = MediaInput(name, path=self.path, size=self.num_bytes, uri=f"upload://{name}")
        kind = dataset.dataset_type
        return read_table_entry(
            FileEntry(name, media, 0),
            has_header=kind.csv_has_header,
            schema=evolved_schema(dataset.state(), kind),
        )


async def receive_rows(request: Request, edge: EdgeOfRequest) -> AsyncIterator[ReceivedRows]:
    """The body in a temporary file, which is gone when the request is over, however it ends."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    suffix = _SUFFIXES.get(kind.strip().lower())
    values = dict(part.strip().lower().partition("=")[::2] for part in parameters.split(";"))
    charset = values.get("charset", "utf-8").strip('"')
    if suffix is None or charset not in ("utf-8", "utf8", "us-ascii"):
        raise HTTPException(
            415,
            f"the body is {request.headers.get('content-type', 'of no type')[:100]!r}; expected "
            f"{', '.join(_SUFFIXES)}, text as UTF-8",
        )
    with tempfile.NamedTemporaryFile(prefix="headrace-rows-", suffix=suffix, dir=edge.upload_directory) as file:
        num_bytes = 0
        async for chunk in request.stream():
            num_bytes += file.write(chunk)
        file.flush()
        yield ReceivedRows(file.name, suffix, num_bytes)


RowsOfRequest = Annotated[ReceivedRows, Depends(receive_rows)]
