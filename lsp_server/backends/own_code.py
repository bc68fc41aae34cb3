"""The user's own open files as token ids, of which only what changed since is encoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lsp_server.backends.encoding import SEAMS
from lsp_server.inference.ngram import Followers
from lsp_server.inference.parted import PartedIds
from lsp_server.tokenization import Tokenizer
from lsp_server.values import OpenFiles

MAX_KNOWN = 12  # texts; the document at the cursor is two
SEAM_CHARS = 2  # before a seam that it depends on, see SEAMS
MAX_PART_CHARS = 6_000  # more without a seam is data, which says nothing of code and would be encoded at every key
ALIKE_CHARS = 64  # at either end, that a text and what it was have in common


@dataclass(frozen=True, slots=True)
class _Known:
    text: str
    parted: PartedIds


NOTHING = _Known("", PartedIds.empty())


class OwnCode:
    """Not for several threads. What it says of a text does not depend on what it was asked before."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: list[_Known] = []  # the last used at the end

    def followers(self, files: OpenFiles, owed: bytes) -> Followers:
        """`owed` is what was taken back at the cursor, to be written again."""
        # The document at the cursor is the last, so that it is the first to be found again.
        *others, below, above = (self.encode(text).ids for text in (*files.others, files.below, files.above))
        n_taken, n_bytes = 0, 0
        while n_bytes < len(owed) and n_taken < len(above):
            n_taken += 1
            n_bytes += len(self._tokenizer.piece(int(above[-n_taken])))
        return Followers(above[: len(above) - n_taken], below, others)

    def encode(self, text: str) -> PartedIds:
        """The same ids as `Tokenizer.encode` gives, but for what is no code."""
        before = next((known for known in self._known if known.text == text), None) or self._likest(text)
        known = before if before.text == text else _Known(text, self._mended(before, text))
        self._known = [*(other for other in self._known if other is not known), known][-MAX_KNOWN:]
        return known.parted

    def _mended(self, before: _Known, text: str) -> PartedIds:
        n_head, n_tail = common_ends(before.text, text)
        first = before.parted.part_before(n_head - 1)
        last = before.parted.part_after(len(before.text) - n_tail + SEAM_CHARS)
        start = int(before.parted.chars[first])
        end = len(text) - len(before.text) + int(before.parted.chars[last])
        parts = [(len(part), self._ids(part)) for part in _parts(text, start, end)]
        return before.parted.with_parts(first, last, parts)

    def _ids(self, part: str) -> list[int]:
        return self._tokenizer.encode(part) if len(part) <= MAX_PART_CHARS else []

    def _likest(self, text: str) -> _Known:
        """The last used that has half of the text at its ends, or nothing."""
        ends = text[:ALIKE_CHARS], text[-ALIKE_CHARS:]
        for known in reversed(self._known):
            may_be = known.text.startswith(ends[0]) or known.text.endswith(ends[1])
            if may_be and 2 * sum(common_ends(known.text, text)) > len(text):
                return known
        return NOTHING


def _parts(text: str, start: int, end: int) -> Iterator[str]:
    for seam in SEAMS.finditer(text, start + 1, end):
        yield text[start : seam.start()]
        start = seam.start()
    if start < end:
        yield text[start:end]


def common_ends(first: str, second: str) -> tuple[int, int]:
    """How many characters both begin with, and with how many of the others both end.

    Slices are compared, not characters, of which there may be many.
    """
    n_head = _common_head(first, second)
    return n_head, _common_tail(first, second, min(len(first), len(second)) - n_head)


def _common_head(first: str, second: str) -> int:
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_tail(first: str, second: str, n_most: int) -> int:
    low, high = 0, n_most
    while low < high:
        middle = (low + high + 1) // 2
        if first[len(first) - middle : len(first) - low] == second[len(second) - middle : len(second) - low]:
            low = middle
        else:
            high = middle - 1
    return low
