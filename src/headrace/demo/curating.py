"""The step that curates all three sources, says what was dropped and why, and explains one dropped sample."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from headrace.demo.delivery import digit_number
from headrace.demo.dropped_rows import DroppedRows, drops_table, read_drops, way_of_sample
from headrace.demo.settled_labels import settle_labels
from headrace.demo.steps import Figures
from headrace.demo.workspace import DigitsWorkspace
from headrace.errors import HeadraceError

if TYPE_CHECKING:
    from headrace.datasets.snapshot import Snapshot

__all__ = ["curate"]


def curate(work: DigitsWorkspace) -> Figures:
    """Run the recipe over the commits of all three collectors; its output is a dataset of its own."""
    from headrace.curation import Recipe
    from headrace.curation.recipe_run import run_plan
    from headrace.curation.run_options import RunOptions

    work.recipe_file.write_bytes((files("headrace.demo") / "recipe.yaml").read_bytes())
    plan = Recipe.load(work.recipe_file).plan(work.lake)
    run = run_plan(plan, options=RunOptions(workers=0))  # starting processes takes longer than 2,000 small images
    work.curated = run.outputs["curated"]
    work.curated.alias("curated")
    num_rows = plan.sources["digits"].snapshot.num_rows
    drops = [read_drops(stage) for stage in run.stages.values()]
    for line in drops_table(drops):
        work.say(line)
    work.say(
        f"{num_rows:,} rows became {work.curated.num_rows:,}, committed as {work.curated.dataset.name}; "
        "no delivery changed."
    )
    planted = _held_against_planted(work, _names(work.curated))
    labels = settle_labels(work)
    work.dropped_sample = _dropped_last(drops)
    explanation = run.explain(sample=work.dropped_sample)
    work.say(f"Explained: {work.dropped_sample}, stage by stage")
    for line in way_of_sample(explanation):
        work.say(f"  {line}")
    return {
        "run": run.id,
        "recipe": str(work.recipe_file),
        "plan_hash": run.plan.hash,
        "dataset": work.curated.dataset.name,
        "snapshot": work.curated.id,
        "rows_in": num_rows,
        "rows_out": work.curated.num_rows,
        "stages": [item.to_json() for item in drops],
        "planted": planted,
        "labels": labels,
        "explained": explanation.to_json(),
    }


def _dropped_last(drops: list[DroppedRows]) -> str:
    """The example of the last stage that dropped something, which has come through all the others."""
    examples = [item.example for item in drops if item.example is not None]
    if not examples:
        raise HeadraceError("the recipe dropped nothing; expected at least the flaws that were planted")
    return examples[-1].sample


def _held_against_planted(work: DigitsWorkspace, names: set[str]) -> Figures:
    """How much of what is known to be wrong is gone, and what went with it."""
    kept = [digit_number(name) for name in names]
    digits = [number for delivery in work.deliveries for number in delivery.digits]
    shown = [number for number in kept if number in set(digits)]
    figures: dict[str, dict[str, int]] = {
        "damaged": _gone({name for delivery in work.deliveries for name in delivery.damaged}, names),
        "blank": _gone({name for delivery in work.deliveries for name in delivery.blank}, names),
        "repeated_digits": {
            "planted": len(digits) - len(set(digits)),
            "gone": len(digits) - len(set(digits)) - (len(shown) - len(set(shown))),
        },
    }
    words = {"damaged": "damaged", "blank": "blank", "repeated_digits": "repeats"}
    counts = [f"{figures[key]['gone']} of {figures[key]['planted']} {word}" for key, word in words.items()]
    work.say(f"Gone: {', '.join(counts)}, all planted.")
    return {**figures, "digits_lost": len(set(digits) - set(shown))}


def _gone(planted: set[str], kept: set[str]) -> dict[str, int]:
    return {"planted": len(planted), "gone": len(planted - kept)}


def _names(snapshot: Snapshot) -> set[str]:
    return set(snapshot.to_arrow(columns=["id"]).column("id").to_pylist())
