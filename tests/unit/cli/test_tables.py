"""Tables stay inside the width, keep ids whole, and show no control characters."""

from __future__ import annotations

from headrace.cli.tables import Column, printable, render_fields, render_table

COLUMNS = [Column("id", is_whole=True), Column("rows", align="right"), Column("message")]


def test_table_without_terminal_is_plain_ascii_within_80_columns() -> None:
    text = render_table(COLUMNS, [("1", "5,500", "x" * 200), ("12", "7", "short")], is_terminal=False)
    lines = text.splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in text
    assert lines[0].split() == ["id", "rows", "message"]
    assert lines[2] == "12      7  short"
    assert lines[1].endswith("…")
    assert all(line == line.rstrip() for line in lines)


def test_table_keeps_ids_whole_even_when_they_are_wide() -> None:
    digest = "ab" * 60
    text = render_table(COLUMNS, [(digest, "1", "m" * 100)], is_terminal=False)
    assert digest in text
    assert len(text.splitlines()) == 2


def test_table_without_rows_shows_its_headings() -> None:
    assert render_table(COLUMNS, [], is_terminal=False).split() == ["id", "rows", "message"]


def test_table_takes_markup_as_text() -> None:
    assert "[red]x[/red] :smile:" in render_table(COLUMNS, [("1", "1", "[red]x[/red] :smile:")], is_terminal=False)


def test_table_on_a_terminal_of_given_width_fits() -> None:
    text = render_table(COLUMNS, [("1", "5,500", "日本語" * 40)], is_terminal=True, width=40)
    assert "…" in text


def test_control_characters_are_written_out() -> None:
    assert printable("a\x1b[2Jb\nc\u202e") == "a\\x1b[2Jb\\nc\\u202e"
    assert printable(None) == ""
    assert printable(5) == "5"


def test_long_cell_is_cut_before_layout() -> None:
    assert len(printable("x" * 1_000_000)) <= 2_000


def test_fields_line_up() -> None:
    assert render_fields([("name", "a"), ("num_rows", "5,500")], is_terminal=False) == "name      a\nnum_rows  5,500\n"
