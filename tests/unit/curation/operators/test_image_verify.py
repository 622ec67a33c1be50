"""image.verify tells whole images from damaged ones, and says why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headrace.curation import Drop, Media
from headrace.curation.operators.image_verify import image_verify
from headrace.errors import InvalidInput
from headrace.testing import run_operator
from proofs.operators.generated_images import planted_images
from tests.unit.curation.operators.image_rows import jpeg, odd_images, png


def test_planted_damage_is_found_and_nothing_else() -> None:
    planted = list(planted_images(160, seed=3))
    table = run_operator(image_verify, [{"image": image.data} for image in planted])
    assert table["format"].to_pylist() == [image.format for image in planted]
    assert [reason is None for reason in table["_failed"].to_pylist()] == [bool(image.format) for image in planted]


@pytest.mark.parametrize("name", odd_images())
def test_odd_image_is_whole(name: str) -> None:
    assert image_verify(Media(odd_images()[name])) in ("jpeg", "png", "gif", "webp", "bmp", "tiff")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"min_side": 41}, "shorter side is below min_side: 40 against 41"),
        ({"max_side": 59}, "longer side is above max_side: 60 against 59"),
        ({"max_pixels": 2399}, "more pixels than max_pixels: 2,400 against 2,399"),
        ({"max_aspect": 1.49}, "longer over shorter side is above max_aspect: 1.5 against 1.49"),
        ({"formats": ["png", "webp"]}, "format is not wanted: jpeg against png, webp"),
    ],
)
def test_unwanted_image_leaves_with_value_and_threshold(settings: dict[str, Any], reason: str) -> None:
    found = image_verify(Media(jpeg()), **settings)
    assert isinstance(found, Drop)
    assert str(found) == reason


@pytest.mark.parametrize(
    "settings", [{"min_side": 40}, {"max_side": 60}, {"max_pixels": 2400}, {"max_aspect": 1.5}, {"formats": ["jpeg"]}]
)
def test_limits_are_included(settings: dict[str, Any]) -> None:
    assert image_verify(Media(jpeg()), **settings) == "jpeg"


def test_size_is_refused_before_anything_is_decoded() -> None:
    media = Media(jpeg(width=300, height=300))
    assert isinstance(image_verify(media, max_pixels=10), Drop)
    assert media._grey is None


def test_header_that_claims_a_billion_pixels_fails_without_allocating() -> None:
    data = bytearray(png(np.zeros((2, 2), np.uint8)))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(InvalidInput, match="PNG whose header is damaged"):
        image_verify(Media(bytes(data)))


def test_damage_can_be_dropped_instead() -> None:
    found = image_verify(Media(jpeg()[:-30]), damaged="drop")
    assert isinstance(found, Drop)
    assert "damaged: is a truncated JPEG image" in found.reason


def test_damage_in_the_middle_of_a_jpeg_is_found() -> None:
    data = jpeg(width=200, height=200)
    spot = len(data) // 2
    with pytest.raises(InvalidInput, match=r"photo\.jpg: .*cannot be decoded"):
        image_verify(Media(data[:spot] + b"\xff\xd4\x00\xff\xc4" + data[spot:], "photo.jpg"))
