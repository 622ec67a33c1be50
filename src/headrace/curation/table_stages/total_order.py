"""Makes a SELECT give the same rows whatever the order in which an engine meets its input.

DuckDB computes with several threads, spills, and sees a partition at a time; `first(x)`, a sum of floats, a LIMIT or a
row number with ties then depends on who came first. Each of these gets an order that leaves nothing open:

- aggregates: `sum(x)` becomes `sum(x ORDER BY x)`, `list(x ORDER BY y)` becomes `list(x ORDER BY y, x)`. DuckDB drops
  the order again for sums of integers, where it cannot matter; sums and averages of floats take three times as long.
- `arg_max(x, y)` becomes `first(x ORDER BY y DESC, x)`: of equal `y` the smallest `x`.
- windows whose value depends on ties (row_number, lag, first_value, frames of ROWS) get the whole rows as last order.
- LIMIT and DISTINCT ON get the whole rows as last order.

What is left (samples, ASOF and positional joins) is refused.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.datasets.sql_functions import is_aggregate
from headrace.datasets.sql_guard import JsonNode, SqlText

__all__ = ["TopOrder", "append_order", "order_everything", "ordered_columns"]

Node = dict[str, Any]  # a node of DuckDB's own syntax tree, as `json_serialize_sql` writes it

_NOWHERE = 2**64 - 1
# Results that no order of rows changes; DuckDB would keep the ORDER BY of some, and pay for it.
_ORDERLESS = frozenset(
    (
        *("count", "count_star", "count_if", "countif", "min", "max", "bool_and", "bool_or", "every", "histogram"),
        *("bit_and", "bit_or", "bit_xor", "approx_count_distinct"),
        *("quantile", "quantile_disc", "quantile_cont", "median", "mad"),
    )
)
_ARG_MAX = {"arg_max": True, "argmax": True, "max_by": True, "arg_min": False, "argmin": False, "min_by": False}
_TIED_WINDOWS = frozenset(
    f"WINDOW_{name}"
    for name in ("ROW_NUMBER", "NTILE", "FIRST_VALUE", "LAST_VALUE", "NTH_VALUE", "LEAD", "LAG", "FILL")
)


@dataclass(frozen=True, slots=True)
class TopOrder:
    """What stands at the end of the outermost SELECT."""

    has_order: bool
    has_limit: bool  # LIMIT or DISTINCT ON: looks at all rows


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a whole row is in one SELECT: expressions that together tell any two rows apart."""

    ties: tuple[Node, ...] | None  # None: not known
    why: str = ""


def order_everything(tree: Node, sql: SqlText, *, columns: Collection[str]) -> TopOrder:
    """Change a syntax tree in place.

    Args:
        tree: From `json_serialize_sql`, nothing skipped; one SELECT.
        columns: All columns of all inputs: an alias of that name would stand for the column, not for the row.

    Raises:
        InvalidInput: Something that no order makes deterministic.
    """
    node = tree["statements"][0]["node"]
    taken = {name.casefold() for name in columns} | {name.casefold() for name in _names_given(tree)}
    rewriter = _Rewriter(sql, taken)
    top = _top_order(node)
    rewriter.visit(node, None)
    return top


def append_order(tree: Node, positions: Sequence[int]) -> None:
    """Order the result by these columns (from 1) after what it is ordered by already."""
    node = tree["statements"][0]["node"]
    _add_order(node, [_order(_constant(position)) for position in positions])


def ordered_columns(tree: Node) -> set[str]:
    """Names by which the result is ordered already: a column that is sorted by twice takes its memory twice."""
    modifiers = tree["statements"][0]["node"].get("modifiers") or []
    found = set()
    for modifier in modifiers:
        for order in modifier["orders"] if modifier["type"] == "ORDER_MODIFIER" else []:
            names = order["expression"].get("column_names") or []
            if len(names) == 1:
                found.add(str(names[0]).casefold())
    return found


def _top_order(node: Node) -> TopOrder:
    modifiers = node.get("modifiers") or []
    kinds = {modifier["type"] for modifier in modifiers}
    is_distinct_on = any(_is_distinct_on(modifier) for modifier in modifiers)
    limits = {kind for kind in kinds if kind.startswith("LIMIT")}
    return TopOrder("ORDER_MODIFIER" in kinds, bool(limits) or is_distinct_on)


