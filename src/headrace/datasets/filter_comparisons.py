"""The comparisons of columns with numbers that a row filter makes, read from its syntax tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from headrace.datasets.filters import expression_tree
from headrace.datasets.sql_guard import JsonNode

__all__ = ["NumberComparison", "number_comparisons"]

_SIGNS = {
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
}
_MIRRORED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


@dataclass(frozen=True, slots=True)
class NumberComparison:
    """`image.width >= 64`: the column first, whichever side it was written on."""

    path: tuple[str, ...]  # the column and, in a struct, the fields below it
    sign: str
    number: float
    text: str  # the number as it was written

    def __str__(self) -> str:
        return f"{'.'.join(self.path)} {self.sign} {self.text}"


def number_comparisons(expression: str, schema: pa.Schema) -> list[NumberComparison]:
    """Those of a column of numbers, or of such a field of a struct, with a number, in their order in the text.

    `BETWEEN` is two of them. What is compared with another column, or inside a calculation, is left out.

    Raises:
        InvalidInput: Not one expression.
    """
    found: list[NumberComparison] = []
    for left, sign, right in _compared(dict(expression_tree(expression))):
        for one, other, oriented in ((left, right, sign), (right, left, _MIRRORED.get(sign, sign))):
            path, number = _column(one, schema), _number(other)
            if path is not None and number is not None:
                comparison = NumberComparison(path, oriented, float(number), number)
                if comparison not in found:
                    found.append(comparison)
    return found


def _compared(node: JsonNode) -> Iterator[tuple[JsonNode, str, JsonNode]]:
    """What is compared with what, anywhere in the expression."""
    if isinstance(node, list):
        for item in node:
            yield from _compared(item)
    if not isinstance(node, Mapping):
        return
    kind = str(node.get("type"))
    if node.get("class") == "COMPARISON" and kind in _SIGNS:
        yield node.get("left"), _SIGNS[kind], node.get("right")
    if node.get("class") == "BETWEEN":
        yield node.get("input"), ">=", node.get("lower")
        yield node.get("input"), "<=", node.get("upper")
    for child in node.values():
        yield from _compared(child)


def _column(node: JsonNode, schema: pa.Schema) -> tuple[str, ...] | None:
    """The column's path as the schema spells it, if numbers lie there."""
    if not isinstance(node, Mapping) or node.get("class") != "COLUMN_REF":
        return None
    names = node.get("column_names")
    if not isinstance(names, list):
        return None
    fields = {field.name: field.type for field in schema}
    path: list[str] = []
    kind: pa.DataType | None = None
    for name in map(str, names):
        known = name if name in fields else next((item for item in fields if item.casefold() == name.casefold()), None)
        if known is None:
            return None
        path.append(known)
        kind = fields[known]
        fields = {child.name: child.type for child in kind} if pa.types.is_struct(kind) else {}
    is_number = kind is not None and (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )
    return tuple(path) if is_number else None


def _number(node: JsonNode) -> str | None:
    """The text of a number, perhaps inside a cast."""
    while isinstance(node, Mapping) and node.get("class") == "CAST":
        node = node.get("child")
    literal = node.get("literal") if isinstance(node, Mapping) and node.get("class") == "CONSTANT" else None
    if not isinstance(literal, Mapping) or literal.get("kind") not in ("INTEGER", "NUMERIC"):
        return None
    try:
        float(str(literal.get("text")))
    except ValueError:
        return None
    return str(literal.get("text"))
