"""Who takes which position: arithmetic on top of the order, which it never changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace.errors import InvalidInput

__all__ = ["Placement", "Share"]


@dataclass(frozen=True, slots=True)
class Share:
    """What one rank takes of one step."""

    positions: np.ndarray  # int64 [num_samples], ascending but for padding at the end
    is_padding: np.ndarray  # bool [num_samples]; repeated so that all ranks take equally many


@dataclass(frozen=True, slots=True)
class Placement:
    """One data-parallel rank among `world`."""

    rank: int
    world: int

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise InvalidInput(f"rank {self.rank} of {self.world}: expected 0 <= rank < world size")

    def share(self, start: int, end: int, *, batch: int, lanes: int) -> Share:
        """The positions among [start, end) that this rank takes.

        Where the world divides the lanes and the batch holds whole rounds of them, a rank takes neighbouring lanes,
        so that all ranks together read each block about once; else contiguous slots. The last, shorter step is dealt
        `k * r // W … (k + 1) * r // W`, and who gets fewer repeats the first ones, marked.

        Args:
            batch: Global batch; a step with fewer positions is the last one.
            lanes: Of the order.
        """
        num_positions = end - start
        if num_positions == batch and lanes % self.world == 0 and batch % lanes == 0:
            positions = np.arange(start, end, dtype=np.int64)
            lane = positions % lanes
            per_rank = lanes // self.world
            positions = positions[(lane >= self.rank * per_rank) & (lane < (self.rank + 1) * per_rank)]
            return Share(positions, np.zeros(len(positions), dtype=bool))
        first = self.rank * num_positions // self.world
        last = (self.rank + 1) * num_positions // self.world
        positions = np.arange(start + first, start + last, dtype=np.int64)
        most = -(-num_positions // self.world)
        if num_positions == batch or len(positions) == most:
            return Share(positions, np.zeros(len(positions), dtype=bool))
        repeated = start + np.arange(most - len(positions), dtype=np.int64) % num_positions
        is_padding = np.arange(most) >= len(positions)
        return Share(np.concatenate([positions, repeated]), is_padding)
