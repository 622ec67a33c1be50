"""A database that is open: transactions whose failures are Headrace's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import exc

from headrace.errors import Unavailable

__all__ = ["READ_ONLY", "Database"]

READ_ONLY = "headrace_read_only"
"""The execution option of a transaction that takes no write lock on SQLite."""


class Database:
    """Transactions on one engine; may be used by several threads, each with its own connection."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    @property
    def has_own_clock(self) -> bool:
        """Whether processes on several machines may use it, so that the time must be the server's."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """One transaction that may write; on SQLite it is the only one until it ends.

        Raises:
            Unavailable: The database did not answer, or another process kept it locked for too long.
        """
        with self._transaction(is_read_only=False) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One transaction that only reads, beside any writer.

        Raises:
            Unavailable: As `begin`.
        """
        with self._transaction(is_read_only=True) as connection:
            yield connection

    def close(self) -> None:
        """Give all connections back; a second call does nothing."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self, *, is_read_only: bool) -> Iterator[sa.Connection]:
        engine = self.engine.execution_options(**{READ_ONLY: True}) if is_read_only else self.engine
        try:
            with engine.begin() as connection:
                yield connection
        except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
            cause = getattr(error, "orig", None) or error
            raise Unavailable(
                f"the service's database {self.engine.url.render_as_string(hide_password=True)} did not answer: "
                f"{str(cause).strip()}. Look whether it runs and can be written to, then try again"
            ) from error

    def __repr__(self) -> str:
        return f"Database({self.engine.url.render_as_string(hide_password=True)!r})"
