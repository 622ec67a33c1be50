"""The process that runs operators. It may crash, hang or be killed; whoever started it knows at which rows.

It runs as many tasks at once as it is given, each in a thread of its own (a lane), the first one in the main thread.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import traceback
from typing import Any, NoReturn

from headrace.curation.executor.first_calls import FirstCalls
from headrace.curation.executor.framing import read_message, write_message
from headrace.curation.executor.spots import Spots
from headrace.curation.executor.step import step_from_json
from headrace.curation.executor.task_messages import task_from_message
from headrace.curation.executor.task_running import run_task
from headrace.curation.ledger import Ledger, block_schema
from headrace.curation.media_access import MediaAccess
from headrace.errors import HeadraceError

__all__ = ["main"]


def main() -> None:
    """Take tasks from standard input until it ends. Argument: descriptor of the spots."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the run decides
    messages, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # programs that operators start read no tasks
    os.close(nothing)
    os.dup2(2, 1)  # what operators print is no answer
    spots = Spots.inherited(int(sys.argv[1]))
    setup = read_message(messages)
    if setup is None:
        return
    try:
        lanes = _Lanes(setup[0], answers, spots)
    except HeadraceError as error:
        write_message(answers, _error(error))
        return
    write_message(answers, {"ready": True})
    threading.Thread(target=lanes.take_all, args=(messages,), name="headrace-messages", daemon=True).start()
    lanes.run()


class _Lanes:
    """What stays between tasks: operators with their models, open snapshots. The lanes share it."""

    def __init__(self, setup: dict[str, Any], answers: int, spots: Spots) -> None:
        from headrace.connecting import connect

        self._answers = answers
        self._spots = spots
        self._steps = [step_from_json(document) for document in setup["steps"]]
        sources = setup["sources"].items()
        self._store = connect(setup["store"]).store
        snapshots = {name: connect(uri).snapshot(reference) for name, (uri, reference) in sources}
        self._media = MediaAccess(snapshots, self._store, setup["base"])
        self._ledger_bases: list[str] = setup["ledgers"]
        self._first_calls = FirstCalls(len(self._steps))
        self._tasks: queue.SimpleQueue[tuple[dict[str, Any], bytes]] = queue.SimpleQueue()
        self._lock = threading.Lock()  # of the counts and of the answers
        self._num_lanes = 1
        self._num_tasks = 0  # that wait or run

    def take_all(self, messages: int) -> NoReturn:
        """Read tasks; the process ends with the one that started it, whatever its lanes are at."""
        try:
            while (message := read_message(messages)) is not None:
                with self._lock:
                    self._num_tasks += 1
                    is_short = self._num_tasks > self._num_lanes
                    self._num_lanes += is_short
                self._tasks.put(message)
                if is_short:
                    threading.Thread(target=self.run, name="headrace-lane", daemon=True).start()
        except BaseException:  # noqa: BLE001 - a worker that reads no more must not live on
            traceback.print_exc()
        os._exit(0)

    def run(self) -> NoReturn:
        """Run one task after the other."""
        try:
            # A ledger is not thread-safe.
            bases = zip(self._ledger_bases, self._steps, strict=True)
            ledgers = [Ledger(self._store, base, schema=block_schema(step.spec)) for base, step in bases]
            while True:
                head, body = self._tasks.get()
                self._run_task(head, body, ledgers)
                with self._lock:
                    self._num_tasks -= 1  # before the answer, so that the next task finds this lane
                    write_message(self._answers, {"done": head["slot"]})
        except BrokenPipeError:
            os._exit(0)
        except HeadraceError as error:
            with self._lock:
                write_message(self._answers, _error(error))
            os._exit(1)
        except BaseException:  # noqa: BLE001 - as where it had no lanes: the whole process ends, and its rows are known
            traceback.print_exc()
            os._exit(1)

    def _run_task(self, head: dict[str, Any], body: bytes, ledgers: list[Ledger]) -> None:
        """Put the blocks of one task into the ledgers."""
        task = task_from_message(head, body)
        slot: int = head["slot"]

        def started(place: int, step_idx: int) -> None:
            self._spots.write(slot, place, step_idx)

        blocks = run_task(task, self._steps, self._media, started=started, first_calls=self._first_calls)
        for idx, block in zip(task.step_idxs, blocks, strict=True):
            ledgers[idx].put(block)


def _error(error: HeadraceError) -> dict[str, Any]:
    return {"error": [type(error).__name__, error.message]}


if __name__ == "__main__":
    main()
