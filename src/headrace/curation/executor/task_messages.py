"""A task as it travels to another process: a JSON head and a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headrace.curation.executor.framing import table_bytes, table_from_bytes
from headrace.curation.executor.task import Task
from headrace.curation.input_ids import ID_BYTES, id_array

__all__ = ["task_from_message", "task_message"]


def task_message(task: Task) -> tuple[dict[str, Any], bytes]:
    """Head and body."""
    table = task.table
    for idx, ids in enumerate(task.ids):
        table = table.append_column(f"_input{idx}", id_array(ids))
    head = {"steps": list(task.step_idxs), "attempt": task.attempt, "is_alone": task.is_alone}
    return head, table_bytes(table)


def task_from_message(head: Mapping[str, Any], body: bytes) -> Task:
    """What `task_message` made."""
    table = table_from_bytes(body)
    num_columns = table.num_columns - len(head["steps"])
    ids = [
        np.frombuffer(column.combine_chunks().buffers()[1], f"S{ID_BYTES}", table.num_rows)
        for column in table.columns[num_columns:]
    ]
    return Task(
        table.select(list(range(num_columns))), tuple(head["steps"]), tuple(ids), head["attempt"], head["is_alone"]
    )
