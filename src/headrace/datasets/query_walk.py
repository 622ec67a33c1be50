"""The walk over a whole SELECT that queries and table stages share: only listed nodes, functions and tables pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from headrace.datasets.sql_functions import FunctionUse
from headrace.datasets.sql_guard import ExpressionRules, JsonNode, SqlText
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["QueryWalk", "check_table_names"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_SOURCES = frozenset({"EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SUBQUERY"})
_MODIFIERS = frozenset({"DISTINCT_MODIFIER", "LIMIT_MODIFIER", "ORDER_MODIFIER"})
_ORDERS = frozenset({"ORDER_DEFAULT", "ORDER_ASCENDING", "ORDER_DESCENDING", "ASCENDING", "DESCENDING"})
# Constants in older notation carry their type as {"id": ...}, which is no node.
_PLAIN = _MODIFIERS | _ORDERS


def check_table_names(subject: str, names: Iterable[str]) -> None:
    """Refuse names that SQL would need quotes for, or that differ in case only.

    Raises:
        InvalidInput: Says which.
    """
    folded: set[str] = set()
    for name in names:
        if not _NAME.fullmatch(name):
            raise InvalidInput(f"{subject}: table name {name!r} is not letters, digits and _ (100 at most)")
        if name.casefold() in folded:
            raise InvalidInput(f"{subject}: table names must differ in more than case")
        folded.add(name.casefold())


class QueryWalk:
    """Visits every node; what is not on a list is refused. Knows which tables are read and how often."""

    def __init__(self, sql: SqlText, tables: Sequence[str], *, use: FunctionUse) -> None:
        self._sql = sql
        self._tables = frozenset(name.casefold() for name in tables)
        self._known = tuple(tables)
        self._rules = ExpressionRules(sql, use=use)
        self.uses: dict[str, int] = {}
        self.places: dict[str, JsonNode] = {}  # column name, case-folded -> where it is first read
        self.repeats = False  # a part of the query may be run more than once, so a table in it as well

    def visit(self, node: Mapping[str, JsonNode], scope: frozenset[str]) -> None:
        """`scope`: case-folded names of the common table expressions that this node sees."""
        if "class" in node:
            self._rules.check(node)
            if node.get("class") == "SUBQUERY":
                self.repeats = True
            names = node.get("column_names")
            if isinstance(names, list) and names:
                self.places.setdefault(str(names[-1]).casefold(), node.get("query_location"))
            self._descend(node.values(), scope)
            return
        kind = node.get("type")
        if not isinstance(kind, str) or kind in _PLAIN:
            if "query_node" in node or "at_clause" in node:
                raise self._sql.refusal("holds a kind of statement that is not allowed")
            self._descend(node.values(), scope)
        elif kind in _NODES:
            self._visit_node(node, scope)
        elif kind == "BASE_TABLE":
            self._visit_table(node, scope)
        elif kind == "TABLE_FUNCTION":
            function = node.get("function")
            if not isinstance(function, dict):
                raise self._sql.refusal("holds a table function that cannot be read", node.get("query_location"))
            self._rules.check_table_function(function)
            self._descend(function.values(), scope)
        elif kind in _SOURCES:
            self.repeats = self.repeats or kind == "PIVOT"
            self._descend(node.values(), scope)
        else:
            words = "DESCRIBE, SHOW and SUMMARIZE" if kind == "SHOW_REF" else kind.lower().replace("_", " ")
            raise self._sql.refusal(
                f"{words}: not allowed; one SELECT over the given tables is", node.get("query_location")
            )

    def _visit_node(self, node: Mapping[str, JsonNode], scope: frozenset[str]) -> None:
        recursive = node.get("cte_name") if node.get("type") == "RECURSIVE_CTE_NODE" else None
        if isinstance(recursive, str):
            self.repeats = True
            scope = scope | {recursive.casefold()}
        tables = node.get("cte_map")
        entries = tables.get("map") if isinstance(tables, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            if not isinstance(entry, dict):
                raise self._sql.refusal("holds a WITH that cannot be read")
            name, value = entry.get("key"), entry.get("value")
            query = value.get("query_node") if isinstance(value, dict) else None
            if not isinstance(name, str) or not isinstance(value, dict) or not isinstance(query, dict):
                raise self._sql.refusal("holds a WITH that cannot be read")
            self.repeats = True
            self.visit(query, scope)
            self._descend((part for key, part in value.items() if key != "query_node"), scope)
            scope = scope | {name.casefold()}
        self._descend((part for key, part in node.items() if key != "cte_map"), scope)

    def _visit_table(self, node: Mapping[str, JsonNode], scope: frozenset[str]) -> None:
        name = str(node.get("table_name", ""))
        location = node.get("query_location")
        qualified = node.get("qualified_name")
        path = qualified.get("path") if isinstance(qualified, dict) else None
        shown = ".".join(str(part) for part in path) if isinstance(path, list) else name
        plain = (
            isinstance(path, list) and len(path) == 1 and not node.get("schema_name") and not node.get("catalog_name")
        )
        if plain and name.casefold() in scope:
            return
        if not plain or name.casefold() not in self._tables:
            raise self._sql.refusal(f'there is no table "{shown}".{near_miss_or_known(shown, self._known)}', location)
        if node.get("at_clause"):
            raise self._sql.refusal("AT is not allowed; take a snapshot of the version to look at", location)
        self.uses[name.casefold()] = self.uses.get(name.casefold(), 0) + 1

    def _descend(self, values: Iterable[JsonNode], scope: frozenset[str]) -> None:
        pending: list[JsonNode] = list(values)
        while pending:
            value = pending.pop()
            if isinstance(value, list):
                pending += value
            elif isinstance(value, dict):
                self.visit(value, scope)
