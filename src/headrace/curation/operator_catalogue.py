"""What recipes need to know of operators, whoever brings them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Literal, Protocol, cast

from headrace.errors import InvalidInput

__all__ = ["NamedOperator", "OperatorCatalogue", "OperatorEntry", "SettingEntry", "installed_catalogue"]


class SettingEntry(Protocol):
    """One setting of an operator."""

    @property
    def role(self) -> str:
        """ "file" where the value names a file whose content counts."""
        ...

    def checked(self, value: object, *, operator: str) -> object:
        """The value as the function gets it; raises `InvalidInput` for one of another type or out of range."""
        ...


class OperatorEntry(Protocol):
    """The definition of an operator."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def kind(self) -> Literal["sample", "batch", "table"]: ...
    @property
    def inputs(self) -> Mapping[str, str]:
        """Columns as the function names them, and how each value comes."""
        ...

    @property
    def outputs(self) -> Mapping[str, object]:
        """Columns that it gives, with their types."""
        ...

    @property
    def replaces(self) -> tuple[str, ...]:
        """Columns that it writes anew."""
        ...

    @property
    def settings(self) -> Mapping[str, SettingEntry]: ...
    @property
    def function(self) -> Callable[..., Any]: ...

    def bind(self, given: Mapping[str, object]) -> Mapping[str, object]:
        """All settings with defaults filled in; raises `InvalidInput` where one is missing."""
        ...

    @property
    def code(self) -> tuple[tuple[str, str], ...]:
        """Module and name of code that settings have chosen."""
        ...

    def with_settings(self, settings: Mapping[str, object]) -> OperatorEntry:
        """The operator as bound settings make it; raises `InvalidInput` where they do not go together."""
        ...

    def output_columns(self, settings: Mapping[str, object]) -> Mapping[str, str]:
        """For each output the name of its column."""
        ...

    def identity(self, settings: Mapping[str, object]) -> Mapping[str, object]:
        """Bound settings as plain values for hashing; a file, such as a model, by the digest of its content."""
        ...


class NamedOperator(Protocol):
    """A decorated function."""

    @property
    def spec(self) -> OperatorEntry: ...


class OperatorCatalogue(Protocol):
    """Finds operators by name. The module `headrace.curation.registry` is one."""

    def find_operator(self, name: str) -> NamedOperator:
        """Raises `InvalidInput`, with the nearest name, where there is none."""
        ...

    def operator_names(self) -> list[str]: ...


class _NoOperators:
    """The catalogue of an installation without operators."""

    def find_operator(self, name: str) -> NamedOperator:
        raise InvalidInput(f"there is no operator {name!r}; no operators are installed")

    def operator_names(self) -> list[str]:
        return []


def installed_catalogue() -> OperatorCatalogue:
    """The operators of Headrace, of installed packages and of this process."""
    try:
        return cast(OperatorCatalogue, import_module("headrace.curation.registry"))
    except ModuleNotFoundError as error:
        if error.name != "headrace.curation.registry":
            raise
        return _NoOperators()
