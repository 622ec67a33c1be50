"""How well the order mixes: neighbours from one block, drift along the epoch, and where one sample comes over seeds."""

from __future__ import annotations

import math

import numpy as np

from headrace.streaming.order import Order
from proofs.outcomes import CaseResult

__all__ = ["cases", "check", "check_planted", "notes", "skip_reason"]

_NUM_ROWS = 2_000_000
_BLOCK_ROWS = 256
_LANES = 128
_WORST_P = 1e-5
_BINS = 32
_SAMPLES = 64


def cases(*, is_full: bool) -> list[str]:
    """Windows of the large order, seeds of the small one."""
    if not is_full:
        return ["neighbours/8/262144", "drift/8/65536", "places/block/50"]
    windows = [f"{kind}/{window}/{_NUM_ROWS}" for window in (8, 16, 32) for kind in ("neighbours", "drift")]
    return [*windows, "places/block/1000", "places/global/1000"]


def skip_reason() -> str | None:
    """It runs anywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """One figure and its bar."""
    result = CaseResult(case, runs=1)
    kind, which, number = case.split("/")
    match kind:
        case "neighbours":
            order = Order(int(number), "block", seed, _LANES, _BLOCK_ROWS, int(which))
            problem, note = _neighbours(order)
        case "drift":
            order = Order(int(number), "block", seed, _LANES, _BLOCK_ROWS, int(which))
            problem, note = _drift(order)
        case _:
            result.runs = int(number)
            problem, note = _places(which, num_seeds=int(number), first_seed=seed)
    result.violations += [problem] if problem else []
    result.count(f"{kind} {which}: {note}")
    return result


def check_planted(bug: str, *, seed: int) -> CaseResult:
    """An order that does not shuffle, for each of the figures."""
    result = CaseResult(bug, runs=1)
    still = Order(65_536, "none", seed, _LANES, _BLOCK_ROWS, 8)
    found = (_neighbours(still)[0], _drift(still)[0], _places("none", num_seeds=50, first_seed=seed)[0])
    if all(found):
        result.violations.append("found")
    return result


def _neighbours(order: Order) -> tuple[str, str]:
    """How often two samples that follow each other are of one block, over all and within a lane."""
    ordinals = order.ordinals(np.arange(order.num_samples), epoch=0)
    blocks = ordinals // _BLOCK_ROWS
    ideal = (_BLOCK_ROWS - 1) / (_BLOCK_ROWS * order.window_blocks - 1)
    overall = float(np.mean(blocks[1:] == blocks[:-1]))
    lanes = blocks[: order.lane_rows * order.lanes].reshape(order.lane_rows, order.lanes)  # [places, lanes]
    in_lane = float(np.mean(lanes[1:] == lanes[:-1]))
    # A window that is cut by the end of a lane holds fewer blocks, so the mean lies above the whole window's ideal.
    problem = f"neighbours are of one block in {overall:.4f} and {in_lane:.4f} of all pairs, ideally {ideal:.4f}"
    is_bad = overall > 1.5 * ideal or in_lane > 1.5 * ideal
    return (
        problem if is_bad else "",
        (
            f"of one block with the next sample {overall:.5f}, with the next of its lane {in_lane:.4f} = "
            f"{in_lane / ideal:.2f} of the window's ideal {ideal:.4f}"
        ),
    )


def _drift(order: Order) -> tuple[str, str]:
    """Rank correlation of position and ordinal, the mean over epochs.

    A uniform permutation of B blocks has a correlation of about ±1 / sqrt(B) by chance; the mean over epochs shows
    what is not chance.
    """
    num_epochs = 25
    positions = np.arange(order.num_samples)
    every = slice(0, None, max(1, order.num_samples // 200_000) | 1)
    rhos = []
    for epoch in range(num_epochs):
        chosen = positions[every]
        ranks = np.argsort(np.argsort(order.ordinals(chosen, epoch=epoch)))
        rhos.append(float(np.corrcoef(chosen, ranks)[0, 1]))
    mean, largest = float(np.mean(rhos)), float(np.max(np.abs(rhos)))
    chance = 1 / math.sqrt(order.num_samples / order.block_rows)
    problem = f"the rank correlation is {mean:.4f} on average and up to {largest:.4f}"
    is_bad = abs(mean) > max(0.02, 5 * chance / math.sqrt(num_epochs)) or largest > 5 * chance
    return (
        problem if is_bad else "",
        (
            f"rank correlation {mean:+.4f} on average over {num_epochs} epochs, at most {largest:.4f}; a uniform "
            f"permutation of blocks has {chance:.4f} by chance"
        ),
    )


def _places(mode: str, *, num_seeds: int, first_seed: int) -> tuple[str, str]:
    """Chi-square of where some samples come, over seeds."""
    num_rows = 10_240
    orders = [
        Order(num_rows, mode, first_seed + idx, lanes=32, block_rows=64, window_blocks=4)  # type: ignore[arg-type]
        for idx in range(num_seeds)
    ]
    chosen = np.linspace(0, num_rows - 1, _SAMPLES).astype(np.int64)
    counts = np.zeros((_SAMPLES, _BINS), dtype=np.int64)
    for order in orders:
        ordinals = order.ordinals(np.arange(num_rows), epoch=0)
        place = np.empty(num_rows, dtype=np.int64)
        place[ordinals] = np.arange(num_rows)
        counts[np.arange(_SAMPLES), place[chosen] * _BINS // num_rows] += 1
    expected = num_seeds / _BINS
    values = ((counts - expected) ** 2 / expected).sum(axis=1)
    tails = [_tail(float(value), _BINS - 1) for value in values]
    low = float(np.mean(np.array(tails) < 0.05))
    note = f"{_SAMPLES} samples over {num_seeds} seeds: least p {min(tails):.4f}, {low:.0%} below 0.05"
    is_bad = min(tails) < _WORST_P or low > 0.2
    return note if is_bad else "", note


def _tail(value: float, freedom: int) -> float:
    """P(chi-square >= value), by Wilson and Hilferty (1931)."""
    spread = 2 / (9 * freedom)
    normal = ((value / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return 0.5 * math.erfc(normal / math.sqrt(2))


def notes(counts: dict[str, float]) -> list[str]:
    """Lines below the table."""
    return sorted(counts)
