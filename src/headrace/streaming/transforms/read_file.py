"""Files that samples name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample
from headrace.streaming.transforms.sample_fields import field_error, field_value, kind_of
from headrace.streaming.transforms.unpacking import DEFAULT_MAX_BYTES
from headrace.units import format_bytes

__all__ = ["ReadFile"]


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The path of a local file becomes the file's bytes. Media columns hold bytes already and need none of this.

    Attributes:
        field: Holds the path.
        folder: What relative paths are relative to. With a folder, paths that lead out of it are refused; without,
            any file that this process may read is read: use it for sources that you trust.
        output_field: Gets the bytes; by default the same field.
        max_bytes: Of one file.

    Raises:
        InvalidInput: When called on a sample whose file is not there, too large or out of bounds.
    """

    field: str
    folder: str | None = None
    output_field: str | None = None
    max_bytes: int = DEFAULT_MAX_BYTES

    def __call__(self, sample: Sample) -> Sample:
        """The sample with bytes."""
        name = field_value(sample, self.field)
        if not isinstance(name, str | os.PathLike) or not str(name):
            raise field_error(sample, self.field, f"holds {kind_of(name)}; expected the path of a local file")
        try:
            path = Path(name) if self.folder is None else Path(self.folder, name).resolve()
            is_inside = self.folder is None or path.is_relative_to(Path(self.folder).resolve())
            if not is_inside:
                raise field_error(
                    sample, self.field, f"{str(name)!r} leads out of {self.folder}; expected a file in it"
                )
            with path.open("rb") as file:
                data = file.read(self.max_bytes + 1)
        except InvalidInput:
            raise
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            reason = getattr(error, "strerror", None) or str(error)
            raise field_error(
                sample, self.field, f"file {str(name)!r} cannot be read: {reason}; expected a local file"
            ) from error
        if len(data) > self.max_bytes:
            raise field_error(
                sample,
                self.field,
                f"file {str(name)!r} has more than {format_bytes(self.max_bytes)}; raise max_bytes if that is meant",
            )
        return {**sample, self.output_field or self.field: data}
