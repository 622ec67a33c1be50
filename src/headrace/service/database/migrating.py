"""Bringing the tables to a version: Alembic's scripts of `migrations/`, in one transaction."""

from __future__ import annotations

import threading
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from headrace.errors import InvalidInput

__all__ = ["migrate"]

_FOLDER = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x68656164_72616365  # "headrace"; any number that nobody else takes in this database
_one_at_a_time = threading.Lock()  # Alembic keeps the migration that runs in a global


def migrate(connection: sa.Connection, revision: str = "head") -> None:
    """Go up, or down, to `revision` ("base" is before the first) inside the transaction of `connection`.

    Whoever comes second waits until the first has committed, in this process and in any other.

    Raises:
        InvalidInput: The tables are of a version that this code does not know.
    """
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    known = [script.revision for script in scripts.walk_revisions()]  # newest first
    with _one_at_a_time:
        if connection.dialect.name == "postgresql":  # SQLite's BEGIN IMMEDIATE keeps the others out already
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in known:
            raise InvalidInput(
                f"the database has tables of version {current!r}, which this Headrace does not know (its newest is "
                f"{known[0]!r}); a newer Headrace made them: install that one, or name another database"
            )
        target = known[0] if revision == "head" else revision
        if current == target or (current is None and target == "base"):
            return
        is_down = current is not None and (target == "base" or known.index(target) > known.index(current))
        (command.downgrade if is_down else command.upgrade)(config, target)
