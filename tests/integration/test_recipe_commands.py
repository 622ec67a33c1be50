"""`headrace init` and `headrace recipe …` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import headrace
from headrace.cli.main import cli


def call(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def document(*words: str) -> Any:
    code, out, _ = call(*words, "--json")
    assert code == 0, out
    return json.loads(out)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes") / "work"
    assert document("init", "--template", "image-filter", str(folder))["written"] == [
        str(folder / "recipe.yaml"),
        str(folder / "lake"),
    ]
    assert document("recipe", "run", str(folder / "recipe.yaml"), "--workers", "0")["outputs"].keys() == {"curated"}
    return folder


def test_second_run_is_all_known(work: Path) -> None:
    again = document("recipe", "run", str(work / "recipe.yaml"), "--workers", "0", "--memory", "2GiB")
    assert [stage["cached"] for stage in again["stages"]] == [True] * 5
    stages = {stage["name"]: stage for stage in again["stages"]}
    assert (stages["verify"]["dropped"], stages["verify"]["quarantined"]) == (7, 3)
    assert stages["distinct"]["dropped"] > 0
    assert stages["sharp"]["dropped"] > 0
    code, out, _ = call("recipe", "run", str(work / "recipe.yaml"), "--workers", "0")
    assert code == 0
    assert out.count("known") == 5


def test_plan_says_what_is_known(work: Path) -> None:
    planned = document("recipe", "plan", str(work / "recipe.yaml"))
    assert [stage["cached"] for stage in planned["stages"]] == [True] * 5
    changed = document("recipe", "plan", str(work / "recipe.yaml"), "--set", "min_blur=30.5")
    assert [stage["cached"] for stage in changed["stages"]] == [True, True, True, False, False]
    assert changed["plan_hash"] != planned["plan_hash"]
    assert [stage["to_do"]["exact"] for stage in changed["stages"]] == [0, 0, 0, 82, 73]
    assert changed["total"]["to_do"]["exact"] == 155
    assert changed["stages"][3]["time"]["basis"].startswith("another filter took ")
    assert planned["stages"][0]["rows_in"] == {"exact": 96, "at_least": 96, "at_most": 96}


def test_plan_shows_bounds_times_and_what_to_do_next(work: Path) -> None:
    code, out, err = call("recipe", "plan", str(work / "recipe.yaml"), "--set", "min_side=100")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    assert lines["verify"].split()[2:] == ["96", "<=", "96", "0", "91", "537", "kB", *lines["verify"].split()[9:]]
    assert " <= 9 " in lines["measure"]  # photos that the smaller minimum had left out
    assert lines["total"].split()[1:3] == ["<=", "378"]
    assert out.splitlines()[-1].startswith("time of enough")
    assert err.endswith(f" recipe run {work / 'recipe.yaml'} --set min_side=100\n")
    _, _, err = call("recipe", "plan", str(work / "recipe.yaml"), "--lake", str(work / "lake"), "--set", "min_blur=2 1")
    assert err.endswith(f"--set 'min_blur=2 1' --lake {work / 'lake'}\n") or "error" in err


def test_plan_prints_the_graph(work: Path) -> None:
    code, out, _ = call("recipe", "plan", str(work / "recipe.yaml"), "--mermaid", "--set", "min_blur=30.5")
    assert (code, out.splitlines()[0]) == (0, "flowchart TD")
    assert (out.count(":::known"), out.count(":::todo")) == (3, 2)
    document_of = document("recipe", "plan", str(work / "recipe.yaml"), "--set", "min_blur=30.5")
    assert document_of["mermaid"] == out


def test_plan_tells_columns_that_are_not_there(work: Path, tmp_path: Path) -> None:
    text = (work / "recipe.yaml").read_text(encoding="utf-8")
    file = work / "typo.yaml"
    file.write_text(text.replace("filter: blur", "filter: blurr"), encoding="utf-8")
    rows = file.read_text(encoding="utf-8").splitlines()
    line = next(idx for idx, row in enumerate(rows, 1) if "filter: blurr" in row)
    for words in (["plan"], ["run", "--workers", "0"]):
        code, out, err = call("recipe", words[0], str(file), *words[1:])
        assert (code, out) == (2, "")
        assert err.startswith(f"error: {file}:{line}:13: stage 'sharp': where at character 1: unknown column \"blurr\"")
        assert "Did you mean 'blur'?" in err


def test_runs_are_listed_shown_and_explained(work: Path) -> None:
    lake = str(work / "lake")
    runs = document("recipe", "status", lake)["runs"]
    assert runs[0]["state"] == "finished"
    assert document("recipe", "show", runs[0]["run_id"], "--lake", lake)["recipe"] == "image-filter"
    dropped = document("recipe", "show", "last", "sharp", "--dropped", "--lake", lake)["rows"]
    told = document("recipe", "explain", "last", "--sample", dropped[0]["_id"], "--lake", lake)
    assert [stage["verdict"] for stage in told["stages"]] == ["kept", "kept", "kept", "dropped"]
    assert float(told["stages"][-1]["value"]) < 20
    failed = document("recipe", "show", "last", "verify", "--quarantined", "--lake", lake)["rows"]
    assert {row["class"] for row in failed} == {"InvalidInput"}
    for words in (["status", lake], ["show", "last", "--lake", lake], ["show", "last", "measure", "--lake", lake]):
        assert call("recipe", *words)[0] == 0
    assert "dropped" in call("recipe", "explain", "last", "--sample", dropped[0]["_id"], "--lake", lake)[1]


def test_too_many_bad_rows_end_with_8(work: Path) -> None:
    code, out, err = call("recipe", "run", str(work / "recipe.yaml"), "--workers", "0", "--max-bad", "2", "--json")
    assert (code, json.loads(out)["within_limit"]) == (8, False)
    assert "3 rows are in quarantine" in err
    assert call("recipe", "run", str(work / "recipe.yaml"), "--workers", "0", "--max-bad", "5%")[0] == 0
    assert call("recipe", "run", str(work / "recipe.yaml"), "--workers", "0", "--max-bad", "x")[0] == 2


def test_retry_tries_quarantined_rows_once_more(work: Path) -> None:
    again = document("recipe", "retry", str(work / "recipe.yaml"), "--quarantined")
    assert again["stages"][0]["calls"] == {"image.verify": 3}
    code, out, err = call(
        "recipe", "retry", str(work / "recipe.yaml"), "--quarantined", "--workers", "0", "--timeout", "60", "--max-bad",
        "2", "--memory", "2GiB", "--json",
    )  # fmt: skip
    assert (code, json.loads(out)["within_limit"]) == (8, False)
    assert "3 rows are in quarantine, more than --max-bad 2 allows" in err


def test_failed_check_ends_with_6_and_commits_nothing(work: Path) -> None:
    code, _, err = call("recipe", "run", str(work / "recipe.yaml"), "--workers", "0", "--set", "min_blur=1e9")
    assert code == 6
    assert "fewer than 10 photos are left" in err
    assert [item.name for item in headrace.connect(str(work / "lake")).datasets()] == ["photos", "photos-curated"]


def test_watch_runs_once_and_says_what_it_did(work: Path) -> None:
    found = document("recipe", "watch", str(work / "recipe.yaml"), "--once", "--workers", "0")
    assert [run["stages"][0]["cached"] for run in found["runs"]] == [True]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["show", "nothing", "--lake", "LAKE"], 3, "run 'nothing': there is none"),
        (["show", "last"], 2, "which lake holds the run"),
        (["show", "last", "sharq", "--lake", "LAKE"], 3, "Did you mean 'sharp'"),
        (["explain", "last", "--sample", "nobody", "--lake", "LAKE"], 3, "no source and no output of run"),
        (["run", "RECIPE", "--memory", "2"], 2, "512 MiB or more"),
        (["run", "RECIPE", "--memory", "much"], 2, "is no size"),
        (["run", "missing.yaml"], 3, "missing.yaml"),
    ],
)
def test_wrong_words_are_explained(work: Path, words: list[str], code: int, said: str) -> None:
    names = {"LAKE": str(work / "lake"), "RECIPE": str(work / "recipe.yaml")}
    found, _, err = call("recipe", *(names.get(word, word) for word in words))
    assert (found, said in err) == (code, True), err


def test_init_refuses_full_folders_and_unknown_templates(work: Path, tmp_path: Path) -> None:
    assert call("init", str(work))[0] == 5
    code, _, err = call("init", str(tmp_path / "new"), "--template", "image-fliter")
    assert (code, "Did you mean 'image-filter'" in err) == (2, True)
    assert not (tmp_path / "new").exists()
