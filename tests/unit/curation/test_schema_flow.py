"""Columns that are not there are found before a row is read, with file, line, column and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

import headrace
from headrace.curation import Recipe, Stage
from headrace.curation.recipe_file.problems import InvalidRecipe
from headrace.curation.run_records import list_runs
from headrace.datasets.lake import Lake
from tests.poison_operators import poison

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), ("größe", pa.int64())])
HEAD = "recipe: typo\nsources: {texts: texts}\nstages:\n"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = headrace.connect(str(tmp_path / "lake"))
    table = pa.table([["a", "b"], ["apple", "pear"], [1, 2]], schema=SCHEMA)
    made.create_dataset("texts", type="TABLE", schema=SCHEMA, key="id", source=table)
    return made


def problems(tmp_path: Path, lake: Lake, text: str) -> list[tuple[int, int, str]]:
    """Line, column and message of each problem of a plan."""
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidRecipe) as caught:
        Recipe.load(path).plan(lake).stages()
    found = []
    for problem in caught.value.problems:
        assert problem.place is not None
        assert problem.place.file == str(path)
        found.append((problem.place.line, problem.place.column, problem.message))
    return found


@pytest.mark.parametrize(
    ("stages", "line", "column", "said"),
    [
        ("  - {name: a, filter: größ > 1}", 4, 23, "stage 'a': where at character 1: unknown column \"größ\". Did you"),
        ("  - {name: a, operator: text.length, where: txt = 'x'}", 4, 45, 'unknown column "txt". Did you mean'),
        ("  - {name: a, operator: text.length, columns: {text: txet}}", 4, 54, "reads column 'txet' as 'text'"),
        ("  - {name: a, operator: image.blur}", 4, 25, "image.blur reads column 'image' as 'image', which is not"),
        ("  - {name: a, operator: image.blur, columns: {image: text}}", 4, 54, "wants media as 'image'"),
        ("  - {name: a, operators: [text.length, image.blur]}", 4, 40, "image.blur reads column 'image'"),
        ("  - {name: a, operator: exact.duplicates, settings: {by: [txt]}}", 4, 58, "reads column 'txt', which is not"),
        ("  - {name: a, operator: select.where, settings: {where: größer > 1}}", 4, 57, 'unknown column "größer"'),
        ("  - {name: a, sql: SELECT txt FROM input, key: [id]}", 4, 20, 'Referenced column "txt" not found'),
        ("  - {name: a, sql: SELECT * FROM input, key: [ident]}", 4, 20, "key: no input has a column 'ident'"),
        ("  - {name: a, command: [cp, '{input}', '{output}'], media: [text]}", 4, 61, "'text' is no media column"),
        ("  - {name: a, check: SELECT count(txt) > 1 FROM input}", 4, 22, "Referenced column"),
    ],
    ids=[
        "filter",
        "where",
        "columns",
        "operator",
        "no-media",
        "operators",
        "table-operator",
        "condition",
        "sql",
        "sql-key",
        "command",
        "check",
    ],
)
def test_unknown_column_is_told_where_it_is_written(
    tmp_path: Path, lake: Lake, stages: str, line: int, column: int, said: str
) -> None:
    [found] = problems(tmp_path, lake, f"{HEAD}{stages}\n")
    assert found[:2] == (line, column)
    assert said in found[2]


def test_columns_flow_through_every_kind_of_stage_and_all_problems_come_at_once(tmp_path: Path, lake: Lake) -> None:
    found = problems(
        tmp_path,
        lake,
        HEAD
        + """\
  - {name: measure, operator: text.length}
  - {name: long, filter: characters > 3}
  - {name: longer, filter: charcters > 3}
  - {name: gate, check: SELECT count(*) > 0 FROM input}
  - {name: distinct, operator: exact.duplicates, settings: {by: [text]}}
  - {name: wide, sql: "SELECT *, words * 2 AS twice FROM input", key: [id]}
  - {name: last, filter: twise > 1 AND duplicate_of IS NULL}
""",
    )
    assert [(line, said.partition('"')[2].partition('"')[0]) for line, _, said in found] == [
        (6, "charcters"),
        (10, "twise"),
    ]


def test_command_may_give_any_column(tmp_path: Path, lake: Lake) -> None:
    made = Recipe(
        "any",
        sources={"texts": "texts"},
        stages=[
            Stage(name="own", command=["cp", "{input}/rows.parquet", "{output}"]),
            Stage(name="f", filter="new > 1"),
        ],
        folder=tmp_path,
    )
    assert [stage.name for stage in made.plan(lake).stages()] == ["own", "f"]


def test_sources_columns_and_where_are_checked(tmp_path: Path, lake: Lake) -> None:
    text = "recipe: typo\nsources:\n  texts:\n    ref: texts\n    where: txt = 'a'\n    columns: [text, idd]\n"
    stages = "stages:\n  - {name: a, filter: text = 'a'}\n"
    found = problems(tmp_path, lake, text + stages)
    assert [(line, column) for line, column, _ in found] == [(5, 12), (6, 14)]
    found = problems(
        tmp_path, lake, text.replace("idd", "id").replace("txt", "text") + stages.replace("text =", "größe =")
    )
    assert [line for line, *_ in found] == [8]


def test_run_with_a_wrong_column_reads_nothing_and_leaves_no_record(tmp_path: Path, lake: Lake) -> None:
    log = tmp_path / "calls"
    made = Recipe(
        "typo",
        sources={"texts": "texts"},
        stages=[Stage(name="m", operator=poison, settings={"log": str(log)}), Stage(name="f", filter="lenght > 1")],
    )
    with pytest.raises(InvalidRecipe, match=r"unknown column \"lenght\"\. Did you mean 'length'"):
        made.plan(lake).run(workers=0)
    assert not log.exists()
    assert list_runs(lake.store) == []
    with pytest.raises(InvalidRecipe, match="lenght"):
        made.preview("f", lake=lake)
