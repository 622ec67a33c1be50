"""Public conformance suites and the small stand-ins that they need; meant for tests of types written by users."""

from headrace.testing.dataset_type_conformance import BrokenSource, DatasetTypeConformance
from headrace.testing.memory_sources import MemoryFiles, MemoryTable
from headrace.testing.memory_views import MemoryViewReader, MemoryViewWriter
from headrace.testing.type_ingest import IngestResult, ingest_rows

__all__ = [
    "BrokenSource",
    "DatasetTypeConformance",
    "IngestResult",
    "MemoryFiles",
    "MemoryTable",
    "MemoryViewReader",
    "MemoryViewWriter",
    "ingest_rows",
]
