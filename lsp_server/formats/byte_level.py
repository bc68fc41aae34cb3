"""Byte-level vocabularies: how their tokens are written, and their merges worked out from the order of the tokens.

Legacy GGML files hold the tokens and not the merges. Where a vocabulary was trained by byte-pair encoding, each token
was made from two older ones, so pairing the bytes of a token with what is older than it ends with exactly these two.
(Of the vocabularies of StarCoder, Refact, GPT-NeoX, Qwen 2 and DeepSeek-Coder, every merge comes out as it was.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

Pair = tuple[bytes, bytes]


def _printable_bytes() -> dict[int, str]:
    """GPT-2's table: byte → the character that stands for it in a vocabulary."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {**{byte: chr(byte) for byte in plain}, **{byte: chr(256 + i) for i, byte in enumerate(others)}}


PRINTABLE_BYTES = _printable_bytes()


def printable(token: bytes) -> str:
    """The token as vocabularies write it, each byte one printable character."""
    return token.decode("latin-1").translate(PRINTABLE_BYTES)


def merges_of(tokens: Sequence[bytes]) -> list[Pair]:
    """The pairs in the order of training. Tokens that no merge leads to, as control tokens, have none."""
    ranks = {token: rank for rank, token in reversed(list(enumerate(tokens)))}
    pairs = (_pair(token, rank, ranks) for rank, token in enumerate(tokens) if len(token) > 1)
    return list(dict.fromkeys(pair for pair in pairs if pair))


def _pair(token: bytes, rank: int, ranks: Mapping[bytes, int]) -> Pair | None:
    cuts = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
    fitting = [cut for cut in cuts if max(_rank(part, rank, ranks) for part in cut) < rank]
    if len(fitting) < 2:
        return fitting[0] if fitting else None
    parts = _paired(token, rank, ranks)
    return (parts[0], parts[1]) if len(parts) == 2 else None


def _rank(part: bytes, unknown: int, ranks: Mapping[bytes, int]) -> int:
    """Single bytes are older than everything else, wherever they stand in the vocabulary."""
    return -1 if len(part) == 1 and part in ranks else ranks.get(part, unknown)


def _paired(token: bytes, rank: int, ranks: Mapping[bytes, int]) -> list[bytes]:
    """What byte-pair encoding makes of a token while it may use only what is older than it."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 1:
        made = [ranks.get(left + right, rank) for left, right in pairwise(parts)]
        oldest = min(made)
        if oldest >= rank:
            break
        at = made.index(oldest)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts
