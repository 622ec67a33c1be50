"""image.exposure is scipy's mean and deviation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from headrace.curation import Media
from headrace.curation.operators.image_exposure import image_exposure
from headrace.errors import InvalidInput
from proofs.operators.image_oracles import exposure_by_scipy, grey_by_pillow
from tests.unit.curation.operators.image_rows import flat_image, greys, odd_images, png


@given(greys())
def test_exposure_is_that_of_scipy(grey: NDArray[np.uint8]) -> None:
    found = image_exposure(Media(png(grey)), dark=20, bright=230)
    assert tuple(found.values()) == pytest.approx(exposure_by_scipy(grey, dark=20, bright=230), abs=1e-12)


@pytest.mark.parametrize("name", [name for name in odd_images() if name != "cmyk jpeg"])
def test_exposure_of_odd_image_is_that_of_scipy(name: str) -> None:
    data = odd_images()[name]
    found = image_exposure(Media(data))
    assert tuple(found.values()) == pytest.approx(exposure_by_scipy(grey_by_pillow(data), dark=10, bright=245))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (0, (0.0, 0.0, 1.0, 0.0)),
        (255, (1.0, 0.0, 0.0, 1.0)),
        (10, (10 / 255, 0.0, 1.0, 0.0)),
        (245, (245 / 255, 0.0, 0.0, 1.0)),
    ],
)
def test_flat_image(value: int, wanted: tuple[float, ...]) -> None:
    assert tuple(image_exposure(flat_image(value)).values()) == wanted


def test_half_black_half_white_has_the_largest_contrast() -> None:
    assert image_exposure(Media(png(np.array([[0, 255]], np.uint8))))["contrast"] == 0.5


def test_dark_above_bright_is_refused() -> None:
    with pytest.raises(InvalidInput, match="expected dark below bright"):
        image_exposure(flat_image(3), dark=200, bright=100)
