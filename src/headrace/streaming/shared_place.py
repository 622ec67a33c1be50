"""Where torch's workers start, known to every copy of a dataset, because torch tells them nothing of each other.

torch's DataLoader iterates copies, in processes that it starts anew for each epoch or keeps. A copy that begins says so
in memory that all of them share: the first one of an iteration settles where it starts, the others join it. So epochs
advance by themselves, and the trainer knows that its own copy is not the one that moves.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from multiprocessing import reduction
from multiprocessing.context import get_spawning_popen
from typing import Any

from headrace.errors import InvalidInput
from headrace.storage.nameless_file import nameless_file
from headrace.streaming.torch_face import TorchWorker, trainer_pid

__all__ = ["Place", "SharedPlace", "shared_with_spawned"]

Place = dict[str, Any]
"""Plain JSON: an epoch, or a state."""

_HALF_BYTES = 1 << 19
_HEADER = struct.Struct("<QQQ")  # which half counts, length of each
_KEPT_ITERATIONS = 64  # of one trainer: workers of a loader may be some iterations apart


class SharedPlace:
    """For each trainer, a process with workers: what it said last, and the iterations that its workers began since.

    Goes to processes by fork, and by pickling while one is started. Each access is short and alone among processes; one
    that is killed leaves the last whole entry.
    """

    def __init__(self) -> None:
        self._open(nameless_file(_HEADER.size + 2 * _HALF_BYTES, label="headrace-place"))

    def _open(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._region = mmap.mmap(descriptor, _HEADER.size + 2 * _HALF_BYTES)
        self._pid = os.getpid()
        self._iterations = 0  # that this process began

    def say(self, place: Place) -> None:
        """The next iteration of workers starts there."""
        with self._entries() as entries:
            entries[_name()] = {"next": place, "begun": {}}

    def forget(self) -> Place | None:
        """Workers start where their copies stand, because the trainer moves its own one; gives what `begun` gave."""
        with self._entries() as entries:
            return _begun(entries.pop(_name(), None))

    def begun(self) -> Place | None:
        """Where the newest iteration of workers started; None if none began since the trainer said something."""
        with self._alone():
            return _begun(self._read().get(_name()))

    def join(
        self, worker: TorchWorker, *, stands_at: Place, following: Callable[[Place], Place], is_own: bool = False
    ) -> Place:
        """Where this worker starts, the same place for all workers of the iteration.

        Args:
            stands_at: Where this copy stands; counts if the trainer said nothing and nobody began.
            following: The place after an iteration that started somewhere, be it finished or left.
            is_own: This worker starts where it stands: each has a state of its own.
        """
        if self._pid != os.getpid():
            self._pid, self._iterations = os.getpid(), 0
        iteration = f"{worker.loader_seed}/{self._iterations}/{worker.num_workers}"
        self._iterations += 1
        with self._entries() as entries:
            entry = entries.setdefault(_name(), {"next": None, "begun": {}})
            begun = entry["begun"]
            joined = begun.get(iteration)
            if joined is None or worker.number in joined["workers"]:  # the same seed again is another iteration
                place = stands_at
                if entry["next"] is not None and not is_own:
                    place = entry["next"]
                elif begun and not is_own:
                    place = following(list(begun.values())[-1]["place"])
                begun.pop(iteration, None)
                joined = begun[iteration] = {"place": place, "workers": []}
                entry["next"] = None
                for old in list(begun)[:-_KEPT_ITERATIONS]:
                    del begun[old]
            joined["workers"].append(worker.number)
            settled: Place = stands_at if is_own else joined["place"]
            return settled

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def _entries(self) -> Iterator[dict[str, Any]]:
        """The entries of all trainers that live, to be changed."""
        with self._alone():
            entries = self._read()
            yield entries
            self._write({name: entry for name, entry in entries.items() if _is_alive(int(name))})

    def _read(self) -> dict[str, Any]:
        which, *lengths = _HEADER.unpack_from(self._region)
        start = _HEADER.size + which * _HALF_BYTES
        entries: dict[str, Any] = json.loads(self._region[start : start + lengths[which]] or b"{}")
        return entries

    def _write(self, entries: dict[str, Any]) -> None:
        data = json.dumps(entries).encode()
        if len(data) > _HALF_BYTES:
            raise InvalidInput(
                f"the state has {len(data):,} bytes: expected at most {_HALF_BYTES:,} for torch's workers"
            )
        other = 1 - _HEADER.unpack_from(self._region)[0]
        start = _HEADER.size + other * _HALF_BYTES
        self._region[start : start + len(data)] = data
        struct.pack_into("<Q", self._region, 8 * (1 + other), len(data))
        struct.pack_into("<Q", self._region, 0, other)  # last, so that a writer that is killed changes nothing

    def __getstate__(self) -> dict[str, Any]:
        return {"descriptor": reduction.DupFd(self._descriptor)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._open(state["descriptor"].detach())

    def __del__(self) -> None:
        descriptor = getattr(self, "_descriptor", -1)
        if descriptor >= 0:
            os.close(descriptor)


def shared_with_spawned(place: SharedPlace) -> SharedPlace | None:
    """The same for a process that is being started; None for any other copy, which moves on its own."""
    return None if get_spawning_popen() is None else place


def _begun(entry: dict[str, Any] | None) -> Place | None:
    if entry is None or entry["next"] is not None:
        return None
    newest: Place = list(entry["begun"].values())[-1]["place"]
    return newest


def _name() -> str:
    return str(trainer_pid())


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
