"""image.phash is ImageHash's phash of the image averaged by area."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from headrace.curation import Media, hamming_distances
from headrace.curation.operators.image_phash import image_phash
from headrace.testing import run_operator
from proofs.operators.generated_images import encoded, generated_images, generated_pixels
from proofs.operators.image_comparisons import bits_from_plain_imagehash
from proofs.operators.image_oracles import grey_by_pillow, phash_by_imagehash
from tests.unit.curation.operators.image_rows import flat_image, jpeg, odd_images


@pytest.mark.parametrize("size", [2, 3, 5, 8])
def test_phash_is_that_of_imagehash(size: int) -> None:
    images = [data for data in generated_images(60, seed=size) if min(grey_by_pillow(data).shape) > 8]
    found = [image_phash(Media(data), size=size) for data in images]
    assert found == [phash_by_imagehash(grey_by_pillow(data), size=size) for data in images]


def test_own_filter_of_imagehash_differs_in_few_bits() -> None:
    """What the operator's page says: fewer than two of 64 on average."""
    assert 0 < bits_from_plain_imagehash(200, seed=11) < 2


@pytest.mark.parametrize("name", odd_images())
def test_odd_image_has_a_hash_of_64_bits(name: str) -> None:
    assert 0 <= image_phash(Media(odd_images()[name])) < 1 << 64


@given(st.integers(1, 255), st.integers(1, 40), st.integers(1, 40))
def test_flat_image_has_the_first_bit_only(value: int, width: int, height: int) -> None:
    assert image_phash(flat_image(value, width=width, height=height)) == 1 << 63


def test_black_image_has_no_bit() -> None:
    assert image_phash(flat_image(0)) == 0


def test_same_photo_smaller_and_recompressed_is_near_and_another_is_far() -> None:
    pixels = generated_pixels(np.random.default_rng(5), width=240, height=180)
    small = np.asarray(Image.fromarray(pixels).resize((120, 90), Image.Resampling.LANCZOS))
    original = image_phash(Media(encoded(pixels, format="JPEG", quality=95)))
    copies = [image_phash(Media(encoded(small, format=format, quality=40))) for format in ("JPEG", "WEBP", "PNG")]
    assert hamming_distances(copies, original).max() <= 8
    assert hamming_distances(image_phash(Media(jpeg(width=240, height=180, seed=9))), original) > 16


def test_hashes_are_unsigned_64_bits_in_arrow() -> None:
    table = run_operator(image_phash, [{"image": jpeg()}, {"image": None}])
    assert str(table.schema.field("phash").type) == "uint64"
    assert table["phash"].to_pylist() == [image_phash(Media(jpeg())), None]
