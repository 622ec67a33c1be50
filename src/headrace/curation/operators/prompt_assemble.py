"""Prompts for training, from tags and other columns: the surest first, never longer than the model reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pyarrow as pa
from blake3 import blake3
from pydantic import Field

from headrace.curation.merge_rules import confidence_column
from headrace.curation.operator import operator
from headrace.curation.prompt_template import PromptTemplate, read_form
from headrace.curation.settings import Column
from headrace.curation.tokenizer_files import open_tokenizer
from headrace.errors import InvalidInput

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["prompt_assemble"]

_CONTEXT = b"headrace.curation.prompt.1"
_ID = Column("_id")
_ROWS_AT_ONCE = 1_000  # encodings take a hundred times the memory of their text

Share = Annotated[float, Field(ge=0, le=1)]


def _columns_read(settings: Mapping[str, object], schema: pa.Schema) -> list[str]:
    fields = PromptTemplate.parse(str(settings["template"])).fields
    sure = [confidence_column(field) for field in fields]
    return [*fields, *(name for name in sure if name in schema.names)]


@operator(
    name="prompt.assemble",
    version=1,
    outputs={"prompt": pa.string(), "prompt_tokens": pa.int64(), "prompt_left_out": pa.int64()},
    table=True,
    reads=_columns_read,
    is_rowwise=True,
    library="tokenizers",
    oracle="definition",
    gil_free=True,
)
def prompt_assemble(
    rows: pa.Table,  # [num_rows], with `_id`
    *,
    template: str,
    tokenizer: Path | None = None,
    budget: Annotated[int, Field(ge=1)] | None = None,
    digest: str = "",
    special_tokens: bool = False,
    separator: str = ", ",
    formats: dict[str, str] | None = None,
    min_confidence: Share = 0.0,
    dropout: dict[str, Share] | None = None,
    seed: int = 0,
    epoch: int = 0,
    id: Column = _ID,  # noqa: A002 - the setting's name
) -> pa.Table:  # [num_rows]
    """A prompt of each row: the columns that a template names, the surest values first, within a budget of tokens.

    Values are text, whole numbers, or lists of them; null and empty ones are left out with the text before them. Where
    there is a column `{field}__confidence`, as merges give it, the values of a list are ordered by it. The prompt is
    cut at its end by whole values until it fits; `prompt_left_out` is how many. The same rows give the same prompts on
    every machine, in any order.

    Args:
        template: Columns in braces, such as "{tags}, {caption}"; `{{` is a brace. The text before a field is written
            with it, but for the first field only behind another one; text at the end behind any.
        tokenizer: A `tokenizer.json` as Hugging Face's libraries write it (extra `tokens`); its content counts.
        budget: Tokens at most, such as 75 for CLIP; needs a tokenizer.
        digest: BLAKE3 of the tokenizer's file in hex; another file is refused. Empty: any.
        special_tokens: Count those that the tokenizer adds around each text.
        separator: Between the values of a list.
        formats: How each value of a field is written, such as {"artist": "by {}"}.
        min_confidence: Values below it are left out, where there is a confidence.
        dropout: By field the share of its values that is left out at random, by hash of id, seed, epoch and value.
        seed: Another one leaves out other values.
        epoch: The same; raised by one for each pass of training.
        id: Column that the random choice goes by.
    """
    parsed = PromptTemplate.parse(template)
    if budget is not None and tokenizer is None:
        raise InvalidInput("prompt.assemble: a budget is counted in tokens; say by which: tokenizer")
    _refuse_unknown({"formats": formats or {}, "dropout": dropout or {}}, parsed)
    values = {
        field: _Values.of(rows, field, min_confidence=min_confidence, form=(formats or {}).get(field, "{}"))
        for field in parsed.fields
    }
    ids = rows.column(id).to_pylist()
    drawn = {
        field: _Dropout(share, seed=seed, epoch=epoch, field=field) for field, share in (dropout or {}).items() if share
    }
    pieces = []
    for idx, row_id in enumerate(ids):
        kept = {
            field: [
                column.written(value)
                for value in column.surest(idx, row_id)
                if field not in drawn or drawn[field].keeps(row_id, value)
            ]
            for field, column in values.items()
        }
        pieces.append(parsed.pieces(kept, separator=separator))
    if tokenizer is None:
        prompts = [parsed.text(each) for each in pieces]
        return _result(prompts, [None] * len(prompts), [0] * len(prompts))
    encoder = open_tokenizer(tokenizer, digest=digest, operator="prompt.assemble")
    counter = _TokenCounter(encoder, parsed, special_tokens=special_tokens)
    if budget is not None and counter.least > budget:
        raise InvalidInput(
            f"prompt.assemble: the budget is {budget}, and an empty prompt has {counter.least} tokens already"
        )
    prompts, counts, left_out = [], [], []
    for start in range(0, len(pieces), _ROWS_AT_ONCE):
        part = pieces[start : start + _ROWS_AT_ONCE]
        for row, (number, count) in zip(part, _fitting(part, counter, budget)):
            prompts.append(parsed.text(row[:number]))
            counts.append(count)
            left_out.append(len(row) - number)
    return _result(prompts, counts, left_out)


def _result(prompts: Sequence[str], counts: Sequence[int | None], left_out: Sequence[int]) -> pa.Table:
    return pa.table(
        {
            "prompt": pa.array(prompts, pa.string()),
            "prompt_tokens": pa.array(counts, pa.int64()),
            "prompt_left_out": pa.array(left_out, pa.int64()),
        }
    )


def _refuse_unknown(settings: Mapping[str, Mapping[str, object]], template: PromptTemplate) -> None:
    for setting, by_field in settings.items():
        for field in by_field:
            if field not in template.fields:
                raise InvalidInput(
                    f"prompt.assemble: {setting} names {field!r}, which the template does not: it has "
                    f"{', '.join(template.fields)}"
                )


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of one field, row by row."""

    field: str
    rows: Sequence[Sequence[str]]  # [num_rows]
    confidences: Sequence[Sequence[float | None] | None] | None  # [num_rows]
    least: float
    form: tuple[str, str]

    @classmethod
    def of(cls, table: pa.Table, field: str, *, min_confidence: float, form: str) -> _Values:
        """Read a column, and how sure it is where that is known.

        Raises:
            InvalidInput: A column of another type.
        """
        column = table.column(field)
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        item = kind.value_type if is_list else kind
        if not (pa.types.is_string(item) or pa.types.is_large_string(item) or pa.types.is_integer(item)):
            raise InvalidInput(
                f"prompt.assemble: column {field!r} is {kind}; expected text, whole numbers, or lists of them; make it "
                "one in a stage before"
            )
        found = [value if is_list else [value] for value in column.to_pylist()]
        name = confidence_column(field)
        sure = None
        if name in table.column_names:
            sure = [value if isinstance(value, list | None) else [value] for value in table.column(name).to_pylist()]
        rows = [["" if each is None else str(each) for each in value or ()] for value in found]
        return cls(field, rows, sure, min_confidence, read_form(form, field=field))

    def surest(self, idx: int, row_id: object) -> list[str]:
        """The values of a row, the surest first, of equal ones as they are listed."""
        values = self.rows[idx]
        sure = None if self.confidences is None else self.confidences[idx]
        if sure is None:
            return [value for value in values if value]
        if len(sure) != len(values):
            raise InvalidInput(
                f"prompt.assemble: row {row_id!r} has {len(values)} values of {self.field!r} and {len(sure)} "
                f"confidences; {confidence_column(self.field)} is of another list"
            )
        known = [0.0 if each is None else each for each in sure]
        order = sorted(range(len(values)), key=lambda place: -known[place])
        return [values[place] for place in order if values[place] and known[place] >= self.least]

    def written(self, value: str) -> str:
        """The value as it stands in the prompt."""
        return self.form[0] + value + self.form[1]


