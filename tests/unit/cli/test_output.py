"""Data on stdout, everything else on stderr."""

from __future__ import annotations

import json

import pytest

from headrace.cli.output import Output
from headrace.cli.progress_bar import LineProgress


def test_document_is_plain_json(capsys: pytest.CaptureFixture[str]) -> None:
    Output(is_json=True).document({"digest": bytes(32), "text": "é", "bad": float("nan")})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"digest": "00" * 32, "text": "é", "bad": None}
    assert captured.err == ""


def test_hint_is_on_stderr_and_not_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    Output(is_json=True).next("sample", "lake::a")
    assert capsys.readouterr() == ("", "")
    Output(is_json=False).next("sample", "my lake::a")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Next: ")
    assert captured.err.endswith("sample 'my lake::a'\n")


def test_fields_without_value_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    Output(is_json=False).fields([("a", 1), ("b", None)])
    assert capsys.readouterr().out == "a  1\n"


def test_notes_and_warnings_are_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(is_json=True)
    output.note("n")
    output.warn("w")
    assert capsys.readouterr() == ("", "n\nwarning: w\n")


def test_progress_is_finished_after_an_error() -> None:
    def work() -> None:
        with Output(is_json=False).progress() as progress:
            assert isinstance(progress, LineProgress)
            progress.start("work")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
