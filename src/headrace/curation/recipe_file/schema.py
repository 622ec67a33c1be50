"""The published JSON Schema of recipe files, and the tables of their reference."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from headrace.curation.recipe_file.fields import (
    STAGE_KINDS,
    EnvironmentFields,
    OutputFields,
    RecipeFields,
    SampleFields,
    SourceFields,
    UseFields,
)

__all__ = ["field_tables", "recipe_schema"]

_PLACEHOLDER = {"type": "string", "pattern": r"^\$\{\s*[A-Za-z_][A-Za-z0-9_]*\s*\}$"}
_TEXT = "string"


def recipe_schema() -> dict[str, Any]:
    """JSON Schema 2020-12, for editors. Where a value is no text, `${name}` may stand for it."""
    schema = RecipeFields.model_json_schema()
    _allow_placeholders(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Headrace recipe"}


def _allow_placeholders(schema: Any) -> None:
    if isinstance(schema, list):
        for item in schema:
            _allow_placeholders(item)
    if not isinstance(schema, dict):
        return
    for key, inner in schema.items():
        _allow_placeholders(inner)
        if key == "properties":
            schema[key] = {name: _with_placeholder(field) for name, field in inner.items()}
        elif key in ("items", "additionalProperties") and isinstance(inner, dict):
            schema[key] = _with_placeholder(inner)


def _with_placeholder(field: dict[str, Any]) -> dict[str, Any]:
    """The field, or a placeholder; text holds placeholders anyway, and parts with keys are written out."""
    alternatives = field.get("anyOf", [field])
    kinds = {alternative.get("type") for alternative in alternatives}
    if not kinds & {"array", "boolean", "integer", "number"} or _TEXT in kinds:
        return field
    if any("$ref" in str(alternative) for alternative in alternatives):
        return field
    outer: dict[str, Any] = {key: field[key] for key in ("default", "description", "title") if key in field}
    inner = [{key: value for key, value in item.items() if key not in outer} for item in alternatives]
    return {**outer, "anyOf": [*inner, _PLACEHOLDER]}


_PARTS: list[tuple[str, type[BaseModel]]] = [
    ("The recipe", RecipeFields),
    ("A source", SourceFields),
    *((f"Stage with `{kind}`", fields) for kind, fields in STAGE_KINDS.items()),
    ("An entry of `operators`", UseFields),
    ("`sample`", SampleFields),
    ("`environment`", EnvironmentFields),
    ("An output", OutputFields),
]


def field_tables() -> str:
    """Every key with its type, default and meaning, as Markdown."""
    page = ""
    for title, fields in _PARTS:
        page += f"\n## {title}\n\n{fields.__doc__}\n\n| key | value | default | |\n| --- | --- | --- | --- |\n"
        for name, field in fields.model_fields.items():
            default = "needed" if field.is_required() else _default(field.default)
            page += f"| `{name}` | {_kind_of(fields, name)} | {default} | {_cell(field.description or '')} |\n"
    return page


def _default(value: object) -> str:
    if value is None or value in ("", {}, []):
        return ""
    return f"`{value}`"


_KINDS = {"array": "list", "boolean": "true or false", "integer": "whole number", "null": "", "object": "mapping"}


def _kind_of(fields: type[BaseModel], name: str) -> str:
    schema = fields.model_json_schema()
    properties = schema["$defs"][fields.__name__]["properties"] if "properties" not in schema else schema["properties"]
    field = properties[name]
    kinds = [_kind(alternative) for alternative in field.get("anyOf", [field])]
    return " or ".join(dict.fromkeys(kind for kind in kinds if kind))


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return "mapping"
    kind = schema.get("type", "value")
    inner = schema.get("items") if kind == "array" else schema.get("additionalProperties") if kind == "object" else None
    text = _KINDS.get(kind, "text" if kind == _TEXT else kind)
    if not isinstance(inner, dict) or not inner:
        return text
    alternatives: list[dict[str, Any]] = inner.get("anyOf") or [inner]
    kinds = dict.fromkeys(_kind(item) for item in alternatives)
    of = " or ".join(name for name in kinds if name)
    return f"{text} of {of}" if kind == "array" else f"{text} to {of}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
