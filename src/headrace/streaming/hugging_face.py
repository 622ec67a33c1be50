"""Folders of Hugging Face repositories: which of their files are the tables of a split.

Source: the Hub's "File names and splits" and "Image folders": splits are told by folders or by names such as
`train-00000-of-00004.parquet`; a `metadata.csv`, `.jsonl` or `.parquet` names media files beside it by `file_name`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.datasets.sources.table_file import table_format
from headrace.errors import InvalidInput, NotFound
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["RepositoryTables", "find_tables"]

_METADATA = re.compile(r"(?:.*/)?metadata\.(?:csv|jsonl|parquet)")
_NUMBERED = re.compile(r"(?:.*/)?([\w.-]+?)-[0-9]{5}-of-[0-9]{5}[^/]*")
_WORDS = {
    "train": ("train", "training"),
    "test": ("test", "testing", "eval", "evaluation"),
    "validation": ("validation", "valid", "val", "dev"),
}
_FRONT_MATTER = re.compile(r"^(configs|dataset_info|task_categories|size_categories|license):", re.MULTILINE)
_CARD_BYTES = 1 << 16
_INFO_NAMES = frozenset({"dataset_infos.json", "dataset_info.json", "state.json"})


@dataclass(frozen=True, slots=True)
class RepositoryTables:
    """Tables of one split, in path order."""

    paths: list[str]
    names_files: bool  # media files by their column `file_name`


def find_tables(paths: Sequence[str], *, root: str, split: str | None) -> RepositoryTables | None:
    """The tables of a repository's split; None if the folder is no repository.

    Raises:
        NotFound: It has no such split.
        InvalidInput: Several splits of which none is "train", or several configurations.
    """
    metadata = [path for path in paths if _METADATA.fullmatch(path)]
    others = [path for path in paths if table_format(path) is None and not path.endswith((".md", ".txt"))]
    if metadata and others:
        return RepositoryTables(_of_split(metadata, root=root, split=split), names_files=True)
    tables = [path for path in paths if table_format(path) is not None and path not in _INFO_NAMES]
    if tables and _is_repository(paths, tables, root=root):
        return RepositoryTables(_of_split(tables, root=root, split=split), names_files=False)
    return None


def _is_repository(paths: Sequence[str], tables: Sequence[str], *, root: str) -> bool:
    if not _INFO_NAMES.isdisjoint(paths) or any(_NUMBERED.fullmatch(path) for path in tables):
        return True
    if "README.md" not in paths or "://" in root:
        return False
    with open(os.path.join(root, "README.md"), encoding="utf-8", errors="replace") as card:
        text = card.read(_CARD_BYTES)
    return text.startswith("---") and _FRONT_MATTER.search(text) is not None


def _of_split(tables: Sequence[str], *, root: str, split: str | None) -> list[str]:
    splits: dict[str, list[str]] = {}
    for path in sorted(tables):
        splits.setdefault(_split_of(path), []).append(path)
    chosen = split
    if chosen is None:
        chosen = "train" if "train" in splits else next(iter(splits)) if len(splits) == 1 else None
    if chosen is None:
        raise InvalidInput(f"{root} has the splits {', '.join(splits)}; say which: IndexOptions(split=…)")
    if chosen not in splits:
        raise NotFound(f"{root} has no split {chosen!r}.{near_miss_or_known(chosen, splits)}")
    found = splits[chosen]
    configurations = {_configuration(path) for path in found}
    if len(configurations) > 1:
        raise InvalidInput(
            f"{root} has the configurations {', '.join(sorted(configurations))}; open the folder of one of them"
        )
    return found


def _split_of(path: str) -> str:
    """ "train" where nothing says otherwise, as the Hub does."""
    numbered = _NUMBERED.fullmatch(path)
    if numbered is not None:
        return _known_split(numbered[1]) or numbered[1]
    for part in reversed(path.split("/")):
        known = _known_split(part)
        if known is not None:
            return known
    return "train"


def _known_split(part: str) -> str | None:
    words = re.split(r"[^a-z0-9]+", part.lower())
    return next((split for split, known in _WORDS.items() if not set(known).isdisjoint(words)), None)


def _configuration(path: str) -> str:
    """The folder that tells configurations apart: not `data/`, and none that names a split."""
    folders = [part for part in path.split("/")[:-1] if part != "data" and _known_split(part) is None]
    return folders[0] if folders else "default"
