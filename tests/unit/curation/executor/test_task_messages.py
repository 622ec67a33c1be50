from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from headrace.curation.executor.task import Task
from headrace.curation.executor.task_messages import task_from_message, task_message
from headrace.curation.input_ids import input_ids


def test_task_travels_as_it_is_and_further() -> None:
    """Also a second time: a host sends back what it was sent."""
    table = pa.table({"_id": ["a", "b", "c"], "text": ["süß", None, ""]})
    ids = input_ids([table.column("text")], num_rows=3)
    task = Task(table, (0, 3), (ids, ids[::-1].copy()), attempt=2, is_alone=True)
    for _ in range(2):
        head, body = task_message(task)
        found = task_from_message(json.loads(json.dumps(head)), body)
        assert found.table.equals(table)
        assert (found.step_idxs, found.attempt, found.is_alone) == ((0, 3), 2, True)
        for mine, theirs in zip(found.ids, task.ids, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        task = found


def test_task_without_rows_travels() -> None:
    table = pa.table({"_id": pa.array([], pa.string())})
    head, body = task_message(Task(table, (1,), (np.empty(0, "S16"),)))
    assert task_from_message(head, body).num_rows == 0
