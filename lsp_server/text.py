"""Lines and columns as the Language Server Protocol counts them.

A line ends at "\\n", "\\r\\n" or "\\r" and nowhere else; `str.splitlines` also splits at form feeds, U+2028 and others.
Columns count UTF-8, UTF-16 or UTF-32 units, whichever the editor asked for; inside the program there are only offsets
in code points.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Literal, TypeAlias

Encoding: TypeAlias = Literal["utf-8", "utf-16", "utf-32"]
Span: TypeAlias = tuple[int, int]  # half-open, in offsets

# The codec, the bytes of a unit, and the most units that a code point takes.
_UNITS: dict[Encoding, tuple[str, int, int]] = {
    "utf-8": ("utf-8", 1, 4),
    "utf-16": ("utf-16-le", 2, 2),
    "utf-32": ("utf-32-le", 4, 1),
}
# A look behind would not do: "\r" ends a line only where no "\n" follows.
_LINE_END = re.compile(r"\n|\r(?!\n)")
_EOL_SAMPLE = 4096  # characters


class Document:
    """An open document and an index of its lines that is moved along with each edit, never built again.

    Typing shifts the start of every line below. Those shifts are kept pending from `_pending_from` on, so that an edit
    near the one before costs the same in a long document as in a short one.
    """

    def __init__(self, uri: str, language_id: str, version: int, text: str) -> None:
        self.uri = uri
        self.language_id = language_id
        self.version = version
        self.text = text
        self._starts = [0, *_line_starts(text, 1, len(text))]
        self._pending_from = len(self._starts)
        self._pending_shift = 0

    @property
    def n_lines(self) -> int:
        return len(self._starts)

    def offset_at(self, line: int, character: int, encoding: Encoding) -> int:
        """The offset of a position.

        A column past the line's end is the line's end, a line past the last one the document's end, and a position
        inside a character its start.
        """
        if line >= self.n_lines:
            return len(self.text)
        start, end = self._line(max(line, 0))
        return start + _n_chars(self.text[start:end], max(character, 0), encoding)

    def position_at(self, offset: int, encoding: Encoding) -> tuple[int, int]:
        """The line and column of an offset; an offset inside a line end is before it."""
        offset = min(max(offset, 0), len(self.text))
        line = self._line_of(offset)
        start, end = self._line(line)
        return line, _width(self.text[start : min(offset, end)], encoding)

    def replace(self, start: int, end: int, new_text: str) -> None:
        """Put `new_text` in the place of `text[start:end]`; offsets beyond the document are its ends."""
        start, end = sorted(min(max(offset, 0), len(self.text)) for offset in (start, end))
        # Whether a line starts somewhere depends on the characters on both sides, so the edges count as changed.
        first, last = max(self._find(start, bisect_left), 1), self._find(end, bisect_right)
        # In one go: each `+` would copy a long text once more.
        self.text = f"{self.text[:start]}{new_text}{self.text[end:]}"
        starts = list(_line_starts(self.text, max(start, 1), start + len(new_text)))
        self._pend_from(last)
        self._starts[first:last] = starts
        self._pending_from += len(starts) - (last - first)
        self._pending_shift += len(new_text) - (end - start)

    def _line(self, line: int) -> Span:
        """The line's start, and its end without the line end."""
        start = self._start(line)
        if line + 1 == self.n_lines:
            return start, len(self.text)
        end = self._start(line + 1) - 1
        return start, end - (end > start and self.text[end - 1 : end + 1] == "\r\n")

    def _start(self, line: int) -> int:
        return self._starts[line] + (self._pending_shift if line >= self._pending_from else 0)

    def _line_of(self, offset: int) -> int:
        return self._find(offset, bisect_right) - 1

    def _find(self, offset: int, bisect: Callable[..., int]) -> int:
        """Where `offset` belongs among the starts, by either of the two bisections."""
        split = self._pending_from
        if split < self.n_lines and offset >= self._start(split):
            return bisect(self._starts, offset - self._pending_shift, split)
        return bisect(self._starts, offset, 0, split)

    def _pend_from(self, line: int) -> None:
        """Let the pending shift begin at `line`: the lines between here and there take it now, or give it back."""
        old, self._pending_from = self._pending_from, line
        low, high = min(old, line), max(old, line)
        shift = self._pending_shift if old < line else -self._pending_shift
        self._starts[low:high] = [start + shift for start in self._starts[low:high]]


