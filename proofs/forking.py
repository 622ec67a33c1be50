"""Forked processes: workers that cases are dealt to, and children that may be killed.

A worker imports everything once and never starts a thread; each piece of work runs in a child that it forks, so that
a case costs milliseconds instead of the start of Python. The child may start threads, hang, crash or be killed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from proofs.outcomes import CaseResult

__all__ = ["ChildEnd", "Tell", "in_child", "in_children", "on_one_core", "preload", "run_cases"]

Tell = Callable[[str], None]
"""Sends one line to the parent; it has arrived in the pipe when the call returns, even if the sender is killed next."""

_CHILD_SECONDS = 120.0
_WORKER_IDX = 0  # of this process; set in a worker right after its fork


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """What became of a child."""

    lines: tuple[str, ...]  # what it told
    signal: int  # that killed it, 0 if none
    failure: str  # traceback, or "" if it ended well or was killed

    @property
    def was_killed(self) -> bool:
        return self.signal == signal.SIGKILL


def in_child(work: Callable[[Tell], None], *, timeout_seconds: float = _CHILD_SECONDS) -> ChildEnd:
    """Run `work` in a forked child and wait for its end."""
    return in_children([work], timeout_seconds=timeout_seconds)[0]


def in_children(
    works: Sequence[Callable[[Tell], None]],
    *,
    first: int = 0,
    then: Callable[[], object] = lambda: None,
    timeout_seconds: float = _CHILD_SECONDS,
) -> list[ChildEnd]:
    """Run each in a child of its own, all at once; `then` is called when the first few have ended."""
    pids: list[int] = []
    pipes: list[int] = []
    with selectors.DefaultSelector() as selector:
        for work in works:
            reader, writer = os.pipe()
            pids.append(_fork(lambda work=work, writer=writer: _tell_errors(work, writer), keep=writer, close=reader))  # type: ignore[misc]
            os.close(writer)
            pipes.append(reader)
            selector.register(reader, selectors.EVENT_READ, bytearray())
        told = {reader: selector.get_key(reader).data for reader in pipes}
        awaited = set(pipes[:first])
        deadline = time.monotonic() + timeout_seconds
        while selector.get_map() and (ready := selector.select(max(0.0, deadline - time.monotonic()))):
            for key, _ in ready:
                chunk = os.read(key.fd, 1 << 16)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fd)
                    if key.fd in awaited:
                        awaited.discard(key.fd)
                        if not awaited:
                            then()
        late = {key.fd for key in selector.get_map().values()}
    for pid, reader in zip(pids, pipes, strict=True):
        if reader in late:
            os.kill(pid, signal.SIGKILL)
        os.close(reader)
    return [
        _end(bytes(told[reader]), os.waitpid(pid, 0)[1], timeout_seconds if reader in late else None)
        for pid, reader in zip(pids, pipes, strict=True)
    ]


def _end(data: bytes, status: int, hung_seconds: float | None) -> ChildEnd:
    lines = data.decode("utf-8", "replace").split("\n")[:-1]
    failures = [line.removeprefix("!").replace("\\n", "\n") for line in lines if line.startswith("!")]
    failure = failures[0] if failures else ""
    killed_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if hung_seconds is not None:
        failure, killed_by = f"it hung for {hung_seconds:.0f} s", 0
    elif killed_by not in (0, signal.SIGKILL):
        failure = f"it died of signal {killed_by}"
    return ChildEnd(tuple(line for line in lines if not line.startswith("!")), killed_by, failure)


def preload(work: Callable[[], None]) -> None:
    """Import here what `work` imports on its way, by doing it once in a child."""

    def report(tell: Tell) -> None:
        before = set(sys.modules)
        work()
        tell(json.dumps(sorted(set(sys.modules) - before)))

    end = in_child(report)
    if end.failure:
        raise RuntimeError(f"the warm-up failed: {end.failure}")
    for name in json.loads(end.lines[-1]):
        try:
            importlib.import_module(name)
        except ImportError:  # names that a package put there itself
            continue


def run_cases(check: Callable[[str], CaseResult], cases: Sequence[str], *, num_workers: int) -> Iterator[CaseResult]:
    """The result of each case, as they come; a case that dies is a violation of its own."""
    num_workers = max(1, min(num_workers, len(cases)))
    tickets, desk = os.pipe()
    selector = selectors.DefaultSelector()
    pids: list[int] = []
    for idx in range(num_workers):
        reader, writer = os.pipe()
        # A worker holds only its own end; an end that it inherited from its siblings would keep their pipes open.

        def work(idx: int = idx, writer: int = writer) -> None:
            _work(check, cases, tickets, writer, idx)

        pids.append(_fork(work, keep=writer, close=desk))
        os.close(writer)
        selector.register(reader, selectors.EVENT_READ, bytearray())
    os.close(tickets)
    waiting = list(range(len(cases)))
    unfinished: set[str] = set(cases)
    for idx in waiting:
        os.write(desk, idx.to_bytes(4, "little"))  # far fewer cases than a pipe holds
    os.close(desk)
    while selector.get_map():
        for key, _ in selector.select():
            data = os.read(key.fd, 1 << 16)
            if not data:
                selector.unregister(key.fileobj)
                os.close(key.fd)
                continue
            buffer: bytearray = key.data
            buffer += data
            while (end := buffer.find(b"\n")) >= 0:
                result = CaseResult.from_json(json.loads(bytes(buffer[:end])))
                del buffer[: end + 1]
                unfinished.discard(result.case)
                yield result
    for pid in pids:
        os.waitpid(pid, 0)
    for case in sorted(unfinished):
        yield CaseResult(case, 1, ["the worker died in or before this case"])


@contextmanager
def on_one_core() -> Iterator[None]:
    """Keep this process and its children on a core of its worker's: for threads that hand over to each other all the
    time, which takes several times as long between two cores."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(allowed)[_WORKER_IDX % len(allowed)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _work(check: Callable[[str], CaseResult], cases: Sequence[str], tickets: int, writer: int, worker_idx: int) -> None:
    global _WORKER_IDX
    _WORKER_IDX = worker_idx
    gc.collect()
    gc.freeze()  # so that its children share the heap; at the exit of a process that ends well libraries complain
    while ticket := os.read(tickets, 4):
        case = cases[int.from_bytes(ticket, "little")]
        try:
            result = check(case)
        except Exception:  # noqa: BLE001 - a proof that breaks has proved nothing
            result = CaseResult(case, 1, [f"the proof itself failed:\n{traceback.format_exc()}"])
        _write_all(writer, json.dumps(result.to_json()).encode() + b"\n")


def _fork(work: Callable[[], None], *, keep: int, close: int) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.close(close)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - nothing may return into the parent's stack
        traceback.print_exc()
    finally:
        os.close(keep)
        os._exit(code)


def _tell_errors(work: Callable[[Tell], None], writer: int) -> None:
    def tell(line: str) -> None:
        _write_all(writer, line.encode() + b"\n")

    try:
        work(tell)
    except Exception:  # noqa: BLE001 - told to the parent, which counts it
        tell("!" + traceback.format_exc().replace("\n", "\\n"))


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
