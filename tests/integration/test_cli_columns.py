"""`headrace columns` and `headrace dataset promote` on a small lake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

import headrace
from headrace.cli.main import cli


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for label in ("lily", "rose"):
        Path("photos", label).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (8, 6), (number * 40, 80, 120)).save(Path("photos", label, f"{number}.png"))
    Path("photos", "rose", "notes.txt").write_text("hello", encoding="utf-8")
    headrace.connect("lake").create_dataset("inbox", type="GENERIC", source="photos")
    Path("scores.csv").write_text("name,score\nlily/0.png,0.5\nrose/1.png,0.75\n", encoding="utf-8")
    return tmp_path


def _run(*words: str, expect: int = 0) -> str:
    result = CliRunner().invoke(cli, list(words))
    assert result.exit_code == expect, result.output
    return result.stdout


def _run_json(*words: str, expect: int = 0) -> Any:
    return json.loads(_run(*words, "--json", expect=expect))


def test_columns_are_added_listed_used_and_dropped() -> None:
    document = _run_json("columns", "add", "lake::inbox", "scores.csv", "--name", "aesthetic")
    assert (document["columns"], document["num_rows"], document["num_values"]) == (["aesthetic"], 2, 2)
    listed = _run_json("columns", "list", "lake::inbox")["columns"]
    assert [(item["name"], item["type"], item["num_values"]) for item in listed] == [("aesthetic", "double", 2)]
    assert "aesthetic" in _run("columns", "list", "lake::inbox")
    taken = _run_json("snapshot", "lake::inbox", "--column", "name", "--column", "aesthetic", "--alias", "scored")
    assert taken["statistics"]["columns"]["aesthetic"]["null_count"] == 3
    assert _run_json("snapshot", "lake::inbox", "--where", "aesthetic > 0.6")["num_rows"] == 1
    Path("scores.csv").write_text("name,score\nlily/0.png,9\n", encoding="utf-8")
    assert "another value already" in _run(
        "columns", "add", "lake::inbox", "scores.csv", "--name", "aesthetic", "--json", expect=2
    )
    assert (
        _run_json("columns", "add", "lake::inbox", "scores.csv", "--name", "aesthetic", "--replace")["num_values"] == 1
    )
    assert _run_json("columns", "drop", "lake::inbox", "aesthetic")["columns"] == ["aesthetic"]
    _run("columns", "drop", "lake::inbox", "aesthetic", expect=3)
    assert "aesthetic" in _run("query", "lake::inbox@scored", "SELECT count(aesthetic) AS aesthetic FROM snapshot")
    assert "add-columns" in _run("audit", "lake")
    _run("verify", "lake")


def test_promote_makes_a_typed_dataset_and_says_what_was_refused() -> None:
    words = ["dataset", "promote", "lake::inbox", "flowers", "--type", "IMAGE_CLASS", "--map", "image=data"]
    label = ["--map", "label=split_part(name, '/', 1)"]
    assert "rose/notes.txt" in _run(*words, *label, "--json", expect=2)
    document = _run_json(*words, *label, "--on-invalid", "skip")
    assert (document["num_rows"], document["num_refused"]) == (4, 1)
    assert document["refused"][0]["id"] == "1:rose/notes.txt"
    _run(*words, *label, expect=5)
    _run(*words, "--map", "label", expect=2)
    _run(*words, "--map", "image=name", expect=2)
    lineage = _run_json("lineage", "lake::flowers", "--sample", "1:rose/1.png")
    assert "inbox" in json.dumps(lineage)
