"""`headrace completion`."""

from __future__ import annotations

import click

from headrace.cli.command import command
from headrace.cli.output import Output, write_stdout

_LOADERS = {
    "bash": 'eval "$(headrace completion bash)"',
    "zsh": 'eval "$(headrace completion zsh)"',
    "fish": "headrace completion fish | source",
}


@command("completion", example="headrace completion bash > headrace-completion.sh")
@click.argument("shell", type=click.Choice(sorted(_LOADERS)))
def completion(output: Output, *, shell: str) -> None:
    """Print the script that completes commands in your shell.

    The script goes to stdout: let your shell read it at start-up.
    """
    from click.shell_completion import get_completion_class

    from headrace.cli.main import PROGRAM, cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click has no completion for {shell}")
    # `source_template` directly: `source()` would start the shell only to ask for its version.
    complete = kind(cli, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE")
    script = complete.source_template % complete.source_vars()
    if output.is_json:
        output.document({"shell": shell, "script": script})
        return
    write_stdout(script)
    output.hint(_LOADERS[shell])
