"""How alike two lines of code are, whatever the spaces, the quotes and the indentation."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

_TOKEN = re.compile(r"\w+|[^\w\s]")
_QUOTES = str.maketrans("'`", '""')


@lru_cache(maxsize=4096)
def likeness(one: str, other: str) -> float:
    """From 0 to 1: the share of tokens that both have (the Sørensen–Dice coefficient)."""
    if one == other:
        return 1.0
    left, right = _tokens(one), _tokens(other)
    n_tokens = left.total() + right.total()
    return 2 * (left & right).total() / n_tokens if n_tokens else 0.0


@lru_cache(maxsize=1024)
def _tokens(line: str) -> Counter[str]:
    return Counter(_TOKEN.findall(line.translate(_QUOTES)))
