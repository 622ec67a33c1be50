"""`headrace lineage`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headrace.cli.command import command
from headrace.cli.output import Output
from headrace.cli.parameters import reference_argument
from headrace.cli.program import command_line
from headrace.cli.tables import Column
from headrace.cli.targets import dataset_text, open_snapshot
from headrace.cli.wording import format_moment
from headrace.datasets.recipe_origins import RecipeOrigin
from headrace.errors import NotFound
from headrace.schema.references import Reference
from headrace.units import format_bytes, format_count

if TYPE_CHECKING:
    from headrace.datasets.batches import Origin
    from headrace.datasets.lineage import MediaLineage, RunLineage, SampleLineage, SnapshotLineage
    from headrace.datasets.snapshot import Snapshot


@command("lineage", example="headrace lineage lake::intents@train")
@reference_argument()
@click.option("--sample", "sample_id", metavar="ID", help="Follow this row, by its `_id` or key, back to its file.")
def lineage(output: Output, *, ref: Reference, sample_id: str | None) -> None:
    """Show where a snapshot or a sample came from.

    For a snapshot: its commits, their sources, and the runs that used it. For a sample: its commit, source file,
    member and line, where its bytes lie, and the snapshots and runs that hold it. For what a recipe made: plan, run,
    the sample that it read, and the file of that one.
    """
    snapshot = open_snapshot(ref)
    if sample_id is None:
        found = snapshot.lineage()
        if output.is_json:
            output.document(found.to_json())
            return
        _show_snapshot(output, found)
        output.next("sample", str(ref), "--n", "1")
        return
    samples = _find(snapshot, ref, sample_id=sample_id)
    if output.is_json:
        # An id names one row; a bare key may name one row in each commit.
        output.document({**samples[0].to_json(), "others": [sample.to_json() for sample in samples[1:]]})
        return
    for idx, sample in enumerate(samples):
        if idx:
            output.line()
        _show_sample(output, sample)
    recipe = samples[0].recipe
    if recipe is not None and recipe.reference is not None and samples[0].member is not None:
        lake = "" if recipe.lake is not None else f"{snapshot.dataset.lake.uri}::"
        output.next("lineage", f"{lake}{recipe.reference}", "--sample", samples[0].member)
    else:
        output.next("dataset", "log", dataset_text(ref))


def _find(snapshot: Snapshot, reference: Reference, *, sample_id: str) -> list[SampleLineage]:
    from headrace.datasets.lineage import find_samples

    commits = {commit.id for commit in snapshot.commits}
    samples = find_samples(snapshot.dataset, sample_id, commits=commits)
    if not samples:
        raise NotFound(
            f"{reference} has no sample {sample_id!r}. Ids are printed as `_id` by: "
            f"{command_line('sample', str(reference), '--json')}"
        )
    return samples


def _show_snapshot(output: Output, found: SnapshotLineage) -> None:
    output.fields([("dataset", found.dataset), ("snapshot", found.snapshot)])
    output.line()
    output.table(
        [
            Column("commit", align="right", is_whole=True),
            Column("created", is_whole=True),
            Column("rows", align="right", is_whole=True),
            Column("size", align="right", is_whole=True),
            Column("source", is_whole=True),
        ],
        [
            (
                commit.commit,
                format_moment(commit.created_at),
                format_count(commit.num_rows),
                "" if source is None or source.size is None else format_bytes(source.size),
                _source_text(source),
            )
            for commit in found.commits
            for source in (commit.sources or (None,))
        ],
    )
    _show_runs(output, found.runs)


def _show_sample(output: Output, sample: SampleLineage) -> None:
    output.fields(
        [
            ("sample", sample.id),
            ("digest", sample.digest),
            ("dataset", sample.dataset),
            ("commit", sample.commit),
            *_origin_fields(sample),
            ("line", None if sample.line is None else format_count(sample.line)),
            *(
                (
                    f"{media.column} bytes",
                    f"{format_bytes(media.size)} at {_place(media)} of {media.container}",
                )
                for media in sample.media
            ),
            ("snapshots", ", ".join(snapshot[:12] for snapshot in sample.snapshots) or None),
        ]
    )
    _show_runs(output, sample.runs)


def _origin_fields(sample: SampleLineage) -> list[tuple[str, object]]:
    """The file; of a row that a recipe made the run, the sample that it read, and the file of this one."""
    if sample.recipe is None:
        return [("source", sample.source), ("source digest", sample.source_digest), ("member", sample.member)]
    fields: list[tuple[str, object]] = [
        ("recipe", sample.recipe.recipe),
        ("plan", sample.recipe.plan_hash),
        ("run", sample.recipe.run_id),
        ("read from", sample.recipe.reference),
        ("its sample", sample.member),
    ]
    for origin in sample.curated_from:
        fields += [
            ("its source", origin.recipe.recipe if origin.recipe else origin.source),
            ("its member", origin.member),
        ]
        fields.append(("its line", None if origin.line is None else format_count(origin.line)))
    return fields


def _source_text(source: Origin | None) -> str:
    recipe = None if source is None else RecipeOrigin.of(source)
    if source is None or recipe is None:
        return "" if source is None else source.uri
    read = "" if recipe.reference is None else f" of {recipe.reference[:-52]}"  # 12 digits of the id
    return f"recipe {recipe.recipe}{read}"


def _place(media: MediaLineage) -> str:
    if media.cell is None:
        return format_count(media.offset or 0)
    return f"row group {media.cell.row_group}, row {media.cell.row}, column {media.cell.column}"


def _show_runs(output: Output, runs: tuple[RunLineage, ...]) -> None:
    if not runs:
        return
    output.line()
    output.table(
        [
            Column("run", is_whole=True),
            Column("name"),
            Column("created", is_whole=True),
            Column("metrics"),
        ],
        [
            (run.run, run.name, format_moment(run.created_at), ", ".join(f"{k} {v:g}" for k, v in run.metrics.items()))
            for run in runs
        ],
    )
