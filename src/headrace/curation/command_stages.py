"""Commands of recipes: a list of arguments, placeholders for the folders, and files that count by their content."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from headrace.curation.recipe_file.document import ReadStage
from headrace.curation.recipe_file.fields import CommandFields
from headrace.curation.recipe_file.problems import Problems
from headrace.curation.static_plan import CommandWork

__all__ = ["compile_command"]

_PLACEHOLDERS = ("{input}", "{output}")
_SCRIPTS = frozenset({".bash", ".jl", ".js", ".pl", ".py", ".r", ".rb", ".sh"})


def compile_command(stage: ReadStage, fields: CommandFields, *, folder: Path, problems: Problems) -> CommandWork:
    """The checked command.

    Args:
        folder: The recipe's; relative names of files start there.
    """
    node = stage.node
    for placeholder in _PLACEHOLDERS:
        if not any(placeholder in argument for argument in fields.command):
            problems.add(
                f"{stage.subject}: the command has no {placeholder}, which stands for the folder of its "
                f"{placeholder.strip('{}')}; quote it, because YAML reads braces",
                node.at(["command"]),
            )
    files: list[tuple[str, Path]] = []
    for idx, argument in enumerate(fields.command):
        place = node.at(["command", idx])
        if not argument and idx == 0:
            problems.add(f"{stage.subject}: the name of the program is empty", place)
        if any(placeholder in argument for placeholder in _PLACEHOLDERS):
            continue
        if Path(argument).is_absolute():
            problems.add(
                f"{stage.subject}: {argument!r} is an absolute path, which other machines need not have; name a "
                "program without its folder, and files from the recipe's folder on",
                place,
            )
            continue
        path = folder / argument
        if "\0" not in argument and path.is_file():
            files.append((argument, path))
        elif PurePosixPath(argument).suffix.lower() in _SCRIPTS:
            problems.add(f"{stage.subject}: there is no file {argument!r} in {str(folder)!r}", place)
        elif "\0" not in argument and argument not in ("", ".", "..") and idx > 0 and path.is_dir():
            problems.add(
                f"{stage.subject}: {argument!r} is a folder, whose content would not count; name the files", place
            )
    python = requirements = None
    if fields.environment is not None:
        python = fields.environment.python
        if fields.environment.requirements is not None:
            requirements = folder / fields.environment.requirements
            if not requirements.is_file():
                problems.add(
                    f"{stage.subject}: there is no file {fields.environment.requirements!r} in {str(folder)!r}",
                    node.at(["environment", "requirements"]),
                )
    return CommandWork(tuple(fields.command), tuple(files), python, requirements, tuple(fields.media))
