"""The completer to beat: what most often followed the same words, in the file and then in other code. No model at all.

The longest run of lexemes left of the cursor that stands elsewhere in the file too, at least three of them, decides;
where there is none, the longest in the other code; then shorter runs in the file.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from holes import LEXEME

MAX_ORDER = 8  # lexemes of the file
CODE_ORDER = 4  # lexemes of other code
MIN_FILE_ORDER = 3  # of the file, before other code is asked
MAX_LEXEMES = 60  # written for a line, blanks included
NEWLINE = "\n"


class OtherCode:
    """Runs of lexemes in a lot of code, as sorted hashes: some hundred bytes for each kilobyte of code."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._words: dict[str, int] = {}
        ids = np.fromiter((self._words.setdefault(w, len(self._words)) for t in texts for w in words(t)), np.int64)
        self._names = list(self._words)
        self._ids = ids
        self._orders = {n: _sorted_hashes(ids, n) for n in range(1, CODE_ORDER + 1)}

    def after(self, context: Sequence[str]) -> Counter[str]:
        """What followed the end of the context, at the longest run that is known."""
        for n in range(min(CODE_ORDER, len(context)), 0, -1):
            wanted = [self._words.get(word, -1) for word in context[-n:]]
            if -1 in wanted:
                continue
            hashes, ends = self._orders[n]
            key = _hashes(np.array(wanted), n)[0]
            low, high = np.searchsorted(hashes, key, "left"), np.searchsorted(hashes, key, "right")
            if low < high:
                return Counter(self._names[i] for i in self._ids[ends[low:high]])
        return Counter()


def _hashes(ids: np.ndarray, n: int) -> np.ndarray:
    """Of each run of n ids."""
    mixed = np.zeros(max(0, len(ids) - n + 1), np.uint64)
    for i in range(n):
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + ids[i : len(ids) - n + 1 + i].astype(np.uint64) + np.uint64(1)
    return mixed


def _sorted_hashes(ids: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of all runs that something follows, sorted, and where that stands."""
    hashes = _hashes(ids[:-1], n)
    order = np.argsort(hashes, kind="stable")
    return hashes[order], order + n


class Copier:
    """The file around one cursor."""

    def __init__(self, prefix: str, suffix: str, other: OtherCode | None = None) -> None:
        self._left, self._typed = _at_cursor(prefix)
        self._other = other
        # Not across the cursor: what is missing there is not yet known.
        self._parts = (self._left, list(words(suffix)))
        self._places: defaultdict[str, list[tuple[list[str], int]]] = defaultdict(list)  # of each word
        for part in self._parts:
            for i, word in enumerate(part[:-1]):
                self._places[word].append((part, i))

    def complete(self, n_lines: int = 1) -> str:
        """What most likely follows, up to the end of the line, or of so many lines."""
        context, said, typed = list(self._left), "", self._typed
        for _ in range(MAX_LEXEMES * n_lines):
            word = self._next(context, typed)
            if word is None or (said + word).count(NEWLINE) >= n_lines:
                break
            said += word[len(typed) :]
            typed = ""
            context.append(word)
        return said

    def _next(self, context: Sequence[str], typed: str) -> str | None:
        for found in self._candidates(context):
            fitting = [(count, word) for word, count in found.items() if word.startswith(typed)]
            if fitting:
                return max(fitting, key=lambda each: each[0])[1]
        return None

    def _candidates(self, context: Sequence[str]) -> Iterator[Counter[str]]:
        """What followed the last words of the context, the longest runs first."""
        places = self._places.get(context[-1], []) if context else []
        found = [(_n_common(part, i, context), part[i + 1]) for part, i in places]
        for n in range(MAX_ORDER, 0, -1):
            if n == MIN_FILE_ORDER - 1 and self._other:
                yield self._other.after(context)
            yield Counter(word for length, word in found if length >= n)


def _n_common(part: Sequence[str], i: int, context: Sequence[str]) -> int:
    """How many words up to the i-th are those that the context ends with."""
    most = min(MAX_ORDER, i + 1, len(context))
    return next((n for n in range(1, most) if part[i - n] != context[-1 - n]), most)


def words(text: str) -> Iterator[str]:
    """Lexemes with the blanks between them; a line end and the next line's indentation are two."""
    return (found[0] for found in LEXEME.finditer(text))


def _at_cursor(prefix: str) -> tuple[list[str], str]:
    """The lexemes left of the cursor, and the name that is being typed there, if any."""
    known = list(words(prefix))
    if known and (known[-1][-1].isalnum() or known[-1][-1] == "_"):
        return known[:-1], known[-1]
    return known, ""
