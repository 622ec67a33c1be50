"""Loaders with a planted bug, put in where the real one goes, so that a proof that finds nothing can be told from one
that cannot find anything.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from headrace.streaming import DataLoader, StreamingDataset
from headrace.streaming.order import Order
from headrace.streaming.placement import Placement, Share

__all__ = ["BUGS", "EpochBlindOrder", "make_loader"]

BUGS = {
    "epoch_blind": "the order ignores the epoch",
    "rank_in_seed": "each rank shuffles with a seed of its own",
    "shifted_placement": "ranks take positions one too high",
    "unmarked_padding": "padding is not marked",
    "short_last_step": "ranks with fewer samples end one step earlier",
    "counts_prefetched": "the state counts batches that were made, not those that were consumed",
    "counts_too_few": "the state lags one batch behind",
    "forgets_segments": "over a changed dataset the epoch starts anew",
    "starts_at_zero": "a resume reads from the epoch's start and throws away",
    "orphan": "a process stays when the trainer is killed",
    "left_in_shm": "a named file stays in /dev/shm",
}


class EpochBlindOrder(Order):
    """Each epoch is epoch 0."""

    __slots__ = ()

    def ordinals(self, positions: np.ndarray, *, epoch: int) -> np.ndarray:
        return Order.ordinals(self, positions, epoch=0)


class _EpochBlind(StreamingDataset):
    def order(self, *, global_batch: int) -> Order:
        order = super().order(global_batch=global_batch)
        return EpochBlindOrder(**order.to_json())


class _Shifted(Placement):
    __slots__ = ()

    def share(self, start: int, end: int, *, batch: int, lanes: int) -> Share:
        share = Placement.share(self, start, end, batch=batch, lanes=lanes)
        return Share(np.minimum(share.positions + 1, end - 1), share.is_padding)


class _Unmarked(Placement):
    __slots__ = ()

    def share(self, start: int, end: int, *, batch: int, lanes: int) -> Share:
        share = Placement.share(self, start, end, batch=batch, lanes=lanes)
        return Share(share.positions, np.zeros_like(share.is_padding))


class _Short(Placement):
    __slots__ = ()

    def share(self, start: int, end: int, *, batch: int, lanes: int) -> Share:
        share = Placement.share(self, start, end, batch=batch, lanes=lanes)
        own = ~share.is_padding
        return Share(share.positions[own], share.is_padding[own])


class _Counting(DataLoader):
    """Reports another position than it has; batches say the same, as one counter would."""

    ahead = 0

    def state_dict(self) -> dict[str, Any]:
        return _moved(super().state_dict(), self.ahead * self.global_batch_size)

    def __iter__(self) -> Any:
        for batch in super().__iter__():
            told = _moved(batch.state_dict(), self.ahead * self.global_batch_size)
            batch.state_dict = lambda told=told: told
            yield batch


class _CountsPrefetched(_Counting):
    ahead = 2


class _CountsTooFew(_Counting):
    ahead = -1


def _moved(state: dict[str, Any], positions: int) -> dict[str, Any]:
    last = state["segments"][-1]
    to = min(max(last["to"] + positions, 0), last["order"]["num_samples"])
    return {**state, "segments": [*state["segments"][:-1], {**last, "to": to}]}


class _Forgetful(DataLoader):
    def load_state_dict(self, state: Mapping[str, Any], *, snapshot: object = None) -> None:
        last = state["segments"][-1]
        document = {**state, "segments": [{**last, "to": 0}]} if snapshot is not None else state
        super().load_state_dict(document, snapshot=snapshot)


class _FromZero(DataLoader):
    def load_state_dict(self, state: Mapping[str, Any], *, snapshot: object = None) -> None:
        next(iter(self))
        super().load_state_dict(state, snapshot=snapshot)


_LOADERS: dict[str, type[DataLoader]] = {
    "counts_prefetched": _CountsPrefetched,
    "counts_too_few": _CountsTooFew,
    "forgets_segments": _Forgetful,
    "starts_at_zero": _FromZero,
}
_PLACEMENTS: dict[str, type[Placement]] = {
    "shifted_placement": _Shifted,
    "unmarked_padding": _Unmarked,
    "short_last_step": _Short,
}
Opened = Callable[[type[StreamingDataset], int], StreamingDataset]


def make_loader(bug: str | None, opened: Opened, **options: Any) -> DataLoader:
    """The loader, or one with a bug of `BUGS`.

    Args:
        opened: Gives the dataset, as an instance of a class, with something added to its seed.
    """
    kind = _LOADERS.get(bug or "", DataLoader)
    blind = bug == "epoch_blind"
    data = opened(_EpochBlind if blind else StreamingDataset, options["rank"] if bug == "rank_in_seed" else 0)
    loader = kind(data, **options)
    if bug in _PLACEMENTS:
        loader.placement = _PLACEMENTS[bug](loader.placement.rank, loader.placement.world)
    if bug == "orphan" and os.fork() == 0:
        os.closerange(3, 1024)  # the parent waits for the end of what it reads from
        time.sleep(300.0)
        os._exit(0)
    if bug == "left_in_shm":
        os.open(f"/dev/shm/headrace-planted-{secrets.token_hex(4)}", os.O_CREAT | os.O_RDWR, 0o600)
    return loader
