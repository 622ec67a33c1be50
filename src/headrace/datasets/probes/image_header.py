"""Checks that bytes are an image and reads format, width and height, without decoding the pixels.

JPEG and PNG take a few microseconds, because a commit of many photos spends its time here; GIF, WebP, BMP and
TIFF go through Pillow. Sizes are read before anything is allocated, so a header that claims a billion pixels costs
nothing.
"""

from __future__ import annotations

import functools
import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Final

import simplejpeg

from headrace.datasets.media import MediaHeader
from headrace.datasets.probes.content_kind import describe_content
from headrace.errors import InvalidInput
from headrace.units import format_count

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["MAX_IMAGE_PIXELS", "probe_image", "verify_by_decoding", "verify_checksums"]

MAX_IMAGE_PIXELS: Final = 250_000_000
"""Width times height that is accepted; decoded as RGB this is 750 MB."""

_JPEG_START = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_MARKERS_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_SCAN = 0xDA


def probe_image(data: bytes, name: str) -> MediaHeader:
    """Format, width and height in pixels of a JPEG, PNG, GIF, WebP, BMP or TIFF image.

    Raises:
        InvalidInput: Not such an image, cut off before its end, without pixels, or more than `MAX_IMAGE_PIXELS`.
    """
    if data.startswith(_JPEG_START):
        try:
            height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        except (ValueError, KeyError):
            width, height = _rare_jpeg_size(data, name)
        if width * height > MAX_IMAGE_PIXELS or not width or not height:
            raise _bad_size(width, height, name=name)
        # Nearly every file ends with the marker; the rest may carry a trailer behind it.
        if not data.endswith(_JPEG_END) and not _has_jpeg_end(data):
            raise _truncated("JPEG", name, detail="the end-of-image marker is missing")
        return _jpeg_header(width, height)
    if data.startswith(_PNG_SIGNATURE):
        return _probe_png(data, name)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _probe_gif(data, name)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _probe_webp(data, name)
    if data.startswith(b"BM"):
        return _probe_bmp(data, name)
    if data.startswith((b"II*\x00", b"MM\x00*")):
        return _probe_tiff(data, name)
    raise InvalidInput(
        f"is not an image that can be read: the content is {describe_content(data)}; "
        "expected JPEG, PNG, GIF, WebP, BMP or TIFF",
        file=name,
    )


@functools.lru_cache(maxsize=4096)
def _jpeg_header(width: int, height: int) -> MediaHeader:
    """Photos share their sizes, and a header is found faster than made."""
    return MediaHeader("jpeg", width, height)


def verify_by_decoding(data: bytes, name: str) -> MediaHeader:
    """As `probe_image`, and every pixel is decoded, which finds damage in the middle too; milliseconds a photo.

    Raises:
        InvalidInput: As `probe_image`, or the pixels cannot be decoded.
    """
    header = verify_checksums(data, name)
    try:
        if header.format != "jpeg" or not _decode_with_simplejpeg(data):
            with _open_with_pillow(data, format=header.format or "") as image:
                image.load()
    except Exception as error:  # noqa: BLE001 - decoders raise almost any class on hostile bytes
        raise InvalidInput(f"the pixels of this {header.format} image cannot be decoded: {error}", file=name) from None
    return header


def verify_checksums(data: bytes, name: str) -> MediaHeader:
    """As `probe_image`, and the checksums of formats that have them are compared; no pixel is decoded.

    Raises:
        InvalidInput: As `probe_image`, or a checksum differs.
    """
    header = probe_image(data, name)
    if header.format != "jpeg":
        try:
            with _open_with_pillow(data, format=header.format or "") as image:
                image.verify()
        except Exception as error:  # noqa: BLE001 - Pillow's parsers raise almost any class on hostile bytes
            raise InvalidInput(
                f"the pixels of this {header.format} image cannot be decoded: {error}", file=name
            ) from None
    return header


def _decode_with_simplejpeg(data: bytes) -> bool:
    """Decode all pixels; False when the way of sampling colours is one that it does not know."""
    try:
        _, _, colorspace, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):
        return False
    wanted = "GRAY" if colorspace == "Gray" else "CMYK" if colorspace in ("CMYK", "YCCK") else "RGB"
    simplejpeg.decode_jpeg(data, colorspace=wanted)
    return True


def _has_jpeg_end(data: bytes) -> bool:
    """Whether the end marker follows the first scan; one in a thumbnail before it does not count."""
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return False
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker in _MARKERS_WITHOUT_LENGTH:
            position += 2
        elif marker == _START_OF_SCAN:
            # In coded data 0xFF is always followed by 0x00 or a restart marker.
            return data.find(_JPEG_END, position) >= 0
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return False


def _rare_jpeg_size(data: bytes, name: str) -> tuple[int, int]:
    """Width and height where simplejpeg gives up: damage, or a rare way of sampling colours that Pillow can read."""
    if not data.endswith(_JPEG_END) and not _has_jpeg_end(data):
        raise _truncated("JPEG", name, detail="it ends inside its header")
    try:
        with _open_with_pillow(data, format="jpeg") as image:
            return image.size
    except Exception as error:  # noqa: BLE001 - Pillow's parsers raise almost any class on hostile bytes
        raise InvalidInput(f"is a JPEG whose header cannot be read: {error}; write the image anew", file=name) from None


