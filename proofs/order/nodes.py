"""How much all nodes together read: a simulation over the real order and the real placement.

2M rows of 24 KB in blocks of 256. Each node keeps the blocks of its lanes' current windows and no others: it reads a
block once for each window of each lane that touches it, so a block that two lanes share is read twice.
"""

from __future__ import annotations

import numpy as np

from headrace.streaming.order import Order, default_lanes
from headrace.streaming.placement import Placement
from proofs.outcomes import CaseResult

__all__ = ["cases", "check", "check_planted", "notes", "skip_reason"]

_NUM_ROWS = 2_000_000
_BLOCK_ROWS = 256
_ROW_BYTES = 24_000
_LIMIT = 1.1
_BATCHES = {1: 512, 8: 512, 125: 500}


def cases(*, is_full: bool) -> list[str]:
    """Nodes and blocks of a window; beside them what no lanes would cost, which has no limit."""
    if not is_full:
        return ["8/8"]
    return [f"{nodes}/{window}" for window in (8, 16, 32) for nodes in _BATCHES] + ["8/8/without lanes"]


def skip_reason() -> str | None:
    """It runs anywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Count the blocks that an epoch reads."""
    result = CaseResult(case)
    has_lanes = not case.endswith("without lanes")
    factor = _factor(case, seed=seed, lanes=None if has_lanes else 1)
    result.runs = 1
    result.count(case, factor)
    if has_lanes and factor > _LIMIT:
        result.violations.append(f"all nodes together read {factor:.3f} times the data")
    return result


def check_planted(bug: str, *, seed: int) -> CaseResult:
    """One lane, as if there were none."""
    result = CaseResult(bug, runs=1)
    if _factor("8/8", seed=seed, lanes=1, num_rows=_NUM_ROWS // 8) > _LIMIT:
        result.violations.append("found")
    return result


def _factor(case: str, *, seed: int, lanes: int | None, num_rows: int = _NUM_ROWS) -> float:
    nodes, window = (int(part) for part in case.split("/")[:2])
    batch = _BATCHES[nodes]
    if lanes is None:
        lanes = default_lanes(global_batch=batch, num_samples=num_rows, block_rows=_BLOCK_ROWS, window_blocks=window)
    order = Order(num_rows, "block", seed, lanes, _BLOCK_ROWS, window)
    positions = np.arange(num_rows)
    blocks = order.ordinals(positions, epoch=0) // _BLOCK_ROWS
    whole = num_rows // batch * batch
    node = np.tile(_takers(0, batch, batch=batch, lanes=lanes, nodes=nodes), num_rows // batch)
    node = np.concatenate([node, _takers(whole, num_rows, batch=batch, lanes=lanes, nodes=nodes)])  # [num_rows]
    lane, place = positions % lanes, positions // lanes
    window_of = (place + lane * order.lane_rows % _BLOCK_ROWS) // (_BLOCK_ROWS * window)
    # A block stays for one walk of one lane through one window.
    num_blocks = -(-num_rows // _BLOCK_ROWS)
    stays = ((node * lanes + lane) * (int(window_of.max()) + 1) + window_of) * num_blocks + blocks  # [num_rows]
    read = np.unique(stays) % num_blocks
    return float(np.minimum(_BLOCK_ROWS, num_rows - read * _BLOCK_ROWS).sum() / num_rows)


def _takers(start: int, end: int, *, batch: int, lanes: int, nodes: int) -> np.ndarray:
    """The node that takes each position of a step, int64 [end - start]."""
    takers = np.zeros(end - start, dtype=np.int64)
    for rank in range(nodes):
        share = Placement(rank, nodes).share(start, end, batch=batch, lanes=lanes)
        takers[share.positions[~share.is_padding] - start] = rank
    return takers


def notes(counts: dict[str, float]) -> list[str]:
    """Lines below the table."""
    lines = []
    for case, factor in sorted(counts.items(), key=lambda item: [int(part) for part in item[0].split("/")[:2]]):
        nodes, window = (int(part) for part in case.split("/")[:2])
        gigabytes = max(1, (128 if nodes < 100 else 125) // nodes) * window * _BLOCK_ROWS * _ROW_BYTES / 1e9
        remark = ", without lanes" if "without" in case else f", keeping at most {gigabytes:.1f} GB each"
        lines.append(f"{nodes} nodes, windows of {window} blocks: {factor:.3f} times the data is read{remark}")
    return lines
