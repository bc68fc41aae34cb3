"""What the tests of every engine ask of it."""

from __future__ import annotations

import random

from lsp_server.inference.base import Inference
from lsp_server.inference.sampling import best


def never() -> bool:
    return False


def some_ids(n: int, seed: int = 0) -> list[int]:
    """Ids of ordinary tokens of the model in the package."""
    chosen = random.Random(seed)
    return [chosen.randrange(5, 8000) for _ in range(n)]


def written(model: Inference, n: int) -> list[int]:
    """The most probable tokens, each behind the one before."""
    tokens = []
    for _ in range(n):
        token, _ = best(model.logits())
        model.evaluate([token], never)
        tokens.append(token)
    return tokens
