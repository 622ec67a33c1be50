"""What a command's result depends on besides its rows: its words, the files that they name, its environment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headrace.curation.table_stages.command_environment import CommandEnvironment
from headrace.errors import InvalidInput
from headrace.storage.canonical import canonical_json
from headrace.storage.digests import digest_hex

__all__ = ["command_identity"]

_MOST_FILES = 10_000


def command_identity(
    command: Sequence[str], *, folder: Path, environment: CommandEnvironment | None = None
) -> dict[str, object]:
    """Plain values for hashing, the same in any folder on any machine.

    A word that names a file or folder below `folder`, alone or after `=`, counts with the content; one outside of it
    counts by the content only, because its path says where a machine keeps it. Modules that a script imports from
    elsewhere are not seen: name their folder as a word, or raise the stage's version.

    Raises:
        InvalidInput: A folder of more than 10,000 files.
        NotFound: The requirements file is not there.
    """
    words = [_word(word, folder) for word in command]
    return {"command": words, "environment": None if environment is None else environment.identity()}


def _word(word: str, folder: Path) -> object:
    option, sign, value = word.rpartition("=")
    path = _existing(folder, value)
    if path is None:
        return word
    shown = "" if path.is_absolute() and not _is_below(path, folder) else value
    if Path(value).is_absolute() and _is_below(path, folder):
        shown = str(path.resolve().relative_to(folder.resolve()))
    return [f"{option}{sign}{shown}", _digest(path)]


def _existing(folder: Path, value: str) -> Path | None:
    if not value or "{" in value or value.startswith("-"):
        return None
    path = folder / value
    try:
        return path if path.is_file() or (path.is_dir() and value not in (".", "..", "/")) else None
    except OSError:  # too long for a path
        return None


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _digest(path: Path) -> str:
    if path.is_file():
        return digest_hex(path.read_bytes())
    files = sorted(each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
    if len(files) > _MOST_FILES:
        raise InvalidInput(f"command: the folder {str(path)!r} has {len(files):,} files; name those that count")
    listed = {str(each.relative_to(path)): digest_hex(each.read_bytes()) for each in files}
    return digest_hex(canonical_json(listed))
