"""What the operators of a stage need of the node that they run on, as Ray is asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.curation.executor.placement import bound_to_gpu, gpu_need
from headrace.curation.executor.step import Step
from headrace.errors import InvalidInput
from headrace.units import format_bytes

__all__ = ["HostNeeds", "has_needs", "needs_on"]


@dataclass(frozen=True, slots=True)
class HostNeeds:
    """Beside one CPU."""

    num_gpus: float = 0.0
    memory_bytes: int = 0


def has_needs(steps: Sequence[Step]) -> bool:
    """Whether an operator declares a GPU or memory."""
    return any(step.spec.needs.gpu > 0 or step.spec.needs.memory_bytes for step in steps)


def needs_on(
    steps: Sequence[Step], nodes: Sequence[Mapping[str, float]], *, stage: str, memory_bytes: int | None
) -> HostNeeds:
    """What each worker of the stage asks for.

    Args:
        nodes: What each node has, see `RayCluster.nodes`.
        memory_bytes: Ceiling of each worker; None: none.

    Raises:
        InvalidInput: No node has as much, or the ceiling is lower.
    """
    need_bytes = sum(step.spec.needs.memory_bytes for step in steps)  # what an operator has loaded stays
    most_bytes = max((node.get("memory", 0.0) for node in nodes), default=0.0)
    if need_bytes > (memory_bytes or need_bytes) or need_bytes > most_bytes:
        largest = max(steps, key=lambda step: step.spec.needs.memory_bytes).spec
        limit = (
            f"each worker may have {format_bytes(memory_bytes)}. Raise --memory"
            if memory_bytes is not None and need_bytes > memory_bytes
            else f"the largest node of the Ray cluster has {format_bytes(int(most_bytes))}. Run it on larger ones"
        )
        raise InvalidInput(
            f"stage {stage!r}: {largest.name} needs {format_bytes(largest.needs.memory_bytes)} of memory, the stage's "
            f"operators together {format_bytes(need_bytes)}; {limit}"
        )
    num_gpus = gpu_need(steps)
    most_gpus = max((node.get("GPU", 0.0) for node in nodes), default=0.0)
    if num_gpus > most_gpus:
        bound = bound_to_gpu(steps)
        if bound is not None:
            raise InvalidInput(
                f"stage {stage!r}: {bound} needs {num_gpus:g} GPU{'' if num_gpus <= 1 else 's'}; no node of the Ray "
                f"cluster has more than {most_gpus:g}. Add one that has, or declare gpu_optional=True if the operator "
                "also works without"
            )
        num_gpus = 0.0
    return HostNeeds(num_gpus, need_bytes)
