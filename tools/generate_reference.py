"""Write the pages of docs/reference that follow from the code; with `--check` only compare them.

    python tools/generate_reference.py [--check]

Pages: cli.md (every command's help), python.md (public names and their members), errors.md (classes, codes, exit
codes), dataset-types.md and export-formats.md (what the entry points name), recipe.md and recipe.schema.json (keys of
recipe files). Help and docstrings are the only text; edit them there.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import click
import pyarrow as pa

from headrace import errors
from headrace.cli.main import cli
from headrace.curation import recipe_file
from headrace.curation.recipe_file.schema import field_tables, recipe_schema
from headrace.datasets.types.base import DatasetType, media_kind
from headrace.errors import HeadraceError

__all__ = ["PAGES", "main", "walk_commands"]

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
HELP_WIDTH = 100  # characters; fixed, so that the terminal does not change the page

NOTE = "% Written by tools/generate_reference.py (`make docs`); edit the source, not this page.\n"


def walk_commands(command: click.Command, *, context: click.Context) -> Iterator[tuple[str, click.Command, str]]:
    """Path, command and help text of a command and of all below it, in the order of their names."""
    if command.hidden:
        return
    yield context.command_path, command, command.get_help(context)
    if isinstance(command, click.Group):
        for name in sorted(command.list_commands(context)):
            child = command.get_command(context, name)
            if child is None:
                raise LookupError(f"{context.command_path} lists the command {name!r} but has none of that name")
            yield from walk_commands(child, context=_context(child, name=name, parent=context))


def _context(command: click.Command, *, name: str, parent: click.Context | None = None) -> click.Context:
    return click.Context(
        command, info_name=name, parent=parent, terminal_width=HELP_WIDTH, max_content_width=HELP_WIDTH
    )


def cli_page() -> str:
    """Every command with the help that the program itself prints, and the variables its options read."""
    page = f"{NOTE}\n# Command line\n\nThe help of every command, as `--help` prints it.\n"
    for path, command, help_text in walk_commands(cli, context=_context(cli, name="headrace")):
        page += f"\n## {path}\n\n```text\n{help_text.rstrip()}\n```\n"
        variables = [
            f"`{name}` stands for `{parameter.opts[0] if parameter.opts else parameter.human_readable_name}`"
            for parameter in command.params
            for name in _variables(parameter)
        ]
        if variables:
            page += f"\nFrom the environment: {', '.join(variables)}.\n"
    return page


def _variables(parameter: click.Parameter) -> list[str]:
    if parameter.envvar is None:
        return []
    return [parameter.envvar] if isinstance(parameter.envvar, str) else list(parameter.envvar)


PUBLIC_MODULES = (
    "headrace",
    "headrace.curation",
    "headrace.streaming",
    "headrace.streaming.transforms",
    "headrace.testing",
)
_SECTION = re.compile(r"^(Args|Returns|Raises|Yields):$")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def python_page() -> str:
    """Every public name with its signature, its docstring, and those of its members."""
    page = f"{NOTE}\n# Python\n\nErrors have [a page of their own](errors.md).\n"
    for module_name in PUBLIC_MODULES:
        module = import_module(module_name)
        page += f"\n## {module_name}\n\n{markdown(inspect.getdoc(module) or '')}\n"
        for name in module.__all__:
            page += _python_entry(f"{module_name}.{name}", getattr(module, name), level=3)
    return page


def _python_entry(path: str, thing: object, *, level: int) -> str:
    name = path.rpartition(".")[2]
    entry = f"\n{'#' * level} {path}\n"
    if callable(thing):
        entry += f"\n```text\n{name}{_signature(thing)}\n```\n"
    elif isinstance(thing, property) and thing.fget is not None:
        returned = thing.fget.__annotations__.get("return", "object")
        entry += f"\n```text\n{name}: {_unquoted(returned)}\n```\n"
    is_described = isinstance(thing, (type, property)) or inspect.isroutine(thing) or inspect.ismodule(thing)
    text = markdown(inspect.getdoc(thing) or "") if is_described else f"`{thing!r}`"
    entry += f"\n{text}\n" if text else ""
    if isinstance(thing, type) and level == 3:
        for member_name, member in _members(thing):
            entry += _python_entry(f"{name}.{member_name}", member, level=4)
    return entry


def _members(owner: type) -> Iterator[tuple[str, object]]:
    """Public methods and properties with a docstring, in the order of the source, inherited ones of ours last."""
    seen: set[str] = set()
    for base in owner.__mro__:
        if base.__module__.partition(".")[0] != "headrace":
            continue
        for name, member in vars(base).items():
            function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
            if name.startswith("_") or name in seen or not (isinstance(function, property) or callable(function)):
                continue
            seen.add(name)
            if inspect.getdoc(function):
                yield name, function


class _Annotation:
    """An annotation that prints without the quotes which postponed evaluation puts around it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _unquoted(annotation: object) -> object:
    return _Annotation(annotation) if isinstance(annotation, str) else annotation


