"""A circuit breaker: a server that failed again and again is left alone for a while, and tried again by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

from lsp_server.errors import BackendError

MAX_FAILURES = 3  # in a row
COOL_DOWN_S = 2.0  # doubled each time, up to the next figure
MAX_COOL_DOWN_S = 60.0
N_REMEMBERED = 64  # first-token times
MIN_REMEMBERED = 8  # with fewer, nothing can be said of the slowest of them


class Circuit:
    """What is known of one server's health. While it is open, nothing is sent."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._open_until = 0.0
        self._n_failures = 0
        self._cool_down_s = COOL_DOWN_S
        self._first_token_s: deque[float] = deque(maxlen=N_REMEMBERED)
        self.error: BackendError | None = None  # why it opened; None again after a success

    @property
    def is_open(self) -> bool:
        return self.remaining_s > 0

    @property
    def remaining_s(self) -> float:
        return max(0.0, self._open_until - self._clock())

    def succeeded(self, first_token_s: float) -> bool:
        """True where this ends a failure that was told."""
        self._first_token_s.append(first_token_s)
        was_down = self.error is not None
        self._n_failures, self._cool_down_s, self.error, self._open_until = 0, COOL_DOWN_S, None, 0.0
        return was_down

    def failed(self, error: BackendError) -> bool:
        """True where the circuit opens now and nobody knows of it yet."""
        self._n_failures += 1
        if error.wait_s is None and self._n_failures < MAX_FAILURES:
            return False
        was_known = self.error is not None
        self.error = error
        self.wait(error.wait_s)
        return not was_known

    def wait(self, wait_s: float | None = None) -> None:
        """Stay open for the time that the server asked for or, without, for twice as long as last time."""
        if wait_s is None:
            wait_s = self._cool_down_s
            self._cool_down_s = min(2 * wait_s, MAX_COOL_DOWN_S)
        self._open_until = self._clock() + wait_s
        # One more failure is enough to open it again.
        self._n_failures = MAX_FAILURES - 1

    @property
    def p95_first_token_s(self) -> float | None:
        if len(self._first_token_s) < MIN_REMEMBERED:
            return None
        return sorted(self._first_token_s)[int(0.95 * len(self._first_token_s))]
