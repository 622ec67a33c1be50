"""`headrace commit`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from headrace.cli.command import command
from headrace.cli.commit_report import commit_fields, warn_of_refused_files, warn_of_rejected_rows
from headrace.cli.documents import commit_document, commit_summary
from headrace.cli.output import Output
from headrace.cli.parameters import adopt_option, dataset_argument, on_invalid_option, tag_option
from headrace.cli.program import command_line
from headrace.cli.targets import dataset_text, open_dataset
from headrace.cli.type_guess import guess_type
from headrace.cli.watch_options import watch_options
from headrace.cli.wording import format_rows
from headrace.errors import NotFound
from headrace.schema.references import Reference
from headrace.schema.tags import Tag

if TYPE_CHECKING:
    from headrace.datasets.commit import Commit
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.watching import RefusedFiles


@command(
    "commit",
    example='headrace commit lake::intents part2.csv -m "More training data" \\\n    --tag category=bbb',
)
@dataset_argument
@click.argument("source")
@click.option("-m", "--message", metavar="TEXT", default="", help="Shown in the log.")
@tag_option("Mark the commit; may be repeated. Snapshots choose commits by tags.")
@adopt_option
@on_invalid_option
@click.option("--watch", "is_watching", is_flag=True, help="Go on: commit new files of a folder as they arrive.")
@watch_options(
    interval="With --watch: how long to wait between two looks.",
    once="With --watch: look once, take what has settled, and end.",
)
@click.option(
    "--settle",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="With --watch: take files that have not changed for so long.",
)
@click.option(
    "--max-files",
    metavar="N",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="With --watch: most files in one commit.",
)
def commit(
    output: Output,
    *,
    dataset: Reference,
    source: str,
    message: str,
    tags: tuple[Tag, ...],
    media: str,
    on_invalid: str,
    is_watching: bool,
    interval: float,
    settle: float,
    once: bool,
    max_files: int,
) -> None:
    """Add rows from a source to a dataset.

    SOURCE is a file (.csv, .json, .jsonl, .parquet), a folder, a glob in quotes, an archive (.zip, .tar, .tar.gz,
    .tar.zst) or a URI.

    With --watch, SOURCE is a folder or a bucket's prefix: each version of each file is committed once, also after a
    restart and with several watchers.
    """
    target = _open(dataset, source=source)
    if is_watching or once:
        refused: list[RefusedFiles] = []

        def refuse(files: RefusedFiles) -> None:
            refused.append(files)
            warn_of_refused_files(output, files)

        commits = target.watch(
            source,
            message=message,
            tags=tags,
            media=media,
            on_invalid=on_invalid,
            on_refused=refuse,
            interval_seconds=interval,
            settle_seconds=settle,
            once=once,
            max_files=max_files,
        )
        _watch(output, target, commits, refused=refused)
        return
    with output.progress() as progress:
        made = target.commit(source, message=message, tags=tags, media=media, on_invalid=on_invalid, progress=progress)
    if output.is_json:
        output.document({"dataset": target.name, "dataset_id": target.id, **commit_document(made)})
    else:
        output.fields([("dataset", target.name), *commit_fields(made)])
    warn_of_rejected_rows(output, made)
    text = dataset_text(dataset)
    if int(made.id) > 1:
        output.next("diff", f"{text}@upto:{int(made.id) - 1}", f"{text}@upto:{made.id}")
    else:
        output.next("snapshot", text, "--alias", "train")


def _watch(output: Output, dataset: Dataset, commits: Iterator[Commit], *, refused: Sequence[RefusedFiles]) -> None:
    """A line for each commit as it comes; with --json one document at the end, which only --once has.

    `refused` grows while the commits are taken.
    """
    made: list[dict[str, object]] = []
    for commit in commits:
        made.append(commit_summary(commit))
        if not output.is_json:
            output.line(f"commit {commit.id}: {format_rows(commit.num_rows)}, digest {commit.digest[:8]}")
        warn_of_rejected_rows(output, commit)
    if output.is_json:
        left_out = [{"files": list(files.paths), "reason": files.reason} for files in refused]
        output.document({"dataset": dataset.name, "dataset_id": dataset.id, "commits": made, "refused": left_out})
    elif not made and not refused:
        output.note("nothing new")


def _open(reference: Reference, *, source: str) -> Dataset:
    """The dataset, or an error that holds the command which creates it with this source."""
    try:
        return open_dataset(reference)
    except NotFound as error:
        kind = guess_type(source)
        create = command_line("dataset", "create", dataset_text(reference), "--type", kind, "--source", source)
        raise NotFound(
            f"{error.message.partition(' To create it: ')[0]}\nTo create it with this source: {create}\n"
            f"({kind} is a guess; `{command_line('dataset', 'create', '--help')}` names the types)"
        ) from error
