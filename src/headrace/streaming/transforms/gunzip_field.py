"""Gzipped fields."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample
from headrace.streaming.transforms.sample_fields import field_bytes, field_error
from headrace.streaming.transforms.unpacking import DEFAULT_MAX_BYTES, GZIP_START, gunzip

__all__ = ["GunzipField"]


@dataclass(frozen=True, slots=True)
class GunzipField:
    """The bytes of a gzip file become its content; `LoadArray` does this by itself.

    Attributes:
        field: Holds the bytes and gets the content.
        max_bytes: That the content may take.
        is_required: False leaves bytes that are not gzipped as they are.

    Raises:
        InvalidInput: When called on a sample whose field holds no gzip file, a damaged one, or too much.
    """

    field: str
    max_bytes: int = DEFAULT_MAX_BYTES
    is_required: bool = True

    def __call__(self, sample: Sample) -> Sample:
        """The sample with the content."""
        data = field_bytes(sample, self.field)
        if not self.is_required and not data.startswith(GZIP_START):
            return sample
        try:
            return {**sample, self.field: gunzip(data, max_bytes=self.max_bytes)}
        except InvalidInput as error:
            raise field_error(sample, self.field, error.message) from error
