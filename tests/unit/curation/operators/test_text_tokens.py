"""text.tokens against byte-pair merges by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pytest
from blake3 import blake3

from headrace.curation.operators.text_tokens import text_tokens
from headrace.curation.tokenizer_files import load_tokenizer
from headrace.errors import InvalidInput, MissingExtra, NotFound
from headrace.testing import run_operator
from proofs.operators.generated_texts import PASSAGES, language_texts
from proofs.operators.text_oracles import tokens_by_merging, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json", list(PASSAGES.values()))


def test_tokens_are_those_of_merging_by_hand(tokenizer: Path) -> None:
    texts = [text for _, text in language_texts(130, seed=6)]
    found = text_tokens(pa.array(texts), tokenizer=tokenizer).to_pylist()
    assert found == [tokens_by_merging(tokenizer, text) for text in texts]
    assert max(found) > 8, "the tokenizer's own truncation and padding do not count"
    assert len(set(found)) > 10


def test_null_and_empty_and_no_rows(tokenizer: Path) -> None:
    assert text_tokens(pa.array([None, "", "river", None]), tokenizer=tokenizer).to_pylist()[:2] == [None, 0]
    assert len(text_tokens(pa.array([], pa.string()), tokenizer=tokenizer)) == 0


def test_path_may_be_text(tokenizer: Path) -> None:
    assert run_operator(text_tokens, [{"text": "river"}], tokenizer=str(tokenizer))["tokens"][0].as_py() >= 1


def test_declared_digest_is_checked(tokenizer: Path) -> None:
    digest = blake3(tokenizer.read_bytes()).hexdigest()
    assert text_tokens(pa.array(["a"]), tokenizer=tokenizer, digest=digest).to_pylist() == [1]
    assert text_tokens(pa.array(["a"]), tokenizer=tokenizer, digest=f"blake3:{digest.upper()}").to_pylist() == [1]
    with pytest.raises(InvalidInput, match=f"has the digest {digest}, and the recipe declares abcd"):
        text_tokens(pa.array(["a"]), tokenizer=tokenizer, digest="abcd")


def test_content_counts_not_name(tokenizer: Path, tmp_path: Path) -> None:
    copy = tmp_path / "other name.json"
    copy.write_bytes(tokenizer.read_bytes())
    spec = text_tokens.spec
    first, second = (spec.identity(spec.bind({"tokenizer": str(path)})) for path in (tokenizer, copy))
    assert first == second
    copy.write_bytes(copy.read_bytes() + b" ")
    assert spec.identity(spec.bind({"tokenizer": str(copy)})) != first


def test_file_that_is_not_there_or_no_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="cannot be read"):
        text_tokens(pa.array(["a"]), tokenizer=tmp_path / "none.json")
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    with pytest.raises(InvalidInput, match=r"wrong\.json' is no tokenizer"):
        text_tokens(pa.array(["a"]), tokenizer=wrong)


def test_missing_library_names_the_extra(tokenizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_tokenizer.cache_clear()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtra, match=r"pip install 'headrace\[tokens\]'"):
        text_tokens(pa.array(["a"]), tokenizer=tokenizer)
