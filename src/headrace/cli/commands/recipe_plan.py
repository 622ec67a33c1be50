"""`headrace recipe plan`."""

from __future__ import annotations

from pathlib import Path

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.recipe_options import recipe_options
from headrace.cli.recipe_targets import lake_option, plan_on_lake
from headrace.cli.tables import Column
from headrace.units import format_count


@command("plan", example="headrace recipe plan recipe.yaml --lake lake")
@recipe_options
@lake_option
def plan(output: Output, *, file: Path, settings: tuple[str, ...], lake: str | None) -> None:
    """Show what a run would do: which results are known, and how many rows come to each stage.

    Nothing runs. A stage behind one that is not known yet shows "?".
    """
    found = plan_on_lake(file, settings, lake)
    if output.is_json:
        output.document(found.to_json())
        return
    output.fields([("recipe", found.static.name), ("hash", found.hash), ("lake", found.lake.uri)])
    output.line()
    stages = found.stages()
    output.table(
        [
            Column("stage", is_whole=True),
            Column("what"),
            Column("rows in", "right", is_whole=True),
            Column("rows out", "right", is_whole=True),
            Column("known", is_whole=True),
        ],
        [
            (
                stage.name,
                stage.summary,
                "?" if stage.rows_in is None else format_count(stage.rows_in),
                "?" if stage.rows_out is None else format_count(stage.rows_out),
                "yes" if stage.cached else "no",
            )
            for stage in stages
        ],
    )
    output.next("recipe", "run", str(file))