def _probe_png(data: bytes, name: str) -> MediaHeader:
    if len(data) < 33:
        raise _truncated("PNG", name, detail="it ends inside its header")
    length, kind, width, height = struct.unpack_from(">I4sII", data, 8)
    if kind != b"IHDR" or length != 13 or zlib.crc32(data[12:29]) != int.from_bytes(data[29:33], "big"):
        raise InvalidInput("is a PNG whose header is damaged (IHDR chunk); write the image anew", file=name)
    _check_size(width, height, name=name)
    if not data.endswith(_PNG_END):
        position = 8
        while position + 12 <= len(data):  # bytes may follow the last chunk
            size, kind = struct.unpack_from(">I4s", data, position)
            position += 12 + size
            if kind == b"IEND":
                break
        else:
            raise _truncated("PNG", name, detail="the IEND chunk is missing")
        if position > len(data):
            raise _truncated("PNG", name, detail="the IEND chunk is missing")
    return MediaHeader("png", width, height)


def _probe_gif(data: bytes, name: str) -> MediaHeader:
    if len(data) < 13:
        raise _truncated("GIF", name, detail="it ends inside its header")
    width, height = struct.unpack_from("<HH", data, 6)
    _check_size(width, height, name=name)
    if not _has_gif_end(data):
        raise _truncated("GIF", name, detail="the trailer is missing")
    return _probe_with_pillow(data, name, format="gif")


def _has_gif_end(data: bytes) -> bool:
    """Walk the blocks of the format up to the trailer."""
    flags = data[10]
    position = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    while position < len(data):
        kind = data[position]
        if kind == 0x3B:
            return True
        if kind == 0x21:  # extension: label, then sub-blocks
            position += 2
        elif kind == 0x2C and position + 10 < len(data):  # image: descriptor, colours, code size, sub-blocks
            local = data[position + 9]
            position += 11 + (3 << ((local & 7) + 1) if local & 0x80 else 0)
        else:
            return False
        while position < len(data) and data[position]:
            position += 1 + data[position]
        position += 1
    return False


def _probe_webp(data: bytes, name: str) -> MediaHeader:
    if len(data) < 30:
        raise _truncated("WebP", name, detail="it ends inside its header")
    if int.from_bytes(data[4:8], "little") + 8 > len(data) + 1:  # some writers leave out the last padding byte
        raise _truncated("WebP", name, detail="it is shorter than its header says")
    kind = data[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    else:
        width, height = (value & 0x3FFF for value in struct.unpack_from("<HH", data, 26))
    _check_size(width, height, name=name)
    return _probe_with_pillow(data, name, format="webp")


def _probe_bmp(data: bytes, name: str) -> MediaHeader:
    if len(data) < 30:
        raise _truncated("BMP", name, detail="it ends inside its header")
    pixels_start, header_size = struct.unpack_from("<II", data, 10)
    if header_size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
        compression = int.from_bytes(data[30:34], "little")
    height = abs(height)  # a negative height means rows from the top
    _check_size(width, height, name=name)
    if compression in (0, 3) and pixels_start + (width * bits + 31) // 32 * 4 * height > len(data):
        raise _truncated("BMP", name, detail="pixel rows are missing")
    return _probe_with_pillow(data, name, format="bmp")


def _probe_tiff(data: bytes, name: str) -> MediaHeader:
    header = _probe_with_pillow(data, name, format="tiff")
    _check_size(header.width or 0, header.height or 0, name=name)
    with _open_with_pillow(data, format="tiff") as image:
        tags = image.tag_v2  # type: ignore[attr-defined]
        for offsets, counts in ((273, 279), (324, 325)):  # strips, tiles
            for start, size in zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False):
                if start + size > len(data):
                    raise _truncated("TIFF", name, detail="pixel data is missing")
    return header


def _open_with_pillow(data: bytes, *, format: str) -> ImageFile:
    """An image whose pixels are not yet decoded.

    The plug-in classes are used as they are: `PIL.Image.open` tries every format that Pillow knows and
    warns (a warning, process-wide) above a limit of its own; here the caller has checked or checks the size.
    """
    if format == "jpeg":
        from PIL.JpegImagePlugin import JpegImageFile

        return JpegImageFile(BytesIO(data))
    if format == "png":
        from PIL.PngImagePlugin import PngImageFile

        return PngImageFile(BytesIO(data))
    if format == "gif":
        from PIL.GifImagePlugin import GifImageFile

        return GifImageFile(BytesIO(data))
    if format == "webp":
        from PIL.WebPImagePlugin import WebPImageFile

        return WebPImageFile(BytesIO(data))
    if format == "bmp":
        from PIL.BmpImagePlugin import BmpImageFile

        return BmpImageFile(BytesIO(data))
    from PIL.TiffImagePlugin import TiffImageFile

    return TiffImageFile(BytesIO(data))


def _probe_with_pillow(data: bytes, name: str, *, format: str) -> MediaHeader:
    try:
        with _open_with_pillow(data, format=format) as image:
            width, height = image.size
            image.verify()
    except Exception as error:  # noqa: BLE001 - Pillow's parsers raise almost any class on hostile bytes
        raise InvalidInput(
            f"is a damaged or truncated {format.upper()} image: {error}; write the image anew", file=name
        ) from None
    return MediaHeader(format, width, height)


def _check_size(width: int, height: int, *, name: str) -> None:
    if width <= 0 or height <= 0 or width * height > MAX_IMAGE_PIXELS:
        raise _bad_size(width, height, name=name)


def _bad_size(width: int, height: int, *, name: str) -> InvalidInput:
    if width <= 0 or height <= 0:
        return InvalidInput(f"is an image without pixels: its header says {width} x {height}", file=name)
    return InvalidInput(
        f"its header says {width} x {height} = {format_count(width * height)} pixels; "
        f"the limit is {format_count(MAX_IMAGE_PIXELS)} pixels; scale the image down or leave it out",
        file=name,
    )


def _truncated(format: str, name: str, *, detail: str) -> InvalidInput:
    return InvalidInput(f"is a truncated {format} image: {detail}; copy or download the file again", file=name)
