"""How many tasks of a stage run at once: in processes, or in threads of few; what its operators need decides."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headrace.curation.executor.gpus import gpu_turns, visible_gpus
from headrace.curation.executor.step import Step
from headrace.errors import InvalidInput
from headrace.units import format_bytes

__all__ = ["ACT_SHARE", "WORKER_BYTES", "Placement", "bound_to_gpu", "gpu_need", "place_stage"]

ACT_SHARE = 0.85
"""Of the ceiling: what a worker takes between two looks must still fit."""

WORKER_BYTES = 200_000_000
"""What a worker process holds with its libraries and a chunk."""

_MOST_LANES = 4
"""Threads of one process wait for Python's lock; measured with two, see decision 30."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the tasks of a stage run.

    Attributes:
        num_processes: At once.
        num_lanes: Tasks at once in each process.
        num_spare: Further processes that fit, for the time that a row is tried alone in one.
        devices: CUDA_VISIBLE_DEVICES of each process; empty: as this process has it.
    """

    num_processes: int
    num_lanes: int = 1
    num_spare: int = 0
    devices: tuple[str, ...] = ()


def place_stage(
    steps: Sequence[Step],
    *,
    stage: str,
    num_workers: int,
    memory_bytes: int | None = None,
    own_bytes: int = 0,
    gpus: Callable[[], Sequence[str]] = visible_gpus,
) -> Placement:
    """Room for up to `num_workers` tasks at once, and for as many as the operators' needs leave.

    Operators that are all free of Python's lock share processes; any other stage has a process for each task, and so
    has one that uses GPUs.

    Args:
        stage: Its name, for messages.
        memory_bytes: Ceiling of this process and its workers together; None: none.
        own_bytes: What this process holds of it.

    Raises:
        InvalidInput: An operator needs a GPU, or more memory, than there is.
    """
    at_once = max(1, num_workers)
    need = sum(step.spec.needs.memory_bytes for step in steps)  # what an operator has loaded stays
    if memory_bytes is not None and need:
        at_once = min(at_once, _fitting(steps, need, memory_bytes, stage))
    devices = _devices(steps, gpus, stage)
    if devices:
        at_once = min(at_once, len(devices))
    num_lanes = 1
    if not devices and all(step.spec.is_gil_free for step in steps):
        num_lanes = -(-at_once // -(-at_once // _MOST_LANES))
    most = at_once
    if memory_bytes is not None:
        most = max(1, min(most, (int(ACT_SHARE * memory_bytes) - own_bytes) // (WORKER_BYTES + need)))
    num_processes = min(most, -(-at_once // num_lanes))
    num_spare = most - num_processes if num_lanes > 1 else 0
    return Placement(num_processes, num_lanes, num_spare, devices[:num_processes])


def _fitting(steps: Sequence[Step], need: int, memory_bytes: int, stage: str) -> int:
    if need > memory_bytes:
        largest = max(steps, key=lambda step: step.spec.needs.memory_bytes).spec
        together = "" if len(steps) == 1 else f", the stage's operators together {format_bytes(need)}"
        raise InvalidInput(
            f"stage {stage!r}: {largest.name} needs {format_bytes(largest.needs.memory_bytes)} of memory{together}; "
            f"all processes together may have {format_bytes(memory_bytes)}. Raise --memory"
        )
    return memory_bytes // need


def gpu_need(steps: Sequence[Step]) -> float:
    """GPUs of each worker of a stage: a share of one, or a whole number.

    Operators of a stage work one after the other, so whole GPUs are shared; parts of one add up, since what is loaded
    stays.
    """
    shares = [step.spec.needs.gpu for step in steps]
    most = max(shares, default=0.0)
    return float(round(most)) if most >= 1 else min(1.0, sum(shares))


def bound_to_gpu(steps: Sequence[Step]) -> str | None:
    """The operator that needs a GPU most and cannot do without; None where all can."""
    strict = [step.spec for step in steps if step.spec.needs.gpu > 0 and not step.spec.needs.is_gpu_optional]
    return max(strict, key=lambda spec: spec.needs.gpu).name if strict else None


def _devices(steps: Sequence[Step], gpus: Callable[[], Sequence[str]], stage: str) -> tuple[str, ...]:
    """CUDA_VISIBLE_DEVICES of each worker that can run at once; empty where none is needed, or where CPUs will do."""
    need = gpu_need(steps)
    if not need:
        return ()
    found = gpus()
    turns = gpu_turns(found, need)
    bound = bound_to_gpu(steps)
    if turns or bound is None:
        return turns
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    where = "nvidia-smi and the driver list" if chosen is None else f"CUDA_VISIBLE_DEVICES={chosen!r} names"
    raise InvalidInput(
        f"stage {stage!r}: {bound} needs {need:g} GPU{'' if need <= 1 else 's'}; {where} {len(found) or 'none'}. "
        "Run it where there are as many, or declare gpu_optional=True if the operator also works without"
    )
