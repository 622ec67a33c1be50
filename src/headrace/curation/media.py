"""One media value while an operator works on its row: bytes, and what was decoded from them, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Media"]

_JPEG_START = b"\xff\xd8\xff"


class Media:
    """Bytes of an image with everything that operators read from them, each decoded when it is first asked for.

    Operators of one stage get the same object, so they share one decode. Arrays are read-only, because the next
    operator sees them too. Not thread-safe: a row is worked on by one thread.

    The pixels are those that the file stores: the EXIF orientation is not applied, alpha is dropped.
    """

    __slots__ = ("_grey", "_histogram", "_pixels", "_size", "data", "name")

    def __init__(self, data: bytes, name: str = "") -> None:
        self.data = data
        self.name = name  # for messages: key, file name
        self._pixels: NDArray[np.uint8] | None = None
        self._grey: NDArray[np.uint8] | None = None
        self._histogram: NDArray[np.int64] | None = None
        self._size: tuple[int, int] | None = None

    def __repr__(self) -> str:
        return f"Media({len(self.data)} bytes{', ' + repr(self.name) if self.name else ''})"

    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the header; microseconds for JPEG and PNG.

        Raises:
            InvalidInput: Not an image of a format that lakes hold, or cut off.
        """
        if self._size is None:
            from headrace.datasets.probes.image_header import probe_image

            header = probe_image(self.data, self.name)
            self._size = (header.width or 0, header.height or 0)
        return self._size

    def pixels(self) -> NDArray[np.uint8]:
        """Red, green and blue: uint8 [height, width, 3], read-only.

        Raises:
            InvalidInput: Cannot be decoded, is damaged, or has more pixels than Pillow's limit (178,956,970).
        """
        if self._pixels is None:
            self._pixels = self._decode("RGB")
        return self._pixels

    def grey(self) -> NDArray[np.uint8]:
        """Luma of ITU-R 601-2: uint8 [height, width], read-only.

        A JPEG stores this plane (Y), and it is taken from there, which costs two thirds of decoding colours. Of other
        formats it is (19595 R + 38470 G + 7471 B + 32768) >> 16 of `pixels()`, as Pillow computes it. Which of the
        two follows from the bytes alone, never from what else was decoded: a metric is the same in any company.

        Raises:
            InvalidInput: As `pixels`.
        """
        if self._grey is None:
            if self.data.startswith(_JPEG_START):
                self._grey = self._decode("GRAY")[:, :, 0]
            else:
                self._grey = _luma(self.pixels())
        return self._grey

    def grey_histogram(self) -> NDArray[np.int64]:
        """How many pixels of `grey()` have each value: int64 [256], read-only.

        Raises:
            InvalidInput: As `pixels`.
            MissingExtra: OpenCV is not installed.
        """
        if self._histogram is None:
            self._histogram = _count_values(self.grey())
        return self._histogram

    def _decode(self, mode: str) -> NDArray[np.uint8]:
        from headrace.datasets.images.decode_options import DecodeOptions
        from headrace.datasets.images.image_decoding import read_image

        # `verify` costs a JPEG nothing unless libjpeg-turbo complains; then it is damaged and not to be measured.
        # Of PNG, GIF and WebP the decoder notices damage itself, and image.verify compares the checksums.
        options = DecodeOptions(mode="GRAY" if mode == "GRAY" else "RGB", verify=self.data.startswith(_JPEG_START))
        try:
            pixels: NDArray[np.uint8] = read_image(self.data, options)  # [height, width, channels]
        except InvalidInput as error:
            if not self.name or error.file:
                raise
            raise InvalidInput(error.message, file=self.name) from error
        pixels.flags.writeable = False
        return pixels


def _luma(
    pixels: NDArray[np.uint8],  # [height, width, 3]
) -> NDArray[np.uint8]:  # [height, width]
    import numpy as np
    from PIL.Image import fromarray

    return np.asarray(fromarray(pixels).convert("L"))  # a read-only view of Pillow's memory


def _count_values(
    grey: NDArray[np.uint8],  # [height, width]
) -> NDArray[np.int64]:  # [256]
    import numpy as np

    from headrace.datasets.images.opencv import require_opencv

    if (
        grey.size < 1 << 24
    ):  # OpenCV counts in float32, exact up to here; three times as fast as NumPy; [256, 1] or [256]
        opencv = require_opencv("counting grey values")
        counts = opencv.calcHist([grey], [0], None, [256], [0, 256]).reshape(-1).astype(np.int64)
    else:
        counts = np.bincount(grey.reshape(-1), minlength=256)
    counts.flags.writeable = False
    found: NDArray[np.int64] = counts
    return found
