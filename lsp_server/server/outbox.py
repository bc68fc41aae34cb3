"""What goes out, on a thread of its own: an editor that stopped reading must not keep the server from hearing it."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable

LAST_WORDS_S = 2.0  # for what is still to be written when the session ends


class Outbox:
    """`on_broken` is called on that thread when nobody can read any more."""

    def __init__(self, descriptor: int, on_broken: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_broken = on_broken
        self._waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="stdout", daemon=True)
        self._thread.start()

    def send(self, data: bytes) -> None:
        self._waiting.put(data)

    def close(self) -> None:
        """Write what is left, if the editor still reads."""
        self._waiting.put(b"")
        self._thread.join(LAST_WORDS_S)

    def _run(self) -> None:
        while data := self._waiting.get():
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                self._on_broken()
                return
