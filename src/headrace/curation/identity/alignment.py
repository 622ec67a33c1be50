"""How one picture is cut out of another: a scale and a shift in each direction."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNMOVED", "align", "sampled", "smoothed"]

_STEPS: Final = ((2, 2, 6), (2, 1, 4), (1, 1, 4))  # (made smaller by, times smoothed, rounds)
UNMOVED: Final = np.array([1.0, 0.0, 1.0, 0.0])
"""A picture that lies as it is"""
_WIDEST: Final = np.array([0.18, 0.15, 0.18, 0.15])  # from there
_LONGEST_STEP: Final = 0.05
_OUTLIER: Final = 12.0  # levels of grey from which on a pixel counts less
_STIFFNESS: Final = 1e3
_GRID: Final = 4_096  # results are multiples of 1 / _GRID, so that sums in another order give the same


def align(
    ours: NDArray[np.float32],  # [num_pairs, side, side]
    theirs: NDArray[np.float32],  # [num_pairs, side, side]
) -> NDArray[np.float64]:  # [num_pairs, 4]
    """(scale, shift) down and (scale, shift) across by which `theirs` lies best over `ours`.

    Places run from -1 to 1: place y of ours is scale * y + shift of theirs. Least squares by Gauss and Newton, from
    coarse to fine; where pictures differ, pixels count less (Lucas and Kanade, 1981; Baker and Matthews, 2004).
    """
    found = np.tile(UNMOVED, (len(ours), 1))
    for factor, times, rounds in _STEPS:
        left, right = (_smaller(each, factor) for each in (ours, theirs))
        for _ in range(times):
            left, right = smoothed(left), smoothed(right)
        for _ in range(rounds):
            found = found + np.clip(_step(left, right, found), -_LONGEST_STEP, _LONGEST_STEP)
            found = np.clip(found, UNMOVED - _WIDEST, UNMOVED + _WIDEST)
    rounded: NDArray[np.float64] = np.rint(found * _GRID) / _GRID
    return rounded


def sampled(
    pictures: NDArray[np.float32],  # [num_pairs, side, side]
    places: NDArray[np.float64],  # [num_pairs, 4], from `align`
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:  # each [num_pairs, side, side]
    """Pictures as they lie over others, and where they do."""
    side = pictures.shape[1]
    pairs = np.arange(len(pictures))[:, None]
    above, share, is_inside_down = _places(places[:, 0:2], side)
    rows = pictures[pairs, above] * (1 - share[:, :, None]) + pictures[pairs, above + 1] * share[:, :, None]
    above, share, is_inside_across = _places(places[:, 2:4], side)
    before = np.take_along_axis(rows, above[:, None, :], axis=2)
    behind = np.take_along_axis(rows, above[:, None, :] + 1, axis=2)
    found = before * (1 - share[:, None, :]) + behind * share[:, None, :]
    return found.astype(np.float32), is_inside_down[:, :, None] & is_inside_across[:, None, :]


def smoothed(
    pictures: NDArray[np.float32],  # [num_pairs, side, side]
) -> NDArray[np.float32]:
    """Weights 1, 2, 1 in both directions."""
    padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    found: NDArray[np.float32] = (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 16
    return found


def _places(
    across: NDArray[np.float64],  # [num_pairs, 2], scale and shift
    side: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:  # each [num_pairs, side]
    """The pixel before each place, the share of the one behind it, and whether there is one."""
    places: NDArray[np.float64] = (across[:, :1] * _centres(side) + across[:, 1:] + 1) / 2 * side - 0.5
    is_inside = (places >= -0.5) & (places <= side - 0.5)
    places = np.clip(places, 0, side - 1)
    before = np.minimum(np.floor(places).astype(np.int64), side - 2)
    return before, (places - before).astype(np.float32), is_inside


def _centres(side: int) -> NDArray[np.float64]:
    return (np.arange(side) + 0.5) / side * 2 - 1


def _smaller(pictures: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    side = pictures.shape[1] // factor
    parts = pictures.reshape(len(pictures), side, factor, side, factor)
    found: NDArray[np.float32] = parts.mean(axis=(2, 4), dtype=np.float32)
    return found


def _step(
    ours: NDArray[np.float32], theirs: NDArray[np.float32], places: NDArray[np.float64]
) -> NDArray[np.float64]:  # [num_pairs, 4]
    num_pairs, side, _ = ours.shape
    over, is_inside = sampled(theirs, places)
    down, across = np.zeros_like(over), np.zeros_like(over)
    down[:, 1:-1] = (over[:, 2:] - over[:, :-2]) * (side / 4)
    across[:, :, 1:-1] = (over[:, :, 2:] - over[:, :, :-2]) * (side / 4)
    centres: NDArray[np.float32] = _centres(side).astype(np.float32)
    slopes = np.stack([down * centres[:, None], down, across * centres, across], axis=1).reshape(num_pairs, 4, -1)
    differences = (ours - over).reshape(num_pairs, 1, -1)
    weights = is_inside.reshape(num_pairs, 1, -1) / (1 + (differences / _OUTLIER) ** 2)
    weighted: NDArray[np.float64] = (slopes * weights).astype(np.float64)
    squares: NDArray[np.float64] = weighted @ slopes.transpose(0, 2, 1).astype(np.float64) + np.eye(4) * _STIFFNESS
    wanted = weighted @ differences.transpose(0, 2, 1).astype(np.float64)
    return np.linalg.solve(squares, wanted)[:, :, 0].astype(np.float64)
