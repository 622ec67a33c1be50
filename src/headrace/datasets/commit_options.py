"""How the rows of a source are taken in: what a caller may say beside the source itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from headrace.datasets.file_claims import FileClaims
from headrace.datasets.ingest import IngestLayout, MediaMode
from headrace.datasets.types.base import OnInvalid
from headrace.errors import InvalidInput
from headrace.progress import NO_PROGRESS, Progress
from headrace.schema.free_text import check_text
from headrace.schema.tags import Tag, TagsLike, normalise_tags
from headrace.storage.archive_limits import ArchiveLimits

__all__ = ["CommitOptions"]


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """How a source is taken in."""

    message: str = ""
    tags: tuple[Tag, ...] = ()
    media: MediaMode = "copy"
    on_invalid: OnInvalid = "raise"
    progress: Progress = NO_PROGRESS
    layout: IngestLayout = field(default_factory=IngestLayout)
    limits: ArchiveLimits = field(default_factory=ArchiveLimits)
    claims: FileClaims | None = None  # files of a watched place that no other commit may have taken

    @classmethod
    def of(
        cls, *, message: str, tags: TagsLike | None, media: str, on_invalid: str, options: Mapping[str, Any]
    ) -> CommitOptions:
        """Checked options.

        Raises:
            InvalidInput: An unknown option or a value outside its range.
        """
        if media not in ("copy", "reference"):
            raise InvalidInput(f"media={media!r}: expected 'copy' or 'reference'")
        if on_invalid not in ("raise", "skip"):
            raise InvalidInput(f"on_invalid={on_invalid!r}: expected 'raise' or 'skip'")
        check_text(message, "message")
        known = {item.name for item in fields(cls)} - {"message", "tags", "media", "on_invalid"}
        for name in options:
            if name not in known:
                raise InvalidInput(f"commit() has no option {name!r}; it has {', '.join(sorted(known))}")
        kinds = {"progress": Progress, "layout": IngestLayout, "limits": ArchiveLimits, "claims": FileClaims}
        for name, value in options.items():
            if not isinstance(value, kinds[name]):
                raise InvalidInput(f"{name}= is a {type(value).__name__}; expected {kinds[name].__name__}")
        media_mode: Literal["copy", "reference"] = "reference" if media == "reference" else "copy"
        policy: Literal["raise", "skip"] = "skip" if on_invalid == "skip" else "raise"
        return cls(message, normalise_tags(tags), media_mode, policy, **options)

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Ends the progress on every path."""
        try:
            yield
        finally:
            self.progress.finish()