class _Rewriter:
    def __init__(self, sql: SqlText, taken: set[str]) -> None:
        self._sql = sql
        self._taken = taken

    def visit(self, value: JsonNode | Node, scope: _Scope | None) -> None:
        """Innermost first, so that what is copied into an order is already ordered itself."""
        if isinstance(value, list):
            for item in value:
                self.visit(item, scope)
            return
        if not isinstance(value, dict):
            return
        node: Node = value
        if node.get("sample"):
            raise self._sql.refusal("SAMPLE gives other rows each time; use the operator select.top_k or a hash")
        if node.get("ref_type") in ("ASOF", "POSITIONAL"):
            raise self._sql.refusal(f"{node['ref_type']} joins depend on the order of rows", node.get("query_location"))
        kind = node.get("type")
        if kind == "SELECT_NODE":
            self._select(node)
            return
        for child in list(node.values()):
            self.visit(child, scope)
        if kind == "SET_OPERATION_NODE":
            self._limit(node, _Scope(None, "a UNION"))
        if node.get("class") == "FUNCTION" and is_aggregate(str(node.get("function_name", "")).lower()):
            self._aggregate(node)
        if node.get("class") == "WINDOW":
            self._window(node, scope or _Scope(None, "a window here"))

    def _select(self, node: Node) -> None:
        scope = self._scope(node)
        for name, child in node.items():
            if name != "modifiers":
                self.visit(child, scope)
        modifiers = node.get("modifiers") or []
        for modifier in modifiers:
            self.visit(modifier, scope)
        if any(modifier["type"] == "DISTINCT_MODIFIER" and not _is_distinct_on(modifier) for modifier in modifiers):
            scope = _positions(node)  # after DISTINCT only what was selected is there to order by
        self._limit(node, scope)

    def _limit(self, node: Node, scope: _Scope) -> None:
        modifiers = node.get("modifiers") or []
        is_limited = any(modifier["type"].startswith("LIMIT") for modifier in modifiers)
        distinct_on = [modifier for modifier in modifiers if _is_distinct_on(modifier)]
        if not is_limited and not distinct_on:
            return
        first = [_order(target) for modifier in distinct_on for target in modifier["distinct_on_targets"]]
        has_order = any(modifier["type"] == "ORDER_MODIFIER" for modifier in modifiers)
        ties = self._ties(scope, "LIMIT" if is_limited else "DISTINCT ON", None)
        _add_order(node, ([] if has_order else first) + [_order(each) for each in ties])

    def _ties(self, scope: _Scope, what: str, location: object) -> tuple[Node, ...]:
        if scope.ties is None:
            raise self._sql.refusal(
                f"{what}: which rows come first is open, because {scope.why} does not say how rows with equal values "
                "are told apart; put it into a WITH and order over that",
                location,
            )
        return scope.ties

    def _scope(self, node: Node) -> _Scope:
        groups = node.get("group_expressions") or []
        selected = node.get("select_list") or []
        if node.get("aggregate_handling") == "FORCE_AGGREGATES" and not groups:
            return _Scope(None, "GROUP BY ALL")
        if len(node.get("group_sets") or []) > 1:
            return _Scope(None, "GROUPING SETS")
        if groups:
            return _Scope(tuple(_resolved(group, selected) for group in groups))
        if any(_has_aggregate(part) for part in (selected, node.get("having"))):
            return _Scope(())  # one row
        names = list(_sources(node.get("from_table")))
        for name in names:
            if name is None:
                return _Scope(None, "a table without a name (write AS name)")
            if name.casefold() in self._taken:
                return _Scope(None, f"the table name {name}, which is also a column's, (write AS and another name)")
        return _Scope(tuple(_column(str(name)) for name in names))

    def _aggregate(self, node: Node) -> None:
        name = str(node["function_name"]).lower()
        arguments = [item["expression"] for item in node.get("arguments") or []]
        if name in _ARG_MAX and len(arguments) == 2 and not node["order_bys"]["orders"] and not node.get("distinct"):
            _as_first(node, arguments, is_max=_ARG_MAX[name])
            return
        if name in _ORDERLESS:
            return
        orders = node["order_bys"]["orders"]
        orders += [_order(each) for each in arguments if each.get("class") != "CONSTANT"]

    def _window(self, node: Node, scope: _Scope) -> None:
        name = str(node.get("function_name", "")).lower()
        arguments = [item["expression"] for item in node.get("arguments") or []]
        if node.get("type") == "WINDOW_AGGREGATE" and name not in _ORDERLESS:
            node["arg_orders"] = [*(node.get("arg_orders") or []), *(_order(each) for each in arguments)]
        is_by_rows = any(str(node.get(end, "")).endswith("_ROWS") for end in ("start", "end"))
        if node.get("type") in _TIED_WINDOWS or is_by_rows:
            ties = self._ties(scope, f"{name}() OVER", node.get("query_location"))
            node["orders"] = [*(node.get("orders") or []), *(_order(each) for each in ties)]


