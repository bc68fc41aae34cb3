"""How much is wanted at the cursor: nothing, the rest of a line, or a block. A table of small questions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice

from lsp_server.context.scopes import Scopes, closes_block
from lsp_server.text import Span, indent_of, is_blank, line_bounds, lines_above, lines_below, usual_step
from lsp_server.values import Reason, Shape

# What editors close by themselves, and what may stand behind it.
_CLOSERS_ONLY = re.compile(r"\s*(/>|[)\]}>'\"`,;:]|\s)*(</[\w.:-]*>[\s)\]};,]*)?")
_MAX_BLANK_LINES = 1_000
_N_LINES_FOR_UNIT = 100  # looked at in each direction
_TAB_WIDTH = 4


@dataclass(frozen=True, slots=True)
class Decision:
    shape: Shape
    refusal: Reason | None
    block_indent: str  # the block at the cursor lasts while lines are indented at least like this


class Cursor:
    """The cursor and the lines around it. Nothing here depends on the length of the document."""

    def __init__(self, text: str, offset: int, scopes: Scopes) -> None:
        self.text, self.offset, self.scopes = text, offset, scopes
        start, end = line_bounds(text, offset)
        self.before, self.after = text[start:offset], text[offset:end]

    @cached_property
    def only_closers_after(self) -> bool:
        return _CLOSERS_ONLY.fullmatch(self.after) is not None

    @cached_property
    def above(self) -> Span | None:
        """The nearest line above with something on it."""
        return self._first_with_text(lines_above(self.text, self.offset))

    @cached_property
    def below(self) -> str | None:
        """The same below; what closers there are right of the cursor are the line below."""
        if not is_blank(self.after):
            return self.after
        span = self._first_with_text(lines_below(self.text, self.offset))
        return self.text[span[0] : span[1]] if span else None

    @cached_property
    def opens_block(self) -> bool:
        return self.scopes.opens_block_before(self.offset)

    @cached_property
    def block_indent(self) -> str:
        """The indentation of the block that the cursor is in, or of the one that opens left of it."""
        if not is_blank(self.before):
            return indent_of(self.before) + (self.unit if self.opens_block else "")
        if self.above is None:
            return self.before
        above = indent_of(self.text[slice(*self.above)])
        if self.scopes.opens_block_before(self.above[1]):
            return self.before if _width(self.before) > _width(above) else above + self.unit
        if self.below is None or _width(self.before) >= _width(above):
            return self.before
        below = indent_of(self.below)
        # A closing line ends the block of the line above it; any other line belongs to the block that it is in.
        return max(self.before, above if closes_block(self.below) else min(above, below, key=_width), key=_width)

    @cached_property
    def unit(self) -> str:
        """One step of indentation, as the lines nearby have it."""
        around = chain(
            islice(lines_below(self.text, self.offset), _N_LINES_FOR_UNIT),
            islice(lines_above(self.text, self.offset), _N_LINES_FOR_UNIT),
        )
        return usual_step(self._lines(around)) or self.scopes.language.unit

    def _first_with_text(self, lines: Iterable[Span]) -> Span | None:
        for start, end in islice(lines, _MAX_BLANK_LINES):
            if not self.text[start:end].isspace():
                return line_bounds(self.text, start)
        return None

    def _lines(self, spans: Iterable[Span]) -> Iterable[str]:
        return (self.text[start:end] for start, end in spans)


def decide(text: str, offset: int, scopes: Scopes, invoked: bool, *, in_comments: bool = True) -> Decision:
    """The first row of the table that holds. A request made by hand is never refused."""
    cursor = Cursor(text, offset, scopes)
    allowed = (Reason.IN_COMMENT,) if in_comments else ()
    for holds, shape, refusal in _RULES:
        if not (refusal and (invoked or refusal in allowed)) and holds(cursor):
            return Decision(shape, refusal, cursor.block_indent)
    return Decision(Shape.LINE, None, cursor.block_indent)


def inside_word(cursor: Cursor) -> bool:
    return _is_word(cursor.before[-1:]) and _is_word(cursor.after[:1])


def code_on_the_right(cursor: Cursor) -> bool:
    return not cursor.only_closers_after


def in_comment(cursor: Cursor) -> bool:
    return cursor.scopes.kind_at(cursor.offset) == "comment"


def in_comment_or_string(cursor: Cursor) -> bool:
    return cursor.scopes.kind_at(cursor.offset) != "code"


def opens_a_block(cursor: Cursor) -> bool:
    return cursor.only_closers_after and cursor.opens_block


def ends_a_block(cursor: Cursor) -> bool:
    """A blank line with nothing below it in its block: an empty block's first line, or the last line of another."""
    if not is_blank(cursor.before) or not cursor.only_closers_after:
        return False
    if cursor.below is None or not is_blank(cursor.after):
        return True
    below, block = _width(indent_of(cursor.below)), _width(cursor.block_indent)
    return below < block or (below == block and closes_block(cursor.below))


_RULES: tuple[tuple[Callable[[Cursor], bool], Shape, Reason | None], ...] = (
    (inside_word, Shape.NOTHING, Reason.INSIDE_WORD),
    (code_on_the_right, Shape.NOTHING, Reason.CODE_ON_THE_RIGHT),
    (in_comment, Shape.NOTHING, Reason.IN_COMMENT),
    (in_comment_or_string, Shape.LINE, None),
    (opens_a_block, Shape.BLOCK, None),
    (ends_a_block, Shape.BLOCK, None),
)


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _width(indent: str) -> int:
    return len(indent.expandtabs(_TAB_WIDTH))
