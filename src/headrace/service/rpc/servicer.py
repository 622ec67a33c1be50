"""The seven calls of `data_management.DataManagementService`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty

from headrace.datasets.commit_options import CommitOptions
from headrace.datasets.creating import DatasetDeclaration, create_dataset
from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.errors import HeadraceError, InvalidInput, NotFound
from headrace.schema.names import is_dataset_id
from headrace.service.bucket_locations import BucketLocations
from headrace.service.buckets import Buckets
from headrace.service.preparing import SnapshotPreparation
from headrace.service.rpc import data_management_pb2 as wire
from headrace.service.rpc.messages import Messages, dataset_type_of, tags_of
from headrace.service.rpc.status import status_of

__all__ = ["DataManagementServicer"]

_LOG = logging.getLogger(__name__)


class DataManagementServicer:
    """Answers from a lake. Thread-safe."""

    def __init__(self, lake: Lake, buckets: Buckets, preparation: SnapshotPreparation) -> None:
        self._lake = lake
        self._lake_to_write = Lake(lake.store, actor=lake.actor, clock=lake.clock, locations=BucketLocations(buckets))
        self._buckets = buckets
        self._preparation = preparation
        self._messages = Messages()

    def GetDatasetSummary(self, request: wire.DatasetPointer, context: grpc.ServicerContext) -> wire.DatasetSummary:  # noqa: N802 - names of the wire
        """The dataset and its commits."""
        with self._answering(context):
            return self._messages.summary(self._dataset(request.dataset_id))

    def ListDatasets(  # noqa: N802
        self, request: wire.ListQueryOptions, context: grpc.ServicerContext
    ) -> Iterator[wire.DatasetPointer]:
        """The ids of all datasets, or of `limit` from the one with the place `index` on."""
        with self._answering(context):
            for name, value in (("limit", request.limit), ("index", request.index)):
                if value < 0:
                    raise InvalidInput(f"{name} is {value}; expected 0 or more, 0 for all")
            ids = [dataset.id for dataset in self._lake.datasets()][request.index :]
        for dataset_id in ids[: request.limit] if request.limit else ids:
            yield wire.DatasetPointer(dataset_id=dataset_id)

    def CreateDataset(self, request: wire.CreateDatasetRequest, context: grpc.ServicerContext) -> wire.DatasetSummary:  # noqa: N802
        """A dataset with the object as its first commit; a failed one leaves nothing and takes no id."""
        with self._answering(context):
            declaration = DatasetDeclaration.of(
                request.name,
                type=dataset_type_of(request.dataset_type),
                schema=None,
                key=None,
                on_duplicate_key=None,
                description=request.description,
                owner=None,
                takes_any_name=True,
            )
            options = _options("Initial commit", request.tags)
            with self._source(request.bucket, request.path) as source:
                dataset = create_dataset(self._lake_to_write, declaration, source=source, options=options)
            return self._messages.summary(dataset)

    def UpdateDataset(self, request: wire.CreateCommitRequest, context: grpc.ServicerContext) -> wire.DatasetSummary:  # noqa: N802
        """The object as one more commit."""
        with self._answering(context):
            dataset = self._dataset(request.dataset_id)
            tags = tags_of(request.tags)
            with self._source(request.bucket, request.path) as source:
                self._lake_to_write.dataset(dataset.id).commit(source, message=request.commit_message, tags=tags)
            return self._messages.summary(dataset)

    def PrepareTrainingDataset(self, request: wire.DatasetQuery, context: grpc.ServicerContext) -> wire.SnapshotVersion:  # noqa: N802
        """The snapshot, at once; its files are written meanwhile."""
        with self._answering(context):
            dataset = self._dataset(request.dataset_id)
            upto = request.commit_id or None
            if upto is not None and upto not in [commit.id for commit in dataset.log() if not commit.is_deleted]:
                raise NotFound(f"There is no commit {upto} in dataset {dataset.id}")
            snapshot = self._preparation.prepare(dataset, tags=tags_of(request.tags), upto=upto, actor=self._lake.actor)
            return self._messages.version(dataset, snapshot)

    def FetchTrainingDataset(self, request: wire.VersionQuery, context: grpc.ServicerContext) -> wire.VersionedSnapshot:  # noqa: N802
        """Where the files are, or how far they are."""
        with self._answering(context):
            dataset = self._dataset(request.dataset_id)
            try:
                prepared = self._preparation.look(dataset, request.version_hash)
            except NotFound:
                raise NotFound(f"VersionHash {request.version_hash} for Dataset {dataset.id} not found") from None
            return self._messages.fetched(dataset.id, request.version_hash, prepared)

    def DeleteDataset(self, request: wire.DatasetPointer, context: grpc.ServicerContext) -> Empty:  # noqa: N802
        """Take it off the register; it can be restored, and its id is never given again."""
        with self._answering(context):
            self._lake.delete_dataset(self._dataset(request.dataset_id).id)
            return Empty()

    def _dataset(self, dataset_id: str) -> Dataset:
        try:
            if is_dataset_id(dataset_id):
                return self._lake.dataset(dataset_id)
        except NotFound:
            pass
        raise NotFound(f"Dataset {dataset_id} not found")

    @contextmanager
    def _source(self, bucket: str, path: str) -> Iterator[str]:
        uri = self._buckets.locate(bucket, path)
        try:
            yield uri
        except NotFound as error:
            raise InvalidInput(f"bucket {bucket!r} has no object {path!r}: {error.message}") from error

    @contextmanager
    def _answering(self, context: grpc.ServicerContext) -> Iterator[None]:
        """Errors as codes; only our own say more than that."""
        try:
            yield
        except HeadraceError as error:
            self._abort(context, status_of(error), self._buckets.told(error.message))
        except Exception:  # noqa: BLE001 - a client must get an answer, and learn nothing of the server's inside
            _LOG.exception("a call failed")
            self._abort(context, grpc.StatusCode.INTERNAL, "the server failed; its log says how")

    @staticmethod
    def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, message: str) -> NoReturn:
        context.abort(code, message)
        raise RuntimeError("abort raises")


def _options(message: str, tags: Iterable[wire.Tag]) -> CommitOptions:
    return CommitOptions.of(message=message, tags=tags_of(tags), media="copy", on_invalid="raise", options={})
