"""Which rows are the same thing, under an id that stays."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3
from numpy.typing import NDArray
from pydantic import Field

from headrace.curation.dedup.components import Components
from headrace.curation.identity.same_items import Items, join_same
from headrace.curation.identity.thumbnails import ThumbnailColumn
from headrace.curation.operator import operator
from headrace.curation.row_groups import compared_values, row_ids, sorted_positions
from headrace.curation.settings import Column
from headrace.errors import InvalidInput

__all__ = ["identity_assign"]

_CONTEXT = b"headrace.curation.identity.1"
_ID_DIGITS = 32


@operator(
    name="identity.assign",
    version=1,
    outputs={"identity_id": pa.string(), "item_id": pa.string()},
    table=True,
    library="numpy",
    oracle="definition",
)
def identity_assign(
    rows: pa.Table,  # [num_rows], with `_id`
    *,
    content: Column,
    phash: Column | None = None,
    radius: Annotated[int, Field(ge=0, le=12)] = 4,
    embedding: Column | None = None,
    least_cosine: Annotated[float, Field(gt=0, le=1)] = 0.95,
    candidate_cosine: Annotated[float, Field(gt=0, le=1)] | None = None,
    thumbnail: Column | None = None,
    max_change: Annotated[float, Field(ge=0, le=255)] = 10.0,
    known: Column | None = None,
) -> pa.Table:  # [num_rows]
    """An id for each row, the same for rows that show the same: equal content, or alike and checked.

    Equal content is one item, and `item_id` is a digest of it: it never changes. Two items may be the same thing if
    their perceptual hashes differ in at most `radius` bits and their embeddings, where such a column is named, have at
    least `least_cosine`; or, whatever their hashes, if their embeddings have at least `candidate_cosine`. They are the
    same thing if their thumbnails, where such a column is named, then differ nowhere by more than `max_change`. What is
    the same as a third one is the same. `identity_id` is the smallest `item_id` of all that are the same, so it neither
    depends on the order in which rows came, nor on how many came at once. Rows without content get null.

    To add rows, put them together with the rows that have ids, which are named by `known`: pairs of old rows are not
    looked for again, and files of old rows are not read. Where an old row's `identity_id` is no longer the one in
    `known`, new rows joined two identities: these pairs are the aliases.

    Args:
        content: Media, compared by the digest of its bytes, or text, bytes or whole numbers that stand for the content.
        phash: Perceptual hash of 64 bits, as image.phash gives it.
        radius: Bits that may differ. With thumbnails up to 8 or 10; without any, and from about 4 on, drawings that
            differ in a face or a colour come together.
        embedding: Lists of numbers; a pair of which one has none is not the same.
        least_cosine: Between the embeddings of a pair that the hashes found.
        candidate_cosine: Of pairs that embeddings find by themselves, such as pictures that were cut; by default none
            are. 998 of 1,000 pairs with this cosine are found, and nearly all above it.
        thumbnail: As image.thumbnail gives it; a pair of which one has none is not the same.
        max_change: In levels of 255, for the spot in which two pictures differ most. The outer tenth is not looked at.
        known: The `identity_id` that rows got before; null for new ones.
    """
    ids = row_ids(rows, operator="identity.assign")
    if candidate_cosine is not None and embedding is None:
        raise InvalidInput("identity.assign: candidate_cosine asks for embeddings; name their column: embedding")
    order = sorted_positions([], ids, is_descending=False)  # [num_rows]; all below is in this order
    item_ids = _item_ids(rows.column(content), content).take(order)
    earlier = pa.nulls(rows.num_rows, pa.string())
    if known is not None:
        earlier = _texts(rows.column(known), known).take(order)
    names = np.unique([each for each in [*item_ids.to_pylist(), *earlier.to_pylist()] if each is not None])
    nodes = pa.array(names.tolist(), pa.string())  # ascending: the smallest position has the smallest id
    of_row = pc.index_in(item_ids, value_set=nodes).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    before = pc.index_in(earlier, value_set=nodes).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    has_item = of_row >= 0
    components = Components(len(nodes))
    is_old = has_item & (before >= 0)
    components.join(of_row[is_old], before[is_old])
    if phash is not None or candidate_cosine is not None:
        # Rows without a value that is compared are in no pair.
        is_compared = has_item.copy()
        for name in (embedding, thumbnail):
            if name is not None:
                is_compared &= rows.column(name).is_valid().to_numpy(zero_copy_only=False)[order]
        hashes, has_hash = np.zeros(rows.num_rows, dtype=np.uint64), np.zeros(rows.num_rows, dtype=np.bool_)
        if phash is not None:
            hashes, has_hash = (each[order] for each in _hashes(rows.column(phash), phash))
        if candidate_cosine is None:
            is_compared &= has_hash
        chosen, is_new = _distinct(of_row, hashes, is_compared, before < 0)
        places = order[chosen]  # in the table
        items = Items(
            nodes=of_row[chosen],
            is_new=is_new,
            hashes=hashes[chosen] if phash is not None else None,
            has_hash=has_hash[chosen],
            vectors=None if embedding is None else _vectors(rows.column(embedding).take(places), embedding),
            thumbnails=None if thumbnail is None else ThumbnailColumn(rows.column(thumbnail), places, thumbnail),
        )
        join_same(
            components,
            items,
            radius=radius,
            least_cosine=least_cosine,
            candidate_cosine=candidate_cosine,
            max_change=max_change,
        )
    smallest = np.append(components.labels, -1)  # [num_nodes + 1]
    found = smallest[of_row]
    identities = nodes.take(pa.array(found, mask=found < 0))
    back = pa.array(np.argsort(order, kind="stable"))
    return pa.table({"identity_id": identities.take(back), "item_id": item_ids.take(back)})


def _item_ids(column: pa.ChunkedArray, name: str) -> pa.Array:  # text, [num_rows]
    """A digest of each content; of media its own."""
    values = compared_values(column)
    kind = values.type
    is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    if pa.types.is_struct(column.type) and is_bytes:  # media, also as SQL hands it on
        return pa.array([None if each is None else each.hex()[:_ID_DIGITS] for each in values.to_pylist()], pa.string())
    if not (is_bytes or pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)):
        raise InvalidInput(
            f"identity.assign: column {name!r} is {kind}; expected media, or text, bytes or whole numbers that "
            "stand for the content"
        )
    start = blake3(_CONTEXT)
    found: list[str | None] = []
    for value in values.to_pylist():
        if value is None:
            found.append(None)
            continue
        hasher = start.copy()
        hasher.update(value if is_bytes else str(value).encode("utf-8", "surrogatepass"))
        found.append(hasher.hexdigest()[:_ID_DIGITS])
    return pa.array(found, pa.string())


def _texts(column: pa.ChunkedArray, name: str) -> pa.Array:
    try:
        return compared_values(column).cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(
            f"identity.assign: column {name!r} is {column.type}; expected ids, which are text"
        ) from error


def _distinct(
    items: NDArray[np.int64],  # [num_rows]
    hashes: NDArray[np.uint64],  # [num_rows]
    is_compared: NDArray[np.bool_],  # [num_rows]
    is_new: NDArray[np.bool_],  # [num_rows]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:  # [num_distinct] each
    """The first row of each item and hash, and whether all such rows are new: copies need not be compared."""
    rows = np.flatnonzero(is_compared)
    rows = rows[np.lexsort((hashes[rows], items[rows]))]
    if not len(rows):
        return rows, np.zeros(0, dtype=np.bool_)
    is_first = np.ones(len(rows), dtype=np.bool_)
    is_first[1:] = (items[rows[1:]] != items[rows[:-1]]) | (hashes[rows[1:]] != hashes[rows[:-1]])
    starts = np.flatnonzero(is_first)
    return rows[starts], np.logical_and.reduceat(is_new[rows], starts)


def _hashes(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    if not pa.types.is_integer(column.type):
        raise InvalidInput(f"identity.assign: column {name!r} is {column.type}; expected whole numbers of 64 bits")
    values = column.combine_chunks()
    is_known = np.asarray(values.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
    filled = values.fill_null(0).to_numpy(zero_copy_only=False)
    return filled.astype(np.uint64), is_known


def _vectors(column: pa.ChunkedArray, name: str) -> NDArray[np.floating]:  # [num_rows, dimensions], no nulls in it
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) > 1:
        raise InvalidInput(
            f"identity.assign: embeddings in {name!r} have {', '.join(map(str, sorted(lengths)))} numbers; expected as "
            "many in each"
        )
    vectors: NDArray[np.floating] = pc.list_flatten(column).to_numpy().reshape(-1, max([1, *lengths]))
    return vectors
