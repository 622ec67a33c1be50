"""`headrace dataset log`."""

from __future__ import annotations

from headrace.cli.command import command
from headrace.cli.documents import commit_summary
from headrace.cli.output import Output
from headrace.cli.parameters import dataset_argument
from headrace.cli.program import command_line
from headrace.cli.tables import Column
from headrace.cli.targets import dataset_text, open_dataset
from headrace.cli.wording import format_moment, format_tags
from headrace.schema.references import Reference
from headrace.units import format_count


@command("log", example="headrace dataset log lake::intents")
@dataset_argument
def log(output: Output, *, dataset: Reference) -> None:
    """List a dataset's commits, oldest first."""
    target = open_dataset(dataset)
    commits = target.log()
    text = dataset_text(dataset)
    if output.is_json:
        output.document(
            {
                "dataset": target.name,
                "dataset_id": target.id,
                "commits": [{**commit_summary(commit), "is_deleted": commit.is_deleted} for commit in commits],
            }
        )
        return
    has_deleted = any(commit.is_deleted for commit in commits)
    output.table(
        [
            Column("commit", align="right", is_whole=True),
            *([Column("state", is_whole=True)] if has_deleted else []),
            Column("created", is_whole=True),
            Column("rows", align="right", is_whole=True),
            Column("digest", is_whole=True),
            Column("tags"),
            Column("message"),
        ],
        [
            (
                commit.id,
                *(["deleted" if commit.is_deleted else ""] if has_deleted else []),
                format_moment(commit.created_at),
                format_count(commit.num_rows),
                commit.digest[:8],
                format_tags(commit.tag_pairs),
                commit.message,
            )
            for commit in commits
        ],
    )
    deleted = [commit.id for commit in commits if commit.is_deleted]
    if deleted:
        output.next("commit-restore", text, deleted[-1])
    elif len(commits) > 1:
        output.next("diff", f"{text}@upto:{int(commits[-1].id) - 1}", text)
    elif commits:
        output.next("snapshot", text, "--alias", "train")
    else:
        output.hint(f"{command_line('commit', text)} SOURCE")
