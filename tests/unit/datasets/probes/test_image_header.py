"""Headers of images: formats, damage, limits."""

from __future__ import annotations

import struct
import zlib

import pytest

from headrace.datasets.media import MediaHeader
from headrace.datasets.probes.image_header import MAX_IMAGE_PIXELS, probe_image, verify_by_decoding
from headrace.errors import InvalidInput
from tests.generated_media import image_bytes

FORMATS = ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("probe", [probe_image, verify_by_decoding])
def test_probe_reads_format_and_size(format: str, probe: type) -> None:
    data = image_bytes(format, width=40, height=30)
    assert probe(data, "a") == MediaHeader(format.lower(), 40, 30)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_probe_reads_every_kind_of_jpeg(mode: str) -> None:
    for options in ({}, {"progressive": True}, {"quality": 10, "restart_marker_blocks": 2}):
        data = image_bytes(mode=mode, width=33, height=17, **options)
        assert verify_by_decoding(data, "a.jpg") == MediaHeader("jpeg", 33, 17)


@pytest.mark.parametrize("lossless", [True, False])
def test_probe_reads_every_kind_of_webp(lossless: bool) -> None:
    data = image_bytes("WEBP", width=50, height=20, lossless=lossless)
    assert probe_image(data, "a.webp") == MediaHeader("webp", 50, 20)
    extended = image_bytes("WEBP", width=50, height=20, exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00")
    assert extended[12:16] == b"VP8X"
    assert probe_image(extended, "a.webp") == MediaHeader("webp", 50, 20)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kept", [0.98, 0.7, 0.4])
def test_probe_refuses_a_truncated_image(format: str, kept: float) -> None:
    data = image_bytes(format, width=60, height=60)
    with pytest.raises(InvalidInput, match="truncated") as caught:
        probe_image(data[: int(len(data) * kept)], "cat/a.img")
    assert caught.value.file == "cat/a.img"


@pytest.mark.parametrize("format", FORMATS)
def test_probe_raises_nothing_but_invalid_input(format: str) -> None:
    """Cut anywhere and with any byte of the start changed, it is an image or a typed error."""
    data = image_bytes(format, width=20, height=20)
    for cut in range(0, len(data), 7):
        with pytest.raises(InvalidInput):
            probe_image(data[:cut], "a")
    for position in range(min(len(data), 120)):
        changed = bytearray(data)
        changed[position] ^= 0xFF
        try:
            probe_image(bytes(changed), "a")
        except InvalidInput:
            pass


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF"])
def test_probe_accepts_bytes_after_the_end(format: str) -> None:
    """Cameras and editors append trailers."""
    data = image_bytes(format) + b"trailer" * 50
    assert probe_image(data, "a").width == 8


def test_probe_does_not_take_the_thumbnails_end_for_the_images() -> None:
    thumbnail = image_bytes(width=4, height=4)
    data = image_bytes(width=64, height=64, exif=b"Exif\x00\x00" + thumbnail)
    assert data.count(b"\xff\xd9") == 2
    assert probe_image(data, "a.jpg").width == 64
    assert probe_image(data + b"\x00\x00", "a.jpg").width == 64
    with pytest.raises(InvalidInput, match="truncated"):
        probe_image(data[:-200], "a.jpg")


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"\x00\x00\x00\x00IEND\xaeB`\x82"
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + end


def resized(format: str, width: int, height: int) -> bytes:
    """An image whose header claims another size."""
    data = bytearray(image_bytes(format))
    if format == "JPEG":
        place = data.index(b"\xff\xc0") + 5
        data[place : place + 4] = struct.pack(">HH", height, width)
    elif format == "GIF":
        data[6:10] = struct.pack("<HH", width, height)
    elif format == "BMP":
        data[18:26] = struct.pack("<ii", width, height)
    elif format == "WEBP":
        data[26:30] = struct.pack("<HH", width & 0x3FFF, height & 0x3FFF)
    return png_header(width, height) if format == "PNG" else bytes(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_probe_refuses_a_billion_pixels_before_it_allocates(format: str) -> None:
    width, height = (16_000, 16_000) if format == "WEBP" else (40_000, 30_000)
    with pytest.raises(InvalidInput, match=f"= {width * height:,} pixels; the limit is {MAX_IMAGE_PIXELS:,} pixels"):
        probe_image(resized(format, width, height), "bomb")


def test_probe_accepts_the_largest_size_without_a_warning() -> None:
    assert probe_image(png_header(25_000, 10_000), "large.png").width == 25_000


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP"])
def test_probe_refuses_sizes_of_zero(format: str) -> None:
    with pytest.raises(InvalidInput):
        probe_image(resized(format, 0, 5), "empty")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty (0 bytes)"),
        (b"%PDF-1.7 ...", "a PDF document"),
        (b"<!DOCTYPE html><html>404", "an HTML page"),
        (b"PK\x03\x04....", "a ZIP archive"),
        (b"hello, this is text\n", "text that begins 'hello, this is text'"),
        (b"\x00" * 100, "zeros only"),
        (b"\x01\x02\x03\xfe\xff", "bytes that begin 01 02 03 fe ff"),
        (b"<svg xmlns='x'/>", "an XML or SVG document"),
        (b"\x00\x00\x00\x1cftypheic", "a HEIC image"),
    ],
)
def test_probe_says_what_the_content_looks_like(data: bytes, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        probe_image(data, "a.jpg")
    assert words in caught.value.message
    assert "expected JPEG, PNG, GIF, WebP, BMP or TIFF" in caught.value.message


def test_probe_refuses_a_png_with_a_damaged_header() -> None:
    data = bytearray(image_bytes("PNG"))
    data[18] ^= 1
    with pytest.raises(InvalidInput, match="IHDR"):
        probe_image(bytes(data), "a.png")


def test_decoding_finds_damage_in_the_middle() -> None:
    data = bytearray(image_bytes("PNG", width=64, height=64))
    data[len(data) // 2] ^= 0xFF
    assert probe_image(bytes(data), "a.png").format == "png"
    with pytest.raises(InvalidInput, match="cannot be decoded"):
        verify_by_decoding(bytes(data), "a.png")
