"""Choosing a token from logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lsp_server.inference.base import Logits


def best(
    logits: Logits,
    *,
    allowed: Sequence[int] | None = None,
    banned: Sequence[int] | None = None,
    change: Callable[[Logits], None] | None = None,
) -> tuple[int, float]:
    """The most probable token that is allowed and not banned (of equals the lowest id), and its probability.

    `logits`: (n_vocab,), left as they are. `allowed`: ids, None for all. `change` is given a copy in which the others
    are -inf, and may change it. The probability is that among the tokens which remain. Where the engine knows the
    logits of none of them (they are -inf), it is the lowest id, with probability 0. Raises ValueError when no token
    remains.
    """
    masked = _masked(logits, allowed, banned)  # (n_vocab,)
    if masked.max() == -np.inf:
        return _lowest(len(logits), allowed, banned), 0.0
    if change:
        change(masked)
    token = int(masked.argmax())
    top = masked[token]
    # Less the largest, so that exp cannot overflow; in place, since the vocabulary may be large.
    np.subtract(masked, top, out=masked)
    np.exp(masked, out=masked)
    return token, 1.0 / float(masked.sum())


def _masked(logits: Logits, allowed: Sequence[int] | None, banned: Sequence[int] | None) -> Logits:
    """A copy with -inf for what may not be chosen."""
    if allowed is None:
        masked: Logits = logits.copy()
    else:
        masked = np.full_like(logits, -np.inf)
        ids = np.asarray(allowed, dtype=np.intp)
        masked[ids] = logits[ids]
    if banned:
        masked[np.asarray(banned, dtype=np.intp)] = -np.inf
    return masked


def _lowest(n_vocab: int, allowed: Sequence[int] | None, banned: Sequence[int] | None) -> int:
    remaining = set(range(n_vocab) if allowed is None else allowed) - set(banned or ())
    if not remaining:
        raise ValueError("every token is ruled out")
    return min(remaining)
