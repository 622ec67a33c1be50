"""image.thumbnail keeps what pictures are compared by."""

from __future__ import annotations

import numpy as np
import pytest

from headrace.curation.identity.thumbnails import THUMBNAIL_BYTES, THUMBNAIL_TYPE
from headrace.curation.operators.image_thumbnail import image_thumbnail
from headrace.testing import run_operator
from proofs.operators.image_comparisons import IMAGE_COMPARISONS
from tests.generated_media import image_bytes


def test_thumbnail_is_the_average_by_area() -> None:
    comparison = next(each for each in IMAGE_COMPARISONS if each.operator == "image.thumbnail")
    assert comparison.difference(30, 3) <= comparison.tolerance


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_one_colour_is_that_colour_everywhere(format: str) -> None:
    data = image_bytes(format, width=1, height=1, shade=200)
    found = run_operator(image_thumbnail, [{"image": data}])
    assert found.schema.field("thumbnail").type == THUMBNAIL_TYPE
    values = np.array(found["thumbnail"][0].as_py(), dtype="<u8").view(np.uint8)
    assert len(values) == THUMBNAIL_BYTES
    assert [len(np.unique(part)) for part in np.split(values, [4096, 5120])] == [1, 1, 1]


def test_damaged_picture_fails_and_takes_no_other_along() -> None:
    whole = image_bytes("PNG", width=80, height=70)
    found = run_operator(image_thumbnail, [{"image": whole}, {"image": whole[:40]}, {"image": whole}])
    assert [reason is None for reason in found["_failed"].to_pylist()] == [True, False, True]
    assert found["thumbnail"][0] == found["thumbnail"][2]
