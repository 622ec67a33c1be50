"""What other libraries, or the definition written out, say of an image."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = [
    "entropy_by_scipy",
    "exposure_by_scipy",
    "grey_by_pillow",
    "phash_by_imagehash",
    "resized_by_definition",
    "sharpness_by_scipy",
    "size_by_opencv",
    "thumbnail_by_definition",
]

Grey = NDArray[np.uint8]  # [height, width]


def grey_by_pillow(data: bytes) -> Grey:
    """The luma by Pillow alone: a JPEG's own plane, else that of the colours."""
    with Image.open(io.BytesIO(data)) as image:
        if image.format == "JPEG":
            image.draft("L", image.size)
            return np.asarray(image.convert("L"))
        return np.asarray(image.convert("RGBA" if "transparency" in image.info else "RGB").convert("RGB").convert("L"))


def size_by_opencv(data: bytes) -> tuple[int, int]:
    """Width and height of the decoded pixels."""
    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels.shape[1], pixels.shape[0]


def sharpness_by_scipy(grey: Grey) -> float:
    """Variance of scipy's Laplacian with mirrored borders."""
    from scipy import ndimage

    # A side of one pixel has nothing to mirror; scipy then repeats it, as the definition says.
    return float(ndimage.laplace(grey.astype(np.float64), mode="mirror").var())


def entropy_by_scipy(grey: Grey) -> float:
    """Bits, of the values that occur."""
    from scipy import stats

    return float(stats.entropy(np.unique(grey, return_counts=True)[1], base=2))


def exposure_by_scipy(grey: Grey, *, dark: int, bright: int) -> tuple[float, float, float, float]:
    """Brightness, contrast, dark share, bright share."""
    from scipy import ndimage

    values = grey.astype(np.float64)
    return (
        float(ndimage.mean(values)) / 255,
        float(ndimage.standard_deviation(values)) / 255,
        float((grey <= dark).mean()),
        float((grey >= bright).mean()),
    )


def phash_by_imagehash(grey: Grey, *, size: int = 8, by_area: bool = True) -> int:
    """ImageHash's `phash`; `by_area` hands it the image averaged by area already, else it takes its Lanczos filter."""
    import imagehash

    image = Image.fromarray(grey)
    if by_area:
        image = image.resize((4 * size, 4 * size), Image.Resampling.BOX)
    bits = imagehash.phash(image, hash_size=size).hash.reshape(-1)
    return sum(1 << (len(bits) - 1 - idx) for idx, bit in enumerate(bits) if bit)


def _lanczos(x: float) -> float:
    if x == 0:
        return 1.0
    return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2 if abs(x) < 3 else 0.0


def _cubic(x: float) -> float:
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0


_FILTERS: dict[str, tuple[float, Callable[[float], float]]] = {
    "area": (0.5, lambda x: 1.0 if -0.5 < x <= 0.5 else 0.0),
    "bilinear": (1.0, lambda x: max(0.0, 1 - abs(x))),
    "bicubic": (2.0, _cubic),
    "lanczos": (3.0, _lanczos),
}


def _weights(old: int, new: int, *, interpolation: str) -> NDArray[np.float64]:
    """[new, old]: each new pixel as a weighted mean of old ones, the filter stretched where the image shrinks."""
    support, kernel = _FILTERS[interpolation]
    scale = old / new
    stretch = max(scale, 1.0)
    matrix = np.zeros((new, old))
    for row in range(new):
        centre = (row + 0.5) * scale
        first = max(int(centre - support * stretch + 0.5), 0)
        last = min(int(centre + support * stretch + 0.5), old)
        for column in range(first, last):
            matrix[row, column] = kernel((column + 0.5 - centre) / stretch)
        matrix[row] /= matrix[row].sum()
    return matrix


def resized_by_definition(
    pixels: NDArray[np.uint8],  # [old_height, old_width, channels]
    *,
    width: int,
    height: int,
    interpolation: str,
    vertical_first: bool,
) -> NDArray[np.float64]:  # [height, width, channels]
    """Resampling as two products of matrices, each rounded to whole values of 0 to 255.

    Pillow 13 begins with the direction that costs less; where a filter overshoots, the order shows.
    """
    across = _weights(pixels.shape[1], width, interpolation=interpolation)
    down = _weights(pixels.shape[0], height, interpolation=interpolation)
    found = pixels.astype(np.float64)
    for is_vertical in (vertical_first, not vertical_first):
        product = np.einsum("hy,ywc->hwc", down, found) if is_vertical else np.einsum("wx,yxc->ywc", across, found)
        found = np.clip(np.floor(product + 0.5), 0, 255)
    return found


def thumbnail_by_definition(
    pixels: NDArray[np.uint8],  # [height, width, 3]
    side: int,
    plane: int,
) -> NDArray[np.float64]:  # [side, side]
    """Y, Cb or Cr (0, 1, 2) by the formula of JFIF, resampled by the filter's definition without rounding between."""
    weights = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    values = pixels.astype(np.float64) @ weights[plane] + (128 if plane else 0)  # [height, width]
    down, across = (_weights(length, side, interpolation="area") for length in values.shape)
    found: NDArray[np.float64] = down @ values @ across.T
    return found
