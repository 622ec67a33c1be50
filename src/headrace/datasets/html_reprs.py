"""Small tables for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

__all__ = ["HtmlTable", "html_table"]


def html_table(title: str, rows: Mapping[str, object]) -> str:
    """A two-column table; every value is escaped, because names and messages come from users."""
    lines = "".join(
        f"<tr><th style='text-align:left'>{escape(str(name))}</th><td>{escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption>{escape(title)}</caption>{lines}</table>"


class HtmlTable:
    """Gives a dataclass a table for notebooks, of its document if it has one, else of its fields."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        to_json = getattr(self, "to_json", None)
        names = getattr(self, "__dataclass_fields__", {})
        rows: Mapping[str, object] = to_json() if callable(to_json) else {name: getattr(self, name) for name in names}
        return html_table(type(self).__name__, rows)
