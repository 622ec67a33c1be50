"""Encoded images to pixels: JPEG by libjpeg-turbo without the GIL, everything else by Pillow."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import simplejpeg

from headrace.datasets.images.decode_options import DecodeOptions
from headrace.datasets.images.orientation import exif_orientation, oriented
from headrace.datasets.probes.image_header import probe_image, verify_by_decoding
from headrace.errors import InvalidInput
from headrace.units import format_count

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["read_image", "read_orientation"]

_JPEG_START = b"\xff\xd8\xff"
_TURBO_COLORSPACES = frozenset({"YCbCr", "RGB", "Gray"})  # of the file; CMYK and YCCK need Pillow's formula


def read_image(data: bytes, options: DecodeOptions, *, at_least: tuple[int, int] | None = None) -> np.ndarray:
    """The decoded image: uint8 [height, width, channels], memory of its own.

    Args:
        at_least: Height and width; a JPEG may come smaller by 2, 4 or 8 as long as it has at least these. None: whole.

    Raises:
        InvalidInput: No image of a format that lakes hold, cut off, damaged, or with too many pixels.
    """
    pixels = _read_plain_jpeg(data, options, at_least) if data.startswith(_JPEG_START) else None
    if pixels is None:
        return _read_with_pillow(data, options)
    if options.apply_orientation:
        pixels = oriented(pixels, exif_orientation(data))
    return pixels


def read_orientation(data: bytes) -> int:
    """The EXIF orientation of an image in any format, 1 to 8; 1 where nothing is said.

    Raises:
        InvalidInput: No image of a format that lakes hold.
    """
    if data.startswith(_JPEG_START):
        return exif_orientation(data)
    header = probe_image(data, "")
    with _open_image(data, header.format or "") as image:
        return exif_orientation(image)


def _read_plain_jpeg(data: bytes, options: DecodeOptions, at_least: tuple[int, int] | None) -> np.ndarray | None:
    """None for a JPEG that libjpeg-turbo refuses or would not give in the colours that are asked for."""
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # KeyError: a rare way of sampling colours
        return None
    _check_size(width, height, options)
    if colorspace not in _TURBO_COLORSPACES:
        return None
    smallest = {} if at_least is None else {"min_height": at_least[0], "min_width": at_least[1], "min_factor": 2}
    try:
        pixels: np.ndarray = simplejpeg.decode_jpeg(data, colorspace=options.mode, **smallest)
    except ValueError:  # damage; what is harmless Pillow decodes, what is not gets its message there
        return None
    return pixels


def _read_with_pillow(data: bytes, options: DecodeOptions) -> np.ndarray:
    header = probe_image(data, "")
    _check_size(header.width or 0, header.height or 0, options)
    if options.verify:
        verify_by_decoding(data, "")
    try:
        with _open_image(data, header.format or "") as image:
            image.load()
            pixels = _converted(image, options)
            if options.apply_orientation:
                pixels = oriented(pixels, exif_orientation(image))
            return pixels
    except InvalidInput:
        raise
    except Exception as error:
        raise InvalidInput(f"the pixels of this {header.format} image cannot be decoded: {error}") from error


def _open_image(data: bytes, format: str) -> Image:
    """Pillow's own opening warns above a limit that is process-wide; the size was checked before."""
    if format == "jpeg":
        from PIL.JpegImagePlugin import JpegImageFile  # not the factory, which looks for further images in the file

        return JpegImageFile(BytesIO(data))
    from PIL import Image as Images

    Images.init()
    factory, _ = Images.OPEN[format.upper()]
    return factory(BytesIO(data), "")


def _converted(image: Image, options: DecodeOptions) -> np.ndarray:
    """Pixels by the rules of `DecodeOptions`, [height, width, channels]."""
    if image.mode.startswith("I;16"):
        from PIL.Image import fromarray

        image = fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise InvalidInput(
            "has pixels of 32 bits, which have no stated range; expected 1 to 16 bits: store it as an array (LoadArray)"
        )
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        if options.background is not None and options.mode != "RGBA":
            from PIL.Image import alpha_composite, new

            image = alpha_composite(new("RGBA", image.size, (*options.background, 255)), image)
    if image.mode == "CMYK" or options.mode != "GRAY":
        image = image.convert("RGBA" if options.mode == "RGBA" else "RGB")
    if options.mode == "GRAY":
        image = image.convert("L")
    pixels: np.ndarray[Any, Any] = np.array(image)
    return pixels.reshape(*pixels.shape[:2], options.num_channels)


def _check_size(width: int, height: int, options: DecodeOptions) -> None:
    if width * height > options.max_pixels or not width or not height:
        raise InvalidInput(
            f"its header says {width} x {height} = {format_count(width * height)} pixels; expected 1 to "
            f"{format_count(options.max_pixels)} (max_pixels)"
        )
