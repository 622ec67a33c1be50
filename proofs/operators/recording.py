"""What the comparisons found, as the document that `headrace operators list --evidence` reads."""

from __future__ import annotations

import ast
import inspect
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from blake3 import blake3

import headrace.curation
from headrace.curation import find_operator
from headrace.curation.evidence import installed_versions
from headrace.curation.operator_spec import OperatorSpec
from proofs.operators.running import ComparisonResult

__all__ = ["EVIDENCE", "code_digest", "record"]

EVIDENCE = Path(headrace.curation.__file__).with_name("evidence.json")


def code_digest(spec: OperatorSpec) -> str:
    """BLAKE3 over the code of the operator's file, comments and docstrings left out."""
    tree = ast.parse(Path(inspect.getfile(spec.function)).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return blake3(ast.unparse(tree).encode()).hexdigest()[:16]


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
