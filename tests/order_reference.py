"""The rules of the order in plain whole numbers, written from the architecture: slow, whole epochs at once, no numpy.

`tests/property/streaming` and `proofs/order` compare the package with it; it shares no code with the package.
"""

from __future__ import annotations

from collections.abc import Sequence

from blake3 import blake3

__all__ = ["dealt", "drawn_rows", "epoch_ordinals", "permutation"]

_U64 = (1 << 64) - 1


def _key(seed: int, epoch: int, level: str, lane: int = 0, window: int = 0) -> bytes:
    return bytes(blake3(f"headrace.order.1/{seed}/{epoch}/{level}/{lane}/{window}".encode()).digest(length=64))


def permutation(key: bytes, size: int) -> list[int]:
    """The images of 0 … size - 1 under a key."""
    if size >= 1024:
        return [_walked(key, place, size) for place in range(size)]
    words, table = blake3(key).digest(length=8 * max(size, 1)), list(range(size))
    for idx in range(size - 1, 0, -1):  # Fisher-Yates from the top; word idx of BLAKE3(key) chooses the partner of idx
        other = int.from_bytes(words[8 * idx : 8 * idx + 8], "little") * (idx + 1) >> 64
        table[idx], table[other] = table[other], table[idx]
    return table


def _walked(key: bytes, place: int, size: int) -> int:
    bits = (size - 1).bit_length()
    half = bits // 2  # the low half; the high one has the odd bit
    while True:  # Feistel passes until the image lies inside
        low, high = place & ((1 << half) - 1), place >> half
        for idx in range(8):
            word = (low if idx % 2 else high) + int.from_bytes(key[8 * idx : 8 * idx + 8], "little") & _U64
            for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
                word = (word ^ word >> shift) * factor & _U64
            low, high = (low, high ^ word % (1 << bits - half)) if idx % 2 else (low ^ word % (1 << half), high)
        place = high << half | low
        if place < size:
            return place


def epoch_ordinals(
    num_samples: int, *, mode: str, seed: int, epoch: int, lanes: int, block_rows: int, window_blocks: int
) -> list[int]:
    """The plan ordinal at each position of an epoch, in order."""
    if mode != "block":
        return permutation(_key(seed, epoch, "global"), num_samples) if mode == "global" else list(range(num_samples))
    whole = num_samples // block_rows
    blocks = permutation(_key(seed, epoch, "block"), whole)
    rows = [block * block_rows + row for block in blocks for row in range(block_rows)]
    rows += range(whole * block_rows, num_samples)  # the short block stays at the end
    length = num_samples // lanes
    walks = []
    for lane in range(lanes):
        places = range(lane * length, (lane + 1) * length)
        windows: dict[int, list[int]] = {}  # of as many blocks each, counted from the one that the lane begins in
        for place in places:
            windows.setdefault((place // block_rows - places[0] // block_rows) // window_blocks, []).append(place)
        walk = []
        for window, inside in windows.items():
            walk += [rows[inside[idx]] for idx in permutation(_key(seed, epoch, "window", lane, window), len(inside))]
        walks.append(walk)
    return [walks[g % lanes][g // lanes] for g in range(lanes * length)] + rows[lanes * length :]


def dealt(start: int, end: int, *, batch: int, lanes: int, world: int) -> list[tuple[list[int], list[int]]]:
    """For each rank the positions of one step, and those that it repeats as padding."""
    step = list(range(start, end))
    if len(step) == batch and lanes % world == 0 and batch % lanes == 0:
        return [([g for g in step if g % lanes * world // lanes == rank], []) for rank in range(world)]
    parts = [step[rank * len(step) // world : (rank + 1) * len(step) // world] for rank in range(world)]
    short = [0 if len(step) == batch else max(map(len, parts)) - len(part) for part in parts]
    return [(part, (step * world)[:missing]) for part, missing in zip(parts, short)]


def drawn_rows(kept: Sequence[int], weights: Sequence[float], *, seed: int, epoch: int) -> list[int]:
    """The row of each draw of a weighted epoch; as many draws as rows."""
    count, mean = len(kept), len(kept) / sum(weights)
    units = [round(weight * mean * (1 << 24)) for weight in weights]  # fixed point
    total = sum(units)
    key = blake3(f"headrace.draws.1/{seed}/{epoch}".encode()).digest(length=8)
    offset = int.from_bytes(key, "little") % total
    rows, idx, below = [], 0, 0
    for draw in range(count):
        while below + units[idx] <= (draw * total + offset) // count:
            below, idx = below + units[idx], idx + 1
        rows.append(kept[idx])
    return rows
