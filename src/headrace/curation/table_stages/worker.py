"""The program of a worker process: `python -m headrace.curation.table_stages.worker`."""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from headrace.curation.table_stages.gathering import Gatherer
from headrace.curation.table_stages.merge_partition import merge_partition
from headrace.curation.table_stages.scattering import scatter
from headrace.errors import HeadraceError

__all__ = ["main"]

_STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    "scatter": scatter,
    "gather": Gatherer().gather,
    "merge": merge_partition,
}


def main() -> None:
    """Do tasks until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    tasks: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(tasks,), daemon=True).start()
    while True:
        task = json.loads(tasks.get())
        try:
            answer = _STEPS[task.pop("step")](**task)
        except HeadraceError as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        except Exception as error:  # noqa: BLE001 - it goes to the caller, who raises it
            traceback.print_exc()
            answer = {"error": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def _read(tasks: SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        tasks.put(line)
    os._exit(0)  # the caller is gone: even in the middle of a task there is nobody to work for


if __name__ == "__main__":
    main()
