"""A question in Python that C code can see the answer to as a byte."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Each look takes about 20 µs of the processor. A second that is computed in may last four on a busy machine, and a look
# every millisecond then cost 5 % of a large model's time; so who has waited long is answered a little later.
FIRST_INTERVAL_S, LAST_INTERVAL_S, GROWTH = 0.001, 0.020, 1.1


class Question:
    """`byte` is raised once `ask` says so; an error in `ask` raises it too and is kept."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self.byte = ctypes.create_string_buffer(2)
        self.error: BaseException | None = None
        self.interval_s = FIRST_INTERVAL_S  # to the next look

    def poll(self) -> None:
        self.interval_s = min(GROWTH * self.interval_s, LAST_INTERVAL_S)
        try:
            raised = self._ask()
        except BaseException as error:
            self.error = error
            raised = True
        if raised:
            self.byte[0] = b"\1"


class AbortWatch:
    """Polls on a thread of its own while there is something to watch: each millisecond at first, then ever more rarely.

    Inference gives up the interpreter's lock, so this thread gets it as soon as others let go. Were Python called from
    inside the computation instead, every one of its hundred operations a token would wait for the lock: while another
    thread was busy, that took 128 ms for a token that otherwise took 6.
    """

    def __init__(self) -> None:
        self._question = Question(lambda: False)
        self._watching = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="abort-watch", daemon=True)
        self._thread.start()

    @contextmanager
    def watching(self, ask: Callable[[], bool]) -> Iterator[Question]:
        """Watch while the `with` block runs. `ask` is called from another thread, and perhaps once more just after."""
        # A question of its own for each block: a late answer to the one before must not raise the byte of this one.
        self._question = question = Question(ask)
        question.poll()
        self._watching.set()
        try:
            yield question
        finally:
            self._watching.clear()

    def close(self) -> None:
        self._closed = True
        self._watching.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._watching.wait()
            if self._closed:
                return
            time.sleep(self._question.interval_s)  # first, since most tokens of a small model take less
            self._question.poll()
