"""The EXIF tag that says how a camera was held, and images turned by it.

Source: CIPA DC-008 (Exif 2.32), tag 0x0112.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["exif_orientation", "oriented"]

_TAG = 0x0112
_EXIF_START = b"Exif\x00\x00"


def exif_orientation(image: bytes | Image) -> int:
    """1 to 8; 1, the image as it is stored, where nothing or nonsense is said. Bytes are those of a JPEG."""
    try:
        if isinstance(image, bytes):
            if image.find(_EXIF_START, 0, 65_536) < 0:
                return 1
            from PIL.JpegImagePlugin import JpegImageFile

            with JpegImageFile(BytesIO(image)) as opened:
                found = opened.getexif().get(_TAG, 1)
        else:
            found = image.getexif().get(_TAG, 1)
    except Exception:  # noqa: BLE001 - a damaged tag is no reason to refuse the pixels
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def oriented(
    pixels: np.ndarray,  # [height, width, channels]
    orientation: int,
) -> np.ndarray:
    """The image as it was seen; from 5 on height and width change places."""
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)  # [width, height, channels]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
