"""Two sources, one answer: the model's own logits, mixed with what the user's files say about the next token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsp_server.inference.base import Logits
from lsp_server.inference.ngram import Followers, Found

Probabilities = NDArray[np.float32]  # (n_vocab,)

TINY = np.float32(1e-30)  # whose logarithm is a number


@dataclass(frozen=True, slots=True)
class Mixing:
    """How much the files weigh against the model. Fitted by tests/bench/mixing.py.

    A place where `run` of the last tokens stand, `distance` tokens away, weighs run ** `run_power` / distance **
    `distance_power`. All of them together get this share of the probability, as a logistic function of

        bias + per_run * ln(longest run) + per_doubt * (entropy - 2) + per_dissent * (1 - the most that a token gets)
    """

    run_power: float = 3.7
    distance_power: float = 0.5
    bias: float = -1.5
    per_run: float = 1.1
    per_doubt: float = 0.4
    per_dissent: float = -1.7

    def into(self, logits: Logits, followers: Followers, ends: Sequence[int]) -> None:
        """Change the logits, in place. Those of -inf stay so: what is ruled out, the files cannot bring back.

        That the text is over (`ends`), only the model can know; it stays as probable as it was.
        """
        found = followers.next()
        possible = logits[found.ids] > -np.inf
        possible &= ~np.isin(found.ids, ends)
        if not possible.any():
            return
        ours = _probabilities(logits)
        theirs = self._spread(found, possible, len(logits))
        share = self._share(found.runs[possible].max(), ours, theirs.max())
        over = np.asarray(ends, np.intp)
        p_over = float(ours[over].sum())
        mixed = np.float32(1 - share) * ours + np.float32(share * (1 - p_over)) * theirs
        mixed[over] = ours[over]
        with np.errstate(divide="ignore"):
            np.log(mixed, out=logits)

    def _spread(self, found: Found, possible: NDArray[np.bool_], n_vocab: int) -> Probabilities:
        runs, distances = found.runs[possible], found.distances[possible]
        weights = runs.astype(np.float64) ** self.run_power / (1.0 + distances) ** self.distance_power
        spread = np.bincount(found.ids[possible], weights / weights.sum(), minlength=n_vocab)
        return spread.astype(np.float32)

    def _share(self, longest_run: int, ours: Probabilities, most: float) -> float:
        entropy = -float(np.sum(ours * np.log(np.maximum(ours, TINY))))
        score = self.bias + self.per_run * np.log(longest_run) + self.per_doubt * (entropy - 2)
        return float(1 / (1 + np.exp(-(score + self.per_dissent * (1 - most)))))


def _probabilities(logits: Logits) -> Probabilities:
    scores: Probabilities = np.exp(logits - logits.max())
    scores /= scores.sum()
    return scores
