"""A lake of numbered rows, and ranks that stream it: each rank a process of its own that tells what it consumed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.connecting import connect
from headrace.datasets.snapshot import Snapshot
from headrace.streaming import ShuffleOptions, StreamingDataset
from proofs.forking import ChildEnd, Tell, in_child, in_children
from proofs.order.variants import make_loader
from proofs.scratch import scratch_folder

__all__ = [
    "KINDS",
    "Run",
    "Step",
    "Stream",
    "Topology",
    "Told",
    "change_lake",
    "make_lake",
    "merged",
    "run_ranks",
    "session_members",
    "warm_up",
]

KINDS = ("threads", "subprocess", "fork", "spawn")
_RUN_SECONDS = 240.0
_KILL_SECONDS = 0.02  # the longest time from a step to the kill

Told = dict[str, Any]
"""What a rank says of one batch: epoch, step, positions, ids, padding, and the state after it."""


@dataclass(frozen=True, slots=True)
class Topology:
    """Who streams: ranks, and what makes their batches."""

    world: int
    num_workers: int
    kind: str  # "none", "threads", "subprocess", or how worker processes start

    def __str__(self) -> str:
        return f"{self.world}x{self.num_workers}-{self.kind}"

    @classmethod
    def parse(cls, text: str) -> Topology:
        """What `str` gave."""
        size, _, kind = text.partition("-")
        world, _, workers = size.partition("x")
        return cls(int(world), int(workers), kind)

    def options(self) -> dict[str, Any]:
        """Arguments of the loader."""
        if self.kind in ("fork", "spawn", "forkserver"):
            return {"num_workers": self.num_workers, "workers": "processes", "multiprocessing_context": self.kind}
        return {"num_workers": self.num_workers, "workers": "threads" if self.kind == "none" else self.kind}


@dataclass(frozen=True, slots=True)
class Stream:
    """What is streamed."""

    folder: Path
    snapshot: str  # id
    where: str | None = None
    weights: str | None = None
    mode: str = "block"
    seed: int = 7
    block_rows: int = 64
    window_blocks: int = 4

    def open(self) -> Snapshot:
        """The snapshot."""
        return connect(str(self.folder)).snapshot(f"rows@id:{self.snapshot}")

    def dataset(
        self, snapshot: Snapshot, kind: type[StreamingDataset] = StreamingDataset, seed: int = 0
    ) -> StreamingDataset:
        """The dataset over it; `seed` is added to the stream's."""
        shuffle = ShuffleOptions(
            seed=self.seed + seed,
            mode="global" if self.mode == "global" else "block",
            block_rows=self.block_rows,
            window_blocks=self.window_blocks,
        )
        return kind(snapshot, where=self.where, weights=self.weights, shuffle=shuffle)


@dataclass(frozen=True, slots=True)
class Run:
    """One start of all ranks."""

    topology: Topology
    global_batch: int
    state: Told | None = None
    is_changed: bool = False  # the state is of an earlier snapshot
    last_epoch: int = 1
    kill_steps: int | None = None  # about so many steps until SIGKILL
    bug: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One global batch."""

    epoch: int
    step: int
    members: tuple[tuple[int, int], ...]  # (position, id) without padding, by position


def make_lake(folder: Path, *, num_rows: int) -> str:
    """A lake with the dataset "rows": ids 0 … num_rows - 1, weights 0 … 4; the snapshot's id."""

    def work(tell: Tell) -> None:
        schema = pa.schema([("id", pa.int64()), ("weight", pa.float64())])
        rows = connect(str(folder)).create_dataset("rows", schema=schema, key="id", on_duplicate_key="replace")
        rows.commit(_table(range(num_rows), schema))
        tell(rows.snapshot().id)

    return _only_line(in_child(work))


def change_lake(folder: Path, *, delete: str | None, add: range) -> str:
    """Delete some rows and commit new ones; the new snapshot's id."""

    def work(tell: Tell) -> None:
        rows = connect(str(folder)).dataset("rows")
        if delete is not None:
            rows.delete_rows(where=delete)
        if add:
            rows.commit(_table(add, rows.schema))
        tell(rows.snapshot().id)

    return _only_line(in_child(work))


def _table(ids: range, schema: pa.Schema) -> pa.Table:
    numbers = list(ids)
    return pa.table({"id": numbers, "weight": [float(number % 5) for number in numbers]}).select(schema.names)


def _only_line(end: ChildEnd) -> str:
    if end.failure:
        raise RuntimeError(end.failure)
    return end.lines[-1]


def run_ranks(stream: Stream, run: Run, *, seed: int) -> tuple[list[list[Told]], list[str]]:
    """What each rank told, and what went wrong with the processes."""
    works = [_rank_work(stream, run, rank=rank, seed=seed) for rank in range(run.topology.world)]
    ends = in_children(works, timeout_seconds=_RUN_SECONDS if run.kill_steps is None else 60.0)
    told: list[list[Told]] = []
    problems: list[str] = []
    for rank, end in enumerate(ends):
        lines = [json.loads(line) for line in end.lines]
        told.append([line for line in lines if "epoch" in line])
        if end.failure:
            problems.append(f"rank {rank} of {run.topology}: {end.failure}")
        (pid,) = [line["pid"] for line in lines if "pid" in line] or [0]
        problems += [f"rank {rank} of {run.topology} left process {left} behind" for left in _left_over(pid)]
        names = {name for line in lines for name in line.get("shared", [])}
        for name in sorted(names):
            if os.path.exists(name):
                problems.append(f"rank {rank} of {run.topology} left {name}")
                os.unlink(name)
    return told, problems


