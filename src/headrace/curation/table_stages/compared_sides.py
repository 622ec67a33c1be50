"""The two sides of a check such as `SELECT count(*) >= 100 FROM input`, so that a failure can say what was found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from headrace.datasets.sql_connection import open_locked_connection

__all__ = ["ComparedSides", "compared_sides"]

_MEMORY_BYTES = 64 << 20
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ComparedSides:
    """A statement that gives both sides, as columns `found` and `wanted`, and the text of the left one."""

    statement: str
    name: str


def compared_sides(sql: str) -> ComparedSides | None:
    """None where the statement is anything else than a SELECT of one comparison. It is only taken apart, never run."""
    connection = open_locked_connection(
        memory_limit_bytes=_MEMORY_BYTES, num_threads=1, timeout_seconds=_TIMEOUT_SECONDS
    )
    try:
        found = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()[0][0]
        tree: dict[str, Any] = json.loads(found)
        node = tree["statements"][0]["node"] if not tree.get("error") else {}
        selected = node.get("select_list") or []
        if len(selected) != 1 or selected[0].get("class") != "COMPARISON":
            return None
        left, right = selected[0]["left"], selected[0]["right"]
        node["select_list"] = [{**left, "alias": "found"}, {**right, "alias": "wanted"}]
        both = connection.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)]).fetchall()[0][0]
        plain = json.loads(connection.execute("SELECT json_serialize_sql('SELECT 1')").fetchall()[0][0])
        plain["statements"][0]["node"]["select_list"] = [{**left, "alias": ""}]
        alone = connection.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(plain)]).fetchall()[0][0]
    finally:
        connection.close()
    return ComparedSides(both, str(alone).removeprefix("SELECT "))
