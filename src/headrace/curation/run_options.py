"""How a run is carried out; nothing here changes what comes out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final

from headrace.curation.executor.memory import require_measurable
from headrace.curation.operator_stage import ChunkSize
from headrace.errors import InvalidInput

__all__ = ["ENGINES", "BadRowLimit", "RunOptions"]

ENGINES: Final = ("local", "ray")

_MIN_MEMORY_BYTES = 512 << 20  # this process, one worker and DuckDB


@dataclass(frozen=True, slots=True)
class BadRowLimit:
    """How many rows may end in quarantine before a run counts as failed: a number, or a share of what was read."""

    rows: int | None = None
    share: float | None = None

    @classmethod
    def parse(cls, text: str) -> BadRowLimit:
        """ "20" or "0.5%".

        Raises:
            InvalidInput: Neither.
        """
        number = text.strip().removesuffix("%")
        try:
            if text.strip().endswith("%") and 0 <= float(number) <= 100:
                return cls(share=float(number) / 100)
            if number.isdecimal():
                return cls(rows=int(number))
        except ValueError:
            pass
        raise InvalidInput(f"max_bad is {text!r}: expected a number of rows such as 20, or a share such as 0.5%")

    def allows(self, num_bad: int, num_rows: int) -> bool:
        """Whether that many of that many rows may fail."""
        if self.rows is not None and num_bad > self.rows:
            return False
        return self.share is None or num_bad <= self.share * num_rows


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Means and limits of a run.

    Attributes:
        workers: Chunks that operators work on at once, in processes or in threads of few (see `operators show`);
            None: one for each core. 0 runs them in this process, where a crash is not survived.
        memory_bytes: Ceiling for this process and its workers, which only Linux can keep; None: no ceiling. On Ray it
            is that of this process, and of each worker.
        timeout_seconds: For one row in one operator; an operator that declares its own has that. None: no limit.
        max_bad: None: any number of rows may end in quarantine.
        retries: Rows in quarantine are tried again.
        chunk: How much of the work is lost at most when a worker dies.
        engine: Where operators and partitions run: processes of this machine, or a Ray cluster.
        ray_address: host:port of the cluster, "auto" or "local"; None: RAY_ADDRESS, else one is started for the run.
    """

    workers: int | None = None
    memory_bytes: int | None = None
    timeout_seconds: float | None = 600.0
    max_bad: BadRowLimit | None = None
    retries: bool = False
    chunk: ChunkSize = field(default_factory=ChunkSize)
    engine: str = "local"
    ray_address: str | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 0:
            raise InvalidInput(f"workers is {self.workers}: expected a whole number from 0")
        if self.engine not in ENGINES:
            raise InvalidInput(f"engine is {self.engine!r}: expected {' or '.join(map(repr, ENGINES))}")
        if self.ray_address is not None and self.engine != "ray":
            raise InvalidInput(f"ray_address is {self.ray_address!r}, but engine is {self.engine!r}: expected 'ray'")
        if self.memory_bytes is not None and self.memory_bytes < _MIN_MEMORY_BYTES:
            raise InvalidInput(f"memory is {self.memory_bytes:,} bytes; a run needs 512 MiB or more")
        if self.memory_bytes is not None:
            require_measurable()

    @property
    def num_workers(self) -> int:
        """Chunks that are worked on at once."""
        return (os.cpu_count() or 1) if self.workers is None else self.workers
