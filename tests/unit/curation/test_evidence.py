"""The noted comparisons are of the code that is here, and still come out as noted."""

from __future__ import annotations

import json
import math

import pyarrow as pa
import pytest

from headrace.curation import find_operator, operator
from headrace.curation.evidence import installed_versions, recorded_evidence
from headrace.curation.registry import BUILT_IN
from proofs.operators.comparison import largest
from proofs.operators.recording import EVIDENCE, code_digest
from proofs.operators.running import COMPARISONS, run_comparison

DOCUMENT = json.loads(EVIDENCE.read_text(encoding="utf-8"))["operators"]
REMEDY = "run `make operators-evidence` and commit evidence.json"


def test_every_built_in_operator_with_an_oracle_was_compared() -> None:
    with_oracle = sorted(name for name in BUILT_IN if find_operator(name).spec.oracle)
    assert sorted(DOCUMENT) == sorted(COMPARISONS) == with_oracle


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_evidence_is_of_the_code_that_is_here(name: str) -> None:
    spec, entry = find_operator(name).spec, DOCUMENT[name]
    assert entry["code"] == code_digest(spec), REMEDY
    assert entry["version"] == spec.version, REMEDY
    assert set(entry["library"]) == set(installed_versions(spec.library)), REMEDY
    assert set(entry["oracle"]) == set(installed_versions(spec.oracle)), REMEDY


@pytest.mark.parametrize("name", sorted(COMPARISONS))
def test_evidence_is_within_its_tolerance(name: str) -> None:
    entry, comparison = DOCUMENT[name], COMPARISONS[name]
    assert (entry["num_rows"], entry["what"]) == (comparison.num_rows, comparison.what), REMEDY
    assert entry["difference"] <= entry["tolerance"] == comparison.tolerance


@pytest.mark.parametrize("name", sorted(COMPARISONS))
def test_short_comparison_keeps_the_tolerance(name: str) -> None:
    """Another seed than the noted run's, so that it is no recording."""
    assert run_comparison(COMPARISONS[name], num_rows=90, seed=1).is_kept


def test_operator_without_oracle_is_experimental() -> None:
    @operator(name="test.new", outputs={"x": pa.int64()}, library="numpy")
    def new(text: str) -> int:
        """New."""
        return 1

    assert recorded_evidence(new.spec).state == "experimental"


def test_evidence_of_another_version_is_outdated() -> None:
    @operator(name="image.blur", outputs={"x": pa.int64()}, version=99, oracle="scipy")
    def newer(text: str) -> int:
        """Newer."""
        return 1

    assert recorded_evidence(newer.spec).state == "outdated"


def test_comparison_that_gives_nan_does_not_pass() -> None:
    assert math.isnan(largest([0.0, math.nan, 1.0]))
    assert largest([]) == 0
