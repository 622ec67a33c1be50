"""One of several fields at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample, SampleContext
from headrace.streaming.transforms.field_names import as_field_names
from headrace.streaming.transforms.sample_fields import field_error

__all__ = ["ChooseField"]


@dataclass(frozen=True, slots=True)
class ChooseField:
    """One of several fields, drawn for each sample and epoch anew, gives its value: one caption of many.

    Fields that a sample lacks, or in which it has null, are passed over.

    Attributes:
        fields: To draw from. They go, unless `is_kept`.
        output_field: Gets the value.
        probabilities: One for each field, in any unit, not all 0; None: all the same.
        is_kept: Leave the fields where they are too.

    Raises:
        InvalidInput: When called on a sample that has none of the fields with a probability above 0.
    """

    needs_context: ClassVar[bool] = True

    fields: tuple[str, ...]
    output_field: str
    probabilities: tuple[float, ...] | None = None
    is_kept: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", as_field_names(self.fields, "ChooseField"))
        shares = self.probabilities
        if shares is not None and (len(shares) != len(self.fields) or min(shares) < 0 or not 0 < sum(shares) < 1e300):
            raise InvalidInput(f"probabilities are {shares!r}: expected {len(self.fields)} numbers from 0, not all 0")

    def __call__(self, sample: Sample, context: SampleContext) -> Sample:
        """The sample with the chosen value; one random number is drawn."""
        shares = self.probabilities or (1.0,) * len(self.fields)
        present = [
            (field, share) for field, share in zip(self.fields, shares) if share > 0 and sample.get(field) is not None
        ]
        if not present:
            raise field_error(
                sample,
                self.output_field,
                f"cannot be chosen: {', '.join(map(repr, self.fields))} are missing or null; expected one or more: "
                "leave such rows out with where=",
            )
        place = context.random.uniform(0.0, sum(share for _, share in present))
        chosen = present[-1][0]  # where rounding leaves the place behind the last share
        for field, share in present:
            if place < share:
                chosen = field
                break
            place -= share
        rest = sample if self.is_kept else {name: value for name, value in sample.items() if name not in self.fields}
        return {**rest, self.output_field: sample[chosen]}
