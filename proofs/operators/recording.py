"""What the comparisons found, as the document that `headrace operators list --evidence` reads."""

from __future__ import annotations

import ast
import platform
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from blake3 import blake3

import headrace.curation
from headrace.curation import find_operator
from headrace.curation.evidence import installed_versions
from headrace.curation.operator_spec import OperatorSpec
from proofs.operators.running import ComparisonResult

__all__ = ["EVIDENCE", "code_digest", "record"]

EVIDENCE = Path(headrace.curation.__file__).with_name("evidence.json")


# What computes values; how operators are declared, found and shown changes none.
_COMPUTING = ("headrace.curation.", "headrace.datasets.images.", "headrace.datasets.probes.image_header")
_DECLARING = ("operator", "operator_spec", "settings", "results", "registry", "evidence")


def code_digest(spec: OperatorSpec) -> str:
    """BLAKE3 over the code of the operator's module and of those that it computes with, without comments and docs."""
    pending, codes = [spec.function.__module__], dict[str, str]()
    while pending:
        name = pending.pop()
        if name in codes:
            continue
        place = find_spec(name)  # not imported: it may want a library that is not here
        assert place is not None, name
        assert place.origin is not None, name
        tree = ast.parse(Path(place.origin).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                node.body[0] = ast.Pass()
            if isinstance(node, ast.ImportFrom) and _is_computing(node.module or ""):
                pending.append(node.module or "")
        codes[name] = ast.unparse(tree)
    return blake3("\0".join(f"{name}\0{code}" for name, code in sorted(codes.items())).encode()).hexdigest()[:16]


def _is_computing(module: str) -> bool:
    return module.startswith(_COMPUTING) and module.rpartition(".")[2] not in _DECLARING


def record(results: Sequence[ComparisonResult]) -> dict[str, object]:
    """One entry for each operator, with the versions that ran and a digest of the code that did."""
    operators: dict[str, object] = {}
    for result in results:
        spec = find_operator(result.operator).spec
        operators[result.operator] = {
            "version": spec.version,
            "code": code_digest(spec),
            "library": installed_versions(spec.library),
            "oracle": installed_versions(spec.oracle),
            "what": result.what,
            "num_rows": result.num_rows,
            "difference": float(f"{result.difference:.3g}"),
            "unit": result.unit,
            "tolerance": result.tolerance,
        }
    return {
        "format": 1,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "byte_order": sys.byteorder,
        "operators": operators,
    }
