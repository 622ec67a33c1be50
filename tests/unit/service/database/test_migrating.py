"""Tables go up and down, on both databases."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from headrace.errors import InvalidInput
from headrace.service.database import Database, open_database
from headrace.service.database.migrating import migrate


def _tables(database: Database) -> set[str]:
    return set(sa.inspect(database.engine).get_table_names()) - {"alembic_version"}


def test_down_to_nothing_and_up_again(database: Database) -> None:
    there = _tables(database)
    assert {"jobs", "job_log"} <= there
    with database.begin() as connection:
        migrate(connection, "base")
    assert _tables(database) == set()
    with database.begin() as connection:
        migrate(connection, "base")  # nothing to do
        migrate(connection)
        migrate(connection)
    assert _tables(database) == there


def test_migration_that_does_not_commit_leaves_no_table(database: Database) -> None:
    with database.begin() as connection:
        migrate(connection, "base")
    with pytest.raises(RuntimeError, match="power"), database.begin() as connection:  # noqa: PT012 - the first must be undone
        migrate(connection)
        raise RuntimeError("power")
    assert _tables(database) == set()


def test_tables_of_a_newer_version_are_refused(database: Database, database_url: str) -> None:
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(InvalidInput, match=r"'9999'.*a newer Headrace"):
        open_database(database_url)
