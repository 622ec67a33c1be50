"""`headrace stream …`."""

from __future__ import annotations

from headrace.cli.lazy_group import LazyCommand, LazyGroup

stream = LazyGroup(
    "stream",
    lazy_commands={
        "bench": LazyCommand(
            "headrace.cli.commands.stream_bench:bench",
            "Measure how fast a snapshot streams, and what the loader waits for.",
        ),
        "peek": LazyCommand(
            "headrace.cli.commands.stream_peek:peek",
            "Show the first batches of an epoch, as every rank and worker count gets them.",
        ),
    },
    help_text="Look at snapshots the way a training loop reads them.",
)
