"""The loader: batches in an order that depends on nothing but the data, the seed and the position."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

from headrace.errors import InvalidInput, Unavailable
from headrace.streaming.batch import Batch
from headrace.streaming.collating import Collate
from headrace.streaming.dataset import StreamingDataset
from headrace.streaming.engines.engine import Engine
from headrace.streaming.engines.inline import InlineEngine
from headrace.streaming.engines.processes import ProcessEngine
from headrace.streaming.engines.threads import ThreadEngine
from headrace.streaming.loader_statistics import LoaderStatistics
from headrace.streaming.making import BatchMaker, MadeBatch, Task
from headrace.streaming.stream_position import StreamPosition
from headrace.streaming.topology import find_placement
from headrace.streaming.torch_face import as_tensors, cuda_is_used, pinned, torch_is_loaded
from headrace.streaming.whole_numbers import whole_number

__all__ = ["DataLoader"]

Workers = Literal["auto", "threads", "subprocess", "processes"]
StartMethod = Literal["spawn", "fork", "forkserver"]
BatchFormat = Literal["auto", "torch", "numpy"]

_WAIT_SECONDS = 0.5  # between looks at whether something stalls
_logger = logging.getLogger(__name__)


class DataLoader:
    """Batches of a streaming dataset, the same global batches for any number of ranks and workers.

    `for batch in loader` gives the rest of the epoch that the state stands in; the next `for` the epoch after. An
    iteration that is left early goes on where it was left. For one thread; `close` ends worker threads and processes.
    """

    def __init__(
        self,
        data: StreamingDataset,
        batch_size: int | None = None,
        *,
        num_workers: int = 2,
        workers: Workers = "auto",
        drop_last: bool = False,
        collate: Collate | None = None,
        pin_memory: bool = False,
        global_batch_size: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        mesh: Any = None,
        prefetch_batches: int | None = None,
        batch_format: BatchFormat = "auto",
        multiprocessing_context: StartMethod = "spawn",
        slot_bytes: int = 1 << 28,
        stall_seconds: float = 60.0,
        timeout_seconds: float | None = None,
    ) -> None:
        """Describe the loader; nothing starts before the first iteration.

        Args:
            data: What to load.
            batch_size: Samples for each data-parallel rank and step.
            num_workers: Threads or processes that make batches; 0 makes them where they are asked for.
            workers: "threads" in this process; "subprocess", one process with threads, so that they do not delay the
                trainer's; "processes" for transforms that hold the GIL; "auto" is "subprocess" where CUDA is there.
            drop_last: Leave out the last global batch if it is smaller. Else all ranks get equally many samples of it,
                some of them repeated and marked in `batch.padding`.
            collate: Makes a batch of a list of samples; by default numbers and arrays are stacked.
            pin_memory: Copy tensors to page-locked memory.
            global_batch_size: Samples of all ranks together, instead of `batch_size`.
            rank, world_size: Of data-parallel ranks; by default from torch.distributed, torchrun or SLURM.
            mesh: A torch DeviceMesh: ranks that differ only in dimensions that are not data-parallel (tensor,
                pipeline) get the same batch. Or a pair (data rank, data world).
            prefetch_batches: Batches made ahead; by default two for each worker.
            batch_format: Arrays of the default collate as torch tensors or numpy arrays; "auto" gives tensors if the
                program has imported torch.
            multiprocessing_context: How worker processes start.
            slot_bytes: Bytes that one batch may take in shared memory; only what is used takes memory.
            stall_seconds: After so long a wait for a batch a warning names the stage that stalls.
            timeout_seconds: After so long it is an error; not with `num_workers=0`, where nothing can interrupt the
                thread that makes batches: there only the warning comes.
        """
        if not isinstance(data, StreamingDataset):
            raise InvalidInput(
                f"a loader takes a StreamingDataset, not {type(data).__name__}: DataLoader(StreamingDataset(source), …)"
            )
        if (batch_size is None) == (global_batch_size is None):
            raise InvalidInput("give either batch_size, for each rank, or global_batch_size, for all of them together")
        if batch_size is not None:
            batch_size = whole_number(batch_size, "batch_size", at_least=1)
        if global_batch_size is not None:
            global_batch_size = whole_number(global_batch_size, "global_batch_size", at_least=1)
        if prefetch_batches is not None:
            prefetch_batches = whole_number(prefetch_batches, "prefetch_batches", at_least=1)
        num_workers = whole_number(num_workers, "num_workers", at_least=0)
        slot_bytes = whole_number(slot_bytes, "slot_bytes", at_least=1)
        _require_one_of("workers", workers, get_args(Workers))
        _require_one_of("batch_format", batch_format, get_args(BatchFormat))
        _require_one_of("multiprocessing_context", multiprocessing_context, get_args(StartMethod))
        self.data = data
        self.placement = find_placement(rank=rank, world_size=world_size, mesh=mesh)
        world = self.placement.world
        self.global_batch_size: int = global_batch_size or (batch_size or 0) * world
        if self.global_batch_size < world:
            raise InvalidInput(
                f"a global batch of {self.global_batch_size} for {world} ranks: expected one sample each"
            )
        self.num_workers = num_workers
        self.drop_last = drop_last
        self._workers: Workers = workers
        self._collate = collate
        self._pin_memory = pin_memory
        self._depth = prefetch_batches or max(2, 2 * num_workers)
        self._batch_format = batch_format
        self._start_method: StartMethod = multiprocessing_context
        self._slot_bytes = slot_bytes
        self._stall_seconds = stall_seconds
        self._timeout_seconds = timeout_seconds
        self._opened: StreamPosition | None = None
        self._opening_seconds = 0.0  # since the last iteration began; the next one counts them
        self._engine: Engine | None = None
        self._engine_pid = os.getpid()
        self._next_number = 0
        self._under_way: deque[Task] = deque()
        self._iteration = 0
        self._statistics = LoaderStatistics(self.workers, num_workers)

    @property
    def workers(self) -> str:
        """Where batches are made: what "auto" means here, or "none" without workers."""
        if self.num_workers == 0:
            return "none"
        if self._workers == "auto":
            return "subprocess" if cuda_is_used() else "threads"
        return self._workers

    def __len__(self) -> int:
        """Steps of a whole epoch; the same on all ranks."""
        num_samples = len(self.data)
        return num_samples // self.global_batch_size if self.drop_last else -(-num_samples // self.global_batch_size)

    def __repr__(self) -> str:
        rank = f"rank {self.placement.rank} of {self.placement.world}"
        workers = f"{self.num_workers} {self.workers}"
        return f"<DataLoader global batch {self.global_batch_size}, {rank}, {workers}: {self._described_data()}>"

    def _described_data(self) -> str:
        return self.data.described(None if self._opened is None else self._opened.state.current.order)

    def _repr_html_(self) -> str:
        from headrace.datasets.html_reprs import html_table

        return html_table("Loader", {"data": self._described_data(), **self._statistics.to_json()})

    # -- batches ------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Any]:
        """The rest of this epoch. In the body of batch k the state says that k + 1 batches were consumed.

        Raises:
            HeadraceError: A sample cannot be read or made, and `on_error` is "raise"; iterating again tries it again.
            Unavailable: A worker process died, or `timeout_seconds` passed.
        """
        self._iteration += 1
        return self._batches(self._iteration)

    def _batches(self, iteration: int) -> Iterator[Any]:
        waiting = time.perf_counter() - self._opening_seconds
        is_first = True
        self._statistics.begin(waiting)
        position = self._position
        self._opening_seconds = 0.0
        engine = self._started_engine()
        for task in self._under_way:  # of an iteration that somebody left or still holds
            engine.forget(task.number)
        self._under_way = under_way = deque[Task]()
        begun = position.state
        source = position.tasks(self.placement, first_number=self._next_number)
        failure: BaseException | None = None
        try:
            while True:
                self._fill(engine, source, under_way)
                if not under_way:
                    break
                task = under_way[0]
                made = self._wait(engine, task)
                under_way.popleft()
                # Refilled before the batch is handed over, so that workers have work while it is used.
                self._fill(engine, source, under_way)
                after = position.after(begun, task)
                batch = self._finished(Batch.of(made, task, state=after))
                self._statistics.count(
                    made,
                    num_samples=len(task.positions),
                    num_padding=int(task.is_padding.sum()),
                    waited=time.perf_counter() - waiting,
                    is_first=is_first,
                )
                del made
                position.advance(after)
                yield batch
                del batch
                if iteration != self._iteration:
                    raise InvalidInput("this iteration was ended by a newer one over the same loader")
                if engine is not self._engine:
                    raise InvalidInput("the loader was closed during this iteration; iterate it again to go on")
                waiting, is_first = time.perf_counter(), False
            position.finish_epoch(begun)
        except BaseException as error:
            failure = error
            raise
        finally:
            is_newest = iteration == self._iteration
            if failure is not None and is_newest and not isinstance(failure, GeneratorExit):
                self.close()

    def _fill(self, engine: Engine, source: Iterator[Task], under_way: deque[Task]) -> None:
        while len(under_way) < engine.depth:
            task = next(source, None)
            if task is None:
                return
            self._next_number = task.number + 1
            under_way.append(task)
            engine.submit(task)

    def _wait(self, engine: Engine, task: Task) -> MadeBatch:
        started = time.monotonic()
        warned = False
        while True:
            made = engine.result(task.number, timeout_seconds=_WAIT_SECONDS)
            if made is not None:
                return made
            waited = time.monotonic() - started
            if self._timeout_seconds is not None and waited > self._timeout_seconds:
                raise Unavailable(
                    f"no batch for {waited:.0f} s (timeout_seconds={self._timeout_seconds}): "
                    f"{'; '.join(engine.stages()) or 'nothing is under way'}"
                )
            if waited > self._stall_seconds and not warned:
                warned = True
                _logger.warning(
                    "no batch for %.0f s; under way: %s. stall_seconds sets when this is said, timeout_seconds when "
                    "it becomes an error",
                    waited,
                    "; ".join(engine.stages()) or "nothing",
                )

    def _finished(self, batch: Any) -> Any:
        is_torch = self._batch_format == "torch" or (self._batch_format == "auto" and torch_is_loaded())
        if is_torch and self._collate is None:
            batch = as_tensors(batch)
        return pinned(batch) if self._pin_memory and cuda_is_used() else batch

    # -- state ----------------------------------------------------------------------------------------------------

    @property
    def _position(self) -> StreamPosition:
        if self._opened is None:
            self._opened = self._open(self.data)
        return self._opened

    def _open(self, data: StreamingDataset) -> StreamPosition:
        started = time.perf_counter()
        position = StreamPosition(data, global_batch=self.global_batch_size, drop_last=self.drop_last)
        self._opening_seconds += time.perf_counter() - started
        return position

    def state_dict(self) -> dict[str, Any]:
        """What was consumed, as plain JSON; the same on all ranks."""
        return self._position.state.to_json()

    def load_state_dict(self, state: Mapping[str, Any], *, snapshot: object = None) -> None:
        """Go on from a state, with any number of ranks and workers and any global batch.

        Args:
            state: What `state_dict` gave on any rank.
            snapshot: The dataset as it is now, if it changed: the rest of this epoch holds each of its rows that was
                not consumed exactly once.

        Raises:
            InvalidInput: The state belongs to other data or another plan; names both.
        """
        if snapshot is None:
            self._position.load(state, changed=False)
        else:
            data = self.data.over(snapshot)
            position = self._open(data)
            position.load(state, changed=True)
            self.close()
            self.data, self._opened = data, position
        self._iteration += 1

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch, zero-based, unless the stream stands in it. Not needed for epochs one after the
        other."""
        self._iteration += 1
        self._position.go_to(epoch)

    def statistics(self) -> LoaderStatistics:
        """Counts and seconds since the loader was made."""
        return replace(
            self._statistics,
            stage_seconds=dict(self._statistics.stage_seconds),
            failed=list(self._statistics.failed),
        )

    # -- workers ----------------------------------------------------------------------------------------------------

    def _started_engine(self) -> Engine:
        if self._engine is None or self._engine_pid != os.getpid():  # threads and processes do not come over a fork
            self._engine_pid = os.getpid()
            maker = BatchMaker(self.data.maker, collate_samples=self._collate)
            self._engine = self._make_engine(maker)
        return self._engine

    def _make_engine(self, maker: BatchMaker) -> Engine:
        if self.num_workers == 0:
            return InlineEngine(maker, stall_seconds=self._stall_seconds)
        if self.workers == "threads":
            return ThreadEngine(maker, num_threads=self.num_workers, depth=self._depth, slot_bytes=self._slot_bytes)
        is_single = self.workers == "subprocess"
        return ProcessEngine(
            maker,
            num_processes=1 if is_single else self.num_workers,
            threads_per_process=self.num_workers if is_single else 1,
            depth=self._depth,
            slot_bytes=self._slot_bytes,
            start_method=self._start_method,
        )

    def close(self) -> None:
        """End the workers; iterating again starts new ones."""
        engine, self._engine = self._engine, None
        if self._engine_pid != os.getpid():
            engine = None  # a copy that came over a fork; the workers are those of the other process
        self._under_way.clear()
        if engine is not None:
            engine.close()

    def __enter__(self) -> DataLoader:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_engine", None) is not None:
            with contextlib.suppress(Exception):  # the interpreter may be half gone
                self.close()


def _require_one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidInput(f"{name} is {value!r}: expected {', '.join(known[:-1])} or {known[-1]}")
