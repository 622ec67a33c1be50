"""What is known of how right an operator is: the comparisons that ran, as `make operators-evidence` noted them."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any, Final, Literal

from headrace.curation.operator_spec import OperatorSpec

__all__ = ["Evidence", "EvidenceState", "installed_versions", "recorded_evidence"]

EvidenceState = Literal["compared", "outdated", "experimental"]

# Where a package is called otherwise than its distribution.
_DISTRIBUTIONS: Final = {"opencv": "opencv-python-headless", "sklearn": "scikit-learn"}
_NO_DISTRIBUTION: Final = frozenset({"definition", "planted damage", "quota rule"})  # written out in proofs/operators


@dataclass(frozen=True, slots=True)
class Evidence:
    """One comparison of an operator with its oracle.

    Attributes:
        state: "compared"; "outdated" where another version of the operator ran; "experimental" where none ran.
        library: Versions of what computed it when it was compared, by name.
        oracle: Versions of what it was compared with, by name; empty text for what is no package.
        what: In words what was compared.
        num_rows: That were compared.
        difference: The largest that was found, in `unit`.
        tolerance: The largest that is accepted.
    """

    state: EvidenceState
    library: Mapping[str, str]
    oracle: Mapping[str, str]
    what: str = ""
    num_rows: int = 0
    difference: float | None = None
    unit: str = ""
    tolerance: float | None = None


def recorded_evidence(spec: OperatorSpec) -> Evidence:
    """What was noted of this operator; of one that has no oracle or was not compared, that it is experimental."""
    entry = _document().get(spec.name)
    if entry is None or spec.oracle is None:
        return Evidence(
            "experimental", library=installed_versions(spec.library), oracle=installed_versions(spec.oracle)
        )
    return Evidence(
        state="compared" if entry["version"] == spec.version else "outdated",
        library=entry["library"],
        oracle=entry["oracle"],
        what=entry["what"],
        num_rows=entry["num_rows"],
        difference=entry["difference"],
        unit=entry["unit"],
        tolerance=entry["tolerance"],
    )


def installed_versions(names: str | None) -> dict[str, str]:
    """Versions of packages separated by commas; empty text for one that is none or is not installed.

    A dotted name is that of a part: "scipy.ndimage" has scipy's version.
    """
    return {name: _installed_version(name) for name in (names or "").split(", ") if name}


def _installed_version(name: str) -> str:
    if name == "python":
        return platform.python_version()
    if name in _NO_DISTRIBUTION:
        return ""
    package = name.partition(".")[0]
    try:
        return version(_DISTRIBUTIONS.get(package, package))
    except PackageNotFoundError:
        return ""


def _document() -> dict[str, Any]:
    text = files("headrace.curation").joinpath("evidence.json").read_text(encoding="utf-8")
    operators: dict[str, Any] = json.loads(text)["operators"]
    return operators
