"""JSON to dicts and lists."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from headrace.streaming.samples import Sample
from headrace.streaming.transforms.sample_fields import field_bytes, field_error, field_value

__all__ = ["ParseJson"]


@dataclass(frozen=True, slots=True)
class ParseJson:
    """The JSON text in a field becomes dicts, lists, strings and numbers. Source: RFC 8259; NaN is refused.

    Attributes:
        field: Holds bytes in UTF-8 or a string.
        output_field: Gets the value; by default the same field.

    Raises:
        InvalidInput: When called on a sample whose field holds no JSON; says where it breaks off.
    """

    field: str = "json"
    output_field: str | None = None

    def __call__(self, sample: Sample) -> Sample:
        """The sample with a value."""
        text = field_value(sample, self.field)
        if not isinstance(text, str):
            text = field_bytes(sample, self.field)
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise field_error(sample, self.field, f"is no JSON: {error}; expected one JSON value in UTF-8") from error
        return {**sample, self.output_field or self.field: value}
