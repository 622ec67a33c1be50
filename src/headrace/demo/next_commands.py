"""What to try on the lake that the demo leaves."""

from __future__ import annotations

from headrace.demo.workspace import DigitsWorkspace

__all__ = ["next_commands"]


def next_commands(work: DigitsWorkspace) -> list[tuple[str, str]]:
    """What to try on the demo's lake: (purpose, command line); each works as printed."""
    return [
        ("who delivered what", work.command("dataset", "log", work.reference())),
        (
            "ask in SQL",
            work.command(
                "query", work.reference("@train"), "SELECT label, count(*) AS n FROM snapshot GROUP BY label ORDER BY n"
            ),
        ),
        ("what came after the first delivery", work.command("diff", work.reference("@first"), work.reference())),
        (
            "why a sample was dropped",
            work.command("recipe", "explain", "last", "--sample", work.dropped_sample, "--lake", str(work.lake_path)),
        ),
        ("curate again: all is known", work.command("recipe", "run", str(work.recipe_file))),
        ("the way of one sample", work.command("lineage", work.reference(), "--sample", work.traced_sample)),
        (
            "hand the training set to another tool",
            work.command(
                "export", work.reference("@train"), str(work.directory / "webdataset"), "--format", "webdataset"
            ),
        ),
        ("check every byte again", work.command("verify", str(work.lake_path))),
    ]
