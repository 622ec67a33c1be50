"""image.blur is the variance of scipy's Laplacian."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from headrace.curation import Media
from headrace.curation.operators.image_blur import image_blur
from proofs.operators.image_oracles import grey_by_pillow, sharpness_by_scipy
from tests.unit.curation.operators.image_rows import flat_image, greys, jpeg, odd_images, png


@given(greys())
def test_blur_is_that_of_scipy(grey: NDArray[np.uint8]) -> None:
    assert image_blur(Media(png(grey))) == pytest.approx(sharpness_by_scipy(grey), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", [name for name in odd_images() if name != "cmyk jpeg"])
def test_blur_of_odd_image_is_that_of_scipy(name: str) -> None:
    data = odd_images()[name]
    assert image_blur(Media(data)) == pytest.approx(sharpness_by_scipy(grey_by_pillow(data)), rel=1e-12)


@given(greys())
def test_blur_is_the_same_turned_and_mirrored(grey: NDArray[np.uint8]) -> None:
    assert image_blur(Media(png(grey))) == image_blur(Media(png(np.ascontiguousarray(np.rot90(grey)[::-1]))))


def test_flat_image_is_blurred() -> None:
    assert image_blur(flat_image(117)) == 0.0


def test_blurring_lowers_it() -> None:
    image = Image.fromarray(Media(jpeg(width=120, height=90)).pixels())
    values = [
        image_blur(Media(png(np.asarray(image.filter(ImageFilter.GaussianBlur(radius)))))) for radius in (0, 1, 2, 4)
    ]
    assert values == sorted(values, reverse=True)
