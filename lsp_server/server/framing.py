"""Messages in a stream of bytes, as the LSP's base protocol frames them: header fields, an empty line, a body."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_BODY_BYTES = 1 << 28
MAX_LINE_BYTES = 1 << 14

_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d{1,12})[ \t]*$", re.IGNORECASE)
_FIELD = re.compile(rb"(?!content-length)[a-z][a-z0-9-]*[ \t]*:", re.IGNORECASE)


class Frames:
    """Fed with bytes as they come, gives the bodies as they become complete.

    After headers that make no sense it looks for the next `Content-Length`, wherever on a line that stands: a body
    with a wrong length leaves the next header glued to its rest.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._length: int | None = None  # from the header that is being read
        self._n_missing: int | None = None  # of the body that is being read; None: a header is
        self._in_header = False  # at least one field was read
        self._lost = False

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Yield each body, and None once wherever the headers make no sense."""
        self._buffer += data
        while (chunk := self._next_chunk()) is not None:
            if self._n_missing is not None:
                self._n_missing = None
                yield chunk
            elif not self._read_header_line(chunk):
                yield None

    def _next_chunk(self) -> bytes | None:
        """A whole body or a whole header line, cut off from the buffer; None until it has come."""
        if self._n_missing is not None:
            return self._cut(self._n_missing, self._n_missing) if len(self._buffer) >= self._n_missing else None
        end = self._buffer.find(b"\n")
        if end >= 0:
            return self._cut(end, end + 1).rstrip(b"\r")
        # No field is that long. Its tail is kept, a length may stand there.
        return self._cut(MAX_LINE_BYTES, MAX_LINE_BYTES) if len(self._buffer) > 2 * MAX_LINE_BYTES else None

    def _cut(self, n_taken: int, n_removed: int) -> bytes:
        chunk = bytes(self._buffer[:n_taken])
        del self._buffer[:n_removed]
        return chunk

    def _read_header_line(self, line: bytes) -> bool:
        """False where sense is lost; True while it is there, and while it is being looked for."""
        if not line:
            return self._end_header()
        self._in_header = True
        was_lost = self._lost
        found = _LENGTH.search(line)
        if found and int(found[1]) <= MAX_BODY_BYTES:
            self._length = int(found[1])
            self._lost = False
            return was_lost or found.start() == 0
        self._lost = was_lost or not _FIELD.match(line)
        return was_lost or not self._lost

    def _end_header(self) -> bool:
        has_sense = self._lost or not self._in_header or self._length is not None
        self._n_missing, self._length = self._length, None
        self._in_header, self._lost = False, not has_sense or (self._lost and self._n_missing is None)
        return has_sense
