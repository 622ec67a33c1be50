"""Which sample stands at which position of an epoch: a pure function of the plan's size, the seed and the epoch.

Mode "block" keeps locality. The plan's ordinals are cut into blocks of equal size, the short last one at the end; the
blocks are permuted; the sequence of rows that results is cut into `lanes` spans of equal length. Position g belongs to
lane `g % lanes`, at place `g // lanes` in it; a lane walks windows of a few blocks and permutes the rows inside each.
The last `num_samples % lanes` rows are the tail. Mode "global" is one bijection over all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from headrace.errors import InvalidInput
from headrace.storage.canonical import JsonValue
from headrace.streaming.permutations import order_key, permute, permute_each

__all__ = ["MAX_CUSTOM_LANES", "MAX_LANES", "MAX_ROWS", "MAX_WINDOW_BLOCKS", "Mode", "Order", "default_lanes"]

Mode = Literal["global", "block", "none"]

MAX_LANES = 128
"""Of the lanes that follow from a global batch."""
MAX_CUSTOM_LANES = 1024
MAX_WINDOW_BLOCKS = 1024
MAX_ROWS = 2**48


@dataclass(frozen=True, slots=True)
class Order:
    """The order of every epoch. Immutable; needs no memory that grows with the rows.

    Attributes:
        num_samples: Positions of an epoch.
        mode: "global", "block", or "none" for the plan's own order.
        seed: Any whole number.
        lanes: C; 1 unless the mode is "block".
        block_rows: Rows of a block.
        window_blocks: Blocks whose rows are mixed with each other.
    """

    num_samples: int
    mode: Mode
    seed: int
    lanes: int = 1
    block_rows: int = 256
    window_blocks: int = 8

    def __post_init__(self) -> None:
        if self.num_samples < 0 or self.lanes < 1 or self.block_rows < 1 or self.window_blocks < 1:
            raise InvalidInput(f"{self!r} is no order: samples from 0, lanes, blocks and windows from 1")

    @property
    def lane_rows(self) -> int:
        """Rows of each lane; what is left over is the tail."""
        return self.num_samples // self.lanes

    def ordinals(self, positions: np.ndarray, *, epoch: int) -> np.ndarray:
        """Plan ordinals of positions in 0 … num_samples - 1, int64 [num_positions]; O(1) for each.

        Raises:
            IndexError: A position lies outside.
        """
        positions = np.asarray(positions, dtype=np.int64)
        if len(positions) and (positions.min() < 0 or positions.max() >= self.num_samples):
            raise IndexError(f"positions of an epoch go from 0 to {self.num_samples - 1}")
        match self.mode:
            case "none":
                return positions
            case "global":
                return permute(order_key(seed=self.seed, epoch=epoch, level="global"), positions, self.num_samples)
            case _:
                return self._after_blocks(self._in_sequence(positions, epoch=epoch), epoch=epoch)

    def _in_sequence(self, positions: np.ndarray, *, epoch: int) -> np.ndarray:
        """Places in the sequence of permuted blocks, int64 [num_positions]."""
        length = self.lane_rows
        in_lanes = np.flatnonzero(positions < length * self.lanes)
        sequence = positions.copy()  # the tail lies where it lies
        lane, place = positions[in_lanes] % self.lanes, positions[in_lanes] // self.lanes
        # Windows end where blocks end: of a lane that begins inside a block the first window is the shorter one.
        shift = (lane * length) % self.block_rows
        span = self.block_rows * self.window_blocks
        window = (place + shift) // span
        start = np.maximum(window * span - shift, 0)
        size = np.minimum((window + 1) * span - shift, length) - start
        pairs, key_idx = np.unique(lane * (length // span + 2) + window, return_inverse=True)
        keys = [
            order_key(seed=self.seed, epoch=epoch, level="window", lane=pair // (length // span + 2),
                      window=pair % (length // span + 2))
            for pair in pairs.tolist()
        ]  # fmt: skip
        sequence[in_lanes] = lane * length + start + permute_each(keys, key_idx, place - start, size)
        return sequence

    def _after_blocks(self, sequence: np.ndarray, *, epoch: int) -> np.ndarray:
        """Plan ordinals of places in the sequence of permuted blocks, int64 [num_places]."""
        num_whole = self.num_samples // self.block_rows
        block, row = sequence // self.block_rows, sequence % self.block_rows
        whole = np.flatnonzero(block < num_whole)
        block[whole] = permute(order_key(seed=self.seed, epoch=epoch, level="block"), block[whole], num_whole)
        ordinals: np.ndarray = block * self.block_rows + row
        return ordinals

    def to_json(self) -> JsonValue:
        """What a state holds of it."""
        return {
            "num_samples": self.num_samples,
            "mode": self.mode,
            "seed": self.seed,
            "lanes": self.lanes,
            "block_rows": self.block_rows,
            "window_blocks": self.window_blocks,
        }

    @classmethod
    def from_json(cls, document: JsonValue) -> Order:
        """The order of a document that `to_json` made."""
        return cls(**document)


def default_lanes(*, global_batch: int, num_samples: int, block_rows: int, window_blocks: int) -> int:
    """The largest divisor of the global batch up to 128 whose lanes are at least one window long."""
    enough = max(1, num_samples // (block_rows * window_blocks))
    return next(lanes for lanes in range(min(MAX_LANES, global_batch, enough), 0, -1) if global_batch % lanes == 0)
