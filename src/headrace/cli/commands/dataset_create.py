"""`headrace dataset create`."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.command import command
from headrace.cli.commit_report import commit_fields, warn_of_rejected_rows
from headrace.cli.documents import commit_document
from headrace.cli.output import Output
from headrace.cli.parameters import adopt_option, dataset_argument, existing_file, on_invalid_option, tag_option
from headrace.cli.program import command_line
from headrace.cli.targets import dataset_text, open_lake_of
from headrace.schema.references import Reference
from headrace.schema.tags import Tag


@command(
    "create",
    example="headrace dataset create lake::intents --type TEXT_INTENT \\\n    --source part1.csv --tag category=aaa",
)
@dataset_argument
@click.option(
    "--type",
    "type_name",
    metavar="TYPE",
    help="TEXT_INTENT, IMAGE_CLASS, IMAGE_TEXT, VIDEO, AUDIO, GENERIC, TABLE, or one that a package adds. "
    "With --schema it is TABLE.",
)
@click.option(
    "--source",
    metavar="SOURCE",
    help="First rows: a file, folder, glob, archive or URI. Without it the dataset is empty.",
)
@tag_option("Mark the first commit; may be repeated.")
@click.option("--description", metavar="TEXT", default="", help="What the dataset holds.")
@click.option("--owner", metavar="NAME", help="Who answers for it.")
@existing_file(
    "Columns of a TABLE, in the form that `dataset show --json` prints under `schema`.", "--schema", "schema_path"
)
@click.option("--key", metavar="COLUMN", help="Column that identifies a row of a TABLE.")
@click.option(
    "--on-duplicate-key",
    type=click.Choice(["keep", "replace"]),
    help="A key in several commits: keep all rows, or let the latest replace. Default: replace for a TABLE with --key.",
)
@on_invalid_option
@adopt_option
def create(
    output: Output,
    *,
    dataset: Reference,
    type_name: str | None,
    source: str | None,
    tags: tuple[Tag, ...],
    description: str,
    owner: str | None,
    schema_path: Path | None,
    key: str | None,
    on_duplicate_key: str | None,
    on_invalid: str,
    media: str,
) -> None:
    """Create a dataset, perhaps with its first rows."""
    if type_name is None and schema_path is None:
        raise click.UsageError("which type? Give --type TYPE (see --help), or --schema FILE for a TABLE")
    if tags and source is None:
        raise click.UsageError("--tag marks the first commit, and without --source there is none")
    from headrace.cli.schema_file import read_schema_file

    lake = open_lake_of(dataset)
    with output.progress() as progress:
        created = lake.create_dataset(
            dataset.dataset,
            type=type_name,
            source=source,
            tags=tags,
            description=description,
            owner=owner,
            schema=None if schema_path is None else read_schema_file(schema_path),
            key=key,
            on_duplicate_key=on_duplicate_key,
            media=media,
            on_invalid=on_invalid,
            progress=progress,
        )
    commit = created.log()[0] if source is not None else None
    if output.is_json:
        output.document(
            {
                "id": created.id,
                "name": created.name,
                "type": created.type,
                "owner": created.owner,
                "description": created.description,
                "commit": None if commit is None else commit_document(commit),
            }
        )
    else:
        fields = [("dataset", created.name), ("id", created.id), ("type", created.type)]
        output.fields([*fields, *([] if commit is None else commit_fields(commit))])
    text = dataset_text(dataset)
    if commit is None:
        output.hint(f"{command_line('commit', text)} SOURCE")
        return
    warn_of_rejected_rows(output, commit)
    output.next("snapshot", text, "--alias", "train")
