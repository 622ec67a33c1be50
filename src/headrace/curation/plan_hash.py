"""The identity of a plan: the same on any machine and in any folder, another one as soon as a result could differ.

Each stage has a digest of what it does and of the digests of what it reads (a Merkle tree), so that a change is seen
in the stages behind it and in no other. Names of recipe, sources and stages, descriptions, messages, places, lakes,
unused parameters and defaults that are written out do not count. docs/explanation/recipes.md has the whole list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace.curation.merge_rules import MERGE_VERSION
from headrace.curation.operator_catalogue import OperatorEntry
from headrace.curation.source.plain_values import PlainForm, plain_form
from headrace.curation.source_hash import SourceHash, SourceHasher
from headrace.curation.static_plan import (
    CheckWork,
    CommandWork,
    FilterWork,
    MergeWork,
    OperatorUse,
    OperatorWork,
    SqlWork,
    StaticPlan,
    StaticSource,
    StaticStage,
)
from headrace.errors import InvalidInput, NotFound
from headrace.storage.canonical import canonical_json
from headrace.storage.digests import digest_hex

__all__ = ["PlanHash", "hash_plan"]

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class PlanHash:
    """Digests are BLAKE3, 64 hex digits.

    Attributes:
        digest: Of the whole plan.
        stages: Of each stage by its name, with all that it reads; data not included.
        works: The same without what it reads: with the content of its inputs it names a result.
        uses: Of each operator of each stage, without the columns that it reads, and what its own are called.
        sources: What the source hash of each operator covers, by the operator's name.
    """

    digest: str
    stages: Mapping[str, str]
    works: Mapping[str, str]
    uses: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, SourceHash]


def hash_plan(plan: StaticPlan) -> PlanHash:
    """Hash a plan as the files of its operators, models and commands are now.

    Raises:
        InvalidInput: An operator's code cannot be followed.
        NotFound: A file that counts is gone.
    """
    return _Hashing(plan).run()


class _Hashing:
    def __init__(self, plan: StaticPlan) -> None:
        self._plan = plan
        self._hasher = SourceHasher()
        self._operators: dict[str, SourceHash] = {}
        self._media: str | None = None
        self._digests: dict[str, str] = {}  # of sources and stages by name

    def run(self) -> PlanHash:
        for source in self._plan.sources:
            self._digests[source.name] = _digest(_source_form(source))
        stages: dict[str, str] = {}
        for stage in self._plan.stages:
            stages[stage.name] = self._digests[stage.name] = _digest(self._stage_form(stage))
            if isinstance(stage.work, CheckWork) and len(stage.inputs) == 1:
                # A check hands its input on, so that adding one changes nothing behind it.
                self._digests[stage.name] = self._digests[stage.inputs[0].origin]
        outputs: list[PlainForm] = [
            {
                "name": output.name,
                "stage": self._digests[output.stage],
                "dataset": output.dataset,
                "tags": [list(tag) for tag in output.tags],
            }
            for output in sorted(self._plan.outputs, key=lambda output: output.name)
        ]
        digest = _digest({"format": _FORMAT, "stages": sorted(stages.values()), "outputs": outputs})
        works = {stage.name: _digest(self._work_form(stage)) for stage in self._plan.stages}
        uses = {stage.name: self._uses_of(stage) for stage in self._plan.stages}
        return PlanHash(digest, stages, works, uses, dict(sorted(self._operators.items())))

    def _stage_form(self, stage: StaticStage) -> PlainForm:
        inputs: PlainForm = sorted([item.name, self._digests[item.origin]] for item in stage.inputs)
        return {"format": _FORMAT, "inputs": inputs, "work": self._work_form(stage)}

    def _work_form(self, stage: StaticStage) -> PlainForm:
        work = stage.work
        match work:
            case OperatorWork():
                sample = work.sample
                return {
                    "operators": [self._use_form(use, stage) for use in work.uses],
                    "where": None if work.where is None else work.where.strip(),
                    "sample": None if sample is None else plain_form([sample.rows, sample.share, sample.seed]),
                }
            case FilterWork():
                return {"filter": work.expression.strip()}
            case SqlWork():
                return {"sql": work.sql.strip(), "key": list(work.key)}
            case MergeWork(rules=rules):
                vocabularies: list[PlainForm] = [
                    [
                        each.field,
                        each.source,
                        {"file": _file_digest(each.values, stage)}
                        if isinstance(each.values, Path)
                        else list(each.values),
                    ]
                    for each in rules.vocabularies
                ]
                return {"merge": plain_form(rules.to_json()), "version": MERGE_VERSION, "vocabularies": vocabularies}
            case CheckWork():
                return {"check": work.sql.strip()}
            case CommandWork():
                files = dict(work.files)
                arguments: list[PlainForm] = [
                    {"file": _file_digest(files[argument], stage)} if argument in files else argument
                    for argument in work.arguments
                ]
                requirements = None if work.requirements is None else _file_digest(work.requirements, stage)
                return {
                    "command": arguments,
                    "python": work.python,
                    "requirements": requirements,
                    "media": sorted(work.media),
                }

    def _uses_of(self, stage: StaticStage) -> tuple[str, ...]:
        if not isinstance(stage.work, OperatorWork):
            return ()
        forms = [self._use_form(use, stage) for use in stage.work.uses]
        # What was computed is known whatever the columns are called.
        return tuple(
            _digest({key: value for key, value in form.items() if key != "called"} | {"columns": None})
            for form in forms
        )

    def _use_form(self, use: OperatorUse, stage: StaticStage) -> dict[str, PlainForm]:
        entry = use.operator
        settings = entry.identity(dict(use.settings))
        try:
            values = {name: plain_form(value) for name, value in settings.items()}
        except TypeError as error:
            raise InvalidInput(f"stage {stage.name!r}: a setting of {entry.name} cannot be hashed: {error}") from error
        chosen: dict[str, PlainForm] = {}
        called = dict(entry.output_columns(dict(use.settings)))
        if any(name != column for name, column in called.items()):
            chosen["called"] = dict(called)
        if entry.code:  # absent elsewhere, so that keys of other operators stay as they are
            chosen["code"] = [self._hasher.of_name(module, name).digest for module, name in entry.code]
        return {
            **chosen,
            "name": entry.name,
            "version": entry.version,
            "kind": entry.kind,
            "source": self._source_of(entry),
            "decoding": self._decoding() if "media" in entry.inputs.values() else None,
            "inputs": {name: str(kind) for name, kind in entry.inputs.items()},
            "outputs": {name: str(kind) for name, kind in entry.outputs.items()},
            "replaces": list(entry.replaces),
            "settings": values,
            "columns": dict(use.columns),
        }

    def _decoding(self) -> str:
        """Media decode themselves, so what decodes them is part of every operator that takes some."""
        if self._media is None:
            self._media = self._hasher.of_name("headrace.curation.media", "Media").digest
        return self._media

    def _source_of(self, entry: OperatorEntry) -> str:
        if entry.name not in self._operators:
            try:
                self._operators[entry.name] = self._hasher.of(entry.function)
            except InvalidInput as error:
                raise InvalidInput(f"operator {entry.name}: {error.message}") from error
        return self._operators[entry.name].digest


def _source_form(source: StaticSource) -> PlainForm:
    """Without the lake: what is in the dataset is identified when the plan meets the lake."""
    return {
        "dataset": source.reference.dataset,
        "selector": str(source.reference.selector),
        "where": None if source.where is None else source.where.strip(),
        "columns": None if source.columns is None else sorted(source.columns),
    }


def _file_digest(path: Path, stage: StaticStage) -> str:
    try:
        return digest_hex(path.read_bytes())
    except OSError as error:
        raise NotFound(f"stage {stage.name!r}: the file {str(path)!r} cannot be read: {error.strerror}") from error


def _digest(form: PlainForm) -> str:
    return digest_hex(canonical_json(form))
