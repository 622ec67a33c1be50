"""The checks that a user's SQL passes before it runs.

Every text that users hand in is parsed by DuckDB itself (`json_serialize_sql`) and walked with allow-lists: a node,
function, table or collation that is not listed is refused. The text that was walked is the text that runs, on a
locked connection as a second wall.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from headrace.datasets.sql_connection import SQL_DEPTH_LIMIT
from headrace.datasets.sql_functions import (
    COLLATIONS,
    EXPANDING_FUNCTIONS,
    LIST_AGGREGATE_FUNCTIONS,
    LIST_AGGREGATE_NAMES,
    TABLE_FUNCTIONS,
    FunctionUse,
    function_refusal,
)
from headrace.errors import InvalidInput

__all__ = [
    "EngineFault",
    "ExpressionRules",
    "JsonNode",
    "SqlText",
    "arrow_for_engine",
    "read_engine_fault",
    "readable_table",
]

JsonNode = None | bool | int | float | str | list["JsonNode"] | dict[str, "JsonNode"]

SQL_LIMIT_BYTES = 64 * 1024
# The product of all sizes given to functions that make values of a stated size (repeat, range, ...) in one text:
# DuckDB does not count such values against its memory limit.
EXPANSION_LIMIT = 10_000_000

_NO_LOCATION = 2**64 - 1


# ---------------------------------------------------------------------------------------------------------- errors


@dataclass(frozen=True, slots=True)
class EngineFault:
    """What DuckDB said, in plain words. `position` is a byte offset into the SQL that ran, None if unknown."""

    kind: str
    message: str
    position: int | None = None


def read_engine_fault(error: Exception) -> EngineFault:
    """Take a DuckDB error apart. Errors that arrive through an Arrow reader are `OSError`, hence the wide type."""
    text = str(error)
    head, brace, _ = text.partition("{")
    kind = head.split(" Error:")[0].strip() or type(error).__name__
    if brace:
        try:
            found, _ = json.JSONDecoder().raw_decode(text, len(head))
        except ValueError:
            found = None
        if isinstance(found, dict) and isinstance(found.get("exception_message"), str):
            raw = found.get("position")
            return EngineFault(
                kind=str(found.get("exception_type", kind)),
                message=_first_lines(found["exception_message"]),
                position=int(raw) if isinstance(raw, str) and raw.isdigit() else None,
            )
    message = text.split("Error:", 1)[1] if "Error:" in text else text
    return EngineFault(kind=kind, message=_first_lines(message))


def _first_lines(message: str) -> str:
    """Drop DuckDB's advice about settings and candidates, which cannot be followed from here."""
    lines = [line.strip() for line in message.strip().splitlines()]
    kept: list[str] = []
    for line in lines:
        if not line or line.startswith(("Candidate functions", "LINE ", "Use SET", 'Use "SET', "For more info")):
            break
        kept.append(line)
    text = " ".join(kept) or message.strip()
    text = text.split(' Use "SET', 1)[0]
    return text if len(text) <= 400 else text[:397] + "..."


# ------------------------------------------------------------------------------------------------------------ text


