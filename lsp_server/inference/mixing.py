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
LEAST = np.float32(1e-7)  # that the model gives any token, as far as the files are concerned


@dataclass(frozen=True, slots=True)
class Mixing:
    """How much the files weigh against the model. Fitted by tests/bench/fit_mixing.py to code of eight packages.

    A place `distance` tokens away where `run` of the last tokens stand, before one to which the model gives `ours`,
    weighs run ** `run_power` / distance ** `distance_power` * ours ** `ours_power`. All of them together get this share
    of the probability, as a logistic function of

        bias + per_run * ln(longest run) + per_doubt * (entropy of ours - 2)
             + per_dissent * (1 - the most that a token gets) + per_belief * (mean of ln(ours), by weight, + 3)
    """

    run_power: float = 3.1
    distance_power: float = 0.4
    ours_power: float = 0.2
    bias: float = -1.2
    per_run: float = 1.1
    per_doubt: float = 0.4
    per_dissent: float = -0.8
    per_belief: float = 0.2

    def into(self, logits: Logits, followers: Followers, ends: Sequence[int]) -> None:
        """Change the logits, in place. Those of -inf stay so: what is ruled out, the files cannot bring back.

        That the text is over (`ends`), only the model can know; it stays as probable as it was.
        """
        found = followers.next()
        possible = logits[found.ids] > -np.inf
        possible &= ~np.isin(found.ids, ends)
        if not possible.any():
            return
        found = found.where(possible)
        ours = _probabilities(logits)
        theirs, share = self._said(found, ours)
        over = np.asarray(ends, np.intp)
        p_over = float(ours[over].sum())
        mixed = np.float32(1 - share) * ours + np.float32(share * (1 - p_over)) * theirs
        mixed[over] = ours[over]
        with np.errstate(divide="ignore"):
            np.log(mixed, out=logits)

    def _said(self, found: Found, ours: Probabilities) -> tuple[Probabilities, float]:
        """What the files say, as probabilities, and how much it counts."""
        belief = np.log(np.maximum(ours[found.ids], LEAST))
        weights = found.runs**self.run_power / (1.0 + found.distances) ** self.distance_power
        weights *= np.exp(self.ours_power * belief)
        weights /= weights.sum()
        theirs = np.bincount(found.ids, weights, minlength=len(ours))
        entropy = -float(np.sum(ours * np.log(np.maximum(ours, TINY))))
        score = self.bias + self.per_run * np.log(found.runs.max()) + self.per_doubt * (entropy - 2)
        score += self.per_dissent * (1 - theirs.max()) + self.per_belief * (float(weights @ belief) + 3)
        return theirs.astype(np.float32), float(1 / (1 + np.exp(-score)))


def _probabilities(logits: Logits) -> Probabilities:
    scores: Probabilities = np.exp(logits - logits.max())
    scores /= scores.sum()
    return scores
