"""Operators as JSON documents and as rows of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.units import format_bytes, format_count

if TYPE_CHECKING:
    from headrace.curation.evidence import Evidence
    from headrace.curation.operator_spec import OperatorSpec
    from headrace.curation.settings import Setting

__all__ = [
    "WORKS_ON",
    "evidence_document",
    "evidence_fields",
    "evidence_row",
    "needs_fields",
    "operator_document",
    "runs_in",
    "setting_field",
]


WORKS_ON = {"sample": "rows", "batch": "batches", "table": "tables"}
"""What an operator of each kind gets at once."""


def operator_document(spec: OperatorSpec) -> dict[str, object]:
    """What `headrace operators list --json` says of one."""
    return {
        "name": spec.name,
        "version": spec.version,
        "kind": spec.kind,
        "summary": spec.docs,
        "inputs": dict(spec.inputs),
        "outputs": {name: str(kind) for name, kind in spec.outputs.items()},
        "replaces": list(spec.replaces),
        "settings": [
            {
                "name": setting.name,
                "type": setting.type_name,
                "default": _plain(setting.default),
                "is_required": setting.is_required,
                "meaning": setting.doc,
            }
            for setting in spec.settings.values()
        ],
        "is_experimental": spec.is_experimental,
        "runs_in": runs_in(spec),
        "needs": {
            "gpu": spec.needs.gpu,
            "is_gpu_optional": spec.needs.is_gpu_optional,
            "memory_bytes": spec.needs.memory_bytes,
            "timeout_seconds": spec.needs.timeout_seconds,
        },
    }


def runs_in(spec: OperatorSpec) -> str:
    """Where recipes run it: "threads" that share a process, "processes" of their own, or "the run" itself."""
    if spec.kind == "table":
        return "the run"
    return "threads" if spec.is_gil_free and not spec.needs.gpu else "processes"


def needs_fields(spec: OperatorSpec) -> Iterator[tuple[str, object]]:
    """Names and values for `headrace operators show`."""
    texts = {
        "threads": "threads that share a process, where all operators of the stage can",
        "processes": "a process for each worker",
        "the run": "the process of the run",
    }
    needs = spec.needs
    gpu = f"{needs.gpu:g} for each worker{', or none' if needs.is_gpu_optional else ''}"
    yield "runs in", texts[runs_in(spec)]
    yield "GPUs", gpu if needs.gpu else None
    yield "memory", f"{format_bytes(needs.memory_bytes)} for each worker" if needs.memory_bytes else None
    yield "time limit", None if needs.timeout_seconds is None else f"{needs.timeout_seconds:g} s"


def evidence_document(evidence: Evidence) -> dict[str, object]:
    """Further keys with `--evidence`."""
    return {
        "evidence": {
            "state": evidence.state,
            "library": dict(evidence.library),
            "oracle": dict(evidence.oracle),
            "what": evidence.what,
            "num_rows": evidence.num_rows,
            "difference": evidence.difference,
            "unit": evidence.unit,
            "tolerance": evidence.tolerance,
        }
    }


def evidence_row(spec: OperatorSpec, evidence: Evidence) -> tuple[str, str, str, str, str]:
    """Cells: operator, computed by, compared with, rows, largest difference."""
    if evidence.state == "experimental":
        return spec.name, _versions(evidence.library), "", "", "experimental: not compared"
    difference = _difference(evidence) + (" (an older version)" if evidence.state == "outdated" else "")
    return (
        spec.name,
        _versions(evidence.library),
        _versions(evidence.oracle),
        format_count(evidence.num_rows),
        difference,
    )


def evidence_fields(evidence: Evidence) -> Iterator[tuple[str, object]]:
    """Names and values for `headrace operators show`."""
    yield "state", evidence.state
    yield "computed by", _versions(evidence.library) or None
    if evidence.state != "experimental":
        yield "compared with", _versions(evidence.oracle)
        yield "compared", evidence.what
        yield "rows", format_count(evidence.num_rows)
        yield "largest difference", f"{_difference(evidence)}, accepted up to {evidence.tolerance:g}"


def setting_field(setting: Setting) -> tuple[str, str]:
    """Name; type, default and meaning."""
    default = "required" if setting.is_required else f"default {_plain(setting.default)}"
    return setting.name, f"{setting.type_name}, {default}: {setting.doc}"


def _plain(value: object) -> object:
    from headrace.curation.settings import REQUIRED

    if value is REQUIRED:
        return None
    return str(value) if isinstance(value, Path) else value


def _difference(evidence: Evidence) -> str:
    return f"{evidence.difference:g} {evidence.unit}"


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}".rstrip() for name, version in versions.items())
