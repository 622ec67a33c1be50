"""Texts on the command line become checked values, or a usage error that names what was expected."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from headrace.cli.main import cli
from headrace.cli.parameters import DATASET, REFERENCE, SHARE, TAG
from headrace.schema.references import Reference, Selector


def test_tag_is_split_at_the_first_equals_sign() -> None:
    assert TAG.convert("a=b=c", None, None) == ("a", "b=c")
    assert TAG.convert(("a", "b"), None, None) == ("a", "b")


@pytest.mark.parametrize("text", ["category", "=aaa", ""])
def test_bad_tag_exits_2_and_names_the_form(text: str) -> None:
    result = CliRunner().invoke(cli, ["snapshot", "lake::a", "--tag", text])
    assert result.exit_code == 2
    assert "expected KEY=VALUE" in result.stderr


def test_share_is_a_name_and_a_fraction() -> None:
    assert SHARE.convert("train=0.9", None, None) == ("train", 0.9)
    assert SHARE.convert(("a", 0.5), None, None) == ("a", 0.5)


@pytest.mark.parametrize("text", ["train", "train=", "train=x", "=0.5", "a=0", "a=1.5", "a=nan", "a=-1"])
def test_bad_share_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected NAME=SHARE"):
        SHARE.convert(text, None, None)


def test_reference_names_lake_dataset_and_selector() -> None:
    assert REFERENCE.convert("s3://b/l::a@prod", None, None) == Reference("s3://b/l", "a", Selector("alias", "prod"))
    reference = Reference("l", "a", Selector())
    assert REFERENCE.convert(reference, None, None) is reference


def test_lake_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_LAKE", "data/lake")
    assert REFERENCE.convert("intents@prod", None, None).lake == "data/lake"
    assert REFERENCE.convert("other::intents", None, None).lake == "other"


def test_missing_lake_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADRACE_LAKE", raising=False)
    with pytest.raises(click.BadParameter, match=r"write LAKE::intents, or set HEADRACE_LAKE"):
        REFERENCE.convert("intents", None, None)


def test_selector_is_refused_where_a_dataset_is_meant() -> None:
    with pytest.raises(click.BadParameter, match="leave out '@prod'"):
        DATASET.convert("lake::intents@prod", None, None)


@pytest.mark.parametrize("text", ["::a", "lake::", "lake::a@", "lake::a@id:xyz", "lake::a b", "data/lake"])
def test_bad_reference_exits_2_with_a_document(text: str) -> None:
    result = CliRunner().invoke(cli, ["sample", text, "--json"])
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "usage"
