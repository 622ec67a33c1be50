"""Which SQL functions a user's text may call, in a filter and in a query.

DuckDB's own catalog says whether a function is scalar and whether it gives the same result each time; the lists here
correct it where that is not enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache

from headrace.datasets.sql_connection import open_locked_connection
from headrace.schema.near_misses import near_miss

__all__ = [
    "COLLATIONS",
    "EXPANDING_FUNCTIONS",
    "FunctionUse",
    "LIST_AGGREGATE_FUNCTIONS",
    "LIST_AGGREGATE_NAMES",
    "TABLE_FUNCTIONS",
    "function_refusal",
    "is_aggregate",
    "is_volatile",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


class FunctionUse(Enum):
    """Where a function is called; decides which functions are allowed."""

    FILTER = "filter"
    QUERY = "query"
    STAGE = "stage"  # a query whose result is kept and shared: the same rows must give the same result


# CONSISTENT to DuckDB, yet reading the clock, the version, the catalog or other SQL; or with results that another
# release of DuckDB may change, which would silently change what a stored filter selects.
_NEVER = _words("""
    current_localtime current_localtimestamp version hash json_serialize_sql json_serialize_plan
    json_deserialize_sql json_execute_serialized_sql in_search_path current_database current_schema current_schemas
    current_query constant_or_null create_sort_key index_key hive_partition_component parse_duckdb_log_message
    to_aggregate_state finalize combine can_cast_implicitly cast_to_type replace_type make_type get_type remap_struct
    invoke is_histogram_other_bin bitstring_byte_comparable timetz_byte_comparable icu_sort_key alias format printf
""")
_NEVER_PREFIXES = ("__", "pg_", "icu_collate_", "collate_", "st_", "duckdb_", "pragma_")

_MACROS = _words("""
    array_append array_pop_back array_pop_front array_prepend array_push_back array_push_front array_reverse
    array_to_string date_add days_in_month fdiv fmod if json list_any_value list_append list_avg list_bit_and
    list_bit_or list_bit_xor list_bool_and list_bool_or list_count list_entropy list_first list_histogram
    list_kurtosis list_kurtosis_pop list_last list_mad list_max list_median list_min list_mode list_prepend
    list_product list_reverse list_sem list_skewness list_stddev_pop list_stddev_samp list_string_agg list_sum
    list_var_pop list_var_samp map_contains_entry map_contains_value md5_number_lower md5_number_upper nullif
    split_part
""")
_QUERY_MACROS = _words("""
    geomean geometric_mean json_group_array json_group_object json_group_structure list_approx_count_distinct wavg
    weighted_avg ago regexp_split_to_table generate_subscripts
""")
_QUERY_VOLATILE = _words("""
    random uuid uuidv4 uuidv7 gen_random_uuid now today current_date get_current_time get_current_timestamp
    transaction_timestamp current_localtime current_localtimestamp hash format_bytes
""")
# Averages of floats hidden inside macros, where no order can be given to them, and lists without an order.
_UNORDERED_MACROS = _words("""
    geomean geometric_mean wavg weighted_avg json_group_array json_group_object json_group_structure
""")
_NEVER_CURRENT = _words("current_database current_schema current_schemas current_query in_search_path version")
_SAMPLING = _words("reservoir_quantile")
TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})
# Name -> 0-based index of the argument that states the size of the result.
EXPANDING_FUNCTIONS: Mapping[str, tuple[int, ...]] = {
    "repeat": (1,),
    "lpad": (1,),
    "rpad": (1,),
    "list_resize": (1,),
    "array_resize": (1,),
    "range": (0, 1, 2),
    "generate_series": (0, 1, 2),
    "bar": (3,),
    "to_base": (2,),
}
LIST_AGGREGATE_FUNCTIONS = frozenset({"list_aggr", "list_aggregate", "array_aggr", "array_aggregate", "aggregate"})
LIST_AGGREGATE_NAMES = _words("""
    any_value avg bit_and bit_or bit_xor bool_and bool_or count entropy first histogram kurtosis kurtosis_pop last
    mad max mean median min mode product sem skewness stddev stddev_pop stddev_samp string_agg sum var_pop var_samp
    variance
""")
COLLATIONS = frozenset({"nocase", "noaccent", "nfc", "binary", "c", "posix"})


@cache
def _function_kinds() -> Mapping[str, frozenset[tuple[str, str | None]]]:
    """Name -> {(type, stability)}; a constant of the DuckDB release, read once a process (about 30 ms)."""
    connection = open_locked_connection(memory_limit_bytes=1 << 28, num_threads=1, timeout_seconds=60)
    try:
        rows = connection.execute(
            "SELECT DISTINCT function_name, function_type, stability FROM duckdb_functions()"
        ).fetchall()
    finally:
        connection.close()
    kinds: dict[str, set[tuple[str, str | None]]] = {}
    for name, kind, stability in rows:
        kinds.setdefault(str(name).lower(), set()).add((str(kind), stability))
    return {name: frozenset(found) for name, found in kinds.items()}


def is_volatile(name: str, *, num_arguments: int) -> bool:
    """Whether a call gives another value at another time or in another session, as DuckDB names it in a bound plan."""
    return name in _QUERY_VOLATILE | _SAMPLING | _NEVER_CURRENT or (name == "age" and num_arguments == 1)


def is_aggregate(name: str) -> bool:
    """Whether a function of this name makes one value of many rows."""
    return any(kind == "aggregate" for kind, _ in _function_kinds().get(name, ()))


def function_refusal(name: str, use: FunctionUse, *, as_window: bool) -> str | None:
    """Say why the function may not be called, or None if it may."""
    kinds = _function_kinds().get(name)
    many_rows = use is not FunctionUse.FILTER
    if use is FunctionUse.QUERY and name in _QUERY_VOLATILE:
        return None
    if use is FunctionUse.STAGE and name in _QUERY_VOLATILE | _SAMPLING:
        return "does not give the same result each time; a stage's result is kept, so write the value itself"
    if use is FunctionUse.STAGE and name in _UNORDERED_MACROS:
        return "depends on the order of rows; write it out, such as sum(x ORDER BY x) / count(x)"
    if name in _NEVER or name.startswith(_NEVER_PREFIXES):
        return "is not allowed here"
    if name in _MACROS or (many_rows and name in _QUERY_MACROS):
        return None
    if many_rows and name == "unnest":
        return None
    if kinds is None:
        known = [
            other
            for other in _function_kinds()
            if other[:1].isalpha() and function_refusal(other, use, as_window=as_window) is None
        ]
        return f"does not exist.{near_miss(name, known)}"
    types = {kind for kind, _ in kinds}
    if "scalar" in types:
        if all(stability == "CONSISTENT" for kind, stability in kinds if kind == "scalar"):
            return None
        return "does not give the same result each time, or reads more than the row"
    if types & {"aggregate", "window"}:
        if many_rows:
            return None
        return "works on many rows, and a filter looks at one row at a time"
    if types & {"table", "table_macro"}:
        return "gives a table; only the tables handed in can be read"
    return "is not allowed here"
