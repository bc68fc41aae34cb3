"""The engine's memory of what it evaluated: the sequence that is there, and those put aside for coming back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lsp_server.inference.base import Inference, Savable

# A single token is computed by other routines than several, with slightly other logits: a prompt ends in at least two
# at once, so that its answer does not depend on what was evaluated before.
MIN_FRESH = 2
WORTH_KEEPING = 32  # tokens: to evaluate fewer again costs hardly more than to put them aside
MAX_KEPT_BYTES = 256_000_000
MAX_KEPT = 6  # the last few documents, and places in them


@dataclass(frozen=True, slots=True)
class _Kept:
    ids: tuple[int, ...]
    state: bytes


class EvaluatedSequence:
    """Ids behind an engine. What a new prompt begins with is not evaluated again.

    A prompt that would overwrite much of another document's has that put aside, in memory, where the engine can do so:
    switching between files, or coming back from a look ahead, costs a copy.
    """

    def __init__(self, model: Inference) -> None:
        self._model = model
        self._kept: list[_Kept] = []  # the last used at the end
        self.ids: list[int] = []
        self.n_computed = 0  # tokens, ever
        self._n_together = 0  # of the first ids: evaluated several at once, as every prompt is

    @property
    def is_full(self) -> bool:
        return len(self.ids) >= self._model.n_context

    def n_known(self, ids: Sequence[int]) -> int:
        """How many of the prompt's first tokens need not be evaluated."""
        known = max(common_length(known, ids) for known in (self._reusable, *(kept.ids for kept in self._kept)))
        return max(0, min(known, len(ids) - MIN_FRESH))

    def go_back_to(self, ids: Sequence[int]) -> int:
        """Make the sequence a beginning of `ids`, the longest that is to be had; returns its length."""
        here = common_length(self._reusable, ids)
        best = max(self._kept, key=lambda kept: common_length(kept.ids, ids), default=None)
        if self._n_together - here >= WORTH_KEEPING:
            self._put_aside()
        if best and common_length(best.ids, ids) - here >= WORTH_KEEPING:
            self._take_out(best)
        n_reused = max(0, min(common_length(self._reusable, ids), len(ids) - MIN_FRESH))
        self.ids, self._n_together = self.ids[:n_reused], n_reused
        self._model.rewind(n_reused)
        return n_reused

    def evaluate(self, ids: Sequence[int], aborted: Callable[[], bool]) -> None:
        """Raises Aborted; what was evaluated until then is kept."""
        n_before = self._model.n_evaluated
        try:
            self._model.evaluate(ids, aborted)
        finally:
            self.n_computed += self._model.n_evaluated - n_before
            self.ids = [*self.ids, *ids][: self._model.n_evaluated]
            if self._n_together == n_before and len(ids) >= MIN_FRESH:
                self._n_together = len(self.ids)

    @property
    def _reusable(self) -> list[int]:
        """What the model wrote token by token is evaluated again where it has become a part of a prompt."""
        return self.ids[: self._n_together]

    def _put_aside(self) -> None:
        if not isinstance(self._model, Savable):
            return
        # What is the beginning of this one has nothing that this one has not.
        self._kept = [kept for kept in self._kept if common_length(kept.ids, self._reusable) < len(kept.ids)]
        self._kept.append(_Kept(tuple(self._reusable), self._model.save()))
        while len(self._kept) > MAX_KEPT or sum(len(kept.state) for kept in self._kept) > MAX_KEPT_BYTES:
            self._kept.pop(0)

    def _take_out(self, kept: _Kept) -> None:
        assert isinstance(self._model, Savable)
        self._kept = [other for other in self._kept if other is not kept]
        self.ids, self._n_together = [], 0  # nothing is known of the engine's own where that fails
        self._model.restore(kept.state)
        self.ids, self._n_together = list(kept.ids), len(kept.ids)


def common_length(first: Sequence[int], second: Sequence[int]) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
