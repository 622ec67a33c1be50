"""Each exception becomes one message, one code and one exit code."""

from __future__ import annotations

import json
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner

from headrace import errors
from headrace.cli.failures import Failure, describe_failure
from headrace.cli.main import RootGroup


@pytest.mark.parametrize(
    ("error", "exit_code", "code"),
    [
        (errors.NotFound("x"), 3, "not-found"),
        (errors.InvalidInput("x"), 2, "invalid-input"),
        (errors.MissingExtra("x"), 2, "missing-extra"),
        (errors.AlreadyExists("x"), 5, "already-exists"),
        (errors.Conflict("x"), 5, "conflict"),
        (errors.Unavailable("x"), 7, "unavailable"),
        (errors.PermissionDenied("x"), 4, "permission-denied"),
        (errors.DataCorrupted("x"), 1, "data-corrupted"),
        (click.UsageError("x"), 2, "usage"),
        (click.FileError("x"), 1, "failed"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
        (PermissionError(13, "denied", "x"), 4, "permission-denied"),
        (OSError(28, "No space left on device"), 1, "failed"),
        (MemoryError(), 1, "failed"),
        (ZeroDivisionError("x"), 1, "unexpected"),
    ],
)
def test_exception_has_its_exit_code_and_code(error: BaseException, exit_code: int, code: str) -> None:
    failure = describe_failure(error)
    assert (failure.exit_code, failure.code) == (exit_code, code)
    assert failure.message


def test_every_error_of_the_library_keeps_its_own_codes() -> None:
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert describe_failure(kind("what happened")) == Failure(kind.exit_code, kind.code, "what happened")


def test_unexpected_error_is_one_line_with_the_way_to_see_more() -> None:
    message = describe_failure(ZeroDivisionError("a\nb")).message
    assert message == "unexpected ZeroDivisionError: a b (run it again with --debug to see where)"


def _program(action: Callable[[], None]) -> RootGroup:
    program = RootGroup("headrace", lazy_commands={}, help_text="Help.")

    @program.command("act")
    @click.option("--json", "is_json", is_flag=True)
    @click.option("--debug", is_flag=True)
    def act(is_json: bool, debug: bool) -> None:
        action()

    return program


def _raise(error: BaseException) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


def test_error_goes_to_stderr_only() -> None:
    result = CliRunner().invoke(_program(_raise(errors.NotFound("no such thing"))), ["act"])
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr == "error: no such thing\n"


def test_error_with_json_is_one_document_on_stdout() -> None:
    result = CliRunner().invoke(_program(_raise(errors.NotFound("no such thing"))), ["act", "--json"])
    assert result.exit_code == 3
    assert json.loads(result.stdout) == {"error": {"code": "not-found", "message": "no such thing"}}
    assert result.stderr == "error: no such thing\n"


def test_usage_error_with_json_is_a_document_too() -> None:
    result = CliRunner().invoke(_program(lambda: None), ["act", "--json", "--wrong"])
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "usage"


def test_json_after_two_dashes_is_an_argument() -> None:
    result = CliRunner().invoke(_program(lambda: None), ["act", "--", "--json"])
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize(("words", "environment"), [(["act", "--debug"], {}), (["act"], {"HEADRACE_DEBUG": "1"})])
def test_traceback_is_shown_when_asked_for(words: list[str], environment: dict[str, str]) -> None:
    result = CliRunner().invoke(_program(_raise(ZeroDivisionError("x"))), words, env=environment)
    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert "unexpected ZeroDivisionError" in result.stderr


@pytest.mark.parametrize("value", ["", "0"])
def test_traceback_stays_hidden_otherwise(value: str) -> None:
    result = CliRunner().invoke(_program(_raise(ZeroDivisionError("x"))), ["act"], env={"HEADRACE_DEBUG": value})
    assert "Traceback" not in result.stderr


def test_interrupt_says_that_nothing_half_written_is_visible() -> None:
    result = CliRunner().invoke(_program(_raise(KeyboardInterrupt())), ["act"])
    assert result.exit_code == 130
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert "interrupted" in line
    assert "nothing half-written is visible" in line


def test_exit_code_that_a_command_chose_is_kept() -> None:
    assert CliRunner().invoke(_program(lambda: click.get_current_context().exit(1)), ["act"]).exit_code == 1


def test_result_of_a_command_is_no_exit_code() -> None:
    program = RootGroup("headrace", lazy_commands={}, help_text="Help.")
    program.add_command(click.Command("act", callback=lambda: "text"))
    assert CliRunner().invoke(program, ["act"]).exit_code == 0
    assert program.main(["act"], standalone_mode=False) == "text"
