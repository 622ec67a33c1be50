from __future__ import annotations

import pyarrow as pa

from headrace.curation.ray_engine.blocks import block_of, table_of

TABLE = pa.table({"k": [1, 2, None], "s": ["süß", None, "猫"], "l": [[1.0], [], None]})


def test_rows_come_back_from_several_blocks() -> None:
    batches = TABLE.to_batches(max_chunksize=2)
    blocks = [block_of(batches, TABLE.schema), block_of([], TABLE.schema)]
    blocks.append(block_of(batches, TABLE.schema, compression="lz4"))
    assert table_of(blocks, TABLE.schema).equals(pa.concat_tables([TABLE, TABLE]))


def test_no_rows_take_no_bytes_unless_their_schema_is_wanted() -> None:
    assert len(block_of([], TABLE.schema)) == 0
    assert table_of([], TABLE.schema).equals(TABLE.slice(0, 0))
    kept = block_of([], TABLE.schema, keeps_empty=True)
    assert pa.ipc.open_stream(pa.py_buffer(kept)).read_all().schema == TABLE.schema
