"""Worker processes with threads inside: one, so that threads do not delay the trainer's, or several for transforms that
hold the GIL. Batches come back through a ring of shared memory; a pipe carries what is small.
"""

from __future__ import annotations

import builtins
import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.reduction import ForkingPickler
from pickle import PicklingError
from typing import Any

from headrace import errors
from headrace.errors import HeadraceError, InvalidInput, Unavailable
from headrace.streaming.allocator import keep_freed_memory
from headrace.streaming.making import BatchMaker, MadeBatch, PackedBatch, Task, pack, unpack
from headrace.streaming.ring import Ring, SlotRoom
from headrace.streaming.samples import Stage, describe_stage

__all__ = ["ProcessEngine"]

_CONSUMER_SLOTS = 2  # that the consumer may hold at once; further batches are copied out
_STOP_SECONDS = 1.0
_FREE_SLOT_SECONDS = 60.0
_STOP = "stop"
_GUARD = (
    "It writes why to stderr. Worker processes import the script again: what it runs belongs below "
    'if __name__ == "__main__":, or give multiprocessing_context="fork"'
)
_PARENT_SECONDS = 1.0  # between looks at whether the trainer is still there


@dataclass(slots=True)
class _Worker:
    process: Any  # of the chosen context
    connection: Connection
    under_way: set[int]
    has_maker: bool
    has_answered: bool = False


