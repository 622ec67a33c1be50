"""Stages that merge sources: weights, functions and vocabularies checked, no two columns of one name."""

from __future__ import annotations

from pathlib import Path

from headrace.curation.merge_rules import MergeRules, SourceVocabulary
from headrace.curation.recipe_file.document import ReadStage
from headrace.curation.recipe_file.fields import MergeFields
from headrace.curation.recipe_file.problems import Problems
from headrace.curation.static_plan import MergeWork
from headrace.schema.names import check_column_name
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["compile_merge"]


def compile_merge(stage: ReadStage, fields: MergeFields, *, folder: Path, problems: Problems) -> MergeWork:
    """The checked rules.

    Args:
        folder: The recipe's; names of vocabulary files start there.
    """
    rules = MergeRules(
        identity=fields.identity,
        source=fields.source,
        weights=tuple(sorted((name, float(weight)) for name, weight in fields.source_weight_map.items())),
        functions=tuple(sorted(fields.merge.items())),
        vocabularies=_vocabularies(stage, fields, folder, problems),
        keep=tuple(fields.keep),
        carry=tuple(fields.carry),
    )
    _check_sources(stage, fields, problems)
    _check_weights(stage, fields, problems)
    with problems.noted(stage.node.at(["identity"]), subject=stage.subject):
        check_column_name(fields.identity)
    _check_fields(stage, fields, problems)
    _check_names(stage, rules, problems)
    return MergeWork(rules)


def _vocabularies(
    stage: ReadStage, fields: MergeFields, folder: Path, problems: Problems
) -> tuple[SourceVocabulary, ...]:
    found: list[SourceVocabulary] = []
    for field, by_source in fields.vocabularies.items():
        function = fields.merge.get(field)
        if function not in ("weighted_vote", "noisy_or"):
            voted = [name for name, each in fields.merge.items() if each in ("weighted_vote", "noisy_or")]
            hint = near_miss_or_known(field, voted) or " None is."
            problems.add(
                f"{stage.subject}: vocabularies: no votes are taken on {field!r}.{hint}",
                stage.node.at(["vocabularies", field]),
            )
        for source, given in by_source.items():
            place = stage.node.at(["vocabularies", field, source])
            if source not in fields.source_weight_map:
                hint = near_miss_or_known(source, fields.source_weight_map)
                problems.add(f"{stage.subject}: source_weight_map has no source {source!r}.{hint}", place)
            if isinstance(given, list):
                found.append(SourceVocabulary(field, source, tuple(sorted(set(given)))))
                continue
            path = folder / given
            if not path.is_file():
                problems.add(f"{stage.subject}: there is no file {given!r} in {str(folder)!r}", place)
            found.append(SourceVocabulary(field, source, path))
    return tuple(sorted(found, key=lambda each: (each.field, each.source)))


def _check_sources(stage: ReadStage, fields: MergeFields, problems: Problems) -> None:
    if (fields.source is None) == (fields.inputs is None):
        problems.add(
            f"{stage.subject} needs exactly one of 'source', the column with each row's source, and 'inputs', a table "
            "for each source",
            stage.node.at(["source"] if fields.source is not None else ["merge"]),
        )
    for source in fields.inputs or ():
        if source not in fields.source_weight_map:
            problems.add(
                f"{stage.subject}: source_weight_map has no weight for the input {source!r}",
                stage.node.at(["inputs", source]),
            )
    if fields.inputs is None:
        return
    for source in fields.source_weight_map:
        if source not in fields.inputs:
            hint = near_miss_or_known(source, fields.inputs)
            problems.add(
                f"{stage.subject}: source_weight_map: no input is called {source!r}.{hint}",
                stage.node.at(["source_weight_map", source]),
            )


def _check_weights(stage: ReadStage, fields: MergeFields, problems: Problems) -> None:
    if "noisy_or" not in fields.merge.values():
        return
    for source, weight in fields.source_weight_map.items():
        if weight > 1:
            problems.add(
                f"{stage.subject}: source_weight_map: {source!r} has the weight {weight:g}; noisy_or takes weights for "
                "probabilities, so expected at most 1",
                stage.node.at(["source_weight_map", source]),
            )


def _check_fields(stage: ReadStage, fields: MergeFields, problems: Problems) -> None:
    for key, names in (("merge", list(fields.merge)), ("keep", fields.keep), ("carry", fields.carry)):
        for idx, name in enumerate(names):
            place = stage.node.at([key, name if key == "merge" else idx])
            with problems.noted(place, subject=stage.subject):
                check_column_name(name)
            if name in (fields.identity, fields.source):
                problems.add(f"{stage.subject}: {key}: {name!r} says which rows belong together, and stays", place)


def _check_names(stage: ReadStage, rules: MergeRules, problems: Problems) -> None:
    """No two columns of the result are called alike: names of fields and sources may hold `__` themselves."""
    seen: dict[str, tuple[str | int, ...]] = {}
    for name, path in rules.output_names():
        first = seen.setdefault(name.casefold(), path)
        if first is not path and first != path:
            problems.add(
                f"{stage.subject}: two columns of the result would be called {name!r}, for {_shown(first)} and for "
                f"{_shown(path)}; rename one in a stage before",
                stage.node.at(list(path)),
            )
        elif first is not path:
            problems.add(
                f"{stage.subject}: two columns of the result would be called {name!r}, both for {_shown(path)}; "
                "rename the field or a source in a stage before",
                stage.node.at(list(path)),
            )
    for source in rules.sources:
        with problems.noted(stage.node.at(["source_weight_map", source]), subject=stage.subject):
            check_column_name(f"{source}__x")


def _shown(path: tuple[str | int, ...]) -> str:
    return str(path[0]) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path[1:])
