"""What a stage of a plan is to those that run it or look ahead."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.curation.executor.step import Step
from headrace.curation.operator_spec import OperatorSpec
from headrace.curation.static_plan import CheckWork, OperatorWork, StaticStage

__all__ = ["is_operator_stage", "passes_through", "steps_of"]


def is_operator_stage(stage: StaticStage) -> bool:
    """Whether it runs sample or batch operators, row by row."""
    return isinstance(stage.work, OperatorWork) and all(use.operator.kind != "table" for use in stage.work.uses)


def passes_through(stage: StaticStage) -> bool:
    """Whether it hands its only input on as it is."""
    return isinstance(stage.work, CheckWork) and len(stage.inputs) == 1


def steps_of(stage: StaticStage, keys: Sequence[str]) -> list[Step]:
    """The operators of a stage; `keys` are their digests, see `PlanHash.uses`.

    Raises:
        TypeError: An operator comes from a catalogue that only describes.
    """
    if not isinstance(stage.work, OperatorWork):
        return []
    steps: list[Step] = []
    for use, key in zip(stage.work.uses, keys, strict=True):
        spec = use.operator
        if not isinstance(spec, OperatorSpec):
            raise TypeError(f"operator {spec.name} comes from a catalogue that only describes")
        settings = dict(use.settings)
        columns = dict(use.columns)
        steps.append(Step(spec, columns, outputs=spec.output_columns(settings), settings=settings, key=key))
    return steps
