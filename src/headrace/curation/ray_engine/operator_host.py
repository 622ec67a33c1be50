"""A Ray actor that runs operators: it hosts one worker process of the local pool, so that rows may crash or hang it."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any

from headrace.curation.executor.losses import Loss
from headrace.curation.executor.pool import WorkerPool
from headrace.curation.executor.step import step_from_json
from headrace.curation.executor.task import Task
from headrace.curation.executor.task_messages import task_from_message, task_message
from headrace.curation.ray_engine.import_path import extend_import_path
from headrace.curation.source_hash import SourceHasher
from headrace.errors import HeadraceError, InvalidInput

__all__ = ["OperatorHost"]


class OperatorHost:
    """What stays between tasks: a process with loaded models. Answers are plain documents."""

    def __init__(
        self,
        setup: Mapping[str, Any],
        *,
        code: Mapping[str, str],
        import_path: Sequence[str],
        timeouts: Sequence[float | None],
        memory_bytes: int | None,
    ) -> None:
        """Does nothing yet.

        Args:
            setup: What a worker process reads first.
            code: Source hashes of the operators by name, where the run was started.
            import_path: Its `sys.path`.
            timeouts: As for `WorkerPool`.
            memory_bytes: Of this process and the one that it hosts.
        """
        self._setup = dict(setup)
        self._code = dict(code)
        self._import_path = list(import_path)
        self._timeouts = list(timeouts)
        self._memory_bytes = memory_bytes
        self._pool: WorkerPool | None = None

    def begin(self) -> dict[str, Any]:
        """Find the operators; empty, or an error."""
        extend_import_path(self._import_path)
        try:
            self._require_same_code()
        except HeadraceError as error:
            return _error(error)
        except ImportError as error:
            return _error(
                InvalidInput(
                    f"node {socket.gethostname()} of the Ray cluster cannot import an operator: {error}. Its code must "
                    "be on every node: 'ray job submit --working-dir' brings a project there, see "
                    "docs/how-to/run-on-ray.md"
                )
            )
        self._pool = WorkerPool(self._setup, num_workers=1, memory_bytes=self._memory_bytes, timeouts=self._timeouts)
        return {}

    def run(self, head: Mapping[str, Any], body: bytes) -> dict[str, Any]:
        """Run a task: its blocks are in the ledgers afterwards.

        The answer is empty where all went well; it holds "error", or "pieces": what became of each part of the task.
        """
        if self._pool is None:
            raise AssertionError("it has begun before")
        pieces: list[dict[str, Any]] = []

        def done(piece: Task) -> None:
            pieces.append({"task": task_message(piece), "given_up": None})

        def given_up(piece: Task, step_idx: int, loss: Loss) -> None:
            pieces.append({"task": task_message(piece), "given_up": [step_idx, loss.kind, loss.reason]})

        task = task_from_message(head, body)
        try:
            self._pool.run([task], done=done, given_up=given_up)
        except HeadraceError as error:
            return _error(error)
        is_undisturbed = len(pieces) == 1 and pieces[0]["given_up"] is None
        return {} if is_undisturbed else {"pieces": pieces}

    def _require_same_code(self) -> None:
        """Results are kept under the name of the code that made them, so it must be this code."""
        hasher = SourceHasher()
        for document in self._setup["steps"]:
            spec = step_from_json(document).spec
            wanted = self._code.get(spec.name)
            if wanted is not None and hasher.of(spec.function).digest != wanted:
                raise InvalidInput(
                    f"operator {spec.name} is another one on node {socket.gethostname()} of the Ray cluster than where "
                    "the run was started: its code, or a library that it uses, differs. Install the same versions on "
                    "every node; 'ray job submit --working-dir' brings your own code there"
                )


def _error(error: HeadraceError) -> dict[str, Any]:
    return {"error": [type(error).__name__, error.message]}
