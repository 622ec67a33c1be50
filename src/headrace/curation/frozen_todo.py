"""A work order that stays: which rows are to do, of which snapshots and by which plan, in one Parquet file.

A todo is what pipelines of this kind call the rows that are still to be measured: the inventory minus what is known.
What a plan finds to do moves with its sources and with every run. Frozen, it can be looked at, divided, approved and
kept; a run that follows it reads the same snapshots, whatever was committed since.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.errors import AlreadyExists, InvalidInput, NotFound, Unavailable

__all__ = ["TODO_SCHEMA", "FrozenTodo", "TodoRows"]

TODO_SCHEMA: Final = pa.schema(
    [
        pa.field("stage", pa.string(), nullable=False),
        pa.field("source", pa.string()),  # of the recipe
        pa.field("sample", pa.string()),  # _id in that source
        pa.field("is_sure", pa.bool_(), nullable=False),  # false where an earlier stage may drop the row
    ]
)
"""One row for each row that operators of a stage are to be called for, at most."""

_KEY = b"headrace.todo"
_FORMAT = 1


class TodoRows:
    """Rows to do as they are found, part by part."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []

    def add(self, stage: str, rows: pa.Table, is_open: NDArray[np.bool_], is_sure: NDArray[np.bool_]) -> None:
        """Add those of one part.

        Args:
            rows: With `_source` and `_id` where they are known, [num_rows].
            is_open: Rows to do, [num_rows].
            is_sure: Of these the ones that surely come, [num_rows].
        """
        chosen = pa.array(np.flatnonzero(is_open))
        num_rows = len(chosen)
        columns = [
            rows.column(name).take(chosen).cast(pa.string())
            if name in rows.column_names
            else pa.nulls(num_rows, pa.string())
            for name in ("_source", "_id")
        ]
        stages = pa.array([stage] * num_rows, pa.string())
        self._tables.append(pa.table([stages, *columns, pa.array(is_sure[is_open])], schema=TODO_SCHEMA))

    def table(self) -> pa.Table:
        """All of them: `TODO_SCHEMA`."""
        return pa.concat_tables([TODO_SCHEMA.empty_table(), *self._tables]).combine_chunks()


@dataclass(frozen=True, slots=True)
class FrozenTodo:
    """A frozen todo.

    Attributes:
        plan_hash: Of the recipe when it was frozen.
        snapshots: Of each source, the snapshot's id.
        rows: `TODO_SCHEMA`.
    """

    recipe: str
    plan_hash: str
    snapshots: Mapping[str, str]
    rows: pa.Table

    @property
    def num_rows(self) -> int:
        return int(self.rows.num_rows)

    def counts(self) -> dict[str, int]:
        """Rows to do at most, by stage, in the order of the stages."""
        stages = self.rows.column("stage").value_counts().to_pylist()
        return {entry["values"]: entry["counts"] for entry in stages}

    def write(self, path: Path) -> None:
        """Write it to a new file, whole or not at all.

        Raises:
            AlreadyExists: There is a file; a frozen todo is never changed.
            Unavailable: It cannot be written there; nothing is left.
        """
        document = {
            "format": _FORMAT,
            "recipe": self.recipe,
            "plan_hash": self.plan_hash,
            "snapshots": dict(self.snapshots),
        }
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(self.rows.replace_schema_metadata({_KEY: json.dumps(document).encode()}), temporary)
            os.link(temporary, path)
        except OSError as error:
            if isinstance(error, FileExistsError) and os.path.lexists(path):
                raise AlreadyExists(
                    f"{path} exists, and a frozen todo is never changed; name a new file, or delete this one"
                ) from error
            raise Unavailable(
                f"the todo cannot be written to {path}: {error.strerror or error}. Name a file in a folder that can be "
                "written to, on a disk that has room"
            ) from error
        finally:
            with suppress(OSError):  # where not even this is possible, nothing was written
                temporary.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: str | Path) -> FrozenTodo:
        """What `write` wrote.

        Raises:
            NotFound: There is no such file.
            InvalidInput: It is not a frozen todo.
        """
        path = Path(path)
        try:
            table = pq.read_table(path)
        except FileNotFoundError as error:
            raise NotFound(f"there is no file {path}; make one: headrace recipe plan RECIPE --freeze {path}") from error
        except (pa.ArrowException, OSError) as error:
            raise InvalidInput(f"{path} cannot be read as a frozen todo, which is Parquet: {error}") from error
        document = _document(table, path)
        rows = table.replace_schema_metadata(None)
        if rows.schema.names != TODO_SCHEMA.names:
            raise InvalidInput(f"{path} has the columns {rows.schema.names}; a frozen todo has {TODO_SCHEMA.names}")
        return cls(document["recipe"], document["plan_hash"], document["snapshots"], rows.cast(TODO_SCHEMA))

    def check_plan(self, plan_hash: str) -> None:
        """Raise `InvalidInput` if the recipe is not the one that was frozen."""
        if plan_hash != self.plan_hash:
            raise InvalidInput(
                f"the todo was frozen for plan {self.plan_hash[:12]} of {self.recipe!r}, and the recipe is plan "
                f"{plan_hash[:12]} now: recipe, settings, operators or models have changed. Freeze a new one, or run "
                "what was frozen"
            )


def _document(table: pa.Table, path: Path) -> dict[str, Any]:
    try:
        found = json.loads((table.schema.metadata or {})[_KEY])
        if found["format"] == _FORMAT and all(isinstance(found[key], str) for key in ("recipe", "plan_hash")):
            return {**found, "snapshots": {str(name): str(each) for name, each in found["snapshots"].items()}}
        reason = f"its format is {found['format']!r}, and this version reads {_FORMAT}"
    except (KeyError, TypeError, ValueError, AttributeError):
        reason = "it does not say for which plan it was frozen"
    raise InvalidInput(f"{path} is not a frozen todo: {reason}; make one: headrace recipe plan RECIPE --freeze FILE")