def indent_of(line: str) -> str:
    """The white space that the line begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def usual_step(lines: Iterable[str]) -> str:
    """The white space by which one line is most often deeper than its neighbour; "" where none is."""
    indents = [indent_of(line) for line in lines if not is_blank(line)]
    steps = Counter(_step(first, second) for first, second in pairwise(indents))
    del steps[""]
    return max(steps, key=lambda step: (steps[step], -len(step)), default="")


def _step(first: str, second: str) -> str:
    """The white space by which one indentation is deeper than the other; "" where it is no likely unit."""
    shorter, longer = sorted((first, second), key=len)
    step = longer[len(shorter) :] if longer.startswith(shorter) else ""
    if step.startswith("\t"):
        return "\t"
    return step if 2 <= len(step) <= 8 else ""


def is_blank(line: str) -> bool:
    return not line or line.isspace()


def last_code(text: str, offset: int) -> int:
    """The offset behind the last character before `offset` that is not white space; 0 where there is none."""
    while offset > 0:
        start = max(offset - 256, 0)
        code = text[start:offset].rstrip()
        if code:
            return start + len(code)
        offset = start
    return 0


def line_start(text: str, offset: int) -> int:
    """Where the line around `offset` starts."""
    if text[offset - 1 : offset + 1] == "\r\n":
        offset -= 1
    start = text.rfind("\n", 0, offset) + 1
    return max(start, text.rfind("\r", start, offset) + 1)


def line_bounds(text: str, offset: int) -> Span:
    """Where the line around `offset` starts, and where it ends, before its line end."""
    start = line_start(text, offset)
    end = _found(text.find("\n", max(offset - 1, start)), len(text))
    return start, _found(text.find("\r", start, end), end)


def next_line(text: str, offset: int) -> int:
    """Where the line below starts; `len(text)` when there is none."""
    end = text.find("\n", offset) + 1 or len(text)
    carriage_return = text.find("\r", offset, end)
    if carriage_return < 0 or (carriage_return + 2 == end and text[end - 1] == "\n"):
        return end
    return carriage_return + 1


def lines_of(text: str, start: int, end: int) -> Iterator[Span]:
    """The lines of `text[start:end]`, line ends included; the first and the last may be parts of lines."""
    while start < end:
        line_end = min(next_line(text, start), end)
        yield start, line_end
        start = line_end


def lines_above(text: str, offset: int) -> Iterator[Span]:
    """The bounds, line ends included, of the lines above the one at `offset`, the nearest first."""
    end = line_start(text, offset)
    while end > 0:
        start = line_start(text, end - 1)
        yield start, end
        end = start


def lines_below(text: str, offset: int) -> Iterator[Span]:
    """The bounds, line ends included, of the lines below the one at `offset`, the nearest first."""
    start = next_line(text, offset)
    while start < len(text):
        end = next_line(text, start)
        yield start, end
        start = end


def dominant_eol(text: str) -> str:
    """The line end that the beginning of the document mostly uses; "\n" where it has none."""
    sample = text[:_EOL_SAMPLE]
    n_crlf = sample.count("\r\n")
    counts = {"\n": sample.count("\n") - n_crlf, "\r\n": n_crlf, "\r": sample.count("\r") - n_crlf}
    return max(counts, key=lambda eol: counts[eol])


def with_plain_line_ends(text: str) -> str:
    """The same text with "\n" for every line end, as models know it."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _found(index: int, otherwise: int) -> int:
    return otherwise if index < 0 else index


def _line_starts(text: str, first: int, last: int) -> Iterator[int]:
    """The offsets from `first` to `last`, both included, where a line starts."""
    for line_end in _LINE_END.finditer(text, first - 1, min(last + 1, len(text))):
        if line_end.end() <= last:
            yield line_end.end()


def _width(text: str, encoding: Encoding) -> int:
    """How many units of the encoding the text takes."""
    if text.isascii():
        return len(text)
    codec, unit_bytes, _ = _UNITS[encoding]
    return len(text.encode(codec, "surrogatepass")) // unit_bytes


def _n_chars(line: str, n_units: int, encoding: Encoding) -> int:
    """How many whole characters of the line fit into `n_units`."""
    n_chars = min(n_units, len(line))
    most_units = _UNITS[encoding][2]
    while (excess := _width(line[:n_chars], encoding) - n_units) > 0:
        n_chars -= -(-excess // most_units)
    return n_chars
