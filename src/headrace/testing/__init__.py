"""Public conformance suites, small stand-ins, and one operator over a few rows; for tests and notebooks of users."""

from headrace.testing.dataset_type_conformance import BrokenSource, DatasetTypeConformance
from headrace.testing.memory_sources import MemoryFiles, MemoryTable
from headrace.testing.memory_views import MemoryViewReader, MemoryViewWriter
from headrace.testing.operator_runs import run_operator
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
    "run_operator",
]
