"""Files that settings name: paths, and files of the Hugging Face hub at one revision."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from headrace.errors import InvalidInput, MissingExtra, NotFound

__all__ = ["is_hub_name", "local_file"]

HUB: Final = "hf://"
_NAME = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>[^/@]+)/(?P<file>.+)")


def is_hub_name(value: str) -> bool:
    """Whether it names a file of the hub, and none of this machine."""
    return value.startswith(HUB)


def local_file(value: str, *, operator: str, setting: str) -> Path:
    """The path itself, or that of the hub's file in the local cache, downloaded where it is not there yet.

    Hub names are `hf://organisation/name@revision/path/in/it`, by huggingface_hub (extra `hub`), which keeps files
    below HF_HOME. The revision is required: a branch moves on, and with it what a recipe computes.

    Args:
        operator: Who asks, for messages; `setting` too.

    Raises:
        InvalidInput: No such name, or one without revision.
        NotFound: The hub has no such file, or does not answer and the file is not in the cache.
        MissingExtra: huggingface_hub is not installed.
    """
    if not is_hub_name(value):
        return Path(value)
    found = _NAME.fullmatch(value)
    if found is None:
        raise InvalidInput(
            f"{operator}: setting {setting} is {value!r}; expected hf://organisation/name@revision/file, with the "
            "commit, tag or branch behind the @: the hub's pages show a repository's commits under 'History'"
        )
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
    except ImportError as error:
        raise MissingExtra(
            f"{operator}: {value!r} of setting {setting} needs huggingface_hub: pip install 'headrace[hub]'"
        ) from error
    repository, file, revision = found["repository"], found["file"], found["revision"]
    try:
        # What is in the cache under this revision is taken as it is, so that a run needs no network twice.
        return Path(hf_hub_download(repository, file, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(hf_hub_download(repository, file, revision=revision))
    except (RepositoryNotFoundError, LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise NotFound(
            f"{operator}: the file {value!r} of setting {setting} is not in the local cache of the hub, and could not "
            f"be fetched: {str(error).partition(chr(10))[0]}. Check the name and revision, or put the file there with: "
            f"hf download {repository} {file} --revision {revision}"
        ) from error
