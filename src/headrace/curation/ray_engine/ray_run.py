"""The engine of a run on Ray: actors for operators, tasks for partitions of table stages."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Mapping, Sequence

from headrace.curation.executor.stage_runner import RunTasks, StageRunner
from headrace.curation.executor.step import Step
from headrace.curation.operator_stage import TaskRunner
from headrace.curation.ray_engine.cluster import RayCluster
from headrace.curation.ray_engine.host_needs import HostNeeds, has_needs, needs_on
from headrace.curation.ray_engine.host_pool import HostPool
from headrace.curation.ray_engine.ray_tables import RayTables
from headrace.curation.run_options import RunOptions
from headrace.curation.run_workers import step_offset, step_timeouts, worker_setup
from headrace.curation.sources import OpenSource
from headrace.curation.stage_rows import StageStore
from headrace.curation.table_stages.partition_workers import TableEngine
from headrace.datasets.lake import Lake
from headrace.errors import InvalidInput

__all__ = ["RayRun"]


class RayRun:
    """Gives each stage what runs it. Connects with the first work; not thread-safe; `close` it on every path."""

    def __init__(
        self,
        lake: Lake,
        stage_store: StageStore,
        *,
        sources: Mapping[str, OpenSource],
        steps: Mapping[str, Sequence[Step]],
        code: Mapping[str, str],
        options: RunOptions,
    ) -> None:
        """
        Args:
            steps: Those of each stage by its name.
            code: Source hashes of operators by name.

        Raises:
            InvalidInput: A lake that other processes cannot open, or no workers.
            MissingExtra: Ray is not installed.
        """
        for uri in (lake.uri, *(source.lake.uri for source in sources.values())):
            if uri.startswith("memory:"):
                raise InvalidInput(
                    f"engine='ray' cannot work on {uri}: workers on other machines do not see the memory of this "
                    "process. Use a lake that all nodes reach, such as s3://…, or a folder that they share; or "
                    "engine='local'"
                )
        if options.workers == 0:
            raise InvalidInput("workers is 0, which means this process; engine='ray' needs 1 or more")
        self._lake = lake
        self._stage_store = stage_store
        self._sources = dict(sources)
        self._steps = {name: list(mine) for name, mine in steps.items()}
        self._code = dict(code)
        self._options = options
        self._cluster = RayCluster(options.ray_address, num_workers=options.workers)
        self._hosts: HostPool | None = None

    def check(self, stages: Iterable[str]) -> None:
        """Raise `InvalidInput` if an operator of these stages needs a GPU, or more memory, than a node has."""
        for stage in stages:
            if has_needs(self._steps[stage]):
                self._needs(stage)

    def runner(self, stage: str) -> TaskRunner:
        """Runs the tasks of this stage."""
        return StageRunner(functools.partial(self._started, stage), step_offset(self._steps, stage))

    def tables(self) -> TableEngine:
        """What works on partitions of table stages."""
        return RayTables(self._cluster, self._make_room)

    def close(self) -> None:
        """End the workers, and the cluster if it was started for this run."""
        try:
            if self._hosts is not None:
                self._hosts.close()
                self._hosts = None
        finally:
            self._cluster.close()

    def _needs(self, stage: str) -> HostNeeds:
        steps = self._steps[stage]
        if not has_needs(steps):
            return HostNeeds()
        return needs_on(steps, self._cluster.nodes(), stage=stage, memory_bytes=self._options.memory_bytes)

    def _started(self, stage: str) -> RunTasks:
        if self._hosts is None:
            self._hosts = HostPool(
                self._cluster,
                worker_setup(self._lake, self._stage_store, sources=self._sources, steps=self._steps),
                code=self._code,
                import_path=sys.path,
                timeouts=step_timeouts(self._steps, self._options),
                memory_bytes=self._options.memory_bytes,
            )
        return functools.partial(self._hosts.run, needs=self._needs(stage), num_hosts=self._cluster.num_workers)

    def _make_room(self) -> None:
        """Hosts hold a CPU each, which tasks would wait for."""
        if self._hosts is not None:
            self._hosts.end_hosts()
