"""How the array of points is cut into chunks: blocks of one shape, so that one chunk is one file per variable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Blocks:
    """An array of `shape` cut into blocks of `block`; those at the upper edges may be smaller."""

    shape: tuple[int, ...]
    block: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return tuple(-(-size // part) for size, part in zip(self.shape, self.block, strict=True))

    @property
    def chunk(self) -> int:
        """Points in a block that is not at an edge."""
        return math.prod(self.block)

    @property
    def indices(self) -> list[tuple[int, ...]]:
        """Where the blocks are, in C order."""
        return list(product(*map(range, self.counts)))


def cut(shape: tuple[int, ...], chunk: int) -> Blocks:
    """Blocks of at most `chunk` points: the last axes whole as long as they fit, the next one in equal parts."""
    block: list[int] = []
    room = chunk
    for size in reversed(shape):
        parts = -(-size // room)
        block.append(-(-size // parts))
        room //= block[-1]
    return Blocks(shape, tuple(reversed(block)))


def slices(blocks: Blocks, index: tuple[int, ...]) -> tuple[slice, ...]:
    """The part of the array that a block covers."""
    return tuple(
        slice(at * part, min((at + 1) * part, size))
        for at, part, size in zip(index, blocks.block, blocks.shape, strict=True)
    )
