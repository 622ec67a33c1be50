"""`/v1/datasets`: what there is, created, deleted and restored."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from headrace.datasets.dataset import Dataset
from headrace.service.http_api.datasets.schemas import (
    Column,
    CreateDataset,
    DatasetDocument,
    SchemaDocument,
    StatisticsDocument,
    schema_of_columns,
)
from headrace.service.http_api.edge import DatasetName, DatasetToRead, DatasetToWrite, EdgeOfRequest
from headrace.service.http_api.pages import Page, PageQuery, page_of
from headrace.service.http_api.plain_values import plain_value
from headrace.service.http_api.problems import PROBLEM_RESPONSES
from headrace.service.http_api.versions import version_tag

__all__ = ["router"]

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], responses=PROBLEM_RESPONSES)


@router.get("")
def list_datasets(edge: EdgeOfRequest, page: PageQuery) -> Page[DatasetDocument]:
    """All datasets by id."""

    def place(dataset: Dataset) -> tuple[int]:
        return (int(dataset.id),)

    found, after = page_of(edge.lake.datasets(), page, of="datasets", place=place, kinds=(int,))
    return Page(items=[DatasetDocument.of(dataset) for dataset in found], next=after)


@router.post("", status_code=201)
def create_dataset(wanted: CreateDataset, edge: EdgeOfRequest, response: Response) -> DatasetDocument:
    """A new dataset without commits."""
    dataset = edge.lake_to_write.create_dataset(
        wanted.name,
        wanted.type,
        description=wanted.description,
        owner=wanted.owner,
        schema=None if wanted.columns is None else schema_of_columns(wanted.columns),
        key=wanted.key,
        on_duplicate_key=wanted.on_duplicate_key,
    )
    response.headers["Location"] = f"/v1/datasets/{dataset.id}"
    response.headers["ETag"] = version_tag(dataset)
    return DatasetDocument.of(dataset)


@router.get("/{name}")
def get_dataset(dataset: DatasetToRead) -> DatasetDocument:
    """A dataset, without reading anything but its log."""
    return DatasetDocument.of(dataset)


@router.delete("/{name}", status_code=204)
def delete_dataset(dataset: DatasetToWrite, edge: EdgeOfRequest) -> None:
    """Take a dataset off the register; it can be restored with the same ids, and its name is free."""
    edge.lake_to_write.delete_dataset(dataset.id)


@router.post("/{name}/restore")
def restore_dataset(
    name: DatasetName,
    edge: EdgeOfRequest,
    rename: Annotated[str | None, Query(description="Another name, if the old one is taken since.")] = None,
) -> DatasetDocument:
    """Bring a deleted dataset back."""
    return DatasetDocument.of(edge.lake_to_write.restore_dataset(name, rename=rename))


@router.get("/{name}/schema")
def get_schema(dataset: DatasetToRead) -> SchemaDocument:
    """The columns, in the form that creating a dataset takes."""
    return SchemaDocument(columns=Column.all_of(dataset.schema))


@router.get("/{name}/statistics")
def get_statistics(dataset: DatasetToRead) -> StatisticsDocument:
    """Statistics over all rows of all commits."""
    return StatisticsDocument(statistics=plain_value(dataset.statistics))
