"""How alike two lines of code are, whatever the spaces, the quotes and the indentation."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

# Of names, the words in them: userName and user_names are alike.
_TOKEN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W_a-zA-Z]+|[^\w\s]")
_QUOTES = str.maketrans("'`", '""')


@lru_cache(maxsize=4096)
def likeness(one: str, other: str) -> float:
    """From 0 to 1: the share of tokens that both have (Sørensen–Dice); two signs count as a word."""
    if one == other:
        return 1.0
    (left, n_left), (right, n_right) = _tokens(one), _tokens(other)
    return 2 * _size(left & right) / (n_left + n_right) if n_left + n_right else 0.0


@lru_cache(maxsize=1024)
def _tokens(line: str) -> tuple[Counter[str], float]:
    tokens = Counter(_TOKEN.findall(line.translate(_QUOTES)))
    return tokens, _size(tokens)


def _size(tokens: Counter[str]) -> float:
    return sum(n * (1.0 if token.isalnum() else 0.5) for token, n in tokens.items())
