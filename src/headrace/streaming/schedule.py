"""The steps of an epoch for one rank: which rows each batch takes, computed a little ahead."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headrace.streaming.making import Task
from headrace.streaming.order import Order
from headrace.streaming.placement import Placement
from headrace.streaming.plan import Plan

__all__ = ["steps_left", "tasks"]

_CHUNK_POSITIONS = 8_192  # whose order is computed at once


def steps_left(start: int, *, num_samples: int, global_batch: int, drop_last: bool) -> int:
    """Steps from a position to the end of the epoch."""
    left = num_samples - start
    return left // global_batch if drop_last else -(-left // global_batch)


def tasks(
    plan: Plan,
    order: Order,
    *,
    epoch: int,
    start: int,
    first_step: int,
    global_batch: int,
    placement: Placement,
    drop_last: bool,
    first_number: int = 0,
    skip: int = 0,
    stride: int = 1,
) -> Iterator[Task]:
    """The tasks of one rank from a position to the end of the epoch.

    Args:
        start: First position that is not consumed.
        first_step: Number of the step that starts there.
        skip, stride: Take only every stride-th step, after the first `skip`; for workers that deal steps out.
    """
    num_steps = steps_left(start, num_samples=order.num_samples, global_batch=global_batch, drop_last=drop_last)
    per_chunk = max(1, _CHUNK_POSITIONS * placement.world // global_batch)
    number = first_number
    wanted = range(skip, num_steps, stride)
    for chunk in range(0, len(wanted), per_chunk):
        shares = []
        for idx in wanted[chunk : chunk + per_chunk]:
            first = start + idx * global_batch
            end = min(first + global_batch, order.num_samples)
            shares.append((idx, end, placement.share(first, end, batch=global_batch, lanes=order.lanes)))
        positions = np.concatenate([share.positions for _, _, share in shares])
        rows = plan.rows(order.ordinals(positions, epoch=epoch), epoch=epoch)  # [num_positions]
        at = 0
        for idx, end, share in shares:
            count = len(share.positions)
            yield Task(
                number=number,
                epoch=epoch,
                step=first_step + idx,
                positions=share.positions,
                rows=rows[at : at + count],
                is_padding=share.is_padding,
                position_end=end,
            )
            at += count
            number += 1
