"""Token ids are checked before they go to a library that would read past the end of its tables."""

from __future__ import annotations

from collections.abc import Sequence


def check_ids(ids: Sequence[int], n_vocab: int, n_room: int) -> None:
    """Raise ValueError for no ids, more of them than there is room for, or one outside the vocabulary."""
    if not ids:
        raise ValueError("no tokens to evaluate")
    if len(ids) > n_room:
        raise ValueError(f"{len(ids)} tokens do not fit: the context has room for {n_room} more")
    if min(ids) < 0 or max(ids) >= n_vocab:
        raise ValueError(f"a token id is outside the vocabulary of {n_vocab}")
