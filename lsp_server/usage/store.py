"""The file of counters: one SQLite table, since several servers write it at once and none may wait for long."""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lsp_server.errors import UsageError

if TYPE_CHECKING:  # imported when a file is opened, which is long after the editor wants its first answer
    import sqlite3

WRITE_AFTER_S = 30.0
LOCKED_S = 2.0  # that another server may take for writing
CREATE = (
    "CREATE TABLE IF NOT EXISTS counts (day TEXT, language TEXT, model TEXT, what TEXT, n INTEGER,"
    " PRIMARY KEY (day, language, model, what)) WITHOUT ROWID"
)
ADD = (
    "INSERT INTO counts VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (day, language, model, what) DO UPDATE SET n = n + excluded.n"
)
# Language ids come from the editor.
_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")

logger = logging.getLogger(__name__)


class Key(NamedTuple):
    day: str  # 2026-11-21, where the user is
    language: str
    model: str
    what: str


class UsageWriter:
    """Counts in memory, and adds that to the file every so often, on a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: Counter[Key] = Counter()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._failed = False  # which is said once

    def add(self, language: str, model: str, happened: Mapping[str, int]) -> None:
        """Count what happened, by name."""
        language = language if _LANGUAGE.fullmatch(language) else "other"
        day = date.today().isoformat()
        with self._lock:
            self._counts.update({Key(day, language, model, what): n for what, n in happened.items()})
            if self._timer is None:
                self._timer = threading.Timer(WRITE_AFTER_S, self.write)
                self._timer.daemon = True
                self._timer.start()

    def write(self) -> None:
        """Add what was counted since the last time; what cannot be written is tried again the next time."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            if self._timer:
                self._timer.cancel()
            self._timer = None
        if counts and (why := _add(self._path, counts)):
            if not self._failed:
                logger.warning("the usage counters cannot be written (%s); see usage.enabled", why)
            self._failed = True
            with self._lock:
                self._counts.update(counts)


def _add(path: Path, counts: Mapping[Key, int]) -> str:
    """The name of what went wrong, if anything did."""
    from sqlite3 import Error

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _opened(path) as file:
            file.execute(CREATE)
            file.executemany(ADD, [(*key, n) for key, n in counts.items()])
    except (OSError, Error) as error:
        return type(error).__name__
    return ""


def read(path: Path) -> Counter[Key]:
    """All counts so far. Raises UsageError where the file cannot be read."""
    from sqlite3 import Error

    if not path.exists():
        return Counter()
    try:
        with _opened(path) as file:
            return Counter({Key(*row[:4]): row[4] for row in file.execute("SELECT * FROM counts")})
    except Error as error:
        raise UsageError(f"{path} cannot be read ({error}); `infill-ls stats --clear` begins a new one") from error


def clear(path: Path) -> None:
    """Forget everything. Raises OSError."""
    path.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction; whoever writes waits for the others before it reads anything, or it might not be let in then."""
    import sqlite3

    opened = sqlite3.connect(path, timeout=LOCKED_S, isolation_level="IMMEDIATE")
    with closing(opened) as connection, connection:
        yield connection