def _as_first(node: Node, arguments: list[Node], *, is_max: bool) -> None:
    """`arg_max(x, y)` as `first(x ORDER BY y DESC, x) FILTER (WHERE x IS NOT NULL AND y IS NOT NULL)`."""
    value, ranked = arguments
    tests = [_is_not_null(value), _is_not_null(ranked)]
    if node.get("filter"):
        tests.append(node["filter"])
    node["filter"] = {**_plain("CONJUNCTION", "CONJUNCTION_AND"), "children": tests}
    node["function_name"] = "first"
    node["qualified_name"] = {"path": ["first"]}
    node["arguments"] = node["arguments"][:1]
    descending = {**_order(ranked), "type": "DESCENDING" if is_max else "ASCENDING"}
    node["order_bys"] = {"type": "ORDER_MODIFIER", "orders": [descending, _order(value)]}


def _add_order(node: Node, orders: list[Node]) -> None:
    """Behind the order that is there; else as one, before LIMIT."""
    if not orders:
        return
    modifiers = node.setdefault("modifiers", [])
    for modifier in modifiers:
        if modifier["type"] == "ORDER_MODIFIER":
            modifier["orders"] += orders
            return
    place = next((idx for idx, each in enumerate(modifiers) if each["type"].startswith("LIMIT")), len(modifiers))
    modifiers.insert(place, {"type": "ORDER_MODIFIER", "orders": orders})


def _positions(node: Node) -> _Scope:
    """The selected columns by number; not known where a star stands for several."""
    selected = node.get("select_list") or []
    if any(item.get("class") == "STAR" for item in selected):
        return _Scope(None, "SELECT DISTINCT *")
    return _Scope(tuple(_constant(position) for position in range(1, len(selected) + 1)))


def _is_distinct_on(modifier: Node) -> bool:
    return modifier["type"] == "DISTINCT_MODIFIER" and bool(modifier.get("distinct_on_targets"))


def _resolved(group: Node, selected: list[Node]) -> Node:
    """`GROUP BY 1` names the first selected column."""
    literal = group.get("literal") if group.get("class") == "CONSTANT" else None
    if isinstance(literal, dict) and literal.get("kind") == "INTEGER":
        idx = int(literal["text"]) - 1
        if 0 <= idx < len(selected):
            return {**copy.deepcopy(selected[idx]), "alias": ""}
    return group


def _sources(table: JsonNode | Node) -> Iterator[str | None]:
    """Names under which the rows of FROM can be read whole; None for a source that has none."""
    if not isinstance(table, dict) or table.get("type") == "EMPTY":
        return
    if table.get("type") == "JOIN":
        yield from _sources(table.get("left"))
        if table.get("join_type") not in ("SEMI", "ANTI"):
            yield from _sources(table.get("right"))
        return
    yield str(table.get("alias") or table.get("table_name") or "") or None


def _has_aggregate(value: JsonNode | Node) -> bool:
    if isinstance(value, list):
        return any(_has_aggregate(item) for item in value)
    if not isinstance(value, dict) or value.get("class") == "SUBQUERY":
        return False
    if value.get("class") == "FUNCTION" and is_aggregate(str(value.get("function_name", "")).lower()):
        return True
    return any(_has_aggregate(item) for item in value.values())


def _names_given(value: JsonNode | Node) -> Iterator[str]:
    """Aliases of expressions."""
    if isinstance(value, list):
        for item in value:
            yield from _names_given(item)
    elif isinstance(value, dict):
        alias = value.get("alias")
        if "class" in value and isinstance(alias, str) and alias:
            yield alias
        for item in value.values():
            yield from _names_given(item)


def _plain(kind: str, type_: str) -> Node:
    return {"class": kind, "type": type_, "alias": "", "query_location": _NOWHERE, "query_location_length": 0}


def _column(name: str) -> Node:
    return {**_plain("COLUMN_REF", "COLUMN_REF"), "column_names": [name]}


def _constant(position: int) -> Node:
    return {
        **_plain("CONSTANT", "VALUE_CONSTANT"),
        "literal": {"kind": "INTEGER", "text": str(position)},
    }


def _is_not_null(expression: Node) -> Node:
    return {**_plain("OPERATOR", "OPERATOR_IS_NOT_NULL"), "children": [copy.deepcopy(expression)]}


def _order(expression: Node) -> Node:
    return {
        "type": "ORDER_DEFAULT",
        "null_order": "ORDER_DEFAULT",
        "expression": {**copy.deepcopy(expression), "alias": ""},
    }
