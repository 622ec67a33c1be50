"""The process that runs operators. It may crash, hang or be killed; whoever started it knows at which row."""

from __future__ import annotations

import mmap
import os
import signal
import struct
import sys
import time
from typing import Any, Final

import numpy as np

from headrace.curation.executor.framing import read_message, table_from_bytes, write_message
from headrace.curation.executor.step import step_from_json
from headrace.curation.executor.task import Task
from headrace.curation.executor.task_running import Started, run_task
from headrace.curation.input_ids import ID_BYTES
from headrace.curation.ledger import Ledger, block_schema
from headrace.curation.media_access import MediaAccess
from headrace.errors import HeadraceError

__all__ = ["SPOT", "SPOT_BYTES", "main"]

SPOT: Final = struct.Struct("<qqd")
"""Place of the row in its task, the step, and since when (`time.monotonic`, the same clock in all processes)."""

SPOT_BYTES: Final = 64  # a cache line for each worker


def main() -> None:
    """Take tasks from standard input until it ends. Arguments: descriptor of the spots, this worker's offset."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the run decides
    answers = os.dup(1)
    os.dup2(2, 1)  # what operators print is no answer
    offset = int(sys.argv[2])
    spots = mmap.mmap(int(sys.argv[1]), 0)

    def started(place: int, step_idx: int) -> None:
        SPOT.pack_into(spots, offset, place, step_idx, time.monotonic())

    setup = read_message(0)
    if setup is None:
        return
    try:
        worker = _Worker(setup[0])
        write_message(answers, {"ready": True})
        while (message := read_message(0)) is not None:
            write_message(answers, worker.run(message[0], message[1], started))
    except BrokenPipeError:
        return
    except HeadraceError as error:
        write_message(answers, {"error": [type(error).__name__, error.message]})


class _Worker:
    """What stays between tasks: operators with their models, open snapshots, ledgers."""

    def __init__(self, setup: dict[str, Any]) -> None:
        from headrace.connecting import connect

        self._steps = [step_from_json(document) for document in setup["steps"]]
        sources = setup["sources"].items()
        store = connect(setup["store"]).store
        snapshots = {name: connect(uri).snapshot(reference) for name, (uri, reference) in sources}
        self._media = MediaAccess(snapshots, store, setup["base"])
        self._ledgers = [
            Ledger(store, base, schema=block_schema(step.spec))
            for base, step in zip(setup["ledgers"], self._steps, strict=True)
        ]

    def run(self, head: dict[str, Any], body: bytes, started: Started) -> dict[str, Any]:
        """Put the blocks of one task into the ledgers; the answer."""
        table = table_from_bytes(body)
        ids = [
            np.frombuffer(table.column(f"_input{idx}").combine_chunks().buffers()[1], f"S{ID_BYTES}", table.num_rows)
            for idx in range(len(head["steps"]))
        ]
        task = Task(table, tuple(head["steps"]), tuple(ids), head["attempt"])
        for idx, block in zip(task.step_idxs, run_task(task, self._steps, self._media, started=started), strict=True):
            self._ledgers[idx].put(block)
        return {"done": head["task"]}


if __name__ == "__main__":
    main()
