"""When the editor is told how the server is: never twice the same, and a few times a second at most."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

# What comes and goes with every key is told if it lasts this long: most requests are answered by then.
LASTING_S = 0.2


class Announcer:
    """`now` makes the status as it is, `tell` sends it."""

    def __init__(self, now: Callable[[], dict[str, Any]], tell: Callable[[dict[str, Any]], None]) -> None:
        self._now = now
        self._tell = tell
        self._told: dict[str, Any] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        """Tell at once, if anything is different."""
        self.close()
        now = self._now()
        if now != self._told:
            self._told = now
            self._tell(now)

    def changed_for_a_moment(self) -> None:
        """Tell what has lasted."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LASTING_S, self.changed)

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None
