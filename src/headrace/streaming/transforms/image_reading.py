"""The pixels of an image in a sample's field."""

from __future__ import annotations

import numpy as np

from headrace.datasets.images.decode_options import DecodeOptions
from headrace.datasets.images.image_decoding import read_image
from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample
from headrace.streaming.transforms.sample_fields import field_bytes, field_error

__all__ = ["image_pixels"]


def image_pixels(
    sample: Sample, field: str, options: DecodeOptions, *, at_least: tuple[int, int] | None = None
) -> np.ndarray:
    """The image in a field, decoded: uint8 [height, width, channels]; arguments as at `read_image`.

    Raises:
        InvalidInput: The field holds no image that can be decoded; names sample and field.
    """
    data = field_bytes(sample, field)
    try:
        return read_image(data, options, at_least=at_least)
    except InvalidInput as error:
        raise field_error(
            sample, field, f"{error.message}. Leave the row out, or let another take its place: on_error='substitute'"
        ) from error