def _signature(thing: Callable[..., object]) -> str:
    """The signature as it is written in the source, in lines of at most HELP_WIDTH characters."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    signature = signature.replace(
        parameters=[
            parameter.replace(annotation=_unquoted(parameter.annotation)) for parameter in signature.parameters.values()
        ],
        return_annotation=_unquoted(signature.return_annotation),
    )
    text = _ADDRESS.sub("", str(signature)).replace("(self, ", "(", 1).replace("(self)", "()", 1)
    # Lines break between arguments only: other spaces are hidden from the wrapping.
    lines = textwrap.wrap(re.sub(r"(?<!,) ", "\0", text), HELP_WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n    ".join(lines).replace("\0", " ")


def markdown(docstring: str) -> str:
    """A docstring as Markdown: its sections become lists, the rest is Markdown already."""
    lines: list[str] = []
    is_section = False
    for line in docstring.splitlines():
        if _SECTION.match(line):
            lines += [f"**{line.removesuffix(':')}**", ""]
            is_section = True
        elif is_section and line.startswith("    ") and not line.startswith("     "):
            name, colon, rest = line.strip().partition(": ")
            is_item = bool(colon) and re.fullmatch(r"`?[\w.*, ]+`?", name) is not None
            lines.append(f"- `{name.strip('`')}`: {rest}" if is_item else f"{line.strip()}")
        else:
            is_section = is_section and (not line or line.startswith(" "))
            lines.append(line.strip() if is_section else line)
    return "\n".join(lines)


def errors_page() -> str:
    """Every error class with its stable code, exit code, and what it means."""
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, HeadraceError)]
    page = f"{NOTE}\n# Errors\n\n```text\n{inspect.cleandoc(errors.__doc__ or '')}\n```\n\n"
    page += "| class | code | exit code | below | meaning |\n| --- | --- | --- | --- | --- |\n"
    for error in classes:
        parents = ", ".join(f"`{base.__name__}`" for base in error.__bases__)
        page += (
            f"| `{error.__name__}` | `{error.code}` | {error.exit_code} | {parents} | {_cell(_first_line(error))} |\n"
        )
    return page


def dataset_types_page() -> str:
    """Every dataset type with its key, aliases and both schemas."""
    page = f"{NOTE}\n# Dataset types\n"
    for entry in _plugins("headrace.dataset_types"):
        kind = entry.load()()
        page += f"\n## {entry.name}\n\n{inspect.getdoc(type(kind)) or ''}\n\n"
        page += f"- version: {kind.version}\n"
        page += f"- key: {f'`{kind.key}`' if kind.key else 'none'}\n"
        if kind.aliases:
            page += f"- also called: {', '.join(f'`{alias}`' for alias in kind.aliases)}\n"
        page += f"- further columns: {'accepted' if kind.accepts_extra_columns else 'refused'}\n"
        page += f"- collectors hand in: {_columns(kind.ingest_schema, kind)}\n"
        page += f"- training gets: {_columns(kind.training_schema, kind)}\n"
    return page


def _columns(schema_of: Callable[[pa.Schema | None], pa.Schema], kind: DatasetType) -> str:
    try:
        schema = schema_of(None)
    except HeadraceError:
        return "the columns that the dataset declares"
    if not schema.names:
        return "the columns that the dataset declares" if kind.accepts_extra_columns else "no columns"
    return ", ".join(f"`{field.name}` ({media_kind(field) or field.type})" for field in schema)


def export_formats_page() -> str:
    """Every format that `snapshot.export` and `headrace export` know."""
    page = f"{NOTE}\n# Export formats\n"
    for entry in _plugins("headrace.exports"):
        page += f"\n## {entry.name}\n\n{inspect.getdoc(entry.load()) or ''}\n"
    return page


def recipe_page() -> str:
    """The format of recipe files: the package's own text, and every key."""
    return f"{NOTE}\n# Recipe files\n\n{inspect.getdoc(recipe_file)}\n{field_tables()}"


def recipe_schema_file() -> str:
    """The JSON Schema of recipe files."""
    return json.dumps(recipe_schema(), ensure_ascii=False, indent=2) + "\n"


def _plugins(group: str) -> list[EntryPoint]:
    """The project's own entry points; what other installed packages register does not belong on our pages."""
    found = [e for e in entry_points(group=group) if e.dist is not None and e.dist.name == "headrace"]
    return sorted(found, key=lambda entry: entry.name)


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "dataset-types.md": dataset_types_page,
    "errors.md": errors_page,
    "export-formats.md": export_formats_page,
    "python.md": python_page,
    "recipe.md": recipe_page,
    "recipe.schema.json": recipe_schema_file,
}


def main(arguments: list[str] | None = None) -> int:
    """0, or 1 when `--check` finds a page that differs from the code."""
    parser = argparse.ArgumentParser(description="Write the generated pages of docs/reference.")
    parser.add_argument("--check", action="store_true", help="Write nothing; fail when a page is not up to date.")
    is_check = parser.parse_args(arguments).check
    stale = []
    for name, write_page in PAGES.items():
        path = REFERENCE / name
        text = write_page()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not is_check:
            path.write_text(text, encoding="utf-8")
    if stale and is_check:
        print(f"docs/reference is behind the code: {', '.join(stale)}. To write them: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
