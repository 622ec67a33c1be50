"""A plan's work frozen into a file, and runs that follow it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace
from headrace.curation import Recipe, Stage
from headrace.curation.frozen_todo import FrozenTodo
from headrace.curation.recipe_run import run_plan
from headrace.curation.run_options import RunOptions
from headrace.datasets.lake import Lake
from headrace.errors import AlreadyExists, InvalidInput, NotFound, Unavailable

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), ("score", pa.int64())])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = headrace.connect(str(tmp_path / "lake"))
    lake.create_dataset("texts", type="TABLE", schema=SCHEMA, key="id", source=rows(0, 6))
    return lake


def rows(start: int, stop: int) -> pa.Table:
    numbers = range(start, stop)
    return pa.table([[f"ключ {n}" for n in numbers], [f"text {n}" for n in numbers], list(numbers)], schema=SCHEMA)


def recipe(least: int = 2) -> Recipe:
    stages = [
        Stage(name="scored", filter=f"score >= {least}"),
        Stage(name="lengths", operator="text.length"),
        Stage(name="long", filter="characters >= 6"),
        Stage(name="words", operator="text.repetition"),
    ]
    return Recipe(
        "todo", sources={"texts": "texts"}, stages=stages, outputs={"out": {"stage": "words", "dataset": "o"}}
    )


def run(lake: Lake, todo: FrozenTodo | Path | None = None) -> Any:
    return run_plan(recipe().plan(lake, todo=todo), options=RunOptions(workers=0))


def test_todo_lists_rows_of_each_operator_stage(lake: Lake) -> None:
    todo = recipe().plan(lake).todo()
    found = todo.rows.to_pylist()
    assert [row["sample"] for row in found if row["stage"] == "lengths"] == [f"ключ {n}" for n in range(2, 6)]
    assert {row["source"] for row in found} == {"texts"}
    assert {(row["stage"], row["is_sure"]) for row in found} == {("lengths", True), ("words", False)}
    assert todo.counts() == {"lengths": 4, "words": 4}


def test_run_follows_the_frozen_snapshots_whatever_came_since(lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "orders" / "первый.todo.parquet"
    recipe().plan(lake).todo().write(file)
    lake.dataset("texts").commit(rows(6, 9))
    frozen = run(lake, file)
    assert frozen.outputs["out"].num_rows == 4
    assert frozen.stages["lengths"].record.calls == {"text.length": 4}
    later = run(lake)
    assert later.outputs["out"].num_rows == 7
    assert later.stages["lengths"].record.calls == {"text.length": 3}
    assert recipe().plan(lake, todo=file).todo().num_rows == 0, "all of it is done"
    assert FrozenTodo.read(file).num_rows == 8, "the file stays as it was"


def test_todo_of_a_finished_run_is_empty_and_can_be_frozen(lake: Lake, tmp_path: Path) -> None:
    run(lake)
    recipe().plan(lake).todo().write(tmp_path / "empty.parquet")
    again = FrozenTodo.read(tmp_path / "empty.parquet")
    assert (again.num_rows, again.counts()) == (0, {})
    assert run(lake, again).outputs["out"].num_rows == 4


def test_frozen_todo_is_never_changed(lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "first.parquet"
    todo = recipe().plan(lake).todo()
    todo.write(file)
    before = file.read_bytes()
    with pytest.raises(AlreadyExists, match="never changed"):
        todo.write(file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_place_that_cannot_be_written_to_is_named(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for place in (tmp_path / "file" / "first.parquet", tmp_path / ("long" * 80)):
        with pytest.raises(Unavailable, match="cannot be written to"):
            recipe().plan(lake).todo().write(place)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "lake"}


def test_other_recipe_than_the_frozen_one_is_refused(lake: Lake) -> None:
    todo = recipe().plan(lake).todo()
    with pytest.raises(InvalidInput, match=r"frozen for plan \w{12} of 'todo', and the recipe is plan"):
        recipe(least=3).plan(lake, todo=todo)


def test_files_that_are_no_frozen_todo_are_refused(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="--freeze"):
        recipe().plan(lake, todo=tmp_path / "nothing.parquet")
    (tmp_path / "text.parquet").write_text("no Parquet")
    with pytest.raises(InvalidInput, match="cannot be read as a frozen todo"):
        FrozenTodo.read(tmp_path / "text.parquet")
    pq.write_table(rows(0, 1), tmp_path / "plain.parquet")
    with pytest.raises(InvalidInput, match="does not say for which plan"):
        FrozenTodo.read(tmp_path / "plain.parquet")
    later = pa.table({"stage": ["a"]}).replace_schema_metadata({b"headrace.todo": b'{"format": 9}'})
    pq.write_table(later, tmp_path / "later.parquet")
    with pytest.raises(InvalidInput, match="its format is 9, and this version reads 1"):
        FrozenTodo.read(tmp_path / "later.parquet")
