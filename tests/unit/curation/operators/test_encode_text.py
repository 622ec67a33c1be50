"""encode.text against a bag of vectors by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from headrace.curation import OperatorUnusable, find_operator
from headrace.testing import run_operator
from proofs.operators.generated_texts import PASSAGES
from proofs.operators.text_oracles import train_tokenizer
from tests.encode_models import Bag, write_safetensors

ENCODE = find_operator("encode.text")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a special token before and behind each text."""
    path = train_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json", list(PASSAGES.values()))
    made = Tokenizer.from_file(str(path))
    made.add_special_tokens(["<s>", "</s>"])
    marks = [(mark, made.token_to_id(mark)) for mark in ("<s>", "</s>")]
    made.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=marks)
    made.save(str(path))
    return path


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return write_safetensors(tmp_path_factory.mktemp("bag") / "bag.safetensors", Bag(2000).state_dict())


def by_hand(path: Path, bag: Path, text: str, *, length: int = 1_000) -> list[float]:
    from headrace.curation.encoding.safetensors_file import read_safetensors

    encoder = Tokenizer.from_file(str(path))
    encoder.no_truncation()
    encoder.no_padding()
    ids = encoder.encode(text).ids
    if len(ids) > length:
        ids = [*ids[: length - 1], ids[-1]]
    vectors = read_safetensors(bag)["vectors.weight"].numpy()
    found: list[float] = vectors[ids].astype(np.float64).mean(axis=0).tolist()
    return found


def encoded(tokenizer: Path, bag: Path, texts: list[str | None], **settings: Any) -> pa.Table:
    return run_operator(
        ENCODE,
        pa.table({"text": pa.array(texts, pa.string())}),
        model=bag,
        module="tests.encode_models:Bag",
        shape=[6],
        tokenizer=tokenizer,
        **{"length": 16, "arguments": {"vocabulary": 2000}, **settings},
    )


def test_embeddings_are_those_of_the_tokens(tokenizer: Path, bag: Path) -> None:
    texts = ["a river", "", "Ströme und Flüsse", "川の流れ", None, "🌊" * 2]
    found = encoded(tokenizer, bag, texts)
    assert found["_failed"].null_count == len(texts)
    for text, value in zip(texts, found["embedding"].to_pylist(), strict=True):
        if text is None:
            assert value is None
        else:
            np.testing.assert_allclose(value, by_hand(tokenizer, bag, text), atol=1e-5)


def test_long_text_goes_to_quarantine_alone_or_is_cut(tokenizer: Path, bag: Path) -> None:
    long = "a river that runs " * 30
    found = encoded(tokenizer, bag, ["short", long, "short"])
    assert found["embedding"].null_count == 1
    assert "and the model takes 16; shorten it, or set truncate" in found["_failed"][1].as_py()
    assert found["embedding"][0] == found["embedding"][2]
    cut = encoded(tokenizer, bag, ["short", long], truncate=True)
    np.testing.assert_allclose(cut["embedding"][1].as_py(), by_hand(tokenizer, bag, long, length=16), atol=1e-5)


def test_neighbours_and_their_length_do_not_count(tokenizer: Path, bag: Path) -> None:
    alone = encoded(tokenizer, bag, ["a river"])["embedding"][0]
    among = encoded(tokenizer, bag, ["x", "a river", "a long text about rivers"] * 5)["embedding"]
    assert all(among[idx] == alone for idx in range(1, 15, 3))


def test_tokens_that_the_model_does_not_know_fail_their_row(tokenizer: Path, tmp_path: Path) -> None:
    small = write_safetensors(tmp_path / "small.safetensors", Bag(5).state_dict())
    found = encoded(tokenizer, small, ["a river", "a stream"], arguments={"vocabulary": 5})
    assert found["embedding"].null_count == 2
    assert all(reason.startswith("the model failed: IndexError") for reason in found["_failed"].to_pylist())


def test_tokenizer_that_is_not_there_stops_the_run(bag: Path, tmp_path: Path) -> None:
    with pytest.raises(OperatorUnusable, match=r"the tokenizer .* cannot be read"):
        encoded(tmp_path / "none.json", bag, ["x"])
