"""Images that are checked and stay."""

from __future__ import annotations

import pytest

from headrace.errors import InvalidInput
from headrace.streaming.transforms import VerifyImage
from tests.unit.streaming.transforms.samples_for_transforms import apply, encoded


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_whole_image_stays_as_it_is(format: str) -> None:
    data = encoded(format=format)
    assert apply(VerifyImage(), {"image": data})["image"] is data


def test_damage_in_the_middle_is_found() -> None:
    data = bytearray(encoded(format="PNG"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(InvalidInput, match="sample 'k', field 'photo'"):
        apply(VerifyImage("photo"), {"photo": bytes(data)})
