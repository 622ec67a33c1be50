"""Images for models against NumPy, and against Pillow where they are resized."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from headrace.curation import Media
from headrace.curation.encoding.image_arrays import Colour, Fit, ImageArrays, Layout
from headrace.errors import InvalidInput

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def pixels_of(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def media(pixels: NDArray[np.uint8]) -> Media:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return Media(buffer.getvalue(), "größe.png")


def arrays(
    size: int | list[int],
    *,
    fit: Fit = "crop",
    colour: Colour = "rgb",
    mean: tuple[float, ...] = CLIP_MEAN,
    std: tuple[float, ...] = CLIP_STD,
    layout: Layout = "channels_first",
) -> ImageArrays:
    return ImageArrays.of(size, fit=fit, interpolation="bicubic", colour=colour, mean=mean, std=std, layout=layout)


def normalised(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = pixels.astype(np.float32) / np.float32(255)
    mean, std = np.array(CLIP_MEAN, np.float32), np.array(CLIP_STD, np.float32)
    found: NDArray[np.float32] = (values - mean) / std
    return found


def test_image_of_the_right_size_is_normalised_to_the_bit() -> None:
    pixels = pixels_of(7, 5)
    found = arrays([5, 7]).array(media(pixels))
    assert found.dtype == np.float32
    assert found.tobytes() == np.ascontiguousarray(normalised(pixels).transpose(2, 0, 1)).tobytes()
    last = arrays([5, 7], layout="channels_last").array(media(pixels))
    assert last.tobytes() == normalised(pixels).tobytes()


@pytest.mark.parametrize(
    ("width", "height", "scaled"),
    [(100, 40, (80, 32)), (40, 100, (32, 80)), (33, 57, (32, 55)), (20, 20, (32, 32)), (500, 3, (5333, 32))],
    ids=["wide", "tall", "odd", "smaller", "strip"],
)
def test_crop_keeps_the_middle_of_the_scaled_image(width: int, height: int, scaled: tuple[int, int]) -> None:
    pixels = pixels_of(width, height, seed=3)
    resized = np.asarray(Image.fromarray(pixels).resize(scaled, Image.Resampling.BICUBIC))
    top, left = (scaled[1] - 32) // 2, (scaled[0] - 32) // 2
    wanted = normalised(resized[top : top + 32, left : left + 32]).transpose(2, 0, 1)
    assert np.array_equal(arrays(32).array(media(pixels)), wanted)


def test_stretch_ignores_the_aspect_and_exact_refuses() -> None:
    pixels = pixels_of(50, 20)
    wanted = normalised(np.asarray(Image.fromarray(pixels).resize((16, 8), Image.Resampling.BICUBIC)))
    assert np.array_equal(arrays([8, 16], fit="stretch").array(media(pixels)), wanted.transpose(2, 0, 1))
    with pytest.raises(InvalidInput, match=r"größe\.png is 50x20; the model takes 16x8"):
        arrays([8, 16], fit="exact").array(media(pixels))


def test_channels_are_in_the_order_that_is_asked_for() -> None:
    pixels = pixels_of(4, 4)
    plain: dict[str, Any] = {"mean": (0.0,), "std": (1 / 255,)}
    bgr = arrays(4, colour="bgr", **plain).array(media(pixels))
    np.testing.assert_allclose(bgr, pixels[:, :, ::-1].transpose(2, 0, 1), atol=1e-4)
    grey = arrays(4, colour="grey", **plain).array(media(pixels))
    assert grey.shape == (1, 4, 4)
    np.testing.assert_allclose(grey[0], np.asarray(Image.fromarray(pixels).convert("L")), atol=1e-4)
    half = arrays(2, colour="grey", **plain).array(media(pixels))
    assert half.shape == (1, 2, 2)


def test_settings_that_fit_no_channels_are_refused() -> None:
    with pytest.raises(InvalidInput, match="mean has 3 numbers; grey has 1"):
        arrays(4, colour="grey")
    with pytest.raises(InvalidInput, match="none may be 0"):
        arrays(4, std=(0.0,))


def test_broken_image_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"größe\.png"):
        arrays(4).array(Media(media(pixels_of(9, 9)).data[:60], "größe.png"))
