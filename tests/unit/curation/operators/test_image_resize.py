"""image.resize resamples as the filters are defined, and encodes what it made."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from headrace.curation import Media, Replace
from headrace.curation.operators.image_resize import Fit, image_resize
from headrace.testing import run_operator
from proofs.operators.image_comparisons import IMAGE_COMPARISONS
from tests.unit.curation.operators.image_rows import jpeg, odd_images, png


def opened(found: dict[str, Replace | int]) -> Image.Image:
    replaced = found["image"]
    assert isinstance(replaced, Replace)
    return Image.open(io.BytesIO(replaced.data))


def test_pixels_are_those_of_the_definition() -> None:
    comparison = next(each for each in IMAGE_COMPARISONS if each.operator == "image.resize")
    assert comparison.difference(60, 1) <= comparison.tolerance


@pytest.mark.parametrize(
    ("fit", "enlarge", "box", "size"),
    [
        ("inside", False, (30, 30), (30, 20)),
        ("inside", False, (600, 600), (60, 40)),
        ("inside", True, (600, 600), (600, 400)),
        ("inside", False, (600, 10), (15, 10)),
        ("inside", False, (1, 1), (1, 1)),
        ("cover", False, (20, 20), (20, 20)),
        ("cover", False, (80, 80), (40, 40)),
        ("cover", True, (80, 80), (80, 80)),
        ("stretch", False, (20, 30), (20, 30)),
        ("stretch", False, (120, 40), (60, 20)),
        ("stretch", True, (120, 10), (120, 10)),
    ],
)
def test_size_of_an_image_of_60_by_40(fit: Fit, enlarge: bool, box: tuple[int, int], size: tuple[int, int]) -> None:
    found = image_resize(Media(jpeg()), width=box[0], height=box[1], fit=fit, enlarge=enlarge)
    assert (found["width"], found["height"]) == size == opened(found).size


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_inside_never_leaves_the_box_and_keeps_the_aspect(
    old_width: int, old_height: int, width: int, height: int
) -> None:
    found = image_resize(Media(png(np.zeros((old_height, old_width, 3), np.uint8))), width=width, height=height)
    new_width, new_height = int(str(found["width"])), int(str(found["height"]))
    assert 1 <= new_width <= min(width, old_width)
    assert 1 <= new_height <= min(height, old_height)
    assert abs(new_width * old_height - new_height * old_width) <= max(old_width, old_height)


def test_cover_takes_the_middle() -> None:
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 255
    found = opened(image_resize(Media(png(pixels)), width=10, height=10, fit="cover", format="png"))
    assert np.asarray(found).min() == 255


def test_image_of_the_size_asked_for_keeps_its_pixels() -> None:
    media = Media(jpeg())
    found = opened(image_resize(media, width=60, height=40, format="png"))
    np.testing.assert_array_equal(np.asarray(found), media.pixels())


def test_orientation_is_applied_because_the_tag_is_lost() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(Media(jpeg()).pixels()).save(buffer, "PNG", exif=exif)
    found = opened(image_resize(Media(buffer.getvalue()), width=100, height=100, format="png"))
    assert found.size == (40, 60)
    assert 0x0112 not in found.getexif()
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(buffer.getvalue())))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(upright))


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
def test_format_and_quality_are_those_asked_for(format: str) -> None:
    sizes = []
    for quality in (20, 95):
        table = run_operator(
            image_resize, [{"photo": jpeg(width=200, height=200)}], columns={"image": "photo"},
            width=100, height=100, format=format, quality=quality,
        )  # fmt: skip
        data = table["photo"][0].as_py()
        assert (Image.open(io.BytesIO(data)).format or "").lower() == format
        sizes.append(len(data))
    assert sizes[0] < sizes[1] or format == "png"


@pytest.mark.parametrize("name", odd_images())
def test_odd_image_is_resized(name: str) -> None:
    assert opened(image_resize(Media(odd_images()[name]), width=8, height=8, fit="stretch", enlarge=True)).size == (
        8,
        8,
    )
