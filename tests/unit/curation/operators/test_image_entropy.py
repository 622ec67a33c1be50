"""image.entropy is scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from headrace.curation import Media
from headrace.curation.operators.image_entropy import image_entropy
from proofs.operators.image_oracles import entropy_by_scipy, grey_by_pillow
from tests.unit.curation.operators.image_rows import flat_image, greys, odd_images, png


@given(greys())
def test_entropy_is_that_of_scipy(grey: NDArray[np.uint8]) -> None:
    assert image_entropy(Media(png(grey))) == pytest.approx(entropy_by_scipy(grey), abs=6e-10)


@pytest.mark.parametrize("name", [name for name in odd_images() if name != "cmyk jpeg"])
def test_entropy_of_odd_image_is_that_of_scipy(name: str) -> None:
    data = odd_images()[name]
    assert image_entropy(Media(data)) == pytest.approx(entropy_by_scipy(grey_by_pillow(data)), abs=6e-10)


@given(greys())
def test_entropy_does_not_depend_on_where_pixels_are(grey: NDArray[np.uint8]) -> None:
    moved = np.random.default_rng(0).permutation(grey.reshape(-1)).reshape(grey.shape)
    assert image_entropy(Media(png(moved))) == image_entropy(Media(png(grey)))


def test_flat_image_has_none_and_all_values_have_eight_bits() -> None:
    assert str(image_entropy(flat_image(3))) == "0.0"
    assert image_entropy(Media(png(np.arange(256, dtype=np.uint8).reshape(16, 16)))) == 8.0
