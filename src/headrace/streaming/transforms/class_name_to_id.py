"""Classes as whole numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known
from headrace.streaming.samples import Sample
from headrace.streaming.transforms.sample_fields import field_error, field_value

__all__ = ["ClassNameToId"]


@dataclass(frozen=True, slots=True)
class ClassNameToId:
    """The name of a class becomes its number; a list of names becomes a list of numbers.

    Attributes:
        classes: The names in the order of their numbers from 0, or numbers by name.
        field: Holds the name.
        output_field: Gets the number; by default the same field.
        unknown_id: For names that are no class and for null; None refuses them.

    Raises:
        InvalidInput: When called on a sample whose name is no class.
    """

    classes: Sequence[str] | Mapping[str, int]
    field: str = "label"
    output_field: str | None = None
    unknown_id: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.classes, Mapping):
            names = [self.classes] if isinstance(self.classes, str) else list(self.classes)
            if isinstance(self.classes, str) or len(set(names)) < len(names) or not names:
                raise InvalidInput(f"ClassNameToId got classes {names[:8]!r}: expected different names, at least one")
            object.__setattr__(self, "classes", {name: number for number, name in enumerate(names)})

    def __call__(self, sample: Sample) -> Sample:
        """The sample with a number."""
        value = field_value(sample, self.field)
        if isinstance(value, list | tuple):
            found: int | list[int] = [self._id_of(name, sample) for name in value]
        else:
            found = self._id_of(value, sample)
        return {**sample, self.output_field or self.field: found}

    def _id_of(self, name: object, sample: Sample) -> int:
        classes = self.classes
        number = classes.get(name) if isinstance(classes, Mapping) and isinstance(name, str) else None
        if number is None:
            number = self.unknown_id
        if number is None:
            hint = near_miss_or_known(name, classes) if isinstance(name, str) else ""
            raise field_error(
                sample,
                self.field,
                f"holds {name!r}, which is none of the {len(classes)} classes; unknown_id= allows it.{hint}",
            )
        return number