def _rank_work(stream: Stream, run: Run, *, rank: int, seed: int) -> Callable[[Tell], None]:
    def work(tell: Tell) -> None:
        os.setsid()  # whatever this rank starts is found by its session
        tell(json.dumps({"pid": os.getpid()}))
        chance = random.Random(f"{seed}/{rank}")
        kill_at = None if run.kill_steps is None else run.kill_steps + chance.randrange(3)
        snapshot = stream.open()
        loader = make_loader(
            run.bug, partial(stream.dataset, snapshot), global_batch_size=run.global_batch, rank=rank,
            world_size=run.topology.world, **run.topology.options(),
        )  # fmt: skip
        with loader:
            if run.state is not None:
                loader.load_state_dict(run.state, snapshot=snapshot if run.is_changed else None)
            count = 0
            while loader.state_dict()["segments"][-1]["epoch"] <= run.last_epoch:
                for batch in loader:
                    count += 1
                    tell(json.dumps(_told(batch, loader.state_dict(), has_state=kill_at is not None or count % 7 == 3)))
                    if count == 1 and kill_at is not None:
                        tell(json.dumps({"shared": _shared_names(stream.folder)}))
                    if count == kill_at:
                        threading.Thread(target=_kill, args=(chance.uniform(0, _KILL_SECONDS),), daemon=True).start()
                    elif kill_at is not None and count >= kill_at:
                        time.sleep(_KILL_SECONDS / 4)

    return work


def _told(batch: Any, state: Told, *, has_state: bool) -> Told:
    """One line; the state only now and then, because it is long."""
    if state != batch.state_dict():
        raise AssertionError(f"in the body of a batch the loader says {state}, the batch {batch.state_dict()}")
    ids = batch["id"].tolist() if len(batch) else []
    line = {
        "epoch": batch.epoch,
        "step": batch.step,
        "positions": batch.positions.tolist(),
        "ids": ids,
        "padding": batch.padding.tolist(),
    }
    return {**line, "state": state} if has_state else line


def _kill(seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def merged(told: Sequence[Sequence[Told]], *, global_batch: int, is_cut: bool) -> tuple[list[Step], list[str]]:
    """The global batches that all ranks together consumed, and what is wrong with them.

    Args:
        is_cut: The ranks were killed: what not all of them consumed is lost with them.
    """
    problems: list[str] = []
    counts = [len(lines) for lines in told]
    if not is_cut and len(set(counts)) > 1:
        problems.append(f"ranks took different numbers of steps: {counts}")
    steps = []
    for lines in zip(*told):
        places = {(line["epoch"], line["step"]) for line in lines}
        if len(places) != 1:
            problems.append(f"ranks stand at different steps: {sorted(places)}")
        states = {json.dumps(line["state"], sort_keys=True) for line in lines if "state" in line}
        if len(states) > 1:
            problems.append(f"ranks have different states: {sorted(states)[:2]}")
        problems += [f"a state of {len(state)} bytes" for state in states if len(state) > 4096]
        pairs = [
            (pair, is_padding)
            for line in lines
            for pair, is_padding in zip(zip(line["positions"], line["ids"]), line["padding"])
        ]
        members = tuple(sorted(pair for pair, is_padding in pairs if not is_padding))
        where = f"epoch {lines[0]['epoch']} step {lines[0]['step']}"
        if len({position for position, _ in members}) < len(members):
            problems.append(f"{where}: a position twice")
        if any(is_padding and pair not in members for pair, is_padding in pairs):
            problems.append(f"{where}: padding repeats a sample that is not of this step")
        if len(members) == global_batch and len(pairs) > len(members):
            problems.append(f"{where}: padding in a whole step")
        if len(members) < global_batch and len({len(line["ids"]) for line in lines}) > 1:
            problems.append(f"{where}: ranks got different numbers of samples in the last step")
        steps.append(Step(lines[0]["epoch"], lines[0]["step"], members))
    return steps, problems


def _left_over(session: int, *, seconds: float = 5.0) -> list[int]:
    """Processes of a session that do not end by themselves; they are ended here."""
    if session <= 0:
        return []
    deadline = time.monotonic() + seconds
    while (members := session_members(session)) and time.monotonic() < deadline:
        time.sleep(0.02)  # looked at again until the deadline
    for pid in members:
        os.kill(pid, signal.SIGKILL)
    return members


def session_members(session: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            fields = Path("/proc", name, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            found.append(int(name))
    return found


def _shared_names(scratch: Path) -> list[str]:
    """Files with a name in /dev/shm that processes of this session hold, but for the lake itself."""
    names = set()
    for pid in session_members(os.getsid(0)):
        held: list[str] = []
        with contextlib.suppress(OSError):  # the process ended meanwhile
            lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
            held += [line.split(maxsplit=5)[5] for line in lines if "/dev/shm/" in line]
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):  # closed meanwhile, as the one that this listing was read with
                    held.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
        names |= {name for name in held if name.startswith("/dev/shm/") and not name.startswith(str(scratch))}
    return sorted(names)


def warm_up() -> None:
    """What ranks import on their way, for `preload`."""
    with scratch_folder() as folder:
        stream = Stream(folder, make_lake(folder, num_rows=200), where="id % 2 = 0")
        for kind in ("threads", "fork"):
            told, problems = run_ranks(stream, Run(Topology(1, 1, kind), 16, last_epoch=0), seed=0)
            if problems or not told[0]:
                raise RuntimeError(f"the warm-up failed: {problems}")
        change_lake(folder, delete="id = 3", add=range(200, 210))
