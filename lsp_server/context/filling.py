"""One side of the window while it is being filled, line by line, within its room of tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TypeAlias

from lsp_server.context.scopes import closes_block
from lsp_server.text import (
    Span,
    indent_of,
    is_blank,
    line_start,
    lines_above,
    lines_below,
    lines_of,
    next_line,
    with_plain_line_ends,
)
from lsp_server.values import Excerpt

CHARS_PER_TOKEN = 16  # hardly any line has longer tokens on average; beyond, it is not even counted
WORD_CHARS = 20  # given up so that a line is not cut within a word
FEW_LINES = 6  # given up so that the window ends between two statements
MAX_BODY_LINES = 100  # up to the line that a line is nested in
N_BOUNDS = 8  # places tried for the window to end

CountLine: TypeAlias = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Place:
    """A cursor in a text, and what is asked about the lines around it."""

    text: str
    offset: int
    count_line: CountLine
    starts_statement: Callable[[int], bool]  # of the line that starts there


@dataclass(frozen=True, slots=True)
class Header:
    """Lines that are kept all or not at all, and a line in place of the body behind them."""

    spans: tuple[Span, ...]
    stand_in: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """One rank of what is worth having: headers, as far as a share of the room goes, then lines up to a bound."""

    headers: Iterable[Header] = ()
    share: float = 1.0
    in_order: bool = False  # the first header that does not fit is the last
    until: int | None = None  # lines next to each other, from the cursor to this offset


class Side:
    """The lines kept above or below the cursor while they are chosen, the cursor's own part of a line among them."""

    def __init__(self, place: Place, room: int, *, upward: bool) -> None:
        self.place, self.room, self.upward = place, room, upward
        self.text, self.offset = place.text, place.offset
        self.costs: dict[Span, int] = {}
        self.stand_ins: dict[int, str] = {}  # by the end of the header that they follow
        self.is_full = False  # of lines next to each other
        self.n_tokens = 0
        self._take_line_at_cursor()

    def fill(self, wishes: Iterable[Wish]) -> Side:
        for wish in wishes:
            limit = self.n_tokens + int((self.room - self.n_tokens) * wish.share)
            for header in wish.headers:
                if not self._take(header, limit) and wish.in_order:
                    break
            if wish.until is not None and not self.is_full:
                self._take_lines(wish.until)
        self._drop_blank_edge()
        return self

    def excerpts(self) -> tuple[Excerpt, ...]:
        joined: list[list[int]] = []
        for start, end in sorted(self.costs):
            if joined and joined[-1][1] == start:
                joined[-1][1] = end
            else:
                joined.append([start, end])
        return tuple(Excerpt(start, end, self.stand_ins.get(end, "")) for start, end in joined)

    def _take(self, header: Header, limit: int) -> bool:
        """Keep all of it, or none where it would cost too much. Lines beyond the cursor are the other side's."""
        costs: dict[Span, int] = {}
        n_tokens = self.n_tokens + (self.place.count_line(header.stand_in) if header.stand_in else 0)
        for line in (line for span in header.spans for line in lines_of(self.text, *span)):
            if line not in self.costs and self._is_mine(line):
                costs[line] = self._count(line, limit - n_tokens)
                n_tokens += costs[line]
            if n_tokens > limit:
                return False
        if costs and header.stand_in:
            self.stand_ins[header.spans[0][1]] = header.stand_in
        self.costs |= costs
        self.n_tokens = n_tokens if costs else self.n_tokens
        return True

    def _take_lines(self, until: int) -> None:
        """The lines next to the cursor, as far as `until` or as they fit."""
        new: list[Span] = []
        for line in (lines_above if self.upward else lines_below)(self.text, self.offset):
            if (line[1] <= until) if self.upward else (line[0] >= until):
                return
            if line in self.costs:
                continue
            if not self._take(Header((line,)), self.room):
                self.is_full = True
                self._give_back(new)
                return
            new.append(line)

    def _give_back(self, new: list[Span]) -> None:
        """Let the lines end between two statements, where the code is nested least, if that is not far."""
        for n_lines, is_bound in (
            (max(len(new) // 3, FEW_LINES), self._is_anchored),
            (len(new) // 2, self._is_anchored),
            (max(len(new) // 3, FEW_LINES), self._starts_statement),
        ):
            far = range(max(len(new) - n_lines, 0), len(new))
            for at in sorted(far, key=lambda at: (self._indent(new[at]), -at))[:N_BOUNDS]:
                if is_bound(new[at], new):
                    self._drop(new[at + self.upward :])
                    return

    def _starts_statement(self, span: Span, _new: list[Span]) -> bool:
        line = self._line(span)
        return not is_blank(line) and not closes_block(line) and self.place.starts_statement(span[0])

    def _is_anchored(self, span: Span, new: list[Span]) -> bool:
        """Without the line that it is nested in, a line would seem to belong to what is kept above it."""
        indent = self._indent(span)
        starts = self._starts_statement(span, new)
        if not (starts and self.upward and indent):
            return starts
        above = islice(lines_above(self.text, span[0]), MAX_BODY_LINES)
        header = next((line for line in above if self._is_shallower(line, indent)), None)
        return header in self.costs and header not in new

    def _is_shallower(self, span: Span, indent: int) -> bool:
        return not is_blank(self._line(span)) and self._indent(span) < indent

    def _indent(self, span: Span) -> int:
        return len(indent_of(self._line(span)))

    def _drop_blank_edge(self) -> None:
        """Blank lines at the edge of the window tell nothing, unless they are the edge of the document."""
        lines = sorted(self.costs, reverse=not self.upward)[:-1]
        if lines and lines[0][not self.upward] not in (0, len(self.text)):
            self._drop(list(takewhile(lambda span: is_blank(self._line(span)), lines)))

    def _drop(self, spans: list[Span]) -> None:
        for span in spans:
            self.n_tokens -= self.costs.pop(span)

    def _line(self, span: Span) -> str:
        return self.text[span[0] : span[1]]

    def _take_line_at_cursor(self) -> None:
        start, end = line_start(self.text, self.offset), next_line(self.text, self.offset)
        line = (start, self.offset) if self.upward else (self.offset, end)
        cost = self._count(line, self.room)
        if cost > self.room:
            line = self._nearest_part(line)
            cost = self._count(line, self.room)
            self.is_full, self.room = True, cost
        self.costs[line] = self.n_tokens = cost

    def _nearest_part(self, line: Span) -> Span:
        """As much of the line as there is room for, at the cursor's side, and no part of a word if that is near."""
        n_chars = min(line[1] - line[0], self.room * CHARS_PER_TOKEN)
        while n_chars and (n_tokens := self._count(self._part(line, n_chars), self.room)) > self.room:
            n_chars = min(n_chars - 1, n_chars * self.room // n_tokens)
        for n_fewer in range(min(WORD_CHARS, n_chars)):
            start, end = self._part(line, n_chars - n_fewer)
            if not self.text[start if self.upward else end - 1].isalnum():
                return start, end
        return self._part(line, n_chars)

    def _part(self, line: Span, n_chars: int) -> Span:
        return (line[1] - n_chars, line[1]) if self.upward else (line[0], line[0] + n_chars)

    def _is_mine(self, line: Span) -> bool:
        return line[1] <= self.offset if self.upward else line[0] >= self.offset

    def _count(self, line: Span, room: int) -> int:
        start, end = line
        if end - start > max(room, 1) * CHARS_PER_TOKEN:
            return end - start
        return self.place.count_line(with_plain_line_ends(self.text[start:end])) if start < end else 0
