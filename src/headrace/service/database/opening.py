"""Opening the service's database by its URL, with the tables of this version."""

from __future__ import annotations

from pathlib import Path
from sqlite3 import Connection as SqliteConnection

import sqlalchemy as sa
from sqlalchemy import event, exc

from headrace.errors import InvalidInput
from headrace.service.database.database import READ_ONLY, Database
from headrace.service.database.migrating import migrate

__all__ = ["open_database"]

_BUSY_TIMEOUT_SECONDS = 30.0
_CONNECT_TIMEOUT_SECONDS = 10
_EXAMPLES = "sqlite:///path/to/service.db or postgresql://user@host/database"


def open_database(url: str) -> Database:
    """The database at `url`, its tables brought to the newest migration.

    `sqlite:///relative.db` and `sqlite:////absolute.db` name a file, which is made if it is not there;
    `postgresql://user:password@host:port/name` a database that is. Several processes may open one at once.

    Raises:
        InvalidInput: The URL names something else, the file is no database, or a newer Headrace made the tables.
        Unavailable: The database does not answer.
    """
    database = Database(_engine(_parsed(url)))
    try:
        with database.begin() as connection:
            migrate(connection)
    except exc.DatabaseError as error:
        database.close()
        shown = database.engine.url.render_as_string(hide_password=True)
        raise InvalidInput(f"{shown} is no database for the service ({error.orig}); name another one") from error
    except BaseException:
        database.close()
        raise
    return database


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (exc.ArgumentError, ValueError) as error:
        raise InvalidInput(f"the database's URL cannot be read; expected {_EXAMPLES}") from error
    if parsed.drivername not in ("sqlite", "postgresql", "postgres"):
        raise InvalidInput(f"a database of kind {parsed.drivername!r} is not supported; expected {_EXAMPLES}")
    if parsed.drivername != "sqlite":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.database in (None, "", ":memory:"):
        raise InvalidInput(f"{url!r} names no file, and jobs must outlast the process; expected {_EXAMPLES}")
    folder = Path(str(parsed.database)).absolute().parent
    if not folder.is_dir():
        raise InvalidInput(f"the folder {str(folder)!r} of the database does not exist; make it first")
    return parsed


def _engine(url: sa.URL) -> sa.Engine:
    if url.drivername != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": _CONNECT_TIMEOUT_SECONDS})
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_SECONDS})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: SqliteConnection, _record: object) -> None:
    # Python's module would begin transactions by itself, but only at the first write: two that have read
    # could then both wait for the write lock, and one fails at once whatever the time-out.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # what was acknowledged outlasts a loss of power
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    is_read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")
