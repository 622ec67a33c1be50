"""Small media files made on the spot, so that tests need no data files."""

from __future__ import annotations

import io
import math
import struct

import numpy as np
from PIL import Image

__all__ = ["image_bytes", "video_bytes", "wav_bytes"]


def image_bytes(
    format: str = "JPEG", *, width: int = 8, height: int = 6, shade: int = 0, mode: str = "RGB", **options: object
) -> bytes:
    """An image whose pixels depend on `shade`."""
    image = Image.new("RGB", (width, height))
    image.putdata(
        [((x * 20 + shade) % 256, (y * 30 + shade * 7) % 256, shade % 256) for y in range(height) for x in range(width)]
    )
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, format, **options)
    return buffer.getvalue()


def wav_bytes(*, seconds: float = 0.1, rate: int = 8000, pitch: float = 440.0) -> bytes:
    """A tone, 16 bit, one channel."""
    samples = [int(9000 * math.sin(2 * math.pi * pitch * idx / rate)) for idx in range(int(seconds * rate))]
    data = struct.pack(f"<{len(samples)}h", *samples)
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(data),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        rate,
        rate * 2,
        2,
        16,
        b"data",
        len(data),
    )
    return header + data


def video_bytes(
    *, format: str = "mp4", width: int = 32, height: int = 16, num_frames: int = 5, shade: int = 0
) -> bytes:
    """Grey frames at 10 frames a second."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format) as container:
        stream = container.add_stream("vp9" if format == "webm" else "mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for idx in range(num_frames):
            frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), (shade + 10 * idx) % 256, np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()
