"""What import statements bind, without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["STAR", "ImportTarget", "imported_names"]

STAR = "*"


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """A module, or `name` inside of it."""

    module: str  # absolute
    name: str | None = None


def imported_names(
    statement: ast.Import | ast.ImportFrom, *, module: str, is_package: bool
) -> Iterator[tuple[str, ImportTarget]]:
    """Name that is bound and what it stands for; the name is `STAR` for `from x import *`.

    Args:
        module: Name of the module that holds the statement.
        is_package: Whether that is a package, where `from . import x` starts.
    """
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            if alias.asname is not None:
                yield alias.asname, ImportTarget(alias.name)
            else:
                root = alias.name.partition(".")[0]
                yield root, ImportTarget(root)
        return
    origin = statement.module or ""
    if statement.level:
        parts = module.split(".") if module else []
        above = statement.level - (1 if is_package else 0)
        base = ".".join(parts[: len(parts) - above]) if above else module
        origin = f"{base}.{origin}".strip(".")
    for alias in statement.names:
        yield alias.asname or alias.name, ImportTarget(origin, alias.name)
