"""Makes anew from the logs what was derived from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from headrace.datasets.html_reprs import HtmlTable
from headrace.progress import NO_PROGRESS, Progress
from headrace.storage.log import EntryLog

if TYPE_CHECKING:
    from headrace.datasets.lake import Lake

__all__ = ["RebuildReport", "rebuild_lake"]


@dataclass(frozen=True, slots=True)
class RebuildReport(HtmlTable):
    """What was read and what was thrown away; every id is what it was."""

    num_datasets: int
    num_entries: int  # of all logs
    num_removed: int  # objects of checkpoints
    num_removed_bytes: int

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)


def rebuild_lake(lake: Lake, *, progress: Progress = NO_PROGRESS) -> RebuildReport:
    """Read every log from its first entry, its chain checked, and write new checkpoints in place of the old ones.

    Raises:
        DataCorrupted: A log itself is damaged; its checkpoints stay as they are.
    """
    lake.store.prepare_for_writing()
    num_datasets = num_entries = num_removed = num_removed_bytes = 0
    try:
        progress.start("lake log")
        datasets = [*lake.every_dataset()]
        logs: list[tuple[str, EntryLog[Any]]] = [(item.name, item.log_of_entries) for item in datasets]
        for name, log in [("lake", lake.log_of_entries), *logs]:
            progress.start(name)
            removed = log.rebuild()
            progress.advance(log.number)
            num_entries += log.number
            num_removed += len(removed)
            num_removed_bytes += sum(stat.size for stat in removed)
        num_datasets = len(datasets)
    finally:
        progress.finish()
    return RebuildReport(num_datasets, num_entries, num_removed, num_removed_bytes)
