"""Images of every kind to pixels, and refusals that name field and sample."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from headrace.errors import InvalidInput
from headrace.streaming.transforms import DecodeImage
from tests.unit.streaming.transforms.samples_for_transforms import apply, encoded, photo


def decoded(data: object, **options: Any) -> np.ndarray:
    pixels: np.ndarray = apply(DecodeImage(**options), {"image": data})["image"]
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    return pixels


def test_jpeg_has_the_pixels_of_libjpeg_turbo() -> None:
    data = encoded(quality=90)
    np.testing.assert_array_equal(decoded(data), simplejpeg.decode_jpeg(data))


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "GIF", "WEBP"])
def test_lossless_formats_keep_their_pixels(format: str) -> None:
    pixels = photo(20, 30) // 64 * 64  # few colours, which GIF can hold
    options: dict[str, Any] = {"lossless": True} if format == "WEBP" else {}
    np.testing.assert_array_equal(decoded(encoded(pixels, format=format, **options)), pixels)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_bytes_is_taken(kind: Any) -> None:
    assert decoded(kind(encoded())).shape == (40, 60, 3)


@pytest.mark.parametrize(("mode", "num_channels"), [("RGB", 3), ("GRAY", 1), ("RGBA", 4)])
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_mode_decides_the_channels(mode: str, num_channels: int, format: str) -> None:
    for data in (encoded(format=format), encoded(photo(num_channels=1), format=format)):
        pixels = decoded(data, mode=mode)
        assert pixels.shape == (40, 60, num_channels)
        if mode == "RGBA":
            assert (pixels[:, :, 3] == 255).all()


def test_gray_is_repeated() -> None:
    gray = photo(num_channels=1)
    np.testing.assert_array_equal(decoded(encoded(gray, format="PNG")), np.repeat(gray, 3, axis=2))


def test_palette_is_looked_up() -> None:
    image = Image.new("P", (4, 2))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1, 0, 1, 1, 0, 1, 0])
    file = io.BytesIO()
    image.save(file, "PNG")
    assert decoded(file.getvalue())[0, :2].tolist() == [[10, 20, 30], [200, 100, 50]]


def test_palette_with_transparency_warns_of_nothing() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    file = io.BytesIO()
    image.save(file, "PNG", transparency=b"\x00\xff")
    assert decoded(file.getvalue())[0].tolist() == [[10, 20, 30], [200, 100, 50]]
    assert decoded(file.getvalue(), background=(1, 2, 3))[0].tolist() == [[1, 2, 3], [200, 100, 50]]
    assert decoded(file.getvalue(), mode="RGBA")[0].tolist() == [[10, 20, 30, 0], [200, 100, 50, 255]]


def test_alpha_is_dropped_or_laid_over_the_background() -> None:
    pixels = np.array([[[200, 100, 0, 0], [200, 100, 0, 255], [200, 100, 0, 128]]], np.uint8)
    data = encoded(pixels, format="PNG")
    assert decoded(data)[0].tolist() == [[200, 100, 0]] * 3
    blended = decoded(data, background=(0, 0, 200))[0].tolist()
    assert blended[:2] == [[0, 0, 200], [200, 100, 0]]
    assert np.allclose(blended[2], [100, 50, 100], atol=1)
    assert decoded(data, mode="GRAY", background=(255, 255, 255))[0, 0].tolist() == [255]


def test_sixteen_bits_keep_their_high_byte() -> None:
    values = np.array([[0, 255, 256, 0x1234, 0xFFFF]], np.uint16)
    assert decoded(encoded(values, format="PNG"), mode="GRAY")[0, :, 0].tolist() == [0, 0, 1, 0x12, 0xFF]


def test_sixteen_bit_colour_keeps_its_high_byte() -> None:
    row = b"\x00" + struct.pack(">3H", 0x1234, 0xABCD, 0x00FF)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(row)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    assert decoded(data)[0, 0].tolist() == [0x12, 0xAB, 0x00]


def test_one_bit_becomes_black_and_white() -> None:
    data = encoded(photo(), format="PNG", mode="1")
    assert set(np.unique(decoded(data))) == {0, 255}


def test_cmyk_jpeg_becomes_rgb() -> None:
    data = encoded(np.full((8, 8, 3), (250, 10, 10), np.uint8), mode="CMYK", quality=95)
    assert simplejpeg.decode_jpeg_header(data)[2] in ("CMYK", "YCCK")
    assert np.abs(decoded(data).astype(int) - (250, 10, 10)).max() < 12
    assert decoded(data, mode="GRAY").shape == (8, 8, 1)


def test_pixels_of_32_bits_are_refused() -> None:
    data = encoded(np.zeros((2, 2), np.float32), format="TIFF")
    with pytest.raises(InvalidInput, match="32 bits, which have no stated range"):
        decoded(data)


def test_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert decoded(file.getvalue())[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_truncated_image_is_refused_by_field_and_sample(format: str, share: float) -> None:
    data = encoded(photo(90, 120), format=format)
    with pytest.raises(InvalidInput, match=r"^sample 'k', field 'image': .*(truncated|damaged).*on_error='substitute'"):
        decoded(data[: int(len(data) * share)])


@pytest.mark.parametrize("data", [b"", b"hello", b"<html>", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="sample 'k', field 'image': is "):
        decoded(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_too_many_pixels_are_refused_before_decoding(format: str) -> None:
    with pytest.raises(InvalidInput, match=r"60 x 40 = 2,400 pixels; expected 1 to 2,399 \(max_pixels\)"):
        decoded(encoded(format=format), max_pixels=2399)
    assert decoded(encoded(format=format), max_pixels=2400).shape == (40, 60, 3)


def test_header_that_claims_a_huge_image_costs_nothing() -> None:
    data = bytearray(encoded(photo(16, 16)))
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", 65_000, 65_000)
    with pytest.raises(InvalidInput, match="pixels"):
        decoded(bytes(data))


def test_harmless_damage_is_decoded_and_refused_by_verify() -> None:
    data = encoded()
    padded = data[:-2] + b"x" * 40 + data[-2:]  # extraneous bytes before the end marker
    np.testing.assert_array_equal(decoded(padded), decoded(data))
    with pytest.raises(InvalidInput, match=r"cannot be decoded: .*extraneous"):
        decoded(padded, verify=True)
    assert decoded(data, verify=True).shape == (40, 60, 3)


def test_verify_looks_at_checksums() -> None:
    data = bytearray(encoded(format="PNG"))
    data[data.index(b"IDAT") - 4 + 8 + 40] ^= 1
    with pytest.raises(InvalidInput, match="cannot be decoded"):
        decoded(bytes(data), verify=True)


@pytest.mark.parametrize(
    ("value", "found", "remedy"),
    [
        (None, "null", "IS NOT NULL"),
        ("a.jpg", "type str", "ReadFile"),
        (np.zeros((2, 2, 3), np.uint8), r"array \[2, 2, 3\] of uint8", "decoded by a transform before"),
        (3, "type int", "come first"),
    ],
)
def test_field_without_bytes_is_refused_with_remedy(value: object, found: str, remedy: str) -> None:
    with pytest.raises(InvalidInput, match=rf"field 'image': holds .*{found}.*expected bytes.*{remedy}"):
        decoded(value)


def test_missing_field_is_refused_with_near_miss() -> None:
    with pytest.raises(InvalidInput, match=r"field 'image': is not there. Did you mean 'images'"):
        apply(DecodeImage(), {"images": b""})


def test_output_field_leaves_the_bytes() -> None:
    data = encoded()
    sample = apply(DecodeImage(output_field="pixels"), {"image": data})
    assert sample["image"] is data
    assert sample["pixels"].shape == (40, 60, 3)


@pytest.mark.parametrize(
    "options",
    [{"mode": "BGR"}, {"max_pixels": 0}, {"max_pixels": 10**9}, {"background": (1, 2)}, {"background": (1, 2, 256)}],
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="expected"):
        DecodeImage(**options)


FILES = [encoded(photo(12, 9), format=format) for format in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")]


@given(st.sampled_from(FILES), st.data())
def test_damaged_files_give_pixels_or_one_error(data: bytes, draws: st.DataObject) -> None:
    broken = bytearray(data)
    for _ in range(draws.draw(st.integers(1, 6))):
        broken[draws.draw(st.integers(0, len(data) - 1))] = draws.draw(st.integers(0, 255))
    end = draws.draw(st.integers(0, len(data)))
    try:
        pixels = decoded(bytes(broken[:end] if draws.draw(st.booleans()) else broken), max_pixels=1_000_000)
    except InvalidInput as error:
        message = str(error)
    else:
        message = "sample 'k', field 'image'"
        assert pixels.ndim == 3
    assert "sample 'k', field 'image'" in message
