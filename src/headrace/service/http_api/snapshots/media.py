"""`/v1/datasets/{name}/snapshots/{snapshot}/media/{row}/{column}`: the bytes of one media value."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response

from headrace.datasets.columns import media_kind
from headrace.datasets.snapshot import Snapshot
from headrace.errors import InvalidInput, NotFound
from headrace.service.http_api.edge import SnapshotToRead
from headrace.service.http_api.problems import PROBLEM_RESPONSES, Problem, problem_answer

__all__ = ["byte_range", "router"]

router = APIRouter(prefix="/v1/datasets/{name}/snapshots", tags=["snapshots"], responses=PROBLEM_RESPONSES)

_CONTENT_TYPES = {
    "avi": "video/x-msvideo",
    "bmp": "image/bmp",
    "flac": "audio/flac",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "ogg": "audio/ogg",
    "png": "image/png",
    "tiff": "image/tiff",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
}
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


@router.get(
    "/{snapshot}/media/{row}/{column:path}",
    response_class=Response,
    responses={
        200: {**_BYTES, "description": "All bytes."},
        206: {**_BYTES, "description": "The bytes of the range."},
        304: {"description": "The client has them already."},
    },
)
def get_media(
    snapshot: SnapshotToRead,
    row: Annotated[int, Path(ge=0, le=2**53, description="Number of the row, from 0.", examples=[0])],
    column: Annotated[str, Path(description="A media column.", examples=["image"])],
    wanted: Annotated[str | None, Header(alias="Range", description="One range of bytes.")] = None,
    if_range: Annotated[str | None, Header(description="The range is meant for this ETag only.")] = None,
    if_none_match: Annotated[str | None, Header(description="ETags that the client has.")] = None,
) -> Response:
    """The bytes of one media value, compared with their digest as they are read; parts of them by Range."""
    size, digest, content_type = _described(snapshot, row=row, column=column)
    tag = f'"{digest}"'
    headers = {
        **_SAFETY,
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    if if_none_match is not None and (if_none_match.strip() == "*" or tag in if_none_match):
        return Response(status_code=304, headers=headers)
    if wanted is not None and if_range is not None and if_range.strip() != tag:
        wanted = None
    found = None if wanted is None else byte_range(wanted, size)
    if found is not None and found[0] >= found[1]:
        return problem_answer(
            Problem(
                type="urn:headrace:problem:range-not-satisfiable",
                title="There are no such bytes",
                status=416,
                detail=f"the value has {size} bytes, the range lies outside",
            ),
            headers={"Content-Range": f"bytes */{size}"},
        )
    data: bytes = snapshot.take([row], columns=[column]).column(column)[0].as_py()
    if found is None:
        return Response(data, headers=headers, media_type=content_type)
    start, end = found
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return Response(data[start:end], status_code=206, headers=headers, media_type=content_type)


def byte_range(text: str, size: int) -> tuple[int, int] | None:
    """First byte and end (exclusive) of a Range header; None where it asks for nothing that is answered in parts.

    An empty range is one that the value does not have.
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None or found[1] == found[2] == "":
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size
    start = int(found[1])
    if not found[2]:
        return start, size
    if int(found[2]) < start:
        return None
    return start, min(int(found[2]) + 1, size)


def _described(snapshot: Snapshot, *, row: int, column: str) -> tuple[int, str, str]:
    """Size, digest and content type of a value.

    Raises:
        NotFound: No such row or column, or the row has no value.
        InvalidInput: The column holds no media.
    """
    if column not in snapshot.schema.names:
        raise NotFound(f"the snapshot has no column {column!r}; it has {', '.join(snapshot.schema.names)}")
    if media_kind(snapshot.schema.field(column)) is None:
        raise InvalidInput("holds no media; its values are in the rows", column=column)
    if row >= snapshot.num_rows:
        raise NotFound(f"the snapshot has no row {row}; it has {snapshot.num_rows}, counted from 0")
    value = snapshot.take_narrow([row], columns=[column]).column(column)[0].as_py()
    if value is None:
        raise NotFound(f"row {row} has no value in column {column!r}")
    content_type = _CONTENT_TYPES.get((value["format"] or "").lower(), "application/octet-stream")
    return value["size"], value["digest"].hex(), content_type
