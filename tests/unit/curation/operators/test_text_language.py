"""text.language against the languages that texts were written in, and against another detector."""

from __future__ import annotations

import sys

import pyarrow as pa
import pytest

from headrace.curation.operators.text_language import _identifier, text_language
from headrace.errors import InvalidInput, MissingExtra
from headrace.testing import run_operator
from proofs.operators.generated_texts import PASSAGES, language_texts
from proofs.operators.text_comparisons import TEXT_COMPARISONS


def test_passages_are_recognised_for_sure() -> None:
    table = run_operator(text_language, [{"text": text} for text in PASSAGES.values()])
    assert table["language"].to_pylist() == list(PASSAGES)
    assert min(table["language_confidence"].to_pylist()) > 0.9


def test_stretches_of_some_words_are_recognised() -> None:
    pairs = list(language_texts(260, seed=4))
    found = run_operator(text_language, [{"text": text} for _, text in pairs])["language"].to_pylist()
    assert sum(code == wanted for code, (wanted, _) in zip(found, pairs)) >= 0.97 * len(pairs)


def test_another_detector_agrees() -> None:
    comparison = next(each for each in TEXT_COMPARISONS if each.operator == "text.language")
    assert comparison.difference(130, 9) <= comparison.tolerance


@pytest.mark.parametrize("text", [None, "", "   ", "12 345", "!?", "😀"])
def test_text_without_letters_has_no_language(text: str | None) -> None:
    found = text_language(pa.array([text], pa.string()))
    assert found["language"].to_pylist() == [None]
    assert found["language_confidence"].to_pylist() == [None]


def test_answer_is_the_same_each_time_and_in_any_batch() -> None:
    texts = [text for _, text in language_texts(40, seed=1)]
    together = text_language(pa.array(texts))
    alone = [text_language(pa.array([text])) for text in texts]
    assert [part["language_confidence"][0] for part in alone] == list(together["language_confidence"])


def test_languages_can_be_narrowed() -> None:
    found = text_language(pa.array([PASSAGES["nl"]]), languages=["de", "en"])
    assert found["language"].to_pylist()[0] in ("de", "en")
    assert text_language(pa.array([PASSAGES["nl"]]))["language"].to_pylist() == ["nl"], "others are not narrowed"


def test_unknown_language_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'xx' is no language that py3langid knows"):
        text_language(pa.array(["a"]), languages=["xx"])


def test_only_the_start_is_read() -> None:
    found = text_language(pa.array([PASSAGES["de"] + " " + PASSAGES["ru"] * 5]), max_characters=100)
    assert found["language"].to_pylist() == ["de"]


def test_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    _identifier.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(MissingExtra, match=r"pip install 'headrace\[language\]'"):
        run_operator(text_language, [{"text": "a"}])