class ProcessEngine:
    """Starts its processes once; they live until `close`. Nothing of them survives the process that made them."""

    def __init__(
        self,
        maker: BatchMaker,
        *,
        num_processes: int,
        threads_per_process: int,
        depth: int,
        slot_bytes: int,
        start_method: str,
    ) -> None:
        self.depth = depth
        self._ring = Ring(depth + _CONSUMER_SLOTS + 1, slot_bytes=slot_bytes)
        self._slots: dict[int, int] = {}  # task to slot
        self._results: dict[int, PackedBatch | BaseException] = {}
        self._forgotten: set[int] = set()
        self._workers: list[_Worker] = []
        self._imports_script = start_method != "fork"
        context = multiprocessing.get_context(start_method)
        # A worker of the fork server is no child of the trainer, but inherits no pipe either.
        parent_pid = None if start_method == "forkserver" else os.getpid()
        # A fork inherits the maker. Others read it from our own pipe, because the one of `multiprocessing` blocks for
        # ever where a worker ends before it has read more than the pipe holds (CPython keeps its other end open).
        carried = None if start_method == "fork" else _pickled(maker)
        try:
            for idx in range(num_processes):
                given = maker if carried is None else None
                self._workers.append(self._start(context, given, idx, threads_per_process, parent_pid))
            if carried is not None:
                for worker in self._workers:
                    self._give_maker(worker, carried)
        except BaseException:
            self.close()
            raise

    def _start(
        self, context: BaseContext, maker: BatchMaker | None, idx: int, num_threads: int, parent_pid: int | None
    ) -> _Worker:
        ours, theirs = context.Pipe()
        process = context.Process(  # type: ignore[attr-defined]
            target=_serve,
            args=(maker, self._ring, theirs, num_threads, parent_pid),
            name=f"headrace-worker-{idx}",
            daemon=True,
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, set(), has_maker=maker is not None)

    def _give_maker(self, worker: _Worker, carried: bytes) -> None:
        try:
            worker.connection.send_bytes(carried)
        except OSError:
            self._raise_died(worker)
        worker.has_maker = True

    def submit(self, task: Task) -> None:
        """As `Engine.submit`."""
        if not self._workers:
            raise InvalidInput("the loader was closed; iterate it again")
        slot = self._ring.take()
        deadline = time.monotonic() + _FREE_SLOT_SECONDS
        while slot is None:  # tasks that nobody wants any more are still under way
            if time.monotonic() > deadline or not any(worker.under_way for worker in self._workers):
                raise Unavailable(f"no room for a batch became free: {'; '.join(self.stages())}")
            self._receive(_STOP_SECONDS)
            slot = self._ring.take()
        worker = min(self._workers, key=lambda worker: len(worker.under_way))
        self._slots[task.number] = slot
        worker.under_way.add(task.number)
        try:
            worker.connection.send((task, slot))
        except OSError:
            self._raise_died(worker)

    def result(self, number: int, *, timeout_seconds: float) -> MadeBatch | None:
        """As `Engine.result`.

        Raises:
            Unavailable: A worker process died.
        """
        deadline = time.monotonic() + timeout_seconds
        while number not in self._results:
            left = deadline - time.monotonic()
            if left <= 0 or not self._receive(left):
                return None
        found = self._results.pop(number)
        slot = self._slots.pop(number)
        if isinstance(found, BaseException):
            self._ring.give_back(slot)
            raise found
        under_way = sum(len(worker.under_way) for worker in self._workers)
        held = self._ring.num_slots - self._ring.num_free - under_way - len(self._results) - 1
        is_copied = held >= _CONSUMER_SLOTS
        made = unpack(found, self._ring.slot(slot, is_owned=not is_copied), is_copied=is_copied)
        if is_copied:
            self._ring.give_back(slot)
        return made

    def _receive(self, timeout_seconds: float) -> bool:
        """Take in what workers sent; False if nothing came."""
        by_connection = {worker.connection: worker for worker in self._workers}
        ready = wait(list(by_connection), timeout_seconds)
        for connection in ready:
            self._receive_from(by_connection[connection])  # type: ignore[index]
        return bool(ready)

    def _receive_from(self, worker: _Worker) -> list[str] | None:
        """Take in one message; what it says of the stages, if it does."""
        try:
            number, result = worker.connection.recv()
        except (EOFError, OSError):
            self._raise_died(worker)
        worker.has_answered = True
        if number is None:
            stages: list[str] = result
            return stages
        worker.under_way.discard(number)
        if number in self._forgotten:
            self._forgotten.discard(number)
            self._ring.give_back(self._slots.pop(number))
        else:
            self._results[number] = _error(*result) if isinstance(result, tuple) else result
        return None

    def forget(self, number: int) -> None:
        """As `Engine.forget`."""
        if self._results.pop(number, None) is not None:
            self._ring.give_back(self._slots.pop(number))
        elif number in self._slots:
            self._forgotten.add(number)

    def _raise_died(self, worker: _Worker) -> None:
        worker.process.join(_STOP_SECONDS)
        code = worker.process.exitcode
        how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
        when = "while it made batches" if worker.has_answered else "before it gave a batch"
        why = ""
        if code == -signal.SIGKILL:
            why = "Signal 9 usually means that memory ran out: fewer workers or a smaller batch help. "
        elif not worker.has_answered and self._imports_script and (code is None or code >= 0):
            why = f"{_GUARD}. "
        raise Unavailable(
            f"worker process {worker.process.pid} {how} {when}; {len(worker.under_way)} were under way. {why}The state "
            "is what was consumed: iterate again to go on"
        )

    def stages(self) -> list[str]:
        """As `Engine.stages`."""
        answers: list[str] = []
        for worker in self._workers:
            if not worker.under_way:
                continue
            try:
                worker.connection.send(None)
                texts: list[str] | None = None
                while texts is None and worker.connection.poll(_STOP_SECONDS):
                    texts = self._receive_from(worker)
                answers += [f"process {worker.process.pid}, {text}" for text in texts or ["does not answer"]]
            except Unavailable as died:
                answers.append(str(died))
            except (OSError, EOFError):
                answers.append(f"process {worker.process.pid} is gone")
        return answers

    def close(self) -> None:
        """As `Engine.close`."""
        for worker in self._workers:
            if worker.has_maker:  # else it may not read yet, and the pipe may be full
                with contextlib.suppress(OSError):
                    worker.connection.send(_STOP)
            worker.connection.close()
        deadline = time.monotonic() + _STOP_SECONDS
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join(_STOP_SECONDS)
        self._workers = []


