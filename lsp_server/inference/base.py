"""The contract of every engine that runs in this process: ids in, logits out. It knows nothing about text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]      # (n_vocab,)


class Aborted(Exception):
    """An evaluation was given up on request; `Inference.n_evaluated` says how many tokens stay evaluated."""


class Inference(Protocol):
    """One model with one sequence of tokens behind it. Calls must not overlap; `close` is final."""

    name: str             # of the engine, as in the setting model.engine
    n_vocab: int
    n_context: int        # the most tokens that the sequence can hold

    @property
    def n_evaluated(self) -> int:
        """The length of the sequence."""

    def evaluate(self, ids: Sequence[int], aborted: Callable[[], bool]) -> None:
        """Append `ids` to the sequence, in small batches.

        `aborted` is polled many times in each batch, perhaps by another thread. Raises `Aborted` when it says so (whole
        batches that were done stay evaluated), EngineError when the engine fails, ValueError for an id outside the
        vocabulary, no ids at all, or more of them than the context has room for.
        """

    def logits(self) -> Logits:
        """The logits after the last token of the sequence; valid until the next call of another method."""

    def rewind(self, n_tokens: int) -> None:
        """Forget all but the first `n_tokens` of the sequence."""

    def close(self) -> None:
        """Free the model. A second call does nothing."""


@runtime_checkable
class Savable(Protocol):
    """What an `Inference` is, too, where its sequence can be put aside and taken out again."""

    def save(self) -> bytes:
        """The memory of the sequence as it is."""

    def restore(self, state: bytes) -> None:
        """Put a saved sequence in the place of the present one. Raises EngineError for what was not saved by this."""
