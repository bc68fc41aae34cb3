"""Streams of events and of JSON lines, on bytes, since only there lines are what the standards say they are.

The event stream follows the HTML standard ("Server-sent events", 9.2.6): UTF-8, lines that end with CR, LF or CRLF,
comments, one leading byte order mark, and data lines that are joined. Text libraries also break lines at U+2028 and the
like, which JSON may hold as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from lsp_server.errors import BackendGarbled

MAX_LINE_BYTES = 1 << 20
MAX_STREAM_BYTES = 1 << 23
BOM = b"\xef\xbb\xbf"
DONE = b"[DONE]"

Chunk = dict[str, Any]


class Lines:
    """Fed with bytes as they come, gives the lines as they become complete, without their ends."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._after_cr = False  # the last byte was a CR, so a LF that comes next belongs to it
        self._n_bytes = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises BackendGarbled past the limits on a line and on the whole."""
        self._n_bytes += len(data)
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
        self._after_cr = data.endswith(b"\r") or (self._after_cr and not data)
        self._rest += data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = bytes(self._rest).split(b"\n") if b"\n" in data or b"\r" in data else [bytes(self._rest)]
        self._rest = bytearray(rest)
        if self._n_bytes > MAX_STREAM_BYTES or max(map(len, (*lines, rest))) > MAX_LINE_BYTES:
            raise BackendGarbled("the model server sent far more than a suggestion; check that it is one")
        yield from lines

    def end(self) -> Iterator[bytes]:
        """What stood behind the last line end."""
        if self._rest:
            yield bytes(self._rest)


class EventStream:
    """`text/event-stream`: the data of each event. An event that the end of the stream cuts off is dropped."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._data: list[bytes] = []
        self._is_first = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        for line in self._lines.feed(data):
            if self._is_first:
                line, self._is_first = line.removeprefix(BOM), False
            if line:
                self._take(line)
            elif self._data:
                yield b"\n".join(self._data)
                self._data = []

    def end(self) -> Iterator[bytes]:
        return iter(())

    def _take(self, line: bytes) -> None:
        field, _, value = line.partition(b":")  # a comment has an empty field
        # Some servers call the field "error" for what they could not do; the JSON in it says so as well.
        if field in (b"data", b"error"):
            self._data.append(value.removeprefix(b" "))


class JsonLines:
    """One JSON value in each line."""

    def __init__(self) -> None:
        self._lines = Lines()

    def feed(self, data: bytes) -> Iterator[bytes]:
        return (line for line in self._lines.feed(data) if line.strip())

    def end(self) -> Iterator[bytes]:
        return (line for line in self._lines.end() if line.strip())


Framing: TypeAlias = EventStream | JsonLines
FRAMINGS: dict[str, Callable[[], Framing]] = {
    "text/event-stream": EventStream,
    "application/x-ndjson": JsonLines,
}


def parsed(data: bytes) -> Chunk:
    """The object in an event. Raises BackendGarbled."""
    try:
        value = json.loads(data)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BackendGarbled("the model server sent broken JSON; look into its log") from error
    if not isinstance(value, dict):
        raise BackendGarbled("the model server sent JSON of another shape; correct the server's dialect")
    return value
