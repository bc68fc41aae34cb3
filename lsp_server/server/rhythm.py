"""When the next key is to be expected."""

from __future__ import annotations

from time import perf_counter

PAUSE_S = 1.0  # a longer one is no part of the rhythm
NEWER = 0.3  # the weight of the newest gap


class Rhythm:
    """How fast somebody types: the time between two edits, as an exponentially weighted mean."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._gap_s = 0.0

    def edited(self) -> None:
        now = perf_counter()
        if self._last is not None and now - self._last < PAUSE_S:
            self._gap_s += NEWER * (now - self._last - self._gap_s) if self._gap_s else now - self._last
        else:
            self._gap_s = 0.0
        self._last = now

    @property
    def next_key_s(self) -> float:
        """From now; 0 where nobody has been typing, or the key is overdue."""
        if self._last is None or not self._gap_s:
            return 0.0
        return max(0.0, self._last + self._gap_s - perf_counter())
