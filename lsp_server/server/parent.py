"""The editor that started the server: when it is gone, so is the server, even if somebody still holds stdin open."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

POLL_S = 1.0
GRACE_S = 3.0


def watch(pid: int, on_gone: Callable[[], None]) -> None:
    """Call `on_gone` in a thread of its own as soon as the process is gone; then the server has GRACE_S to end."""
    threading.Thread(target=_watch, args=(pid, on_gone), name="parent watch", daemon=True).start()


def _watch(pid: int, on_gone: Callable[[], None]) -> None:
    # Here, since it is not needed to answer initialize.
    import psutil

    try:
        process = psutil.Process(pid)
        # is_running compares the time of creation too, so another process with the same id is not taken for it.
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(POLL_S)
    except (psutil.NoSuchProcess, ValueError):
        pass
    on_gone()
    time.sleep(GRACE_S)
    os._exit(1)  # stuck, perhaps in a write that nobody will ever read