def _pickled(maker: BatchMaker) -> bytes:
    try:
        return bytes(ForkingPickler.dumps(maker))
    except (AttributeError, TypeError, PicklingError) as error:  # what pickle raises for what it cannot carry
        raise InvalidInput(
            f"the dataset cannot be sent to a worker process: {error}. Transforms and collate must be functions or "
            "classes of a module, not lambdas or local ones; or use workers='threads', or "
            "multiprocessing_context='fork'"
        ) from error


def _serve(
    inherited: BatchMaker | None, ring: Ring, connection: Connection, num_threads: int, parent_pid: int | None
) -> None:
    """A worker process: threads make batches until the pipe ends or the trainer is gone."""
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the consumer decides; Ctrl-C reaches the whole process group
    tasks: queue.SimpleQueue[tuple[Task, int]] = queue.SimpleQueue()
    stages: dict[int, Stage] = {}
    sending = threading.Lock()
    parent = multiprocessing.parent_process()
    waited: list[Any] = [connection] if parent is None else [connection, parent.sentinel]

    def send(message: object) -> None:
        try:
            with sending:
                connection.send(message)
        except OSError:  # nobody listens any more
            os._exit(0)

    def receive() -> bytes:
        # A process that the trainer forked and that outlives it holds both pipes open, so the parent's number is looked
        # at too. It is the one that the trainer gave, because the trainer may be gone before this line.
        while True:
            ready = wait(waited, _PARENT_SECONDS)
            if not ready and parent_pid in (None, os.getppid()):
                continue
            if connection not in ready:
                os._exit(0)  # the parent died
            try:
                return connection.recv_bytes()
            except (EOFError, OSError):
                os._exit(0)

    maker: BatchMaker = ForkingPickler.loads(receive()) if inherited is None else inherited
    for idx in range(num_threads):
        thread = threading.Thread(
            target=_make_batches, args=(maker, ring, tasks, stages, send), name=f"headrace-batch-{idx}", daemon=True
        )
        thread.start()
    while True:
        message = ForkingPickler.loads(receive())
        if message == _STOP:
            os._exit(0)
        if message is None:
            send((None, [describe_stage(number, stage) for number, stage in list(stages.items())]))
        else:
            stages[message[0].number] = Stage()
            tasks.put(message)


def _make_batches(
    maker: BatchMaker,
    ring: Ring,
    tasks: queue.SimpleQueue[tuple[Task, int]],
    stages: dict[int, Stage],
    send: Callable[[object], None],
) -> None:
    while True:
        task, number = tasks.get()
        slot = ring.slot(number, is_owned=False)
        result: object
        try:
            result = pack(maker.make(task, allocate=SlotRoom(slot), stage=stages[task.number]), slot)
        except BaseException as error:  # noqa: BLE001 - raised where the batch is consumed
            result = (type(error).__module__, type(error).__name__, str(error))
        stages.pop(task.number, None)
        try:
            send((task.number, result))
        except Exception as error:  # noqa: BLE001 - whatever a value's own pickling raises
            what = f"a field of the batch cannot be sent from a worker process: {error}; use workers='threads'"
            send((task.number, (InvalidInput.__module__, InvalidInput.__name__, what)))


def _error(module: str, name: str, message: str) -> BaseException:
    """The error of a worker process, rebuilt from its class's name and its message."""
    home = errors if module == errors.__name__ else builtins if module == "builtins" else None
    kind = getattr(home, name, None)
    if isinstance(kind, type) and issubclass(kind, HeadraceError | Exception):
        try:
            return kind(message)
        except TypeError:  # a class that takes more than a message
            pass
    return RuntimeError(f"{module}.{name}: {message}")