@dataclass(frozen=True, slots=True)
class SqlText:
    """User's SQL inside the statement that runs: `prefix + text + suffix`."""

    subject: str  # "where" or "query": starts the messages
    text: str
    prefix: str = ""
    suffix: str = ""

    @classmethod
    def checked(cls, subject: str, text: object, *, prefix: str = "", suffix: str = "") -> SqlText:
        """The text, once it is known to be one that can be parsed.

        Raises:
            InvalidInput: It is no text, too long, empty, no valid Unicode, or holds control characters.
        """
        if not isinstance(text, str):
            raise InvalidInput(f"{subject}: expected SQL text, got {type(text).__name__}")
        try:
            size = len(text.encode("utf-8"))
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"{subject}: the text is not valid Unicode at character {error.start + 1}", column=None
            ) from error
        if size > SQL_LIMIT_BYTES:
            raise InvalidInput(
                f"{subject}: the text has {size:,} bytes and at most {SQL_LIMIT_BYTES:,} are allowed; "
                "join against a table of values instead of listing them"
            )
        if not text.strip():
            raise InvalidInput(f"{subject}: the text is empty; expected SQL such as label = 'cat'")
        for idx, character in enumerate(text):
            if (character < " " and character not in "\t\n\r") or character == "\x7f":
                raise InvalidInput(
                    f"{subject}: character {idx + 1} is the control character U+{ord(character):04X}; remove it"
                )
        return cls(subject=subject, text=text, prefix=prefix, suffix=suffix)

    @property
    def statement(self) -> str:
        """The SQL that is parsed, checked and run."""
        return self.prefix + self.text + self.suffix

    def refuse_breakouts(self) -> None:
        """Comments and loose parentheses could swallow or leave the statement around; DuckDB's tokenizer finds them.

        Raises:
            InvalidInput: There is one; names its character, from 1.
        """
        encoded = self.text.encode("utf-8")
        try:
            tokens = duckdb.tokenize(self.text)
        except duckdb.Error:
            return  # Unterminated quotes and the like: the parser words that better.
        opened: list[int] = []
        for offset, kind in tokens:
            position = len(encoded[:offset].decode("utf-8", errors="ignore")) + 1
            if kind == duckdb.token_type.comment:
                raise InvalidInput(f"{self.subject} at character {position}: comments are not allowed; remove it")
            if kind != duckdb.token_type.operator:
                continue
            sign = encoded[offset : offset + 1]
            if sign == b";":
                raise InvalidInput(f"{self.subject} at character {position}: one expression only, without semicolon")
            if sign == b"(":
                opened.append(position)
            elif sign == b")":
                if not opened:
                    raise InvalidInput(f"{self.subject} at character {position}: this parenthesis closes nothing")
                opened.pop()
        if opened:
            raise InvalidInput(f"{self.subject} at character {opened[-1]}: this parenthesis is never closed")

    def position(self, location: object) -> int | None:
        """Turn DuckDB's byte offset into the statement into a 1-based character of the user's text."""
        if not isinstance(location, int) or isinstance(location, bool) or location >= _NO_LOCATION:
            return None
        start = len(self.prefix.encode("utf-8"))
        encoded = self.text.encode("utf-8")
        offset = min(max(location - start, 0), len(encoded))
        return len(encoded[:offset].decode("utf-8", errors="ignore")) + 1

    def refusal(self, message: str, location: object = None) -> InvalidInput:
        """Build the error, with the place in the user's text if it is known."""
        position = self.position(location)
        place = "" if position is None else f" at character {position}"
        return InvalidInput(f"{self.subject}{place}: {message}", column=None)

    def parse(self, connection: duckdb.DuckDBPyConnection) -> dict[str, JsonNode]:
        """Give the node of the one SELECT that the statement is.

        Raises:
            InvalidInput: It is anything else, or cannot be parsed; names the character, from 1.
        """
        serialized = connection.execute(
            "SELECT json_serialize_sql(?::VARCHAR, skip_null := true, skip_empty := true)", [self.statement]
        ).fetchall()[0][0]
        tree = json.loads(serialized)
        if tree.get("error"):
            message = str(tree.get("error_message", "cannot be parsed"))
            if message.startswith("Only SELECT"):
                raise self.refusal("only one SELECT (or WITH ... SELECT) is allowed, no other kind of statement")
            raw = tree.get("position")
            location = int(raw) if isinstance(raw, str) and raw.isdigit() else None
            if "expression depth" in message:
                raise self.refusal(f"nested more than {SQL_DEPTH_LIMIT} deep; simplify the expression")
            if location is not None and self.suffix and location >= len((self.prefix + self.text).encode()):
                message = "the expression ends too early"
            raise self.refusal(_first_lines(message), location)
        statements = tree.get("statements")
        if not isinstance(statements, list) or len(statements) != 1:
            raise self.refusal(
                f"expected one statement, found {len(statements) if isinstance(statements, list) else 0}; "
                "remove the semicolon and what follows it"
            )
        statement = statements[0]
        if not isinstance(statement, dict) or set(statement) - {"node", "named_param_map"}:
            raise self.refusal("holds a kind of statement that is not allowed")
        node = statement.get("node")
        if not isinstance(node, dict) or statement.get("named_param_map"):
            raise self.refusal("parameters such as ? or $1 are not allowed; write the value itself")
        return node


