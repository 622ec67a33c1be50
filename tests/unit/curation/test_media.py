"""Media: what is decoded once, and that no value depends on what else was decoded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from headrace.curation import Media
from headrace.curation.media import _count_values
from headrace.errors import InvalidInput
from proofs.operators.generated_images import encoded, generated_pixels
from proofs.operators.image_oracles import grey_by_pillow
from tests.unit.curation.operators.image_rows import jpeg, odd_images, png


@pytest.mark.parametrize("name", odd_images())
def test_grey_is_the_same_before_and_after_colours(name: str) -> None:
    data = odd_images()[name]
    alone, after = Media(data), Media(data)
    after.pixels()
    np.testing.assert_array_equal(alone.grey(), after.grey())
    assert alone.grey().shape == alone.pixels().shape[:2] == alone.size()[::-1]


@pytest.mark.parametrize("name", [name for name in odd_images() if name != "cmyk jpeg"])
def test_grey_is_that_of_pillow(name: str) -> None:
    data = odd_images()[name]
    np.testing.assert_array_equal(Media(data).grey(), grey_by_pillow(data))


@given(st.binary(min_size=12, max_size=12))
def test_grey_of_colours_is_the_stated_formula(values: bytes) -> None:
    pixels = np.frombuffer(values, np.uint8).reshape(2, 2, 3)
    red, green, blue = (pixels[:, :, channel].astype(np.int64) for channel in range(3))
    wanted = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    np.testing.assert_array_equal(Media(png(pixels)).grey(), wanted)


@given(st.binary(min_size=16, max_size=16))
def test_alpha_is_dropped(values: bytes) -> None:
    pixels = np.frombuffer(values, np.uint8).reshape(2, 2, 4)
    np.testing.assert_array_equal(Media(png(pixels)).pixels(), pixels[:, :, :3])


def test_each_is_decoded_once() -> None:
    media = Media(jpeg())
    assert media.grey() is media.grey()
    assert media.pixels() is media.pixels()
    assert media.grey_histogram() is media.grey_histogram()


@pytest.mark.parametrize("data", [jpeg(), odd_images()["alpha"], odd_images()["grey png"]], ids=["jpeg", "png", "grey"])
def test_arrays_cannot_be_changed_under_the_next_operator(data: bytes) -> None:
    media = Media(data)
    for array in (media.pixels(), media.grey(), media.grey_histogram()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize("name", odd_images())
def test_histogram_counts_every_pixel(name: str) -> None:
    media = Media(odd_images()[name])
    np.testing.assert_array_equal(media.grey_histogram(), np.bincount(media.grey().reshape(-1), minlength=256))


def test_histogram_of_a_large_image_is_exact() -> None:
    """OpenCV counts in float32, which would stop at 2**24."""
    counts = _count_values(np.zeros((4100, 4100), np.uint8))
    assert counts[0] == 4100 * 4100


@pytest.mark.parametrize("read", ["pixels", "grey", "size"])
def test_what_is_no_image_is_refused_by_name(read: str) -> None:
    with pytest.raises(InvalidInput, match=r"^cat\.jpg: is not an image"):
        getattr(Media(b"none", "cat.jpg"), read)()


def test_damaged_jpeg_is_refused_and_not_measured() -> None:
    """libjpeg would fill the rest with grey, and a blur of that looks like a number."""
    data = jpeg(width=200, height=150)
    broken = data[: len(data) // 2] + data[-2:]
    for read in (Media(broken, "a").grey, Media(broken, "a").pixels):
        with pytest.raises(InvalidInput, match=r"a: the pixels of this jpeg image cannot be decoded"):
            read()


def test_sixteen_bits_keep_the_high_byte() -> None:
    import io

    buffer = io.BytesIO()
    Image.fromarray(np.array([[0x1234, 0xFF00]], np.uint16)).save(buffer, "PNG")
    assert Media(buffer.getvalue()).grey().tolist() == [[0x12, 0xFF]]


def test_webp_and_png_of_the_same_pixels_are_near() -> None:
    pixels = generated_pixels(np.random.default_rng(2), width=40, height=30)
    webp = Media(encoded(pixels, format="WEBP", quality=100)).grey().astype(int)
    assert np.abs(webp - Media(encoded(pixels, format="PNG")).grey()).mean() < 6
