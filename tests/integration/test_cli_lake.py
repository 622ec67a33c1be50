"""Every command on a small lake: what it prints, where, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest
from click.testing import Result
from PIL import Image

import headrace
from headrace.cli.command import HeadraceCommand
from headrace.cli.lazy_group import LazyGroup
from headrace.cli.main import cli
from tests.cli_runs import run, run_json

PART1 = [
    ("book a flight", "travel"),
    ("what is my balance", "bank"),
    ("turn the light on", "home"),
    ("fly to Rome", "travel"),
]
PART2 = [("lock my card", "bank"), ("play some jazz", "music"), ('say "hi", please', "talk")]
PART3 = [("book a train", "travel"), ("stop the music", "music")]


def _write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three files, photos, and a lake with one dataset of three commits, an alias and a run."""
    folder = tmp_path_factory.mktemp("prepared")
    for name, rows in (("part1.csv", PART1), ("part2.csv", PART2), ("part3.csv", PART3)):
        _write_csv(folder / name, rows)
    (folder / "photos").mkdir()
    for number in range(3):
        Image.new("RGB", (8 + number, 6), (number * 40, 80, 120)).save(folder / "photos" / f"{number}.png")
    lake = headrace.connect(folder / "lake")
    intents = lake.create_dataset("intents", type="TEXT_INTENT", source=folder / "part1.csv", tags={"category": "aaa"})
    intents.commit(folder / "part2.csv", message="More training data", tags={"category": "aaa"})
    intents.commit(folder / "part3.csv", message="More training data", tags={"category": "bbb"})
    train = intents.snapshot(tags={"category": "aaa"})
    train.alias("train")
    lake.record_run(train, name="baseline", artefacts=["model.bin"], metrics={"accuracy": 0.875})
    lake.create_dataset("photos", type="GENERIC", source=folder / "photos")
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the prepared folder, which is the working folder too."""
    target = tmp_path / "work"
    shutil.copytree(prepared, target)
    monkeypatch.chdir(target)
    monkeypatch.delenv("HEADRACE_LAKE", raising=False)
    return target


# -- create and commit ------------------------------------------------------------------------------------------------


def test_create_reports_dataset_and_commit(folder: Path) -> None:
    document = run_json(
        "dataset", "create", "new::intents", "--type", "TEXT_INTENT", "--source", "part1.csv", "--tag", "category=aaa",
        "--description", "Questions", "--owner", "ada",
    )  # fmt: skip
    assert document["id"] == "1"
    assert (document["name"], document["type"], document["owner"]) == ("intents", "TEXT_INTENT", "ada")
    commit = document["commit"]
    assert (commit["id"], commit["num_rows"], commit["tags"]) == ("1", 4, {"category": "aaa"})
    assert commit["statistics"]["num_labels"] == 3
    assert len(commit["digest"]) == 64
    assert [Path(source["uri"].removeprefix("file://")).name for source in commit["sources"]] == ["part1.csv"]


def test_create_without_source_is_empty_and_hints_at_commit(folder: Path) -> None:
    result = run("dataset", "create", "lake::empty", "--type", "IMAGE_CLASS")
    assert "empty" in result.stdout
    assert "commit lake::empty SOURCE" in result.stderr
    assert run_json("dataset", "show", "lake::empty")["num_commits"] == 0


def test_create_table_from_a_schema_file(folder: Path) -> None:
    (folder / "schema.json").write_text(
        '[{"name": "id", "type": "string", "nullable": false}, {"name": "n", "type": "int64"}]'
    )
    (folder / "rows.jsonl").write_text('{"id": "a", "n": 1}\n{"id": "b", "n": null}\n')
    run("dataset", "create", "lake::numbers", "--schema", "schema.json", "--key", "id")
    run("commit", "lake::numbers", "rows.jsonl")
    document = run_json("dataset", "show", "lake::numbers")
    assert (document["type"], document["key"], document["on_duplicate_key"]) == ("TABLE", "id", "replace")
    assert [column["name"] for column in document["schema"]] == ["id", "n"]


def test_create_needs_a_type(folder: Path) -> None:
    assert "which type?" in run("dataset", "create", "lake::x", "--source", "part1.csv", expect=2).stderr


def test_create_refuses_tags_without_a_source(folder: Path) -> None:
    assert "--tag" in run("dataset", "create", "lake::x", "--type", "GENERIC", "--tag", "a=b", expect=2).stderr


def test_create_of_a_taken_name_exits_5(folder: Path) -> None:
    error = run_json("dataset", "create", "lake::intents", "--type", "TEXT_INTENT", expect=5)["error"]
    assert error["code"] == "already-exists"


def test_commit_reports_the_commit(folder: Path) -> None:
    _write_csv(folder / "part4.csv", [("sing", "music")])
    document = run_json("commit", "lake::intents", "part4.csv", "-m", "One more", "--tag", "a=1", "--tag", "a=2")
    assert document["dataset"] == "intents"
    assert (document["id"], document["num_rows"], document["message"]) == ("4", 1, "One more")
    assert document["tags"] == {"a": ["1", "2"]}
    assert run_json("dataset", "log", "lake::intents")["commits"][-1]["tags"] == {"a": ["1", "2"]}
    commit = headrace.connect("lake").dataset("intents").log()[-1]
    assert commit.tags == commit.to_json()["tags"] == {"a": ["1", "2"]}
    assert run_json("snapshot", "lake::intents", "--tag", "a=1")["num_rows"] == 1
    assert document["num_rejected"] == 0


def test_commit_hint_is_a_diff_that_works(folder: Path) -> None:
    result = run("commit", "lake::intents", "part1.csv")
    assert _next_words(result) == ["diff", "lake::intents@upto:3", "lake::intents@upto:4"]
    assert run_json(*_next_words(result))["added"] == 4


def test_commit_to_a_missing_dataset_exits_3_with_the_command_that_creates_it(folder: Path) -> None:
    result = run("commit", "lake::photo", "photos", "--json", expect=3)
    message = json.loads(result.stdout)["error"]["message"]
    assert "Did you mean 'photos'?" in message
    command = next(line for line in message.splitlines() if "dataset create" in line).partition(": ")[2]
    assert command.endswith("dataset create lake::photo --type GENERIC --source photos")
    run(*shlex.split(command)[1:])
    assert run_json("dataset", "show", "lake::photo")["num_rows"] == 3


def test_commit_to_a_missing_lake_names_the_same_command(folder: Path) -> None:
    message = run_json("commit", "nowhere::intents", "part1.csv", expect=3)["error"]["message"]
    assert "dataset create nowhere::intents --type TEXT_INTENT --source part1.csv" in message
    assert not (folder / "nowhere").exists()


def test_commit_of_a_missing_source_exits_3_and_changes_nothing(folder: Path) -> None:
    assert run_json("commit", "lake::intents", "missing.csv", expect=3)["error"]["code"] == "not-found"
    assert len(run_json("dataset", "log", "lake::intents")["commits"]) == 3


def test_commit_of_a_broken_row_names_file_and_line(folder: Path) -> None:
    (folder / "bad.csv").write_text('"fine","a"\n"only one column"\n')
    error = run_json("commit", "lake::intents", "bad.csv", expect=2)["error"]
    assert error["code"] == "invalid-input"
    assert "bad.csv:2" in error["message"]
    assert len(run_json("dataset", "log", "lake::intents")["commits"]) == 3


def test_commit_may_leave_broken_rows_out_and_says_so(folder: Path) -> None:
    (folder / "bad.csv").write_text('"fine","a"\n"only one column"\n')
    result = run("commit", "lake::intents", "bad.csv", "--on-invalid", "skip")
    assert "warning: 1 row left out" in result.stderr
    assert "bad.csv:2" in result.stderr
    document = run_json("commit", "lake::intents", "bad.csv", "--on-invalid", "skip")
    assert (document["num_rows"], document["num_rejected"]) == (1, 1)
    assert document["rejected"][0]["line"] == 2


def test_commit_by_reference_copies_no_media(folder: Path) -> None:
    document = run_json("commit", "lake::photos", "photos", "--reference")
    assert document["num_rows"] == 3
    lineage = run_json("lineage", "lake::photos", "--sample", f"{document['id']}:0.png")
    assert lineage["media"][0]["is_adopted"] is True


# -- look -----------------------------------------------------------------------------------------------------------


def test_list_shows_all_datasets(folder: Path) -> None:
    document = run_json("dataset", "list", "lake")
    assert [(item["name"], item["num_rows"]) for item in document["datasets"]] == [("intents", 9), ("photos", 3)]
    lines = run("dataset", "list", "lake").stdout.splitlines()
    assert lines[0].split() == ["id", "name", "type", "commits", "rows", "media", "updated"]
    assert lines[1].split()[:5] == ["1", "intents", "TEXT_INTENT", "3", "9"]


def test_lake_comes_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_LAKE", "lake")
    assert len(run_json("dataset", "list")["datasets"]) == 2
    assert run_json("sample", "intents@train", "--n", "1")["num_rows"] == 7
    assert run_json("verify")["ok"] is True


def test_show_has_columns_and_statistics(folder: Path) -> None:
    document = run_json("dataset", "show", "lake::intents")
    assert document["statistics"]["num_rows"] == 9
    assert list(document["aliases"]) == ["train"]
    text = run("dataset", "show", "lake::intents").stdout
    assert "travel 3" in text
    assert _is_plain(text)


def test_show_names_a_near_dataset(folder: Path) -> None:
    assert "Did you mean 'intents'?" in run("dataset", "show", "lake::intent", expect=3).stderr


def test_log_is_in_order(folder: Path) -> None:
    document = run_json("dataset", "log", "lake::intents")
    assert [commit["id"] for commit in document["commits"]] == ["1", "2", "3"]
    text = run("dataset", "log", "lake::intents").stdout
    assert "category=bbb" in text
    assert _is_plain(text)


def test_sample_has_id_and_digest_and_is_repeatable(folder: Path) -> None:
    document = run_json("sample", "lake::intents", "--n", "3")
    assert (len(document["rows"]), document["num_rows"]) == (3, 9)
    assert all({"_id", "_digest", "text", "labels"} <= row.keys() for row in document["rows"])
    assert run_json("sample", "lake::intents", "--n", "3") == document
    assert run_json("sample", "lake::intents", "--n", "100")["rows"] != []
    seeds = {json.dumps(run_json("sample", "lake::intents", "--n", "3", "--seed", str(seed))) for seed in range(5)}
    assert len(seeds) > 1


def test_sample_shows_media_without_bytes(folder: Path) -> None:
    rows = run_json("sample", "lake::photos")["rows"]
    assert [row["name"] for row in rows] == ["0.png", "1.png", "2.png"]
    media = rows[0]["data"]
    assert media["size"] == (folder / "photos" / "0.png").stat().st_size
    assert len(media["digest"]) == 64


def test_sample_then_lineage_leads_to_the_file(folder: Path) -> None:
    result = run("sample", "lake::photos", "--n", "1")
    words = _next_words(result)
    assert words[0] == "lineage"
    lineage = run_json(*words)
    assert lineage["member"] in {"0.png", "1.png", "2.png"}
    assert lineage["source"].endswith("photos")
    assert lineage["others"] == []


def test_sample_of_an_empty_snapshot_says_so(folder: Path) -> None:
    run("snapshot", "lake::intents", "--where", "text = 'nothing'", "--alias", "none")
    assert run_json("sample", "lake::intents@none")["rows"] == []
    assert "no rows" in run("sample", "lake::intents@none").stderr


def test_query_gives_rows(folder: Path) -> None:
    sql = "SELECT text, length(text) AS n FROM snapshot ORDER BY n DESC, text LIMIT 2"
    document = run_json("query", "lake::intents", sql)
    assert [column["name"] for column in document["columns"]] == ["text", "n"]
    assert document["rows"][0] == {"text": "what is my balance", "n": 18}
    assert document["num_rows"] == 2
    table = run("query", "lake::intents", sql).stdout
    assert table.splitlines()[1].split() == ["what", "is", "my", "balance", "18"]


def test_query_as_csv_quotes_what_needs_it(folder: Path) -> None:
    result = run("query", "lake::intents", "SELECT text, NULL AS a FROM snapshot WHERE text LIKE 'say%'", "--csv")
    assert list(csv.reader(io.StringIO(result.stdout))) == [["text", "a"], ['say "hi", please', ""]]
    assert result.stderr == ""


def test_query_media_is_a_struct(folder: Path) -> None:
    rows = run_json("query", "lake::photos", "SELECT name, data FROM snapshot ORDER BY name")["rows"]
    assert rows[0]["data"]["size"] == (folder / "photos" / "0.png").stat().st_size
    assert '"size"' in run("query", "lake::photos", "SELECT data FROM snapshot", "--csv").stdout


@pytest.mark.parametrize(
    "sql", ["SELEC 1", "SELECT * FROM other", "DROP TABLE snapshot", "SELECT * FROM read_csv('part1.csv')"]
)
def test_query_refuses_other_sql(sql: str, folder: Path) -> None:
    assert run_json("query", "lake::intents", sql, expect=2)["error"]["code"] == "invalid-input"


def test_query_refuses_two_formats(folder: Path) -> None:
    assert "exclude" in run("query", "lake::intents", "SELECT 1", "--csv", "--json", expect=2).stderr


# -- snapshots --------------------------------------------------------------------------------------------------------


def test_snapshot_has_the_promised_fields(folder: Path) -> None:
    document = run_json("snapshot", "lake::intents", "--tag", "category=aaa", "--alias", "again")
    assert (document["num_rows"], document["version_hash"], document["alias"]) == (7, "hashBg==", "again")
    assert document["commits"] == ["1", "2"]
    assert document["statistics"]["num_labels"] == 5
    assert len(document["id"]) == 64
    assert run_json("sample", document["reference"], "--n", "1")["snapshot"] == document["id"]


def test_snapshot_by_upto_where_and_columns(folder: Path) -> None:
    document = run_json(
        "snapshot",
        "lake::intents",
        "--upto",
        "2",
        "--where",
        "len(text) > 11",
        "--column",
        "text",
        "--column",
        "labels",
    )
    assert document["where"] is not None
    assert document["columns"] == ["text", "labels"]
    assert document["num_rows"] == sum(len(text) > 11 for text, _ in [*PART1, *PART2])
    assert document["alias"] is None
    assert run_json("sample", document["reference"])["snapshot"] == document["id"]


def test_snapshot_hint_is_a_split_that_works(folder: Path) -> None:
    words = _next_words(run("snapshot", "lake::intents", "--alias", "all"))
    assert words[:2] == ["split", "lake::intents@all"]
    splits = run_json(*words)["splits"]
    assert sum(part["num_rows"] for part in splits.values()) == 9


def test_snapshot_with_a_bad_alias_leaves_no_trace(folder: Path) -> None:
    before = len(run_json("audit", "lake")["entries"])
    assert (
        run_json("snapshot", "lake::intents", "--upto", "1", "--alias", "1", expect=2)["error"]["code"]
        == "invalid-input"
    )
    assert len(run_json("audit", "lake")["entries"]) == before


def test_snapshot_upto_a_missing_commit_exits_3(folder: Path) -> None:
    run("snapshot", "lake::intents", "--upto", "9", expect=3)


def test_snapshot_of_nothing_warns(folder: Path) -> None:
    result = run("snapshot", "lake::intents", "--tag", "category=zzz")
    assert "no rows" in result.stderr
    assert _next_words(result) == ["dataset", "log", "lake::intents"]


def test_unknown_alias_names_the_nearest(folder: Path) -> None:
    assert "Did you mean 'train'?" in run("sample", "lake::intents@trian", expect=3).stderr


def test_diff_counts(folder: Path) -> None:
    document = run_json("diff", "lake::intents@train", "lake::intents")
    assert (document["added"], document["removed"], document["changed"]) == (2, 0, 0)
    assert document["from"]["num_rows"] == 7
    assert document["to"]["num_rows"] == 9
    back = run_json("diff", "lake::intents", "lake::intents@train")
    assert (back["added"], back["removed"]) == (0, 2)
    assert "added    2\n" in run("diff", "lake::intents@train", "lake::intents").stdout


def test_split_names_its_parts(folder: Path) -> None:
    words = ["split", "lake::intents", "--into", "fit=0.5", "--into", "val=0.5", "--seed", "7", "--alias-prefix", "v1-"]
    document = run_json(*words)
    parts = document["splits"]
    assert parts["fit"]["num_rows"] + parts["val"]["num_rows"] == 9
    assert run_json("sample", "lake::intents@v1-fit")["snapshot"] == parts["fit"]["id"]
    assert run_json(*words) == document
    assert "lake::intents@v1-val" in run(*words).stdout


@pytest.mark.parametrize(
    ("shares", "message"), [(["a=0.5", "b=0.4"], "1"), (["a=0.5", "a=0.5"], "twice"), (["a=2"], "expected NAME=SHARE")]
)
def test_split_refuses_bad_shares(shares: list[str], message: str, folder: Path) -> None:
    result = run("split", "lake::intents", *(word for share in shares for word in ("--into", share)), expect=2)
    assert message in result.stderr


def test_materialise_writes_the_training_files(folder: Path) -> None:
    document = run_json("materialise", "lake::intents@train", "files")
    assert {file["name"] for file in document["files"]} == {"examples.csv", "labels.csv"}
    assert len((folder / "files" / "examples.csv").read_text().splitlines()) == 7
    assert document["num_bytes"] == sum(path.stat().st_size for path in (folder / "files").iterdir())
    assert run_json("materialise", "lake::intents@train", "files", expect=5)["error"]["code"] == "already-exists"


def test_materialise_without_a_place_uses_the_lake(folder: Path) -> None:
    assert "derived" in run_json("materialise", "lake::intents@train")["uri"]
    assert "examples.csv" in run("materialise", "lake::intents@train").stdout


def test_export_writes_parquet(folder: Path) -> None:
    document = run_json("export", "lake::intents@train", "out", "--format", "parquet")
    assert document["format"] == "parquet"
    assert document["num_files"] >= 1
    assert all((folder / "out" / file["name"]).stat().st_size == file["size"] for file in document["files"])


def test_export_refuses_an_unknown_format(folder: Path) -> None:
    run("export", "lake::intents", "out", "--format", "parqet", expect=2)
    assert not (folder / "out").exists()


# -- trust ------------------------------------------------------------------------------------------------------------


def test_verify_counts_and_is_ok(folder: Path) -> None:
    document = run_json("verify", "lake")
    assert (document["ok"], document["problems"], document["num_datasets"]) == (True, [], 2)
    assert document["num_objects"] > 0
    assert "problems     0\n" in run("verify", "lake").stdout


def test_verify_finds_a_flipped_bit_and_exits_1(folder: Path) -> None:
    part = next(path for path in sorted(folder.glob("lake/datasets/*/objects/*/*")) if path.suffix == ".tar")
    data = bytearray(part.read_bytes())
    data[600] ^= 1
    part.chmod(0o644)
    part.write_bytes(data)
    document = run_json("verify", "lake", expect=1)
    assert document["ok"] is False
    assert len(document["problems"]) >= 1
    result = run("verify", "lake", expect=1)
    assert "data-corrupted" in result.stdout
    assert "Next:" not in result.stderr


def test_verify_of_no_lake_exits_3(folder: Path) -> None:
    assert run_json("verify", "nowhere", expect=3)["error"]["code"] == "not-found"


def test_audit_lists_the_log(folder: Path) -> None:
    entries = run_json("audit", "lake")["entries"]
    operations = [entry["operation"] for entry in entries if entry["dataset"] == "intents"]
    assert operations == ["create", "commit", "commit", "commit", "snapshot", "alias", "run"]
    only = run_json("audit", "lake", "--dataset", "photos")["entries"]
    assert {entry["dataset"] for entry in only} == {"photos"}
    text = run("audit", "lake").stdout
    assert "2: More training data" in text
    assert _is_plain(text)


def test_lineage_of_a_snapshot_lists_sources_and_runs(folder: Path) -> None:
    document = run_json("lineage", "lake::intents@train")
    assert [commit["commit"] for commit in document["commits"]] == ["1", "2"]
    assert document["runs"][0]["metrics"] == {"accuracy": 0.875}
    text = run("lineage", "lake::intents@train").stdout
    assert "part2.csv" in text
    assert "baseline" in text


def test_lineage_of_a_text_row_names_file_and_line(folder: Path) -> None:
    rows = run_json("query", "lake::intents", "SELECT _id FROM snapshot WHERE text = 'play some jazz'")["rows"]
    document = run_json("lineage", "lake::intents", "--sample", rows[0]["_id"])
    assert document["source"].endswith("part2.csv")
    assert document["line"] == 2
    assert document["runs"][0]["name"] == "baseline"
    text = run("lineage", "lake::intents", "--sample", rows[0]["_id"]).stdout
    assert "line" in text


def test_lineage_of_an_unknown_sample_exits_3_with_the_command_that_lists_ids(folder: Path) -> None:
    message = run_json("lineage", "lake::intents", "--sample", "nothing", expect=3)["error"]["message"]
    assert "sample lake::intents --json" in message


def test_lineage_looks_only_into_the_snapshot(folder: Path) -> None:
    rows = run_json("query", "lake::intents@upto:3", "SELECT _id FROM snapshot WHERE text = 'stop the music'")["rows"]
    run("lineage", "lake::intents@train", "--sample", rows[0]["_id"], expect=3)


def test_runs_are_listed_and_shown_by_name_or_id(folder: Path) -> None:
    (listed,) = run_json("run", "list", "lake")["runs"]
    assert (listed["name"], listed["dataset"]) == ("baseline", "intents")
    shown = run_json("run", "show", "lake", "baseline")
    assert shown == run_json("run", "show", "lake", listed["run"][:6])
    assert (shown["metrics"], shown["artefacts"], shown["num_rows"]) == ({"accuracy": 0.875}, ["model.bin"], 7)
    assert "model.bin" in run("run", "show", "lake", "baseline").stdout
    assert "baseline" in run("run", "list", "lake").stdout


def test_unknown_run_names_the_nearest(folder: Path) -> None:
    assert "Did you mean 'baseline'?" in run("run", "show", "lake", "basline", expect=3).stderr


def test_list_of_no_runs_says_how_to_record_one(folder: Path) -> None:
    run("dataset", "create", "fresh::texts", "--type", "TEXT_INTENT")
    assert run_json("run", "list", "fresh")["runs"] == []
    assert "record_run" in run("run", "list", "fresh").stderr


# -- all commands ---------------------------------------------------------------------------------------------------


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], HeadraceCommand]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, LazyGroup):
            yield from _commands(command, (*path, name))
        else:
            assert isinstance(command, HeadraceCommand)
            yield (*path, name), command


COMMANDS = dict(_commands(cli))


_ADD_COLUMN = ["columns", "add", "lake::photos", "scores.csv", "--name", "aesthetic"]
_RECIPE = """\
recipe: sharp-photos
parameters: {min_side: 64}
sources: {photos: "lake::photos"}
stages:
  - {name: sharp, filter: "data.size >= ${min_side}"}
