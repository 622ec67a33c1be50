from __future__ import annotations

from typing import Any

import pytest

from headrace.curation.operator import Operator
from headrace.curation.ray_engine.host_needs import HostNeeds, has_needs, needs_on
from headrace.errors import InvalidInput
from tests.operator_bench import step
from tests.place_operators import gpu, gpu_or_not, large
from tests.poison_operators import poison

SMALL = {"CPU": 4.0, "memory": 2e9}
WITH_GPUS = {"CPU": 8.0, "memory": 64e9, "GPU": 2.0}


@pytest.mark.parametrize(
    ("operators", "nodes", "expected"),
    [
        ([poison], [SMALL], HostNeeds()),
        ([gpu], [SMALL, WITH_GPUS], HostNeeds(num_gpus=1.0)),
        ([gpu, gpu_or_not], [WITH_GPUS], HostNeeds(num_gpus=1.0)),
        ([gpu_or_not], [SMALL], HostNeeds()),
        ([large], [SMALL, WITH_GPUS], HostNeeds(memory_bytes=3 << 30)),
    ],
    ids=["nothing", "a-gpu", "a-gpu-for-two", "without-gpu", "memory"],
)
def test_needs_are_those_of_the_operators(
    operators: list[Operator[Any, Any]], nodes: list[dict[str, float]], expected: HostNeeds
) -> None:
    steps = [step(operator) for operator in operators]
    assert needs_on(steps, nodes, stage="measure", memory_bytes=None) == expected
    assert has_needs(steps) == (operators != [poison])


@pytest.mark.parametrize(
    ("operator", "nodes", "memory_bytes", "message"),
    [
        (gpu, [SMALL], None, "stage 'measure': test.gpu needs 1 GPU; no node of the Ray cluster has more than 0"),
        (large, [SMALL], None, "test.large needs .* the largest node of the Ray cluster has 2"),
        (large, [WITH_GPUS], 1 << 30, "each worker may have .* Raise --memory"),
        (large, [], None, "the largest node of the Ray cluster has 0"),
    ],
    ids=["no-gpu", "small-nodes", "ceiling", "no-nodes"],
)
def test_what_no_node_has_is_refused(
    operator: Operator[Any, Any], nodes: list[dict[str, float]], memory_bytes: int | None, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        needs_on([step(operator)], nodes, stage="measure", memory_bytes=memory_bytes)
