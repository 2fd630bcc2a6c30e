"""Words that were read and that the next task has not taken yet: reading need not wait for it."""

from __future__ import annotations

import numpy as np

from pixieioc.tasks.items import WordBlock


class Backlog:
    """Keeps blocks in their order, and gives them out in larger ones."""

    def __init__(self) -> None:
        self._blocks: list[WordBlock] = []
        self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def add(self, block: WordBlock) -> None:
        """Keeps a block behind those that wait."""
        self._blocks.append(block)
        self.bytes += _size(block)

    def first(self, size: int) -> tuple[int, WordBlock]:
        """The first blocks of about `size` bytes as one, and how many they are; they remain until they are removed."""
        count, bytes_so_far = 0, 0
        for block in self._blocks:
            bytes_so_far += _size(block)
            if count and bytes_so_far > size:
                break
            count += 1
        return count, _joined(self._blocks[:count])

    def remove(self, count: int) -> None:
        """Forgets the first blocks."""
        self.bytes -= sum(map(_size, self._blocks[:count]))
        del self._blocks[:count]


def _size(block: WordBlock) -> int:
    return sum(words.nbytes for words in block.values())


def _joined(blocks: list[WordBlock]) -> WordBlock:
    if len(blocks) == 1:
        return blocks[0]
    modules = {module: None for block in blocks for module in block}
    return {module: np.concatenate([block[module] for block in blocks if module in block]) for module in modules}
