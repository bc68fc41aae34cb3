"""What the user's own files say about the next token: a language model without training. Ids only; it knows no text.

Where the last tokens stand elsewhere in the files, what followed them there is likely to follow again: the longer the
run that both share, and the nearer it is, the likelier. Nothing is counted ahead, so there is nothing to keep up to
date: the files are one array of ids, which is searched when a token is wanted.

Code repeats itself locally: Tu, Su and Devanbu, "On the Localness of Software", 2014, doi 10.1145/2635868.2635875.
Mixed with a neural model: Grave et al. 2017, arXiv 1612.04426, and Khandelwal et al. 2020, arXiv 1911.00172.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]  # (n_tokens,)

MAX_RUN = 24  # tokens: longer runs say no more
MAX_TOKENS = 1 << 16  # searched, of all files together; those nearest to the cursor
FAR = 4096  # tokens: how far another file is
NOTHING = -1  # no token: between two files
ROOM = 256  # tokens that may be written before the array has to grow


@dataclass(frozen=True, slots=True)
class Found:
    """Tokens that may come next, one for each place where the last tokens stand."""

    ids: Ids
    runs: NDArray[np.intp]  # how many of the last tokens stand there
    distances: NDArray[np.intp]  # in tokens, from here

    def where(self, chosen: NDArray[np.bool_]) -> Found:
        return Found(self.ids[chosen], self.runs[chosen], self.distances[chosen])


class Followers:
    """What followed the last tokens wherever else they stand; the text grows while it is written."""

    def __init__(self, above: Ids, below: Ids, others: Sequence[Ids] = ()) -> None:
        """The tokens of the document left and right of where the next one goes, and those of other files."""
        above, below, others = _nearest(above, below, others)
        gap = np.array([NOTHING], np.int32)
        elsewhere = [part for ids in (*others, below) for part in (gap, ids)]
        self._ids = np.concatenate([*elsewhere, gap, above, np.empty(ROOM, np.int32)])
        self._n = len(self._ids) - ROOM
        self._start = self._n - len(above)  # of what is above
        self._start_below = self._start - 1 - len(below)

    @property
    def n_tokens(self) -> int:
        """Those that are searched."""
        return self._n

    def append(self, id: int) -> None:
        """One more token stands left of where the next one goes."""
        if self._n == len(self._ids):
            self._ids = np.concatenate([self._ids, np.empty(ROOM, np.int32)])
        self._ids[self._n] = id
        self._n += 1

    def next(self) -> Found:
        places, runs = self._search()
        return Found(self._ids[places + 1], runs, self._distances(places))

    def draft(self, min_run: int, n_most: int) -> list[int]:
        """What followed the longest run, at the nearest of several places: a guess at what is written next.

        A model that evaluates it at once with the last token can verify it (prompt lookup). When that pays, and that it
        hardly does on a processor, tests/bench/drafting.py tells.
        """
        places, runs = self._search()
        if not len(places) or runs.max() < min_run:
            return []
        best = places[np.lexsort((self._distances(places), -runs))[0]]
        ids: list[int] = self._ids[best + 1 : min(best + 1 + n_most, self._n)].tolist()
        return ids[: ids.index(NOTHING)] if NOTHING in ids else ids

    def _search(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where the last token stands elsewhere with another behind it, and how many of the last ones stand there."""
        ids, last = self._ids, self._n - 1
        places = np.flatnonzero(ids[:last] == ids[last]) if last >= self._start else np.empty(0, np.intp)
        places = places[ids[places + 1] != NOTHING]
        runs, same = np.ones_like(places), np.arange(len(places))
        for back in range(1, min(MAX_RUN, self._n - self._start)):
            # Each file has a gap before it, which is like no token.
            same = same[ids[places[same] - back] == ids[last - back]]
            if not len(same):
                break
            runs[same] += 1
        return places, runs

    def _distances(self, places: NDArray[np.intp]) -> NDArray[np.intp]:
        distances = self._n - places
        distances[places < self._start] = (places - self._start_below)[places < self._start] + 1
        distances[places < self._start_below] = FAR
        return distances


def _nearest(above: Ids, below: Ids, others: Sequence[Ids]) -> tuple[Ids, Ids, list[Ids]]:
    """Half of the room is for what is above, half of the rest for what is below, and what they leave for the others."""
    above = above[-MAX_TOKENS // 2 :]
    below = below[: MAX_TOKENS // 4]
    room = MAX_TOKENS - len(above) - len(below)
    kept = []
    for ids in others:
        kept.append(ids[:room])
        room -= len(kept[-1])
    return above, below, kept
