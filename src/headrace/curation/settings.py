"""The settings of an operator: its keyword-only parameters, checked before anything runs."""

from __future__ import annotations

import re
import types
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NewType, Union, get_args, get_origin

from headrace.curation.hub_files import local_file
from headrace.errors import InvalidInput

__all__ = ["REQUIRED", "Column", "Condition", "Effort", "OutputName", "Setting", "SettingRole", "setting_docs"]

Column = NewType("Column", str)
"""A setting of this type, or a list of it, names columns that a table operator reads."""

Condition = NewType("Condition", str)
"""A setting of this type is an expression by the rules of `where`; the columns in it are read."""

Effort = NewType("Effort", int)
"""A setting of this type says how the work is done, never what comes out; results are kept whatever it is."""

OutputName = NewType("OutputName", str)
"""A setting of this type is the name of the only column that the operator gives."""

SettingRole = Literal["value", "column", "condition", "effort", "file", "output"]


class _Required(Enum):
    """Says that a setting has no default; an enum, so that it survives pickling as itself."""

    REQUIRED = "required"

    def __repr__(self) -> str:
        return "required"


REQUIRED: Final = _Required.REQUIRED


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        type: The annotation, such as `int`, `list[str]` or `Annotated[int, Field(ge=1)]`.
        default: `REQUIRED` where it must be given.
        doc: From the operator's docstring.
    """

    name: str
    type: Any  # an annotation: no Python type covers them all
    default: object = REQUIRED
    doc: str = ""

    @property
    def role(self) -> SettingRole:
        """What the value is: itself, columns, an expression over columns, a file whose content counts, and so on."""
        inner = _plain_types(self.type)
        if Path in inner:
            return "file"
        if Column in inner:
            return "column"
        if Effort in inner:
            return "effort"
        if OutputName in inner:
            return "output"
        return "condition" if Condition in inner else "value"

    @property
    def is_required(self) -> bool:
        """It has no default."""
        return self.default is REQUIRED

    @property
    def type_name(self) -> str:
        """The type as recipes read it: "whole number", "list of text", "'area' | 'lanczos'"."""
        return _type_name(self.type)

    def checked(self, value: object, *, operator: str) -> object:
        """The value as the function gets it: a whole number becomes a float where floats are wanted, text a path.

        Raises:
            InvalidInput: Of another type or out of range; names operator and setting.
        """
        from pydantic import ConfigDict, TypeAdapter, ValidationError

        if self.role == "file" and isinstance(value, str):
            value = local_file(value, operator=operator, setting=self.name)
        try:
            return TypeAdapter(self.type, config=ConfigDict(strict=True)).validate_python(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = "".join(f"[{part!r}]" for part in first["loc"])
            wish = re.sub(r"^(Input|Value) should be ", "", first["msg"])
            raise InvalidInput(
                f"setting {self.name}{place} of {operator} is {first['input']!r}; expected {self.type_name}: {wish}"
            ) from None


def setting_docs(docstring: str) -> dict[str, str]:
    """What the "Args:" section of a docstring says of each name, on one line."""
    _, found, section = docstring.partition("\nArgs:\n")
    docs: dict[str, str] = {}
    if not found:
        return docs
    name = ""
    for line in section.splitlines():
        if line and not line.startswith(" "):
            break
        entry = re.match(r"^    (\w+): (.*)$", line)
        if entry:
            name = entry[1]
            docs[name] = entry[2]
        elif name and line.strip():
            docs[name] += " " + line.strip()
    return docs


_NAMES: Final[dict[Any, str]] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "file",
    Column: "column",
    Condition: "expression",
    Effort: "whole number",
    OutputName: "column",
    type(None): "nothing",
}


def _type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(arguments[0])
    if origin is Literal:
        return " | ".join(repr(value) for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_type_name(part) for part in arguments)
    if origin is list:
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return f"{_type_name(arguments[1])} by {_type_name(arguments[0])}"
    return _NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _plain_types(annotation: Any) -> set[Any]:
    """The types that an annotation is made of."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _plain_types(arguments[0])
    if not arguments or get_origin(annotation) is Literal:
        return {annotation}
    return set().union(*(_plain_types(part) for part in arguments))
