"""image.size gives what OpenCV decodes."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from headrace.curation import Media
from headrace.curation.operators.image_size import image_size
from headrace.errors import InvalidInput
from proofs.operators.image_oracles import size_by_opencv
from tests.unit.curation.operators.image_rows import jpeg, odd_images


@pytest.mark.parametrize("name", odd_images())
def test_size_is_that_of_opencv(name: str) -> None:
    data = odd_images()[name]
    width, height = size_by_opencv(data)
    assert image_size(Media(data)) == {
        "width": width, "height": height, "aspect": width / height, "pixels": width * height
    }  # fmt: skip


def test_nothing_is_decoded() -> None:
    media = Media(jpeg())
    image_size(media)
    assert media._grey is None
    assert media._pixels is None


def test_size_is_as_stored_whatever_the_orientation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20)).save(buffer, "JPEG", exif=exif)
    assert image_size(Media(buffer.getvalue()))["width"] == 30


def test_other_content_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"row 3: is not an image"):
        image_size(Media(b"text", "row 3"))