"""
_RUN_RECIPE = ["recipe", "run", "recipe.yaml", "--workers", "0"]
_ELSEWHERE = (("demo",), ("serve",))
"""Run in tests of their own; the server goes on until it is told to end."""
_BEFORE_EXAMPLES = {
    ("columns", "drop"): [_ADD_COLUMN],
    ("columns", "list"): [_ADD_COLUMN],
    ("commit-restore",): [["commit-delete", "lake::intents", "2", "--yes"]],
    ("dataset", "restore"): [["dataset", "delete", "lake::intents", "--yes"]],
    ("pack",): [["snapshot", "lake::photos", "--alias", "train"]],
    ("recipe", "explain"): [_RUN_RECIPE],
    ("recipe", "show"): [_RUN_RECIPE],
    ("recipe", "status"): [_RUN_RECIPE],
}


@pytest.mark.parametrize("path", [path for path in sorted(COMMANDS) if path not in _ELSEWHERE], ids=" ".join)
def test_example_of_help_runs_and_its_hint_too(path: tuple[str, ...], folder: Path) -> None:
    example = COMMANDS[path].example
    if path == ("dataset", "create"):
        shutil.rmtree("lake")
    if path[0] == "columns":
        Path("scores.csv").write_text("name,score\n0.png,0.5\n2.png,0.75\n", encoding="utf-8")
    if path[0] == "recipe":
        Path("recipe.yaml").write_text(_RECIPE, encoding="utf-8")
    for before in _BEFORE_EXAMPLES.get(path, []):
        run(*before)
    if path == ("dataset", "forget"):
        snapshot_id = run_json("snapshot", "lake::intents", "--tag", "category=bbb")["id"]
        example = example.replace("01234567", snapshot_id[:8])
    words = shlex.split(example.partition(" > ")[0].replace("\\\n", ""))
    assert words[: len(path) + 1] == ["headrace", *path]
    result = run(*words[1:])
    assert result.stdout != ""
    if path != ("completion",):
        run(*_next_words(result))


@pytest.mark.parametrize("path", sorted(COMMANDS), ids=" ".join)
def test_help_shows_example_and_common_options(path: tuple[str, ...]) -> None:
    text = run(*path, "--help").stdout
    assert all(line in text for line in COMMANDS[path].example.splitlines())
    assert "--json" in text
    assert "--debug" in text


def _next_words(result: Result) -> list[str]:
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Next: ")]
    return shlex.split(line.removeprefix("Next: "))[1:]


def _is_plain(text: str) -> bool:
    return "\x1b" not in text and not set(text) & set("─│━┃┌┐└┘├┤") and max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    "words", [("dataset", "list"), ("verify",), ("audit",), ("run", "list")], ids=lambda words: " ".join(words)
)
def test_path_without_a_lake_is_not_found(words: Sequence[str], tmp_path: Path) -> None:
    path = str(tmp_path / "nothing")
    for form in ((), ("--json",)):
        result = run(*words, path, *form, expect=3)
        assert f"there is no lake at {path}" in result.stderr
        assert f"headrace dataset create {path}::NAME" in result.stderr
    assert json.loads(result.stdout)["error"]["code"] == "not-found"
    assert not (tmp_path / "nothing").exists()
