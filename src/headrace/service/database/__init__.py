"""The service's own tables, on SQLite or PostgreSQL: what is no part of a lake."""

from headrace.service.database.database import Database
from headrace.service.database.opening import open_database

__all__ = ["Database", "open_database"]
