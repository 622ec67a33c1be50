"""Turned images as Pillow turns them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from headrace.datasets.images.orientation import exif_orientation
from headrace.streaming.transforms import DecodeImage, ImageToTensor
from tests.unit.streaming.transforms.samples_for_transforms import apply, photo


def turned(orientation: int, format: str = "PNG") -> bytes:
    image = Image.fromarray(photo(6, 10))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, format, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_that_of_pillow(orientation: int, format: str) -> None:
    data = turned(orientation, format)
    with Image.open(io.BytesIO(data)) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    found = apply(DecodeImage(apply_orientation=True), {"image": data})["image"]
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).max() <= (3 if format == "JPEG" else 0)


def test_orientation_is_left_alone_by_default() -> None:
    assert apply(DecodeImage(), {"image": turned(6)})["image"].shape == (6, 10, 3)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_nonsense_is_the_stored_image(orientation: int) -> None:
    assert apply(DecodeImage(apply_orientation=True), {"image": turned(orientation)})["image"].shape == (6, 10, 3)


def test_damaged_exif_is_the_stored_image() -> None:
    assert exif_orientation(b"\xff\xd8\xff\xe1\x00\x10Exif\x00\x00" + b"\xff" * 20) == 1


def test_turned_image_keeps_its_shape_when_scaled_while_decoding() -> None:
    image = Image.fromarray(photo(200, 400))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif)
    step = ImageToTensor((40, 20), apply_orientation=True, scaled_decode=True)
    assert apply(step, {"image": file.getvalue()})["image"].shape == (3, 40, 20)
