"""Laws of recipes: a file and Python give one hash, and neither order of keys nor place of the folder matters."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.curation.recipe import Recipe
from headrace.curation.stage import Stage
from tests.curation_operators import catalogue

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="${}'\\"), max_size=12)
OPERATORS: list[Mapping[str, Any]] = [
    {"operator": "image.blur"},
    {"operator": "image.phash", "settings": {"size": 4}},
    {"operator": "image.verify", "settings": {"min_side": 3, "strict": True}},
    {"operator": "exact.duplicates", "settings": {"by": ["a", "b"]}},
    {"operators": ["image.blur", {"operator": "image.phash", "columns": {"image": "photo"}}]},
]


@st.composite
def stage_keys(draw: st.DrawFn, name: str, known: list[str]) -> dict[str, Any]:
    stage: dict[str, Any] = {"name": name}
    kind = draw(st.sampled_from(["operator", "filter", "check", "sql", "merge", "command"]))
    if kind == "operator":
        stage |= draw(st.sampled_from(OPERATORS))
        if stage.get("operator") != "exact.duplicates" and draw(st.booleans()):
            stage["sample"] = draw(
                st.sampled_from([{"rows": 5}, {"share": 0.25, "seed": 3}, {"share": 1}, {"rows": 10**9, "seed": 2**60}])
            )
    elif kind == "filter":
        stage["filter"] = f"label = '{draw(TEXTS)}' AND x > {draw(st.floats(0, 1e6))!r}"
    elif kind == "check":
        stage |= {"check": "SELECT count(*) > 1 FROM input", "message": draw(TEXTS)}
    elif kind == "sql":
        stage |= {"sql": "SELECT * FROM a JOIN b USING (id)", "key": ["id"]}
        stage["inputs"] = {"a": draw(st.sampled_from(known)), "b": draw(st.sampled_from(known))}
        return stage
    elif kind == "merge":
        stage |= {"merge": {"tags": "weighted_vote", "size": "mean"}, "identity": "id", "keep": ["url"]}
        stage |= {"source": "site", "vocabularies": {"tags": {"b": draw(st.lists(TEXTS)), "a": ["x"]}}}
        stage["source_weight_map"] = {"b": draw(st.floats(0.5, 2)), "a": 1}
    else:
        stage["command"] = ["cp", draw(TEXTS.filter(lambda text: not text.startswith("/"))), "{input}", "{output}"]
    stage["input"] = draw(st.sampled_from(known))
    return stage


@st.composite
def recipes(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(NAMES, min_size=2, max_size=6, unique_by=str.casefold))
    source, *stages = names
    known = [source]
    found = []
    for name in stages:
        found.append(draw(stage_keys(name, list(known))))
        known.append(name)
    return {
        "recipe": "r",
        "sources": {source: draw(st.sampled_from(["photos@raw", {"ref": "photos", "where": "x > 1"}]))},
        "stages": found,
        "outputs": {"final": {"stage": stages[-1], "dataset": "kept", "tags": {"a": "b"}}},
    }


def file_hash(document: Mapping[str, Any], folder: Path) -> str:
    """JSON is YAML."""
    path = folder / "recipe.yaml"
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return Recipe.load(path, catalogue=catalogue()).hash().digest


def shuffled(value: Any, shuffling: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        shuffling.shuffle(keys)
        return {key: shuffled(value[key], shuffling) for key in keys}
    return [shuffled(item, shuffling) for item in value] if isinstance(value, list) else value


@settings(max_examples=40)
@given(recipes(), st.randoms(use_true_random=False))
def test_file_python_order_of_keys_and_folder_give_one_hash(document: dict[str, Any], shuffling: random.Random) -> None:
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        digest = file_hash(document, Path(first))
        assert file_hash(shuffled(document, shuffling), Path(second)) == digest
    in_python = Recipe(
        document["recipe"],
        sources=document["sources"],
        stages=[Stage(**keys) for keys in document["stages"]],
        outputs=document["outputs"],
        catalogue=catalogue(),
    )
    assert in_python.hash().digest == digest


@settings(max_examples=40)
@given(recipes(), st.randoms(use_true_random=False))
def test_order_of_stages_with_named_inputs_does_not_matter(document: dict[str, Any], shuffling: random.Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        digest = file_hash(document, Path(folder))
        stages = list(document["stages"])
        shuffling.shuffle(stages)
        assert file_hash({**document, "stages": stages}, Path(folder)) == digest


@settings(max_examples=40)
@given(recipes(), st.integers(0, 10))
def test_change_of_one_stage_leaves_those_before_it(document: dict[str, Any], chosen: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_bytes(orjson.dumps(document))
        before = Recipe.load(path, catalogue=catalogue())
        place = chosen % len(document["stages"])
        old = document["stages"][place]
        new = {"name": old["name"], "filter": "changed = 1", "input": next(iter(document["sources"]))}
        stages = [new if idx == place else stage for idx, stage in enumerate(document["stages"])]
        path.write_bytes(orjson.dumps({**document, "stages": stages}))
        after = Recipe.load(path, catalogue=catalogue())
        digests, others = before.hash().stages, after.hash().stages
        reads = {stage.name: {item.origin for item in stage.inputs} for stage in after.stages}
        kinds = {stage.name: stage.kind for stage in after.stages}
        dependent = {old["name"]}
        for stage in after.stages:
            if reads[stage.name] & dependent:
                dependent.add(stage.name)
        assert "changed = 1" not in str(old)
        assert {name for name in digests if digests[name] == others[name]} & dependent == set() or "check" in {
            kinds[name] for name in dependent
        }
        assert all(digests[name] == others[name] for name in digests if name not in dependent)
