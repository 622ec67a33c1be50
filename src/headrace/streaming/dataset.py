"""A dataset for training: random access by ordinal, and the core of every loader."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss
from headrace.streaming.consumed import rows_consumed
from headrace.streaming.opening import open_provider, plan_folder
from headrace.streaming.options import IndexOptions, OnError, ShuffleOptions
from headrace.streaming.order import Order, default_lanes
from headrace.streaming.plan import Plan, PlanRules, build_plan
from headrace.streaming.provider import Provider
from headrace.streaming.restore_keys import RestoreKey, name_of_rows
from headrace.streaming.sample_iteration import DatasetBatches, DatasetSamples, find_placement_of
from headrace.streaming.samples import Sample, SampleMaker
from headrace.streaming.schedule import steps_left
from headrace.streaming.shared_place import SharedPlace, shared_with_spawned
from headrace.streaming.state import Segment, StreamState
from headrace.streaming.topology import known_placement
from headrace.streaming.torch_face import torch_face_of
from headrace.streaming.whole_numbers import whole_number

__all__ = ["StreamingDataset"]

_BLOCK_BYTES = 8_000_000
_DEFAULT_SHUFFLE = ShuffleOptions()
_DEFAULT_INDEX = IndexOptions()


class StreamingDataset:
    """Samples of a snapshot or index, by ordinal; loaders take them in the order of `shuffle`.

    Nothing is read before the first use. Thread-safe; goes to worker processes if its transforms can be pickled.
    With `batch_size` it is an iterable of whole batches for torch's own DataLoader (`batch_size=None` there); without,
    `headrace.streaming.DataLoader` or torch's own batching take single samples.
    """

    def __init__(
        self,
        source: object,
        *,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        transforms: Sequence[Callable[..., Sample]] = (),
        shuffle: ShuffleOptions | None = _DEFAULT_SHUFFLE,
        index: IndexOptions = _DEFAULT_INDEX,
        weights: str | Sequence[float] | np.ndarray | None = None,
        on_error: OnError = "raise",
        max_samples: int | None = None,
        batch_size: int | None = None,
        drop_last: bool = False,
        rank: int | None = None,
        world_size: int | None = None,
        mesh: Any = None,
    ) -> None:
        """Describe the stream.

        Args:
            source: A snapshot, a reference such as "lake::dataset@alias", an index (a table, folder, glob, list of
                files, tar shards), or a `Provider`.
            columns: Columns to read; by default all.
            where: One DuckDB expression over the columns; rows for which it is true remain. Decided before any media
                byte is read.
            transforms: Each takes a sample, a dict, and gives one. Those with `needs_context` take a `SampleContext`
                too, whose random numbers are the same for (seed, epoch, sample).
            shuffle: None keeps the source's order.
            index: How a source that is no snapshot is read.
            weights: A column of numbers, or a number for each row: how often a row is drawn beside the others. An
                epoch then has as many draws as rows.
            on_error: "raise", or "substitute": another sample takes the place of a bad one, and a quarantine record is
                kept. A store that does not answer, missing rights and packages raise all the same.
            max_samples: At most so many, the first in the source's order.
            batch_size: For each rank; makes the dataset an iterable of batches, `num_batches` an epoch.
            drop_last: Leave out the last global batch if it is smaller; with `batch_size` only.
            rank, world_size, mesh: As at `DataLoader`; with `batch_size` only.
        """
        if on_error not in ("raise", "substitute"):
            raise InvalidInput(f"on_error is {on_error!r}: expected 'raise' or 'substitute'")
        if isinstance(columns, str):
            raise InvalidInput(f"columns={columns!r}: expected a list of names")
        if shuffle is not None and not isinstance(shuffle, ShuffleOptions):
            raise InvalidInput(
                f"shuffle is {shuffle!r}: expected ShuffleOptions(seed=…), or None to keep the source's order"
            )
        if not isinstance(index, IndexOptions):
            raise InvalidInput(f"index is {index!r}: expected IndexOptions(…)")
        if max_samples is not None:
            max_samples = whole_number(max_samples, "max_samples", at_least=1)
        if batch_size is not None:
            batch_size = whole_number(batch_size, "batch_size", at_least=1)
        self._source: object = source
        self._columns = None if columns is None else tuple(columns)
        self._rules = PlanRules(where, max_samples, _weights_of(weights))
        self._transforms = _transforms_of(transforms)
        self._shuffle = shuffle
        self._index = index
        self._on_error: OnError = on_error
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.topology = (rank, world_size, mesh)
        self._provider: Provider | None = None
        self._plan: Plan | None = None
        self._maker: SampleMaker | None = None
        self._rests: dict[tuple[str, tuple[Segment, ...]], Plan] = {}  # plans of epochs over changed data
        self._lock = threading.Lock()
        self._shared = SharedPlace()
        self._start: Any = 0  # where iterations begin, as `DatasetBatches.start`
        self._opened_iteration: DatasetBatches | DatasetSamples | None = None

    # -- what it is ---------------------------------------------------------------------------------------------

    @property
    def provider(self) -> Provider:
        """The rows; opened at the first use."""
        if self._provider is not None:
            return self._provider
        with self._lock:
            if self._provider is None:
                self._provider = open_provider(self._source, options=self._index)
            return self._provider

    @property
    def plan(self) -> Plan:
        """The rows that belong; made or opened at the first use."""
        if self._plan is not None:
            return self._plan
        provider = self.provider
        with self._lock:
            if self._plan is None:
                self._plan = self._planned(provider)
            return self._plan

    def _planned(self, provider: Provider, *, without: np.ndarray | None = None, without_id: str | None = None) -> Plan:
        return build_plan(
            provider,
            rules=self._rules,
            folder=plan_folder(provider, options=self._index),
            seed=self._seed,
            without=without,
            without_id=without_id,
        )

    @property
    def schema(self) -> pa.Schema:
        """The columns that are read, before transforms."""
        schema = self.provider.schema
        return schema if self._columns is None else pa.schema([schema.field(name) for name in self._names()])

    @property
    def mode(self) -> Literal["global", "block", "none"]:
        """How samples are ordered: what "auto" means here."""
        if self._shuffle is None:
            return "none"
        if self._shuffle.mode == "auto":
            return "global" if self.provider.is_local else "block"
        return self._shuffle.mode

    def __len__(self) -> int:
        """Samples of an epoch over all ranks, exact."""
        return self.plan.num_samples

    def __repr__(self) -> str:
        return self.described(None)

    def described(self, order: Order | None) -> str:
        """What `repr` says, with the order of a state if there is one: it goes on with its own."""
        if self._plan is None or self._provider is None:
            return f"<StreamingDataset of {self._source!r}, not opened yet>"
        seed = "" if self._shuffle is None else f", seed {self._shuffle.seed}"
        mode = self.mode if order is None else order.mode
        return f"<StreamingDataset {self._provider.name}: {len(self):,} samples, order {mode}{seed}>"

    def _repr_html_(self) -> str:
        from headrace.datasets.html_reprs import html_table

        return html_table(
            "Streaming dataset",
            {
                "source": self.provider.name,
                "samples": len(self),
                "order": self.mode,
                "columns": list(self._names()),
                "where": self._rules.where,
                "transforms": [getattr(item, "__name__", repr(item)) for item in self._transforms],
                "on_error": self._on_error,
            },
        )

    # -- samples ------------------------------------------------------------------------------------------------

    def __getitem__(self, ordinal: int) -> Sample:
        """The sample with this plan ordinal: after the filter, before the shuffle; transformed as in epoch 0.

        Raises:
            IndexError: There is no such sample.
            HeadraceError: It cannot be read or made; never is another sample given.
        """
        if not isinstance(ordinal, int | np.integer):
            raise TypeError(f"a dataset is indexed by whole numbers, not by {type(ordinal).__name__}")
        plan = self.plan
        wanted = int(ordinal) + (plan.num_samples if ordinal < 0 else 0)
        if not 0 <= wanted < plan.num_samples:
            raise IndexError(f"sample {ordinal} of a dataset with {plan.num_samples} samples")
        return self.maker.one(plan.row(wanted))

    def restore(self, key: str) -> Sample:
        """The sample of a key that `batch.restore_keys()` gave, with the same random numbers.

        Raises:
            InvalidInput: It is no such key, or of other rows or another seed than this dataset has.
        """
        wanted = RestoreKey.parse(key)
        ours = RestoreKey(name_of_rows(self.provider.identity), self._seed, wanted.epoch, wanted.row)
        if wanted != ours:
            raise InvalidInput(
                f"{key!r} is of rows {wanted.rows} with seed {wanted.seed}, this dataset has rows {ours.rows} "
                f"({self.provider.name}) with seed {ours.seed}: another sample stands there. Open the snapshot or "
                "index that the batch came from, with the same shuffle="
            )
        if wanted.row >= self.provider.num_rows:
            raise InvalidInput(f"{key!r}: {self.provider.name} has {self.provider.num_rows} rows")
        return self.maker.one(wanted.row, epoch=wanted.epoch)

    @property
    def maker(self) -> SampleMaker:
        """Makes samples of rows; goes to worker processes."""
        if self._maker is None:
            names = ("_id", *self._names())
            self._maker = SampleMaker(self.provider, self.plan, names, self._transforms, self._on_error, self._seed)
        return self._maker

    @property
    def _seed(self) -> int:
        return 0 if self._shuffle is None else self._shuffle.seed

    def _names(self) -> tuple[str, ...]:
        known = self.provider.schema.names
        if self._columns is None:
            return tuple(known)
        for name in self._columns:
            if name not in known:
                raise InvalidInput(
                    f"{self.provider.name} has no column {name!r}.{near_miss(name, known)} Columns: {', '.join(known)}",
                    column=name,
                )
        return self._columns

    # -- order and state ------------------------------------------------------------------------------------------

    def order(self, *, global_batch: int) -> Order:
        """The order of a stream that starts with a global batch; from then on it is part of the state."""
        count = len(self)
        options = self._shuffle
        if options is None or self.mode != "block":
            return Order(count, self.mode, self._seed)
        rows = options.block_rows
        if rows is None:
            rows = min(max(_BLOCK_BYTES // max(self.provider.mean_row_bytes, 1), 64), 4_096)
        chosen = options.lanes
        if chosen is None:
            chosen = default_lanes(
                global_batch=global_batch, num_samples=count, block_rows=rows, window_blocks=options.window_blocks
            )
        return Order(count, "block", options.seed, max(1, min(chosen, max(count, 1))), rows, options.window_blocks)

    def start(self, *, global_batch: int) -> StreamState:
        """The state before anything was consumed."""
        return StreamState((self._segment(self.plan, self.order(global_batch=global_batch), epoch=0),))

    def next_epoch(self, state: StreamState) -> StreamState:
        """The state at the start of the epoch after this one, in the same order but for the number of samples."""
        current = state.current
        order = replace(current.order, num_samples=len(self))
        return StreamState((self._segment(self.plan, order, epoch=current.epoch + 1),))

    def _segment(self, plan: Plan, order: Order, *, epoch: int) -> Segment:
        return Segment(self.provider.identity, plan.id, order, epoch, 0, 0)

    def resumed(self, document: Mapping[str, Any], *, changed: bool) -> tuple[StreamState, Plan]:
        """A stored state over this dataset, and the plan that its last segment walks.

        Args:
            changed: The rows may be others: the rest of the epoch is what was not consumed of the rows of now.

        Raises:
            InvalidInput: The state belongs to other rows or another plan; names both.
        """
        state = StreamState.from_json(document)
        current = state.current
        self._require_seed(current.order)
        if current.rows == self.provider.identity:
            plan = self.plan
            if current.plan != plan.id and len(state.segments) > 1:
                plan = self._rest_of(state.segments[:-1])
            if current.plan == plan.id:
                if current.order.num_samples != plan.num_samples:
                    raise InvalidInput(
                        f"the state is damaged: an order of {current.order.num_samples:,} samples over a plan of "
                        f"{plan.num_samples:,}"
                    )
                return state, plan
        if not changed:
            raise InvalidInput(
                f"the state is of plan {current.plan[:12]} over {current.rows[:12]} ({current.order.num_samples:,} "
                f"samples), this dataset has plan {self.plan.id[:12]} over {self.provider.identity[:12]} "
                f"({len(self):,} samples). Open the same snapshot with the same where, weights and max_samples; or go "
                "on over the changed data with load_state_dict(state, snapshot=new)"
            )
        done = tuple(item for item in state.segments if item.end > item.start)
        if done and self._rules.weights is not None:
            raise InvalidInput(
                "a weighted epoch cannot go on over changed data: rows are drawn, not dealt. Start a new epoch, or "
                "leave weights out"
            )
        plan = self._rest_of(done)
        order = replace(current.order, num_samples=plan.num_samples)
        segment = self._segment(plan, order, epoch=current.epoch)
        return StreamState((*done, segment), state.steps), plan

    def _require_seed(self, order: Order) -> None:
        """Weights and random transforms follow the dataset's seed, the order follows the state's: they are one."""
        theirs = "no shuffle" if order.mode == "none" else f"seed {order.seed}"
        ours = "no shuffle" if self._shuffle is None else f"seed {self._shuffle.seed}"
        if theirs != ours:
            raise InvalidInput(
                f"the state is of a stream with {theirs}, this dataset has {ours}. Open it with the same shuffle=, or "
                "start a new run"
            )

    def _rest_of(self, segments: Sequence[Segment]) -> Plan:
        """The plan of this dataset's rows without those that the segments consumed."""
        return self._plan_of(self.provider, segments)

    def _plan_of(self, provider: Provider, earlier: Sequence[Segment]) -> Plan:
        """The plan that a segment after these ones walks over a provider."""
        earlier = tuple(segment for segment in earlier if segment.end > segment.start)
        if not earlier:
            return self._planned(provider)
        known = self._rests.get((provider.identity, earlier))
        if known is None:
            rows, name = rows_consumed(earlier, provider=provider, planned=self._plan_of)
            known = self._planned(provider, without=rows, without_id=name)
            self._rests[provider.identity, earlier] = known
        return known

    def over(self, source: object) -> StreamingDataset:
        """The same stream over another source."""
        rank, world_size, mesh = self.topology
        return StreamingDataset(
            source,
            columns=self._columns,
            where=self._rules.where,
            transforms=self._transforms,
            shuffle=self._shuffle,
            index=self._index,
            weights=self._rules.weights,
            on_error=self._on_error,
            max_samples=self._rules.max_samples,
            batch_size=self.batch_size,
            drop_last=self.drop_last,
            rank=rank,
            world_size=world_size,
            mesh=mesh,
        )

    # -- torch's own loaders ----------------------------------------------------------------------------------------

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What `isinstance` sees: an `IterableDataset` as soon as torch is there, so that torch iterates it."""
        return torch_face_of(StreamingDataset)

    def __iter__(self) -> Iterator[Any]:
        """Whole batches with `batch_size`, else samples in the order of the epoch; dealt to torch's workers."""
        return iter(self._iteration)

    @property
    def _iteration(self) -> DatasetBatches | DatasetSamples:
        if self._opened_iteration is None:
            kind = DatasetSamples if self.batch_size is None else DatasetBatches
            self._opened_iteration = kind(self, self._shared, start=self._start)
        return self._opened_iteration

    @property
    def num_batches(self) -> int:
        """Batches of an epoch, the same for each rank; with `batch_size` only. torch's `len(loader)` counts samples.

        Raises:
            InvalidInput: The dataset gives single samples.
        """
        if self.batch_size is None:
            raise InvalidInput("a dataset without batch_size= has no batches; ask len() of the loader that makes them")
        return steps_left(
            0,
            num_samples=len(self),
            global_batch=self.batch_size * find_placement_of(self).world,
            drop_last=self.drop_last,
        )

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next, zero-based. Not needed for epochs one after the other."""
        self._iteration.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the iteration in this process is. With workers of torch's DataLoader ask the last batch instead:
        `batch.state_dict()`.

        Raises:
            InvalidInput: Single samples are taken, whose consumer alone knows how many it used; or workers iterate.
        """
        return self._whole_batches().state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state in the next iteration; the same rules as for `DataLoader`."""
        self._whole_batches().load_state_dict(state)

    def _whole_batches(self) -> DatasetBatches:
        iteration = self._iteration
        if isinstance(iteration, DatasetSamples):
            raise InvalidInput(
                "a dataset of single samples cannot know what was consumed, because loaders run ahead. Give "
                "batch_size= here and batch_size=None to torch's DataLoader, or use headrace.streaming.DataLoader"
            )
        return iteration

    def __getstate__(self) -> dict[str, Any]:
        self.plan  # noqa: B018 - opened here, so that a worker process reads no log
        state = dict(self.__dict__)
        del state["_lock"]
        state["_source"] = None
        state["_rests"] = {}
        # A worker process may know nothing of torch.distributed or of the mesh: it is told who it works for. Where
        # nothing was found, or one rank of one, this may be the launcher of many: the copy looks for itself.
        rank, world_size, mesh = self.topology
        known = known_placement(rank=rank, world_size=world_size, mesh=mesh)
        if known is not None and (mesh is not None or known.world > 1):
            state["topology"] = (None, None, (known.rank, known.world))
        state["_start"] = self._iteration.start
        state["_opened_iteration"] = None
        state["_shared"] = shared_with_spawned(self._shared)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
        self._shared = state["_shared"] or SharedPlace()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuilt, (type(self),), self.__getstate__()


def _weights_of(weights: str | Sequence[float] | np.ndarray | None) -> str | np.ndarray | None:
    if weights is None or isinstance(weights, str):
        return weights
    try:
        return np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"weights={str(weights)[:80]}: {error}; expected a column's name, or one number for each row"
        ) from error


def _transforms_of(transforms: Sequence[Callable[..., Sample]]) -> tuple[Callable[..., Sample], ...]:
    expected = "expected a list of functions that each take a sample and give one"
    if not isinstance(transforms, Iterable) or isinstance(transforms, str | Mapping):
        raise InvalidInput(f"transforms is {transforms!r}: {expected}, such as [resize]")
    found = tuple(transforms)
    for item in found:
        if not callable(item):
            raise InvalidInput(f"transforms holds {item!r}: {expected}")
    return found


def _rebuilt(kind: type[StreamingDataset]) -> StreamingDataset:
    return kind.__new__(kind)
