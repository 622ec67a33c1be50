"""`headrace commit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headrace.cli.command import command
from headrace.cli.commit_report import commit_fields, warn_of_rejected_rows
from headrace.cli.documents import commit_document
from headrace.cli.output import Output
from headrace.cli.parameters import adopt_option, dataset_argument, on_invalid_option, tag_option
from headrace.cli.program import command_line
from headrace.cli.targets import dataset_text, open_dataset
from headrace.cli.type_guess import guess_type
from headrace.errors import NotFound
from headrace.schema.references import Reference
from headrace.schema.tags import Tag

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset


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
def commit(
    output: Output,
    *,
    dataset: Reference,
    source: str,
    message: str,
    tags: tuple[Tag, ...],
    media: str,
    on_invalid: str,
) -> None:
    """Add rows from a source to a dataset.

    SOURCE is a file (.csv, .json, .jsonl, .parquet), a folder, a glob in quotes, an archive (.zip, .tar, .tar.gz,
    .tar.zst) or a URI.
    """
    target = _open(dataset, source=source)
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
