"""What DuckDB's bound plan says of a SELECT: where its columns come from, and whether equal keys suffice to compute it.

A statement may be run partition by partition if no row of the result depends on rows with other keys: every join is on
the key, every group, window and DISTINCT contains it, nothing counts over all rows. Names, aliases, stars and CTEs are
DuckDB's to resolve: the plan that it serialises before optimising (`json_serialize_plan`) refers to columns by number.
An operator that is not known here makes the statement run whole, so a new release of DuckDB can only cost speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from headrace.datasets.sql_guard import JsonNode

__all__ = ["BoundPlan", "PlanColumn", "ScannedColumn", "read_bound_plan"]

Node = Mapping[str, JsonNode]


@dataclass(frozen=True, slots=True)
class ScannedColumn:
    """A column of one reading of a table; a self-join reads its table twice, and pairs different rows."""

    table: str
    name: str
    scan: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlanColumn:
    """One column that an operator gives."""

    reads: frozenset[tuple[str, str]] = frozenset()  # (table, column) that it is computed from
    # Whose values it holds unchanged, or null: one where all rows are of one table, of UNION ALL one for each side;
    # empty where it is computed.
    copies: tuple[ScannedColumn, ...] = ()
    key: int | None = None  # holds the key column with this number, of the row's own partition
    half: tuple[int, int, bool] | None = (
        None  # (key number, outer join, is left): the key, or null where nothing matched
    )


@dataclass(frozen=True, slots=True)
class _Relation:
    columns: tuple[PlanColumn, ...]
    is_unique: bool = False  # at most one row a key

    def keys(self) -> set[int]:
        return {column.key for column in self.columns if column.key is not None}


@dataclass(frozen=True, slots=True)
class BoundPlan:
    """What was found out about one statement."""

    columns: tuple[PlanColumn, ...]  # of the result
    reads: Mapping[str, frozenset[str]]  # table -> columns that matter
    obstacle: str | None  # why it cannot be run by partitions of the key; None: it can
    is_unique: bool  # at most one row of the result a key; only where nothing stands in the way
    calls: frozenset[tuple[str, int]] = frozenset()  # functions, also those written without parentheses; arguments


def read_bound_plan(
    plan: Node,
    *,
    tables: Mapping[str, Sequence[str]],  # name -> its columns
    key: Sequence[str],
) -> BoundPlan:
    """Walk a plan of `json_serialize_plan(..., optimize := false)` over plain tables of these names."""
    walk = _PlanWalk(tables, key)
    plans = plan.get("plans")
    root = plans[0] if isinstance(plans, list) and plans and isinstance(plans[0], dict) else {}
    relation = walk.visit(root)
    for column in relation.columns:
        walk.use(column)
    if walk.obstacle is None and relation.keys() != set(range(len(key))):
        walk.obstacle = "the result does not hold the key, so it cannot be put together in its order"
    reads = {
        table: frozenset(name for owner, name in walk.used if owner == table) if not walk.is_lost else frozenset(names)
        for table, names in tables.items()
    }
    is_unique = walk.obstacle is None and relation.is_unique
    return BoundPlan(relation.columns, reads, walk.obstacle, is_unique, frozenset(_calls(root)))


class _PlanWalk:
    def __init__(self, tables: Mapping[str, Sequence[str]], key: Sequence[str]) -> None:
        self._tables = tables
        self._key = [name.casefold() for name in key]
        self._named: dict[object, _Relation] = {}  # table index of a CTE -> what it gives
        self._num_joins = 0
        self._num_scans = 0
        self.used: set[tuple[str, str]] = set()
        self.is_lost = False  # an operator whose columns are not known: nothing can be said of what is read
        self.obstacle: str | None = None if key else "no key is declared"

    def use(self, column: PlanColumn) -> None:
        """The column decides which rows there are, or is part of the result."""
        self.used |= column.reads

    def visit(self, node: Node) -> _Relation:
        kind = str(node.get("type", ""))
        known: dict[str, Callable[[Node], _Relation]] = {
            "LOGICAL_GET": self._get,
            "LOGICAL_PROJECTION": self._projection,
            "LOGICAL_FILTER": self._filter,
            "LOGICAL_AGGREGATE_AND_GROUP_BY": self._aggregate,
            "LOGICAL_COMPARISON_JOIN": self._join,
            "LOGICAL_WINDOW": self._window,
            "LOGICAL_DISTINCT": self._distinct,
            "LOGICAL_UNION": self._set_operation,
            "LOGICAL_EXCEPT": self._set_operation,
            "LOGICAL_INTERSECT": self._set_operation,
            "LOGICAL_MATERIALIZED_CTE": self._named_query,
            "LOGICAL_CTE_REF": self._reference,
            "LOGICAL_UNNEST": self._unnest,
            "LOGICAL_ORDER_BY": self._order,
            "LOGICAL_LIMIT": self._limit,
            "LOGICAL_CROSS_PRODUCT": self._cross_product,
        }
        handler = known.get(kind)
        if handler is None:
            return self._unknown(node, kind)
        return handler(node)

    def _unknown(self, node: Node, kind: str) -> _Relation:
        self._stop(f"{kind.removeprefix('LOGICAL_').replace('_', ' ').lower()} works on all rows")
        self.is_lost = True
        for child in _nodes(node.get("children")):
            self.visit(child)
        return _Relation(())

    def _stop(self, reason: str) -> None:
        if self.obstacle is None:
            self.obstacle = reason

    # ------------------------------------------------------------------------------------------------- sources

    def _get(self, node: Node) -> _Relation:
        data = node.get("function_data")
        table = data.get("table") if isinstance(data, dict) else None
        names = node.get("names")
        if not isinstance(table, str) or table not in self._tables or not isinstance(names, list):
            return self._unknown(node, "a table function")
        missing = [name for name in self._key if name not in {str(known).casefold() for known in names}]
        if missing:
            self._stop(f"table {table} has no column {missing[0]}")
        columns = []
        self._num_scans += 1
        scan = (self._num_scans,)
        for entry in _nodes(node.get("column_indexes")):
            idx = entry.get("index", 0)
            if not isinstance(idx, int) or idx >= len(names):  # a column that is none, such as the row's number
                columns.append(PlanColumn())
                continue
            name = str(names[idx])
            number = self._key.index(name.casefold()) if name.casefold() in self._key else None
            columns.append(PlanColumn(frozenset({(table, name)}), (ScannedColumn(table, name, scan),), number))
        return _Relation(_chosen(columns, node.get("projection_ids")))

    def _named_query(self, node: Node) -> _Relation:
        children = _nodes(node.get("children"))
        if len(children) != 2:
            return self._unknown(node, "a WITH")
        self._named[node.get("table_index", 0)] = self.visit(children[0])
        return self.visit(children[1])

    def _reference(self, node: Node) -> _Relation:
        found = self._named.get(node.get("cte_index", 0))
        if found is None:
            return self._unknown(node, "a recursive WITH")
        self._num_scans += 1
        return replace(found, columns=tuple(_scanned_again(column, self._num_scans) for column in found.columns))

    # --------------------------------------------------------------------------------------------- row by row

    def _projection(self, node: Node) -> _Relation:
        child = self._only_child(node)
        columns = tuple(self._computed(expression, child) for expression in _nodes(node.get("expressions")))
        return _Relation(columns, child.is_unique)

    def _filter(self, node: Node) -> _Relation:
        child = self._only_child(node)
        self._consume(node.get("expressions"), child)
        return replace(child, columns=_chosen(child.columns, node.get("projection_map")))

    def _unnest(self, node: Node) -> _Relation:
        child = self._only_child(node)
        expressions = _nodes(node.get("expressions"))
        self._consume(node.get("expressions"), child)  # decides how many rows there are
        return _Relation(child.columns + tuple(PlanColumn(self._reads(each, child)) for each in expressions))

    def _order(self, node: Node) -> _Relation:
        child = self._only_child(node)
        self._consume(node.get("orders"), child)
        return replace(child, columns=_chosen(child.columns, node.get("projection_map")))

    # ------------------------------------------------------------------------------------------------ many rows

    def _limit(self, node: Node) -> _Relation:
        self._stop("LIMIT counts over all rows")
        return self._only_child(node)

    def _aggregate(self, node: Node) -> _Relation:
        child = self._only_child(node)
        groups = [self._computed(expression, child) for expression in _nodes(node.get("groups"))]
        for group in groups:
            self.use(group)
        sets = node.get("grouping_sets")
        if not groups:
            self._stop("an aggregate without GROUP BY is over all rows")
        for chosen in sets if isinstance(sets, list) else []:
            inside = {groups[idx].key for idx in chosen if isinstance(idx, int)} if isinstance(chosen, list) else set()
            self._need_key(inside, "GROUP BY")
        found = [PlanColumn(self._reads(each, child)) for each in _nodes(node.get("expressions"))]
        extra = node.get("grouping_functions")
        found += [PlanColumn()] * (len(extra) if isinstance(extra, list) else 0)
        is_single = not isinstance(sets, list) or len(sets) <= 1
        kept = groups if is_single else [replace(group, key=None, half=None) for group in groups]
        return _Relation((*kept, *found), is_single and all(group.key is not None for group in groups))

    def _window(self, node: Node) -> _Relation:
        child = self._only_child(node)
        columns = list(child.columns)
        for expression in _nodes(node.get("expressions")):
            partitions = [self._computed(each, child) for each in _nodes(expression.get("partitions"))]
            self._need_key({column.key for column in partitions}, "PARTITION BY of a window")
            columns.append(PlanColumn(self._reads(expression, child)))
        return replace(child, columns=tuple(columns))

    def _distinct(self, node: Node) -> _Relation:
        child = self._only_child(node)
        targets = [self._computed(each, child) for each in _nodes(node.get("distinct_targets"))]
        for target in targets:
            self.use(target)
        order = node.get("order_by")
        self._consume(order.get("orders") if isinstance(order, dict) else None, child)
        self._need_key({target.key for target in targets}, "DISTINCT")
        is_unique = child.is_unique or all(target.key is not None for target in targets)
        return replace(child, is_unique=is_unique)

    def _set_operation(self, node: Node) -> _Relation:
        name = str(node.get("type", "")).removeprefix("LOGICAL_")
        sides = [self.visit(child) for child in _nodes(node.get("children"))]
        width = min((len(side.columns) for side in sides), default=0)
        columns = []
        for idx in range(width):
            each = [side.columns[idx] for side in sides]
            first = each[0]
            columns.append(
                PlanColumn(
                    frozenset().union(*(column.reads for column in each)),
                    _of_all_sides(each) if name == "UNION" else first.copies,
                    first.key if all(column.key == first.key for column in each) else None,
                )
            )
        if name != "UNION" or not node.get("setop_all"):
            for column in columns:
                self.use(column)
            self._need_key({column.key for column in columns}, name)
        return _Relation(tuple(columns))

    # ----------------------------------------------------------------------------------------------------- joins

    def _cross_product(self, node: Node) -> _Relation:
        self._stop("a join without ON or USING looks at all rows of both tables")
        left, right = self._both(node)
        return _Relation(left.columns + right.columns)

    def _join(self, node: Node) -> _Relation:
        left, right = self._both(node)
        kind = str(node.get("join_type", "INNER"))
        matched: set[int | None] = set()
        for condition in _nodes(node.get("conditions")):
            sides = []
            for side, relation in (("left", left), ("right", right)):
                expression = condition.get(side)
                column = self._computed(expression, relation) if isinstance(expression, dict) else PlanColumn()
                self.use(column)
                sides.append(column)
            is_equality = condition.get("comparison") in ("COMPARE_EQUAL", "COMPARE_NOT_DISTINCT_FROM")
            if is_equality and sides[0].key is not None and sides[0].key == sides[1].key:
                matched.add(sides[0].key)
        self._consume(node.get("predicate"), _Relation(left.columns + right.columns))
        self._need_key(matched, "a join")
        self._num_joins += 1
        left_columns = _chosen(left.columns, node.get("left_projection_map"))
        right_columns = _chosen(right.columns, node.get("right_projection_map"))
        is_unique = left.is_unique and right.is_unique
        if kind in ("SEMI", "ANTI"):
            return _Relation(left_columns, left.is_unique)
        if kind == "MARK":
            # `x NOT IN (...)` is null where any row of the list is null, whatever its key; EXISTS compares otherwise.
            if any(each.get("comparison") == "COMPARE_EQUAL" for each in _nodes(node.get("conditions"))):
                self._stop("IN looks for nulls in all rows (write SEMI JOIN, ANTI JOIN or EXISTS)")
            for column in right.columns:
                self.use(column)
            return _Relation((*left_columns, PlanColumn()), left.is_unique)
        if kind in ("LEFT", "SINGLE"):
            return _Relation((*left_columns, *self._halves(right_columns, is_left=False)), is_unique)
        if kind == "RIGHT":
            return _Relation((*self._halves(left_columns, is_left=True), *right_columns), is_unique)
        if kind in ("FULL", "OUTER"):
            halves = (*self._halves(left_columns, is_left=True), *self._halves(right_columns, is_left=False))
            return _Relation(halves)  # a null key on both sides makes two rows
        if kind != "INNER":
            return self._unknown(node, f"a {kind.lower()} join")
        return _Relation((*left_columns, *right_columns), is_unique)

    def _halves(self, columns: Sequence[PlanColumn], *, is_left: bool) -> list[PlanColumn]:
        """The side of an outer join that is null where nothing matches."""
        return [
            replace(column, key=None, half=None if column.key is None else (column.key, self._num_joins, is_left))
            for column in columns
        ]

    # ----------------------------------------------------------------------------------------------- expressions

    def _computed(self, expression: Node, child: _Relation) -> PlanColumn:
        """A column of the child as it is, the key that both sides of an outer join make together, or something new."""
        idx = _reference_index(expression)
        if idx is not None and idx < len(child.columns):
            return child.columns[idx]
        reads = self._reads(expression, child)
        if expression.get("type") == "OPERATOR_COALESCE":
            indices = [_reference_index(each) for each in _nodes(expression.get("children"))]
            parts = [child.columns[each] for each in indices if each is not None and each < len(child.columns)]
            if parts and len(parts) == len(indices):
                return PlanColumn(reads, key=_joined_key(parts))
        return PlanColumn(reads)

    def _reads(self, expression: JsonNode | Node, child: _Relation) -> frozenset[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        for idx in _references(expression):
            if idx < len(child.columns):
                found |= child.columns[idx].reads
        return frozenset(found)

    def _consume(self, expressions: JsonNode, child: _Relation) -> None:
        self.used |= self._reads(expressions, child)

    def _need_key(self, found: set[int | None], what: str) -> None:
        missing = [name for idx, name in enumerate(self._key) if idx not in found]
        if missing:
            self._stop(f"{what} does not contain the key {', '.join(missing)}")

    def _only_child(self, node: Node) -> _Relation:
        children = _nodes(node.get("children"))
        if len(children) != 1:
            return self._unknown(node, str(node.get("type", "")))
        return self.visit(children[0])

    def _both(self, node: Node) -> tuple[_Relation, _Relation]:
        children = _nodes(node.get("children"))
        if len(children) != 2:
            return self._unknown(node, "a join"), _Relation(())
        return self.visit(children[0]), self.visit(children[1])


def _scanned_again(column: PlanColumn, scan: int) -> PlanColumn:
    """As another reading of the same named query has it."""
    return replace(column, copies=tuple(replace(each, scan=(scan, *each.scan)) for each in column.copies))


def _of_all_sides(columns: Sequence[PlanColumn]) -> tuple[ScannedColumn, ...]:
    """What a column of a UNION copies: nothing, if one of the sides computes it."""
    if not all(column.copies for column in columns):
        return ()
    return tuple(each for column in columns for each in column.copies)


def _joined_key(parts: Sequence[PlanColumn]) -> int | None:
    """The key number that COALESCE of these columns holds, if it does."""
    numbers = {part.key if part.key is not None else part.half[0] if part.half else None for part in parts}
    if len(numbers) != 1 or None in numbers:
        return None
    halves = {part.half for part in parts if part.half is not None}
    is_whole = any(part.key is not None for part in parts) or any(
        (number, join, not is_left) in halves for number, join, is_left in halves
    )
    return next(iter(numbers)) if is_whole else None


def _chosen(columns: Sequence[PlanColumn], indices: JsonNode) -> tuple[PlanColumn, ...]:
    """Columns that an operator passes on; without a list, all."""
    if not isinstance(indices, list) or not indices:
        return tuple(columns)
    return tuple(columns[idx] for idx in indices if isinstance(idx, int) and idx < len(columns))


def _nodes(value: JsonNode) -> list[Node]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _reference_index(expression: Node) -> int | None:
    if expression.get("expression_class") != "BOUND_REF":
        return None
    idx = expression.get("index", 0)
    return idx if isinstance(idx, int) else None


def _calls(value: JsonNode | Node) -> Iterator[tuple[str, int]]:
    pending: list[JsonNode | Node] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending += item
        elif isinstance(item, Mapping):
            name = item.get("qname")
            path = name.get("path") if isinstance(name, dict) else None
            if item.get("expression_class") == "BOUND_FUNCTION" and isinstance(path, list) and path:
                yield str(path[-1]).lower(), len(_nodes(item.get("children")))
            pending += item.values()


def _references(value: JsonNode | Node) -> Iterator[int]:
    pending: list[JsonNode | Node] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending += item
        elif isinstance(item, Mapping):
            idx = _reference_index(item)
            if idx is not None:
                yield idx
            pending += item.values()
