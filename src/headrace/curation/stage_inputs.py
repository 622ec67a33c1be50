"""What each stage reads: the names that it gives, or the stage before it; no circles, nothing that hands nothing on."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.curation.recipe_file.document import ReadStage, RecipeDocument, UnreadStage
from headrace.curation.recipe_file.fields import CheckFields, MergeFields, SqlFields
from headrace.curation.recipe_file.nodes import MapNode
from headrace.curation.recipe_file.problems import Place, Problems
from headrace.curation.stage_order import find_cycle
from headrace.curation.static_plan import CheckWork, StageInput, StaticStage
from headrace.schema.near_misses import near_miss_or_known

__all__ = [
    "readable_names",
    "reads_of",
    "refuse_cycles",
    "refuse_reading_of_checks",
    "resolve_inputs",
    "written_keys",
]

_ONLY_INPUT = "input"  # table name of a stage with one input


def readable_names(document: RecipeDocument, problems: Problems) -> dict[str, Place | None]:
    """What stages can read: sources and stages."""
    names: dict[str, Place | None] = {source.name: source.place for source in document.sources}
    for stage in document.stages:
        if not isinstance(stage, ReadStage):
            continue
        name, place = stage.fields.name, stage.node.at(["name"])
        if name in names:
            first = names[name]
            where = "" if first is None else f"; the first is in line {first.line}"
            hint = (
                "; in a foreach the name must hold the placeholder" if first == place and place is not None else where
            )
            problems.add(f"the name {name!r} is taken by another stage or source{hint}", place)
        else:
            names[name] = place
    for stage in document.stages:
        if isinstance(stage, UnreadStage):
            names.setdefault(stage.name, None)
    return {**dict.fromkeys(document.unread_sources), **names}


def resolve_inputs(
    stage: ReadStage, document: RecipeDocument, names: Mapping[str, Place | None], problems: Problems
) -> tuple[StageInput, ...]:
    """What a stage reads: as it says, or the stage before it. What does not exist is noted."""
    fields = stage.fields
    several = fields.inputs if isinstance(fields, SqlFields | MergeFields | CheckFields) else None
    if several is not None:
        if fields.input is not None:
            problems.add(f"{stage.subject} has both 'input' and 'inputs'; keep one", stage.node.key_place("input"))
        written = stage.node.get("inputs")
        for name, origin in several.items():
            place = written.at([name]) if isinstance(written, MapNode) else stage.node.place
            _refuse_unknown(stage, origin, document, names, place, problems)
        return tuple(StageInput(name, origin) for name, origin in sorted(several.items()))
    if fields.input is not None:
        _refuse_unknown(stage, fields.input, document, names, stage.node.at(["input"]), problems)
    only = _default_input(stage, document, problems) if fields.input is None else fields.input
    return () if only is None else (StageInput(_ONLY_INPUT, only),)


def _refuse_unknown(
    stage: ReadStage,
    origin: str,
    document: RecipeDocument,
    names: Mapping[str, Place | None],
    place: Place | None,
    problems: Problems,
) -> None:
    if origin not in names and not document.is_partial and "${" not in origin:
        hint = near_miss_or_known(origin, [name for name in names if name != stage.fields.name])
        problems.add(f"{stage.subject} reads {origin!r}, which is no stage and no source.{hint}", place)


def _default_input(stage: ReadStage, document: RecipeDocument, problems: Problems) -> str | None:
    if stage.before is None:
        problems.add(
            f"{stage.subject} comes after a foreach that ends in several stages; say which one it reads: input: NAME",
            stage.node.at(["name"]),
        )
        return None
    if stage.before >= 0:
        before = document.stages[stage.before]
        return before.fields.name if isinstance(before, ReadStage) else None
    if len(document.sources) == 1:
        return document.sources[0].name
    if document.sources:
        known = ", ".join(repr(source.name) for source in document.sources)
        problems.add(
            f"{stage.subject} is the first one and there are several sources; say which one it reads: input: one of "
            f"{known}",
            stage.node.at(["name"]),
        )
    return None


def written_keys(stage: ReadStage) -> set[str]:
    """Keys that the stage has in its file."""
    return {entry.key for entry in stage.node}


def reads_of(stages: Mapping[str, StaticStage]) -> dict[str, list[str]]:
    """What each stage reads."""
    return {name: [item.origin for item in stage.inputs] for name, stage in stages.items()}


def refuse_cycles(document: RecipeDocument, stages: Mapping[str, StaticStage], problems: Problems) -> None:
    """Note stages that read each other in a circle."""
    cycle = find_cycle(reads_of(stages))
    if cycle:
        first = next(
            stage for stage in document.stages if isinstance(stage, ReadStage) and stage.fields.name == cycle[0]
        )
        key = "inputs" if "inputs" in written_keys(first) else "input" if "input" in written_keys(first) else "name"
        problems.add(f"stages read each other in a circle: {' <- '.join(cycle)}", first.node.at([key]))


def refuse_reading_of_checks(document: RecipeDocument, stages: Mapping[str, StaticStage], problems: Problems) -> None:
    """A check hands on what it reads, so one that reads several tables can only be an end."""
    ends = {name for name, stage in stages.items() if isinstance(stage.work, CheckWork) and len(stage.inputs) > 1}
    readers = [
        (stage.subject, item.origin, stage.node.at(["input" if "input" in written_keys(stage) else "name"]))
        for stage in document.stages
        if isinstance(stage, ReadStage) and stage.fields.name in stages
        for item in stages[stage.fields.name].inputs
    ]
    readers += [
        (f"output {output.name!r}", output.fields.stage, output.node.at(["stage"])) for output in document.outputs
    ]
    for subject, origin, place in readers:
        if origin in ends:
            problems.add(
                f"{subject} reads the check {origin!r}, which has several inputs and so none to hand on; read one of "
                "its inputs",
                place,
            )
