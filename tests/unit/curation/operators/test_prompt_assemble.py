"""prompt.assemble: order, budget, what is left out by chance."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.curation.operators.prompt_assemble import prompt_assemble
from headrace.curation.tokenizer_files import load_tokenizer
from headrace.errors import InvalidInput, MissingExtra
from headrace.testing import run_operator
from proofs.operators.generated_texts import PASSAGES
from proofs.operators.text_oracles import prompt_by_definition, tokens_by_merging, train_tokenizer
from tests.unit.curation.operators.table_rows import shuffled

TABLE = pa.table(
    {
        "_id": ["a", "b", "c", "d"],
        "tags": [["sky", "cat", "", "猫"], [], None, ["dog"]],
        "tags__confidence": [[0.5, 1.0, 0.9, 1.0], [], None, [0.1]],
        "caption": ["a cat", "rain", None, ""],
        "year": [2024, None, 7, None],
    }
)
TAGS = ["1girl", "solo", "long_hair", "長い髪", "smile", "dress", "outdoors", "sky", "tree_branch", "😀"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [*PASSAGES.values(), " ".join(TAGS) * 3]
    return train_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json", texts)


def prompts(table: pa.Table = TABLE, **settings: Any) -> list[str]:
    return [str(each) for each in run_operator(prompt_assemble, table, **settings)["prompt"].to_pylist()]


def test_surest_values_come_first_and_empty_ones_go() -> None:
    found = run_operator(prompt_assemble, TABLE, template="{tags}, {caption}")
    assert found["prompt"].to_pylist() == ["cat, 猫, sky, a cat", "rain", "", "dog"]
    assert found["prompt_tokens"].null_count == 4
    assert found["prompt_left_out"].to_pylist() == [0] * 4
    assert prompts(TABLE.drop_columns(["tags__confidence"]), template="{tags}")[0] == "sky, cat, 猫"


def test_formats_separator_and_least_confidence() -> None:
    found = prompts(
        template="{caption} {year} {tags}",
        formats={"tags": "#{}", "year": "from {}"},
        separator=" ",
        min_confidence=0.5,
    )
    assert found == ["a cat from 2024 #cat #猫 #sky", "rain", "from 7", ""]


def test_budget_is_kept_by_whole_values_and_the_longest_prefix(tokenizer: Path) -> None:
    table = pa.table({"_id": ["a"], "tags": [TAGS]})
    whole = prompts(table, template="{tags}.")[0]
    for budget in range(1, tokens_by_merging(tokenizer, whole) + 2):
        found = run_operator(prompt_assemble, table, template="{tags}.", tokenizer=str(tokenizer), budget=budget)
        number = len(TAGS) - found["prompt_left_out"][0].as_py()
        fitting = [
            count
            for count in range(len(TAGS) + 1)
            if tokens_by_merging(tokenizer, ", ".join(TAGS[:count]) + "." if count else "") <= budget
        ]
        assert number == max(fitting)
        assert found["prompt"][0].as_py() == (", ".join(TAGS[:number]) + "." if number else "")
        assert found["prompt_tokens"][0].as_py() == tokens_by_merging(tokenizer, found["prompt"][0].as_py()) <= budget


ROW = st.fixed_dictionaries(
    {
        "tags": st.none() | st.lists(st.sampled_from(TAGS) | st.text(min_size=1, max_size=6), max_size=8),
        "caption": st.none() | st.text(max_size=20),
    }
)


@given(rows=st.lists(ROW, min_size=1, max_size=8), budget=st.integers(1, 30), data=st.data())
@settings(deadline=None, max_examples=60)
def test_budget_is_never_exceeded(
    tokenizer: Path, rows: list[dict[str, Any]], budget: int, data: st.DataObject
) -> None:
    for row in rows:
        tags = row["tags"]
        sure = st.lists(st.sampled_from([0.1, 0.5, 0.9]), min_size=len(tags or ()), max_size=len(tags or ()))
        row["tags__confidence"] = None if tags is None else data.draw(sure)
    kinds = pa.schema([("tags", pa.list_(pa.string())), ("tags__confidence", pa.list_(pa.float64()))])
    table = pa.Table.from_pylist(rows, schema=kinds.append(pa.field("caption", pa.string())))
    table = table.append_column("_id", pa.array([str(idx) for idx in range(len(rows))]))
    template = "a picture of {caption}, {tags}."
    found = run_operator(
        prompt_assemble, table, template=template, tokenizer=tokenizer, budget=budget, min_confidence=0.3
    )
    assert max(found["prompt_tokens"].to_pylist()) <= budget
    for row, got in zip(rows, found.to_pylist()):
        if not any("_" in (tag or "") or not tag.isalnum() for tag in [*(row["tags"] or ()), row["caption"] or "a"]):
            wanted = prompt_by_definition(row, tokenizer=tokenizer, budget=budget, least=0.3)
            assert (got["prompt"], got["prompt_left_out"]) == (wanted[0], wanted[2])


def test_special_tokens_count(tokenizer: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, processors

    marked = Tokenizer.from_file(str(tokenizer))
    marked.add_special_tokens(["<s>"])
    marked.post_processor = processors.TemplateProcessing(
        single="<s> $A <s>", special_tokens=[("<s>", marked.token_to_id("<s>"))]
    )
    path = tmp_path / "marked.json"
    marked.save(str(path))
    table = pa.table({"_id": ["a"], "tags": [TAGS]})

    def tokens(**settings: Any) -> int:
        found = run_operator(prompt_assemble, table, template="{tags}", tokenizer=path, **settings)
        return int(found["prompt_tokens"][0].as_py())

    assert tokens(special_tokens=True) == tokens() + 2
    assert 2 < tokens(special_tokens=True, budget=12) <= 12
    with pytest.raises(InvalidInput, match="the budget is 1, and an empty prompt has 2 tokens already"):
        tokens(special_tokens=True, budget=1)


def test_dropout_goes_by_id_seed_epoch_and_value() -> None:
    table = pa.table({"_id": [f"{idx:04d}" for idx in range(500)], "tags": [TAGS] * 500})
    settings: dict[str, Any] = {"template": "{tags}", "dropout": {"tags": 0.3}, "separator": " "}
    first = prompts(table, **settings)
    kept = sum(len(each.split()) for each in first) / (500 * len(TAGS))
    assert 0.67 < kept < 0.73
    assert prompts(table, **settings, epoch=1) != first
    assert prompts(table, **settings, seed=1) != first
    mixed = shuffled(table)
    by_id = dict(zip(mixed["_id"].to_pylist(), prompts(mixed, **settings)))
    assert [by_id[row] for row in table["_id"].to_pylist()] == first
    fewer = pa.table({"_id": table["_id"], "tags": [TAGS[1:]] * 500})
    wanted = [" ".join(tag for tag in each.split() if tag != TAGS[0]) for each in first]
    assert prompts(fewer, **settings) == wanted, "whether a tag stays does not depend on the others"
    assert prompts(table, template="{tags}", dropout={"tags": 1.0}) == [""] * 500
    assert prompts(table, template="{tags}", dropout={"tags": 0.0})[0] == ", ".join(TAGS)


def test_dropout_is_the_same_on_every_machine() -> None:
    """Written down: another result is another version of the operator."""
    table = pa.table({"_id": ["a", "b"], "tags": [TAGS] * 2})
    found = prompts(table, template="{tags}", separator=" ", dropout={"tags": 0.5}, seed=7, epoch=2)
    assert found == ["1girl long_hair smile tree_branch", "1girl solo 長い髪 smile dress sky"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"template": "{tag}"}, "reads column 'tag', which is not there. Did you mean 'tags'?"),
        ({"template": "tags"}, "names no column"),
        ({"template": "{tags}", "budget": 5}, "say by which: tokenizer"),
        ({"template": "{tags}", "budget": 0, "tokenizer": "x"}, "budget"),
        ({"template": "{tags}", "formats": {"caption": "{}"}}, "formats names 'caption', which the template does not"),
        ({"template": "{tags}", "formats": {"tags": "x"}}, "expected text with one {}"),
        ({"template": "{tags}", "dropout": {"tags": 1.5}}, "dropout"),
        ({"template": "{size}"}, "column 'size' is double; expected text"),
        ({"template": "{caption}"}, "row 'a' has 1 values of 'caption' and 2 confidences"),
    ],
    ids=["column", "template", "no tokenizer", "budget", "format", "form", "dropout", "type", "other list"],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], said: str) -> None:
    table = TABLE.append_column("size", pa.array([0.5] * 4))
    table = table.append_column("caption__confidence", pa.array([[0.1, 0.2]] * 4))
    with pytest.raises(InvalidInput, match=said):
        prompts(table, **settings)


def test_missing_library_names_the_extra(tokenizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_tokenizer.cache_clear()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtra, match=r"prompt.assemble needs tokenizers: pip install 'headrace\[tokens\]'"):
        prompts(template="{tags}", tokenizer=str(tokenizer), budget=9)
    assert prompts(template="{caption}")[0] == "a cat", "without a budget nothing is counted"


def test_no_rows(tokenizer: Path) -> None:
    found = run_operator(prompt_assemble, TABLE.slice(0, 0), template="{tags}", tokenizer=str(tokenizer), budget=3)
    assert found.num_rows == 0
