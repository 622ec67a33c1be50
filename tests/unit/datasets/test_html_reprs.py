"""Tables for notebooks."""

from __future__ import annotations

from headrace.datasets.html_reprs import html_table


def test_every_value_is_escaped() -> None:
    html = html_table("<b>", {"<i>": "<script>", 'a"b': 5, "none": None})
    assert "<script>" not in html
    assert "&lt;b&gt;" in html
    assert "&lt;i&gt;" in html
    assert "<td>5</td>" in html
    assert html.count("<tr>") == 3


def test_table_without_rows_has_its_title() -> None:
    assert html_table("Lake", {}) == "<table><caption>Lake</caption></table>"
