"""Processes and lanes of a stage, from what its operators declare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from headrace.curation.executor.placement import Placement, place_stage
from headrace.curation.executor.step import Step
from headrace.curation.operator import operator
from headrace.errors import InvalidInput

GIB = 1 << 30


def declared(name: str = "test.some", **options: Any) -> Step:
    @operator(name=name, outputs={}, **options)
    def function(text: str) -> None:
        """Nothing."""

    return Step(function.spec, columns={"text": "text"}, outputs={}, settings={}, key="ab" * 32)


def gpus(*names: str) -> Callable[[], Sequence[str]]:
    return lambda: names


@pytest.mark.parametrize(
    ("num_workers", "placed"),
    [
        (0, Placement(1)),
        (1, Placement(1)),
        (2, Placement(1, 2, 1)),
        (4, Placement(1, 4, 3)),
        (5, Placement(2, 3, 3)),
        (16, Placement(4, 4, 12)),
    ],
)
def test_operators_free_of_the_lock_share_processes(num_workers: int, placed: Placement) -> None:
    assert place_stage([declared(gil_free=True)] * 2, stage="s", num_workers=num_workers) == placed


def test_one_operator_that_holds_the_lock_asks_for_processes() -> None:
    steps = [declared(gil_free=True), declared()]
    assert place_stage(steps, stage="s", num_workers=4) == Placement(4)


@pytest.mark.parametrize(
    ("steps", "placed"),
    [
        ([declared(gpu=1)], Placement(2, devices=("0", "1"))),
        ([declared(gpu=1, gil_free=True)], Placement(2, devices=("0", "1"))),
        ([declared(gpu=1), declared(gpu=0.5)], Placement(2, devices=("0", "1"))),
        ([declared(gpu=0.5), declared(gpu=0.4)], Placement(2, devices=("0", "1"))),
        ([declared(gpu=0.5)], Placement(4, devices=("0", "1", "0", "1"))),
        ([declared(gpu=2)], Placement(1, devices=("0,1",))),
        ([declared(gpu=3, gpu_optional=True)], Placement(8)),
        ([declared(gpu=0.25)], Placement(8, devices=("0", "1") * 4)),
    ],
    ids=["whole", "free", "whole and half", "parts add up", "half", "two", "optional", "quarter"],
)
def test_no_more_workers_than_gpus(steps: list[Step], placed: Placement) -> None:
    assert place_stage(steps, stage="s", num_workers=8, gpus=gpus("0", "1")) == placed


def test_missing_gpu_names_stage_and_operator() -> None:
    steps = [declared("test.caption", gpu=1), declared("test.tag", gpu=1, gpu_optional=True)]
    with pytest.raises(InvalidInput, match=r"stage 'captions': test\.caption needs 1 GPU; .* none\. Run it where"):
        place_stage(steps, stage="captions", num_workers=2, gpus=gpus())
    with pytest.raises(InvalidInput, match=r"test\.caption needs 2 GPUs; .* list 1\."):
        place_stage([declared("test.caption", gpu=2)], stage="captions", num_workers=2, gpus=gpus("0"))
    assert place_stage(steps[1:], stage="captions", num_workers=2, gpus=gpus()) == Placement(2)


def test_gpus_are_not_looked_for_without_need() -> None:
    def asked() -> Sequence[str]:
        raise AssertionError("nobody needs one")

    assert place_stage([declared()], stage="s", num_workers=2, gpus=asked) == Placement(2)


def test_declared_memory_bounds_the_workers() -> None:
    steps = [declared("test.tag", memory_bytes=GIB, gil_free=True), declared("test.caption", memory_bytes=2 * GIB)]
    assert place_stage(steps, stage="s", num_workers=8) == Placement(8)
    assert place_stage(steps, stage="s", num_workers=8, memory_bytes=64 * GIB) == Placement(8)
    assert place_stage(steps, stage="s", num_workers=8, memory_bytes=8 * GIB).num_processes == 2
    assert place_stage(steps, stage="s", num_workers=8, memory_bytes=3 * GIB).num_processes == 1
    with pytest.raises(
        InvalidInput, match=r"stage 's': test\.caption needs 2\.\d+ GB .* together 3\.\d+ GB; .* --memory"
    ):
        place_stage(steps, stage="s", num_workers=8, memory_bytes=2 * GIB)


def test_ceiling_leaves_lanes_where_processes_do_not_fit() -> None:
    free, bound = [declared(gil_free=True)], [declared()]
    assert place_stage(free, stage="s", num_workers=4, memory_bytes=GIB // 2) == Placement(1, 4, 1)
    assert place_stage(free, stage="s", num_workers=4, memory_bytes=GIB // 2, own_bytes=200_000_000) == Placement(1, 4)
    assert place_stage(bound, stage="s", num_workers=4, memory_bytes=GIB // 2, own_bytes=200_000_000) == Placement(1)
