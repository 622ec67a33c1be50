"""One URL, two databases: what opening refuses, and what a transaction promises."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from headrace.errors import InvalidInput, Unavailable
from headrace.service.database import Database, open_database


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://me@host/jobs", "'mysql' is not supported"),
        ("no url", "cannot be read"),
        ("", "cannot be read"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////no/such/folder/service.db", "'/no/such/folder'"),
    ],
)
def test_url_that_names_no_database_is_refused(url: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_database(url)
    assert said in caught.value.message


def test_password_is_in_no_message() -> None:
    with pytest.raises(Unavailable) as caught:
        open_database("postgresql://me:geheim@127.0.0.1:1/jobs")
    assert "geheim" not in caught.value.message
    assert "127.0.0.1" in caught.value.message


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ünïcode.db").write_bytes(b"this is text, and long enough to be no header of SQLite" * 100)
    with pytest.raises(InvalidInput, match="is no database for the service"):
        open_database(f"sqlite:///{tmp_path / 'ünïcode.db'}")


def test_eight_may_open_an_empty_database_at_once(database_url: str) -> None:
    start = threading.Barrier(8)

    def open_it(_number: int) -> list[str]:
        start.wait()
        database = open_database(database_url)
        tables = sa.inspect(database.engine).get_table_names()
        database.close()
        return sorted(tables)

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(open_it, range(8)))
    assert seen == [["alembic_version", "job_log", "jobs"]] * 8


def test_error_in_a_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(sa.exc.DatabaseError), database.begin() as connection:  # noqa: PT012 - the first must be undone
        connection.execute(sa.text("CREATE TABLE traces (x INTEGER)"))
        connection.execute(sa.text("INSERT INTO jobs (state) VALUES ('x')"))
    assert "traces" not in sa.inspect(database.engine).get_table_names()


def test_transactions_that_read_and_then_write_wait_for_each_other(database: Database) -> None:
    """On SQLite the default of Python's module fails here: a reader cannot become a writer behind another one."""
    with database.begin() as connection:
        connection.execute(sa.text("CREATE TABLE counts (x INTEGER)"))
        connection.execute(sa.text("INSERT INTO counts VALUES (0)"))
    lock = "" if database.engine.dialect.name == "sqlite" else " FOR UPDATE"

    def add(_number: int) -> None:
        with database.begin() as connection:
            count = connection.execute(sa.text(f"SELECT x FROM counts{lock}")).scalar_one()
            connection.execute(sa.text("UPDATE counts SET x = :x"), {"x": count + 1})

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(60)))
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT x FROM counts")).scalar_one() == 60


def test_reader_does_not_wait_for_a_writer(database: Database) -> None:
    with database.begin() as writer:
        writer.execute(sa.text("DELETE FROM jobs"))
        with database.read() as reader:
            assert reader.execute(sa.text("SELECT count(*) FROM jobs")).scalar_one() == 0
