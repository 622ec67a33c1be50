"""What holds for every test: hypothesis without deadlines, the same input in CI, and fixtures."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "headrace",
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("headrace")

pytest_plugins = ["tests.s3_buckets", "tests.lake_places"]  # the second imports the first
