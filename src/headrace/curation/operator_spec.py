"""What is known of an operator without running it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from headrace.curation.settings import Setting
from headrace.errors import InvalidInput, NotFound
from headrace.schema.near_misses import near_miss_or_known

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Chosen", "ChosenBySettings", "ColumnChoice", "InputKind", "Needs", "OperatorKind", "OperatorSpec"]

ColumnChoice = Callable[[Mapping[str, object], "pa.Schema"], "list[str]"]
"""(bound settings, schema) -> names of columns"""

OperatorKind = Literal["sample", "batch", "table"]
InputKind = Literal["media", "value", "array", "table"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What an operator is with certain settings.

    Attributes:
        outputs: Types of its columns.
        code: Module and name of functions and classes that the settings choose; what they do is part of the cache key.
    """

    outputs: Mapping[str, pa.DataType]
    code: tuple[tuple[str, str], ...] = ()


ChosenBySettings = Callable[[Mapping[str, object]], Chosen]
"""bound settings -> what they choose; reads no file"""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a worker that calls the operator takes of a machine.

    Attributes:
        gpu: Share of a GPU up to 1, or how many; a recipe runs at most as many workers at once as fit on the GPUs.
        memory_bytes: Beside the rows, models included; under a ceiling at most as many workers run as fit below it.
        timeout_seconds: For one row, batch or table.
        is_gpu_optional: Where there is no GPU it works without.
    """

    gpu: float = 0.0
    memory_bytes: int = 0
    timeout_seconds: float | None = None
    is_gpu_optional: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class OperatorSpec:
    """An operator's definition.

    Attributes:
        name: Dotted, such as "image.blur".
        version: Raised when the same input gives other output; part of every cache key.
        inputs: The columns it reads, as its function names them, in order, and how each value comes.
        outputs: The columns it gives.
        settings: By name, in the order of the signature.
        kind: "sample" works row by row, "batch" on arrow arrays, "table" on a whole table.
        replaces: Media columns that it writes anew, see `Replace`.
        keys: The setting of a table operator whose columns say which rows must come together; None: all rows.
        reads: The columns that a table operator reads where its settings do not name them.
        is_rowwise: A table operator that looks at each row by itself, so that parts of a table do as well.
        batch_rows: The setting that says how many rows a batch operator takes in one call; None: all of a chunk.
        chosen: What its settings choose; None: nothing.
        code: Code that settings have chosen, see `Chosen`.
        is_gil_free: Spends its time outside of the GIL and may be called by several threads at once. A stage whose
            operators all are runs in threads that share a process.
        library: What computes it; several are separated by commas.
        oracle: What it was compared with; an operator without one is experimental.
        docs: First line of the docstring.
    """

    name: str
    version: int
    inputs: Mapping[str, InputKind]
    outputs: Mapping[str, pa.DataType]
    settings: Mapping[str, Setting]
    kind: OperatorKind
    function: Callable[..., Any]  # its parameters are `inputs` and `settings`
    docs: str
    replaces: tuple[str, ...] = ()
    keys: str | None = None
    reads: ColumnChoice | None = None
    is_rowwise: bool = False
    batch_rows: str | None = None
    chosen: ChosenBySettings | None = None
    code: tuple[tuple[str, str], ...] = ()
    is_gil_free: bool = False
    needs: Needs = field(default_factory=Needs)
    library: str | None = None
    oracle: str | None = None

    @property
    def is_experimental(self) -> bool:
        """Nothing independent was compared with it."""
        return self.oracle is None

    def bind(self, given: Mapping[str, object]) -> dict[str, object]:
        """All settings with their values, defaults filled in, in the order of the signature.

        Raises:
            InvalidInput: An unknown setting (names the nearest), one of another type or range, or one that is missing.
        """
        unknown = [name for name in given if name not in self.settings]
        if unknown:
            hint = near_miss_or_known(unknown[0], self.settings) or " It has none."
            raise InvalidInput(f"{self.name} has no setting {unknown[0]!r}.{hint}")
        values: dict[str, object] = {}
        for name, setting in self.settings.items():
            if name in given:
                values[name] = setting.checked(given[name], operator=self.name)
            elif setting.is_required:
                raise InvalidInput(f"{self.name} needs the setting {name} ({setting.type_name}): {setting.doc}")
            else:
                values[name] = setting.default
        return values

    def identity(self, settings: Mapping[str, object]) -> dict[str, object]:
        """Bound settings as plain values for hashing: a file counts by its content, never by its name.

        How the work is done and how a column is called do not count.

        Raises:
            NotFound: A file is not there.
        """
        return {
            name: _file_digest(value, operator=self.name, setting=name) if isinstance(value, Path) else value
            for name, value in settings.items()
            if self.settings[name].role not in ("effort", "output")
        }

    def with_settings(self, settings: Mapping[str, object]) -> OperatorSpec:
        """The operator as bound settings make it: the types of its outputs, and the code that they choose.

        Raises:
            InvalidInput: They do not go together.
        """
        if self.chosen is None:
            return self
        found = self.chosen(settings)
        return replace(self, outputs=dict(found.outputs), code=found.code, chosen=None)

    def output_columns(self, settings: Mapping[str, object]) -> dict[str, str]:
        """For each output the name of its column."""
        named = [str(settings[name]) for name, setting in self.settings.items() if setting.role == "output"]
        return {name: named[0] if named else name for name in self.outputs}

    def key_columns(self, settings: Mapping[str, object], schema: pa.Schema) -> tuple[str, ...]:
        """Columns whose equal values must come together in one table; empty: all rows must."""
        if self.keys is None:
            return ()
        named = _names(settings[self.keys])
        return named if named or self.reads is None else tuple(self.reads(settings, schema))

    def columns_read(self, settings: Mapping[str, object], schema: pa.Schema) -> tuple[str, ...]:
        """Columns that a table operator reads of a table with this schema, `_id` not counted; sorted.

        Raises:
            InvalidInput: A column that is not there, with the nearest name; an expression that is none.
        """
        found: set[str] = set() if self.reads is None else set(self.reads(settings, schema))
        for name, setting in self.settings.items():
            if setting.role == "column":
                found.update(_names(settings[name]))
            elif setting.role == "condition":
                from headrace.datasets.filters import Filter

                found.update(Filter.parse(str(settings[name]), schema).columns)
        found.discard("_id")
        for column in sorted(found):
            if column not in schema.names:
                hint = near_miss_or_known(column, schema.names)
                raise InvalidInput(f"{self.name} reads column {column!r}, which is not there.{hint}")
        return tuple(sorted(found))


def _names(value: object) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    return tuple(str(name) for name in value) if isinstance(value, list | tuple) else (str(value),)


def _file_digest(path: Path, *, operator: str, setting: str) -> str:
    from blake3 import blake3

    try:
        return f"blake3:{blake3().update_mmap(path).hexdigest()}"
    except OSError as error:
        raise NotFound(f"{operator}: the file {str(path)!r} of setting {setting} cannot be read: {error}") from error
