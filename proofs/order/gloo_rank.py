"""One rank of `gloo.py`: python -m proofs.order.gloo_rank MEETING_FILE WORLD WORKERS RANK SEED."""

from __future__ import annotations

import json
import sys
from datetime import timedelta

from headrace.streaming import DataLoader, ShuffleOptions, StreamingDataset
from proofs.order.virtual_rows import VirtualRows

NUM_ROWS = 1_003
BATCH_SIZE = 16
EPOCHS = 2


def main(arguments: list[str]) -> None:
    """Stream two epochs; print what was taken."""
    meeting, (world, workers, rank, seed) = arguments[0], map(int, arguments[1:])
    import torch
    from torch import distributed

    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=world, timeout=timedelta(seconds=60)
    )
    data = StreamingDataset(VirtualRows(NUM_ROWS), shuffle=ShuffleOptions(seed=seed, mode="block", block_rows=16))
    told: dict[str, list[object]] = {"steps": [], "ids": [], "padding": []}
    with DataLoader(data, batch_size=BATCH_SIZE, num_workers=workers) as loader:
        for _ in range(EPOCHS):
            sizes, ids, padding = [], [], 0
            for batch in loader:
                assert isinstance(batch["id"], torch.Tensor)
                total = torch.tensor([len(batch.positions)])
                distributed.all_reduce(total)
                sizes.append(int(total))
                ids += batch["id"][~torch.from_numpy(batch.padding)].tolist()
                padding += int(batch.padding.sum())
            told["steps"].append(sizes)
            told["ids"].append(ids)
            told["padding"].append(padding)
    distributed.destroy_process_group()
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
