"""Checks that bytes are a video and reads format, width, height and duration, without decoding frames."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Final

from headrace.datasets.media import MediaHeader
from headrace.datasets.probes.content_kind import describe_content
from headrace.errors import InvalidInput, MissingExtra
from headrace.units import format_count

__all__ = ["MAX_FRAME_PIXELS", "probe_video"]

MAX_FRAME_PIXELS: Final = 250_000_000
"""Width times height of a frame that is accepted."""


def probe_video(data: bytes, name: str) -> MediaHeader:
    """Format ("mp4", "mov", "webm", "matroska", "avi", ...), frame size in pixels and duration in seconds, by FFmpeg.

    Raises:
        InvalidInput: Not a video, without a video stream, cut off, or a frame above `MAX_FRAME_PIXELS`.
        MissingExtra: The package av is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingExtra(
            "checking videos needs the package av; install it: pip install 'headrace[video]'", file=name
        ) from None
    kind = _container(data)
    if kind is None:
        raise InvalidInput(
            f"is not a video that can be read: the content is {describe_content(data)}; "
            "expected MP4, MOV, WebM, Matroska, AVI, MPEG, Ogg, FLV or WMV",
            file=name,
        )
    format, demuxer = kind
    if _is_cut(data, format=format):
        raise InvalidInput(
            f"is a truncated {format} video: it is shorter than its header says; copy or download the file again",
            file=name,
        )
    try:
        # The demuxer is named, never guessed: playlists that a guess would accept can point at other files.
        with av.open(BytesIO(data), mode="r", format=demuxer) as container:
            stream = next(iter(container.streams.video), None)
            if stream is None:
                raise InvalidInput(f"is a {format} file without a video stream", file=name)
            width, height = int(stream.codec_context.width), int(stream.codec_context.height)
            duration = None if container.duration is None else container.duration / av.time_base
            if duration is None and stream.duration is not None and stream.time_base is not None:
                duration = float(stream.duration * stream.time_base)
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"is a damaged or truncated {format} video: {error}", file=name) from None
    if width <= 0 or height <= 0:
        raise InvalidInput(f"is a video without pixels: its header says {width} x {height}", file=name)
    if width * height > MAX_FRAME_PIXELS:
        raise InvalidInput(
            f"its header says frames of {width} x {height} = {format_count(width * height)} pixels; "
            f"the limit is {format_count(MAX_FRAME_PIXELS)} pixels",
            file=name,
        )
    return MediaHeader(format, width, height, duration)


def _container(data: bytes) -> tuple[str, str] | None:
    """(our name, FFmpeg's demuxer) by the first bytes."""
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return ("mov", "mov") if data[4:8] != b"ftyp" or data[8:12] == b"qt  " else ("mp4", "mp4")
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return ("webm" if b"webm" in data[:64] else "matroska", "matroska")
    if data.startswith(b"RIFF") and data[8:12] == b"AVI ":
        return ("avi", "avi")
    if data.startswith(b"OggS"):
        return ("ogg", "ogg")
    if data.startswith(b"FLV\x01"):
        return ("flv", "flv")
    if data.startswith(b"\x00\x00\x01\xba"):
        return ("mpeg", "mpeg")
    if data.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"):
        return ("asf", "asf")
    if len(data) > 376 and data[0] == data[188] == data[376] == 0x47:
        return ("mpegts", "mpegts")
    return None


def _is_cut(data: bytes, *, format: str) -> bool:
    if format == "avi":
        return int.from_bytes(data[4:8], "little") + 8 > len(data) + 1
    if format not in ("mp4", "mov"):
        return False
    position = 0
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        if size == 0:  # up to the end of the file
            return False
        if size == 1:
            if position + 16 > len(data):
                return True
            (size,) = struct.unpack_from(">Q", data, position + 8)
        if size < 8:
            return False  # not a box: left to the demuxer
        position += size
    return position > len(data)
