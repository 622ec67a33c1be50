"""What a first run imports late, done once so that forked children need not."""

from __future__ import annotations

import importlib
import os

from proofs.places import VARIABLE
from proofs.scratch import scratch_folder
from proofs.story import Scene, View, built_operations, check_lake, images, open_lake, play

__all__ = ["warm_up"]


def warm_up() -> None:
    """Do every operation once, and read."""
    if VARIABLE in os.environ:
        importlib.import_module("headrace.storage.remote")
    scene = Scene("warm up")
    for operation in built_operations():
        with scratch_folder() as folder:
            view = play(open_lake(folder), (*operation.needs, operation.name), scene, View())
    with scratch_folder() as folder:
        view = play(open_lake(folder), ("create", "commit", "snapshot", "alias"), scene, View())
        check_lake(folder, [view], scene)


images()  # made before any fork
