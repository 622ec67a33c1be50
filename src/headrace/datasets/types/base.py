"""A dataset type: two schemas, how input becomes rows, how a snapshot becomes a training view."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import pyarrow as pa

from headrace.datasets.batches import SampleBatch
from headrace.datasets.columns import MEDIA_KIND, media_field, media_kind
from headrace.datasets.media import MediaProbe
from headrace.datasets.probes.media_probes import media_probes
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.errors import InvalidInput
from headrace.storage.locations import Locations

if TYPE_CHECKING:
    from headrace.datasets.views import ViewReader, ViewWriter

__all__ = ["MEDIA_KIND", "DatasetType", "IngestContext", "OnInvalid", "media_field", "media_kind", "refuse_declared"]

OnInvalid = Literal["raise", "skip"]


@dataclass(frozen=True, slots=True)
class IngestContext:
    """What a type may know while it reads a source."""

    schema: pa.Schema  # the dataset's declared schema (TABLE), or the type's own
    key: str | None  # the dataset's key column
    on_invalid: OnInvalid = "raise"
    locations: Locations = field(default_factory=Locations)  # opens URIs that rows name


class DatasetType(ABC):
    """Subclass, set the class variables, register under the entry point group `headrace.dataset_types`.

    Instances hold no state; one instance serves many threads.
    """

    name: ClassVar[str]  # "IMAGE_CLASS"
    version: ClassVar[int] = 1  # raise when rows or views of the same input change
    aliases: ClassVar[tuple[str, ...]] = ()
    key: ClassVar[str | None] = None  # key column; None = keyless, rows are a multiset
    label_column: ClassVar[str | None] = None  # string or list<string> column whose values are counted as labels
    csv_has_header: ClassVar[bool] = True
    accepts_extra_columns: ClassVar[bool] = True
    tables_are_files: ClassVar[bool] = False  # a file is one sample as it is, even where its extension is a table's
    allows_nested_archives: ClassVar[bool] = False  # an archive within an archive may be a sample
    joins_parquet_folders: ClassVar[bool] = False  # a folder that holds nothing but Parquet files is one table

    @abstractmethod
    def ingest_schema(self, declared: pa.Schema | None) -> pa.Schema:
        """Columns that collectors hand in. `declared` is the user's schema (TABLE); others refuse one."""

    @abstractmethod
    def training_schema(self, declared: pa.Schema | None) -> pa.Schema:
        """Columns of the training view."""

    @abstractmethod
    def ingest(self, source: TableSource | FileSource, context: IngestContext) -> Iterator[SampleBatch]:
        """Check and convert a source into rows of the ingest schema, in source order.

        Further columns of the source are carried along after the declared ones if the type accepts them. A number may
        come wider than declared; the dataset's column grows then.

        Raises:
            InvalidInput: With file, line and column of the first row that breaks (`on_invalid="raise"`);
                otherwise such rows are listed in `SampleBatch.rejected`.
        """

    def small_suffixes(self) -> frozenset[str] | None:
        """Suffixes of files, lower case with the dot, whose content says something of other files.

        All others are values of the one media column. None: names do not tell, so adopted shards are read as other
        archives are.
        """
        return None

    def probes(self, schema: pa.Schema) -> Mapping[str, MediaProbe]:
        """For each media column the function that checks content and reads its header."""
        return media_probes(schema)

    @abstractmethod
    def materialise(self, reader: ViewReader, writer: ViewWriter) -> None:
        """Write the training view of a snapshot: the same bytes for the same snapshot, on any machine."""


def refuse_declared(dataset_type: DatasetType, declared: pa.Schema | None) -> None:
    """Raise `InvalidInput` when a schema was declared for a type that brings its own."""
    if declared is not None:
        raise InvalidInput(
            f"type {dataset_type.name} has its own columns and takes no schema; leave schema= out, or use type TABLE"
        )
