"""What holds for every test: hypothesis without deadlines, the same input in CI, and fixtures."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "headrace",
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("headrace")


@pytest.fixture(autouse=True, scope="session")
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing is left in the cache of whoever runs the tests; worker processes inherit it."""
    os.environ["HEADRACE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


pytest_plugins = [
    "tests.s3_buckets",
    "tests.lake_places",  # imports the one above
    "tests.service_databases",
]
