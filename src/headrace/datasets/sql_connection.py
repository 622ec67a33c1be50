"""A locked DuckDB connection: it computes, and reads nothing but what is registered with it."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

__all__ = ["SQL_DEPTH_LIMIT", "default_num_threads", "open_locked_connection"]

SQL_DEPTH_LIMIT = 200  # nesting of one expression


def open_locked_connection(
    *,
    memory_limit_bytes: int,
    num_threads: int,
    timeout_seconds: float,
    folder: Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB that reads nothing but what is registered with it. Not for use over a fork.

    Args:
        folder: Files below it can be read too (by views made beforehand; no user's text may name a file), and what
            does not fit into the memory is written there, without regard to the order of rows. None: nothing is
            written, so a text that needs more memory fails.
    """
    connection = duckdb.connect(
        ":memory:",
        config={
            "allow_community_extensions": "false",
            "allow_persistent_secrets": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "errors_as_json": "true",
            "max_execution_time": str(max(1, int(timeout_seconds * 1000))),
            "max_expression_depth": str(SQL_DEPTH_LIMIT),
            "memory_limit": f"{max(memory_limit_bytes // 1024, 1)}KiB",
            "preserve_insertion_order": "true" if folder is None else "false",
            "python_enable_replacements": "false",
            "temp_directory": "" if folder is None else str(folder / "spilled"),
            "threads": str(max(1, num_threads)),
        },
    )
    # Of a session, not of the database. DuckDB would draw on standard output, which is for data.
    connection.execute("SET enable_progress_bar = false").fetchall()
    # Neither can be part of the configuration above: the time zone belongs to a statically linked extension, and
    # `temp_directory` can no longer be set once external access is off.
    connection.execute("SET TimeZone = 'UTC'").fetchall()
    if folder is not None:
        place = str(folder).rstrip("/").replace("'", "''")
        connection.execute(f"SET allowed_directories = ['{place}/']").fetchall()
    connection.execute("SET enable_external_access = false").fetchall()
    connection.execute("SET lock_configuration = true").fetchall()
    return connection


def default_num_threads() -> int:
    """Threads for one connection: what is there, four at most."""
    return min(4, os.cpu_count() or 1)
