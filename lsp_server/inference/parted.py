"""The ids of a long text that is being edited: an array, and the places where it can be cut and mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsp_server.inference.ngram import Ids

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PartedIds:
    """Parts of a text, each with ids of its own. `chars` and `tokens` count what is before each part, and in all."""

    ids: Ids
    chars: Counts  # (n_parts + 1,)
    tokens: Counts  # (n_parts + 1,)

    @classmethod
    def empty(cls) -> PartedIds:
        return cls(np.empty(0, np.int32), np.zeros(1, np.int64), np.zeros(1, np.int64))

    def part_before(self, n_chars: int) -> int:
        """The last place that has at most so many characters before it."""
        return max(0, int(np.searchsorted(self.chars, n_chars, "right")) - 1)

    def part_after(self, n_chars: int) -> int:
        """The first place that has at least so many characters before it."""
        return min(len(self.chars) - 1, int(np.searchsorted(self.chars, n_chars, "left")))

    def with_parts(self, first: int, last: int, parts: Sequence[tuple[int, Sequence[int]]]) -> PartedIds:
        """Others, each so many characters and its ids, in the place of the parts from `first` to before `last`."""
        chars = self.chars[first] + np.cumsum([0, *(n_chars for n_chars, _ in parts)])
        tokens = self.tokens[first] + np.cumsum([0, *(len(ids) for _, ids in parts)])
        new = np.array([id for _, ids in parts for id in ids], np.int32)
        return PartedIds(
            np.concatenate([self.ids[: self.tokens[first]], new, self.ids[self.tokens[last] :]]),
            np.concatenate([self.chars[:first], chars, self.chars[last + 1 :] + (chars[-1] - self.chars[last])]),
            np.concatenate([self.tokens[:first], tokens, self.tokens[last + 1 :] + (tokens[-1] - self.tokens[last])]),
        )
