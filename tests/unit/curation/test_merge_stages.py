"""Stages that merge sources: what a recipe may say of them, where its mistakes are told, and a run of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.curation import Recipe, Stage
from headrace.curation.recipe_file.problems import InvalidRecipe
from headrace.datasets.lake import Lake
from tests.curation_operators import catalogue

HEAD = "recipe: r\nsources: {rows: rows}\nstages:\n"  # the first stage is in line 4

GOOD = """\
- name: one
  merge: {tags: weighted_vote, rating: best_source}
  identity: image
  source: site
  source_weight_map: {danbooru: 1, pixiv: 0.5}
  vocabularies: {tags: {pixiv: [cat, 猫]}}
  keep: [url]
"""

ROWS: list[dict[str, Any]] = [
    {"image": "a", "site": "pixiv", "tags": ["猫", "cat"], "rating": "s", "url": "p/1"},
    {"image": "a", "site": "danbooru", "tags": ["cat", "sky"], "rating": None, "url": "d/1"},
    {"image": "b", "site": "pixiv", "tags": [], "rating": "g", "url": "p/2"},
]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = headrace.connect(str(tmp_path / "lake"))
    lake.create_dataset("rows", type="TABLE").commit(ROWS)
    return lake


def problems_of(folder: Path, text: str, lake: Lake | None = None) -> list[tuple[int, int, str]]:
    path = folder / "recipe.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    with pytest.raises(InvalidRecipe) as caught:
        _ = Recipe.load(path, catalogue=catalogue()) if lake is None else Recipe.load(path).plan(lake).stages()
    return [(each.place.line, each.place.column, each.message) for each in caught.value.problems if each.place]


MISTAKES = {
    "function": ("tags: weighted_vote", "tags: weighted_votes", 5, 17, "expected 'weighted_vote', 'noisy_or'"),
    "weight": ("danbooru: 1,", "danbooru: 0,", 8, 33, "expected greater than 0, not 0"),
    "weight of noisy_or": ("tags: weighted_vote", "tags: noisy_or", 8, 33, "noisy_or takes weights for probabilities"),
    "no source": ("  source: site\n", "", 5, 10, "needs exactly one of 'source'"),
    "key": ("keep:", "keeps:", 10, 3, "no key 'keeps'. Did you mean 'keep'?"),
    "vocabulary of a field": ("vocabularies: {tags:", "vocabularies: {tag:", 9, 23, "Did you mean 'tags'?"),
    "vocabulary of a source": ("{pixiv: [cat, 猫]}", "{pixi: [cat]}", 9, 31, "no source 'pixi'. Did you mean 'pixiv'?"),
    "file": ("[cat, 猫]", "words.txt", 9, 32, "there is no file 'words.txt'"),
    "merged identity": ("keep: [url]", "keep: [image]", 10, 10, "'image' says which rows belong together"),
    "two alike": ("keep: [url]", "keep: [tags]", 10, 10, "would be called 'danbooru__tags', for merge.tags and for"),
    "field like a merged one": ("keep: [url]", "carry: [tags__sources]", 10, 11, "be called 'tags__sources'"),
    "source in a field": (
        "{danbooru: 1, pixiv: 0.5}",
        "{danbooru: 1, pixiv: 0.5, danbooru__x: 1}\n  carry: [danbooru__x__url]",
        11,
        10,
        "called 'danbooru__x__url', for carry[0] and for keep[0]",
    ),
}


@pytest.mark.parametrize(("old", "new", "line", "column", "said"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_told_where_it_is(tmp_path: Path, old: str, new: str, line: int, column: int, said: str) -> None:
    weighted = GOOD.replace("danbooru: 1,", "danbooru: 2,") if "noisy_or" in new else GOOD
    assert old in weighted
    found = problems_of(tmp_path, weighted.replace(old, new))
    assert any(each[2].find(said) >= 0 for each in found), found
    assert said in next(each[2] for each in found if said in each[2])
    assert (line, column) in [each[:2] for each in found if said in each[2]], found


COLUMNS = {
    "identity": ("identity: image", "identity: imag", 6, 13, "no column 'imag'. Did you mean 'image'?"),
    "source": ("source: site", "source: sites", 7, 11, "no column 'sites'. Did you mean 'site'?"),
    "field": ("rating: best_source", "ratings: best_source", 5, 41, "no column 'ratings'. Did you mean 'rating'?"),
    "kept field": ("keep: [url]", "keep: [uri]", 10, 10, "no column 'uri'"),
    "type": ("rating: best_source", "rating: mean", 5, 40, "mean of 'rating': expected numbers, not string"),
}


@pytest.mark.parametrize(("old", "new", "line", "column", "said"), COLUMNS.values(), ids=COLUMNS)
def test_column_that_is_not_there_is_told_where_it_is(
    tmp_path: Path, lake: Lake, old: str, new: str, line: int, column: int, said: str
) -> None:
    [found] = problems_of(tmp_path, GOOD.replace(old, new), lake)
    assert said in found[2]
    assert found[:2] == (line, column)


def test_recipe_merges_and_finds_the_result_again(tmp_path: Path, lake: Lake) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(HEAD + GOOD + "outputs: {all: {stage: one, dataset: merged}}\n", encoding="utf-8")
    run = Recipe.load(path).plan(lake).run()
    a, b = lake.dataset("merged").select().to_arrow().to_pylist()
    assert (a["image"], a["tags"], a["tags__sources"]) == (
        "a",
        ["cat", "sky", "猫"],
        [["danbooru", "pixiv"], ["danbooru"], ["pixiv"]],
    )
    assert a["tags__confidence"] == pytest.approx([1, 1, 1])
    assert (a["danbooru__url"], a["pixiv__url"], a["pixiv__rating"]) == ("d/1", "p/1", "s")
    assert (a["rating"], a["rating__sources"], a["sources"]) == ("s", ["pixiv"], ["danbooru", "pixiv"])
    assert (b["tags"], b["sources"]) == ([], ["pixiv"])
    again = Recipe.load(path).plan(lake).run()
    assert again.outputs["all"].id == run.outputs["all"].id


def test_vocabulary_counts_by_content_and_python_reads_like_a_file(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("cat\n猫\n", encoding="utf-8")

    def made(**changes: Any) -> str:
        keys: dict[str, Any] = {
            "merge": {"tags": "weighted_vote"},
            "identity": "image",
            "source": "site",
            "source_weight_map": {"danbooru": 1, "pixiv": 0.5},
            "vocabularies": {"tags": {"pixiv": "words.txt"}},
            **changes,
        }
        stage = Stage(name="one", **keys)
        return Recipe("r", sources={"rows": "rows"}, stages=[stage], folder=tmp_path).hash().digest

    first = made()
    assert made(source_weight_map={"pixiv": 0.5, "danbooru": 1.0}) == first
    assert made(source_weight_map={"danbooru": 1, "pixiv": 0.25}) != first
    (tmp_path / "other.txt").write_bytes(words.read_bytes())
    assert made(vocabularies={"tags": {"pixiv": "other.txt"}}) == first
    words.write_text("cat\n", encoding="utf-8")
    assert made() != first
