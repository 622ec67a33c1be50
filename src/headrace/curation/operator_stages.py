"""Stages that run operators: names, settings and columns against the operator's definition."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from headrace.curation.hub_files import is_hub_name, local_file
from headrace.curation.operator_catalogue import OperatorCatalogue, OperatorEntry
from headrace.curation.recipe_file.document import ReadStage
from headrace.curation.recipe_file.fields import FusedFields, OperatorFields, SampleFields, UseFields
from headrace.curation.recipe_file.nodes import MapNode, Node
from headrace.curation.recipe_file.problems import Place, Problems
from headrace.curation.static_plan import OperatorUse, OperatorWork, Sampling
from headrace.errors import HeadraceError, InvalidInput
from headrace.schema.names import check_column_name
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["compile_operators"]


def compile_operators(
    stage: ReadStage,
    fields: OperatorFields | FusedFields,
    *,
    catalogue: OperatorCatalogue,
    folder: Path,
    problems: Problems,
) -> OperatorWork:
    """The checked operators; those that cannot be resolved are left out and noted.

    Args:
        folder: The recipe's; settings that name files start there.
    """
    parts: list[tuple[OperatorFields | UseFields, Node]] = (
        [(fields, stage.node)]
        if isinstance(fields, OperatorFields)
        else [(use, _item(stage.node, idx)) for idx, use in enumerate(fields.operators)]
    )
    uses: list[OperatorUse] = []
    given_by: dict[str, str] = {}
    for part, node in parts:
        try:
            entry = catalogue.find_operator(part.operator).spec
        except InvalidInput as error:
            problems.add(f"{stage.subject}: {error.message}", node.at(["operator"]))
            continue
        place = node.at(["operator"])
        if entry.kind == "table":
            _refuse_for_tables(stage, fields, entry, place, problems)
        columns = _columns(stage, part, entry, node, problems)
        settings = _settings(stage, part, entry, node, folder, problems)
        for column in entry.output_columns(settings).values() if settings or not entry.settings else entry.outputs:
            if column in given_by:
                problems.add(
                    f"{stage.subject}: {entry.name} and {given_by[column]} both give the column {column!r}", place
                )
            given_by[column] = entry.name
        if settings:
            with problems.noted(node.at(["settings"]) or place, subject=stage.subject):
                entry = entry.with_settings(settings)
        uses.append(OperatorUse(entry, columns, tuple(settings.items())))
    return OperatorWork(tuple(uses), fields.where, _sampling(stage, fields.sample, problems))


def _item(node: MapNode, idx: int) -> Node:
    operators = node.get("operators")
    items = getattr(operators, "items", ())
    item: Node = items[idx]
    return item


def _refuse_for_tables(
    stage: ReadStage,
    fields: OperatorFields | FusedFields,
    entry: OperatorEntry,
    place: Place | None,
    problems: Problems,
) -> None:
    """A table operator looks at all rows together, so nothing can run beside it or on a part of the rows."""
    if isinstance(fields, FusedFields):
        problems.add(
            f"{stage.subject}: {entry.name} works on whole tables and cannot share a stage; give it one of its own",
            place,
        )
    for key, value in (("where", fields.where), ("sample", fields.sample)):
        if value is not None:
            problems.add(
                f"{stage.subject}: {entry.name} works on whole tables, so {key!r} has no meaning; filter in a stage "
                "before it",
                stage.node.key_place(key),
            )


def _columns(
    stage: ReadStage, part: OperatorFields | UseFields, entry: OperatorEntry, node: Node, problems: Problems
) -> tuple[tuple[str, str], ...]:
    known = [] if entry.kind == "table" else list(entry.inputs)
    written = node.get("columns") if isinstance(node, MapNode) else None
    for name, column in part.columns.items():
        if name not in known:
            place = written.key_place(name) if isinstance(written, MapNode) else node.place
            hint = near_miss_or_known(name, known) or " It reads whole tables."
            problems.add(f"{stage.subject}: {entry.name} has no input {name!r}.{hint}", place)
        else:
            with problems.noted(node.at(["columns", name]), subject=stage.subject):
                check_column_name(column)
    return tuple((name, part.columns.get(name, name)) for name in known)


def _settings(
    stage: ReadStage,
    part: OperatorFields | UseFields,
    entry: OperatorEntry,
    node: Node,
    folder: Path,
    problems: Problems,
) -> Mapping[str, object]:
    written = node.get("settings") if isinstance(node, MapNode) else None
    given: dict[str, object] = {}
    is_whole = True
    for name, value in part.settings.items():
        setting = entry.settings.get(name)
        if setting is None:
            place = written.key_place(name) if isinstance(written, MapNode) else node.place
            hint = near_miss_or_known(name, entry.settings) or " It has none."
            problems.add(f"{stage.subject}: {entry.name} has no setting {name!r}.{hint}", place)
            continue
        place = node.at(["settings", name])
        if setting.role == "file" and isinstance(value, str):
            try:
                path = local_file(value, operator=entry.name, setting=name) if is_hub_name(value) else folder / value
            except HeadraceError as error:
                problems.add(f"{stage.subject}: {error.message}", place)
                is_whole = False
                continue
            if not path.is_file():
                problems.add(f"{stage.subject}: setting {name!r}: there is no file {str(path)!r}", place)
                is_whole = False
                continue
            value = str(path)
        try:
            setting.checked(value, operator=entry.name)
        except HeadraceError as error:
            problems.add(f"{stage.subject}: {error.message}", place)
            is_whole = False
            continue
        given[name] = value
    if not is_whole:
        return {}
    try:
        return entry.bind(given)
    except HeadraceError as error:  # a setting without default is missing
        problems.add(f"{stage.subject}: {error.message}", node.at(["operator"]))
        return {}


def _sampling(stage: ReadStage, sample: SampleFields | None, problems: Problems) -> Sampling | None:
    if sample is None:
        return None
    if (sample.rows is None) == (sample.share is None):
        problems.add(f"{stage.subject}: sample needs exactly one of 'rows' and 'share'", stage.node.at(["sample"]))
    return Sampling(sample.rows, sample.share, sample.seed)