class _Dropout:
    """Leaves out a share of the values: a function of seed, epoch, field, id and value, whatever else is there."""

    def __init__(self, share: float, *, seed: int, epoch: int, field: str) -> None:
        try:
            numbers = seed.to_bytes(8, "little", signed=True) + epoch.to_bytes(8, "little", signed=True)
        except OverflowError as error:
            raise InvalidInput(f"prompt.assemble: seed {seed} or epoch {epoch} has more than 64 bits") from error
        self._start = blake3(_CONTEXT + numbers + _framed(field))
        self._limit = int(share * 2**64)

    def keeps(self, row_id: object, value: str) -> bool:
        hasher = self._start.copy()
        hasher.update(_framed(str(row_id)) + _framed(value))
        return int.from_bytes(hasher.digest(8), "big") >= self._limit


def _framed(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    return len(encoded).to_bytes(8, "little") + encoded


class _TokenCounter:
    """Counts the tokens of prompts."""

    def __init__(self, encoder: Tokenizer, template: PromptTemplate, *, special_tokens: bool) -> None:
        self._encoder = encoder
        self._template = template
        self._special = special_tokens
        [self.least] = self.count([[]])

    def count(self, rows: Sequence[Sequence[str]]) -> list[int]:
        """Tokens of the prompt of each row's pieces."""
        texts = [self._template.text(row) for row in rows]
        return [len(each) for each in self._encoder.encode_batch_fast(texts, add_special_tokens=self._special)]


def _fitting(
    rows: Sequence[Sequence[str]], counter: _TokenCounter, budget: int | None
) -> list[tuple[int, int]]:  # [num_rows]
    """How many pieces of each row fit and how many tokens they are; one piece more would not fit.

    The number is looked for between one that fits and one that does not, a step of all rows at a time. That holds even
    for tokenizers that make fewer tokens of a longer text; there another number may fit as well.
    """
    tokens = counter.count(rows)
    fits = [len(row) for row in rows]
    if budget is None:
        return list(zip(fits, tokens))
    ranges: dict[int, tuple[int, int, int]] = {  # row: fits, its tokens, does not fit
        idx: (0, counter.least, len(rows[idx])) for idx, count in enumerate(tokens) if count > budget
    }
    wanted = {idx: max(1, len(rows[idx]) * budget // tokens[idx]) for idx in ranges}  # tokens are spread about evenly
    while True:
        open_rows = [idx for idx, (low, _, high) in ranges.items() if high - low > 1]
        if not open_rows:
            break
        tries = {}
        for idx in open_rows:
            low, _, high = ranges[idx]
            tries[idx] = min(max(wanted.pop(idx, (low + high) // 2), low + 1), high - 1)
        found = counter.count([rows[idx][: tries[idx]] for idx in open_rows])
        for idx, count in zip(open_rows, found):
            low, low_tokens, high = ranges[idx]
            ranges[idx] = (tries[idx], count, high) if count <= budget else (low, low_tokens, tries[idx])
    for idx, (low, low_tokens, _) in ranges.items():
        fits[idx], tokens[idx] = low, low_tokens
    return list(zip(fits, tokens))
