"""How one media type names its columns and reads what lies beside a media file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.datasets.batches import FileEntry
from headrace.datasets.types.media_files import MediaSample
from headrace.datasets.types.sidecars import FieldValue, read_fields, read_text
from headrace.errors import InvalidInput

__all__ = ["SampleRules"]


@dataclass(frozen=True, slots=True)
class SampleRules:
    """The differences between the media types, as data."""

    media_column: str
    kind: str  # "image", "audio" or "video"
    media_suffixes: frozenset[str]
    value_column: str | None = None  # text that every row has
    value_aliases: tuple[str, ...] = ()  # further names of that column in tables, index files and JSON
    value_sidecars: tuple[str, ...] = ()  # suffixes of small files that hold it; the first one wins
    allows_empty_value: bool = True
    text_sidecars: Mapping[str, str] = field(default_factory=dict)  # suffix of further small text files -> column

    @property
    def sidecar_suffixes(self) -> frozenset[str]:
        """Suffixes of all small files that are read."""
        return frozenset({*self.value_sidecars, *self.text_sidecars, ".json"})

    @property
    def value_names(self) -> tuple[str, ...]:
        """Names of the text column in a table; empty if there is none."""
        return () if self.value_column is None else (self.value_column, *self.value_aliases)

    def check_value(self, value: str | None) -> str | None:
        """What is wrong with a text, None if nothing is."""
        if self.value_column is None or value or (value is not None and self.allows_empty_value):
            return None
        return f"the {self.value_column} is {'null' if value is None else 'empty'}; expected text"

    def read_sidecars(self, sample: MediaSample) -> tuple[str, str | None, dict[str, FieldValue]]:
        """Id, text (None if no small file says it) and further fields of a sample.

        Raises:
            InvalidInput: A small file cannot be read, or two say different things.
        """
        sidecars = sample.sidecars
        fields: dict[str, FieldValue] = read_fields(sidecars[".json"]) if ".json" in sidecars else {}
        if fields.get(self.media_column) == sample.entry.path.rpartition("/")[2]:
            del fields[self.media_column]  # the JSON names its own file
        if self.media_column in fields:
            raise InvalidInput(
                f"field {self.media_column!r} has the name of the media column; rename the field",
                file=sidecars[".json"].media.name,
            )
        for suffix, column in self.text_sidecars.items():
            if suffix in sidecars:
                text = read_text(sidecars[suffix])
                _check_agrees(fields.get(column), text, column=column, entry=sidecars[suffix])
                fields[column] = text
        sample_id = sample.sample_id
        if "id" in fields:
            sample_id = _text_of(fields.pop("id"), name="id", sample=sample) or sample_id
        return sample_id, self._pop_value(fields, sample), fields

    def _pop_value(self, fields: dict[str, FieldValue], sample: MediaSample) -> str | None:
        if self.value_column is None:
            return None
        suffix = next((suffix for suffix in self.value_sidecars if suffix in sample.sidecars), None)
        if suffix is not None:
            entry = sample.sidecars[suffix]
            text = read_text(entry)
            value = text if self.allows_empty_value else text.strip()
            _check_agrees(fields.pop(self.value_column, None), value, column=self.value_column, entry=entry)
            return value
        name = next((name for name in self.value_names if name in fields), None)
        return None if name is None else _text_of(fields.pop(name), name=name, sample=sample)


def _check_agrees(value: FieldValue, text: str, *, column: str, entry: FileEntry) -> None:
    if value is not None and str(value) != text:
        raise InvalidInput(
            f"says {text!r}, but field {column!r} of the JSON file beside it says {value!r}; make them agree",
            file=entry.media.name,
        )


def _text_of(value: FieldValue, *, name: str, sample: MediaSample) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InvalidInput(
        f"field {name!r} is {value!r}; expected text or an integer", file=sample.sidecars[".json"].media.name
    )