# ------------------------------------------------------------------------------------------------------------ walk

_FILTER_CLASSES = frozenset(
    {
        "BETWEEN",
        "CASE",
        "CAST",
        "COLLATE",
        "COLUMN_REF",
        "COMPARISON",
        "CONJUNCTION",
        "CONSTANT",
        "FUNCTION",
        "LAMBDA",
        "OPERATOR",
        "TYPE",
    }
)
_QUERY_CLASSES = _FILTER_CLASSES | {"POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "WINDOW"}
_CLASS_WORDS = {
    "DEFAULT": "DEFAULT is",
    "PARAMETER": "parameters such as ? or $1 are",
    "POSITIONAL_REFERENCE": "column numbers such as #1 are",
    "STAR": "* and COLUMNS() are",
    "SUBQUERY": "subqueries and = ANY(list) are",
    "WINDOW": "window functions are",
}


class ExpressionRules:
    """Walks the expressions of one text; a fresh one for each text, because it counts expansion."""

    def __init__(self, sql: SqlText, *, use: FunctionUse) -> None:
        self._sql = sql
        self._use = use
        self._classes = _FILTER_CLASSES if use is FunctionUse.FILTER else _QUERY_CLASSES
        self._expansion = 1

    def check(self, node: Mapping[str, JsonNode]) -> None:
        """Refuse this node if it is not on the lists. Children are the caller's to visit."""
        kind = node.get("class")
        location = node.get("query_location")
        if kind not in self._classes:
            words = _CLASS_WORDS.get(str(kind), f"{str(kind).lower().replace('_', ' ')} is")
            hint = "; to compare with a list use list_contains(list, value)" if kind == "SUBQUERY" else ""
            raise self._sql.refusal(f"{words} not allowed here{hint}", location)
        self._check_name(node)
        if kind == "OPERATOR" and node.get("type") == "GROUPING_FUNCTION" and self._use is FunctionUse.FILTER:
            raise self._sql.refusal("GROUPING() is not allowed here", location)
        if kind in ("FUNCTION", "WINDOW"):
            self._check_function(node, as_window=kind == "WINDOW")
        if kind == "COLLATE":
            parts = str(node.get("collation", "")).lower().split(".")
            if not set(parts) <= COLLATIONS:
                raise self._sql.refusal(
                    f"collation {node.get('collation')!r} is not allowed; use NOCASE or NOACCENT", location
                )

    def check_table_function(self, node: Mapping[str, JsonNode]) -> None:
        """`node` is a FUNCTION in FROM."""
        self._check_name(node)
        name = str(node.get("function_name", "")).lower()
        if name not in TABLE_FUNCTIONS:
            raise self._sql.refusal(
                f"table function {name}() is not allowed; only the tables handed in can be read",
                node.get("query_location"),
            )

    def _check_name(self, node: Mapping[str, JsonNode]) -> None:
        """Functions and types are named without catalog and schema, so that nothing can be shadowed."""
        qualified = node.get("qualified_name")
        path = qualified.get("path") if isinstance(qualified, dict) else None
        if (isinstance(path, list) and len(path) > 1) or node.get("schema") or node.get("catalog"):
            what = node.get("function_name") or node.get("type_name") or node.get("table_name")
            raise self._sql.refusal(
                f'"{what}" must be named without a schema or an object before it (write f(x), not x.f())',
                node.get("query_location"),
            )

    def _check_function(self, node: Mapping[str, JsonNode], *, as_window: bool) -> None:
        name = str(node.get("function_name", "")).lower()
        location = node.get("query_location")
        reason = function_refusal(name, self._use, as_window=as_window)
        if reason is not None:
            raise self._sql.refusal(f"function {name}() {reason}", location)
        arguments = node.get("arguments")
        expressions = [
            item.get("expression")
            for item in (arguments if isinstance(arguments, list) else [])
            if isinstance(item, dict)
        ]
        if self._use is FunctionUse.FILTER:
            orders = node.get("order_bys")
            if node.get("distinct") or node.get("filter") or (isinstance(orders, dict) and orders.get("orders")):
                raise self._sql.refusal(f"{name}() takes no DISTINCT, ORDER BY or FILTER here", location)
            if name == "age" and len(expressions) < 2:
                raise self._sql.refusal("age() with one argument reads the clock; give both times", location)
        if name in LIST_AGGREGATE_FUNCTIONS:
            chosen = _constant_text(expressions[1]) if len(expressions) > 1 else None
            if chosen is None or chosen.lower() not in LIST_AGGREGATE_NAMES:
                raise self._sql.refusal(f"{name}() needs one of {', '.join(sorted(LIST_AGGREGATE_NAMES))}", location)
        if name in EXPANDING_FUNCTIONS and not as_window:
            self._count_expansion(name, expressions, location)

    def _count_expansion(self, name: str, expressions: list[JsonNode], location: object) -> None:
        for idx in EXPANDING_FUNCTIONS[name]:
            if idx >= len(expressions):
                continue
            text = _constant_text(expressions[idx])
            if text is None or not text.lstrip("-").isdigit():
                raise self._sql.refusal(
                    f"{name}() needs a plain number as its size, so that it stays bounded", location
                )
            self._expansion *= max(1, abs(int(text)))
        if self._expansion > EXPANSION_LIMIT:
            raise self._sql.refusal(
                f"{name}() and the like would make values of more than {EXPANSION_LIMIT:,} parts", location
            )


def _constant_text(node: JsonNode) -> str | None:
    if not isinstance(node, dict) or node.get("class") != "CONSTANT":
        return None
    literal = node.get("literal")
    text = literal.get("text") if isinstance(literal, dict) else None
    return text if isinstance(text, str) else None


# ----------------------------------------------------------------------------------------------------- Arrow types


def arrow_for_engine(kind: pa.DataType) -> pa.DataType | None:
    """The type to cast a column to before DuckDB reads it; the type itself if it can, None if there is no way."""
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_decimal256(kind):
        return pa.decimal128(38, kind.scale) if kind.scale <= 38 else None
    if pa.types.is_union(kind):
        return None
    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name not in ("arrow.uuid", "arrow.json"):
        return arrow_for_engine(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return kind if arrow_for_engine(kind.value_type) == kind.value_type else arrow_for_engine(kind.value_type)
    if pa.types.is_struct(kind):
        fields = []
        for field in kind:
            inner = arrow_for_engine(field.type)
            if inner is None:
                return None
            fields.append(field.with_type(inner))
        return pa.struct(fields)
    if pa.types.is_fixed_size_list(kind) and kind.list_size == 0:
        return None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = arrow_for_engine(kind.value_type)
        if inner is None:
            return None
        if inner == kind.value_type:
            return kind
        if pa.types.is_fixed_size_list(kind):
            return pa.list_(inner, kind.list_size)
        return pa.large_list(inner) if pa.types.is_large_list(kind) else pa.list_(inner)
    return kind


def readable_table(table: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    """The table with every column in a type that DuckDB reads, and the names of the columns left out."""
    names: list[str] = []
    columns: list[pa.ChunkedArray] = []
    left_out: list[str] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        wanted = arrow_for_engine(column.type)
        if wanted is None:
            left_out.append(name)
            continue
        if wanted != column.type:
            try:
                column = column.cast(wanted)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                left_out.append(name)
                continue
        names.append(name)
        columns.append(column)
    return pa.table(columns, names=names), tuple(left_out)
