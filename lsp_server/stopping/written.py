"""What has been written so far: the value that every stopping rule looks at."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from lsp_server.syntax import Seam
from lsp_server.text import indent_of
from lsp_server.values import CodeContext, Limits, Piece, Reason

TAB_WIDTH = 4
N_LINES_BELOW = 40
N_PROBABILITIES = 3  # of the first tokens, by which all of the text is judged
N_LINES_ABOVE, MAX_CHARS_ABOVE = 30, 3_000
_OPENS = re.compile(r"[^\w\s)\]}\"'`;]$|\b(then|do|else|begin|return|and|or|not|in|is)$")
CLOSER = re.compile(r"[)\]}>]|</|(end|fi|done|esac|endif|until)\b")  # at the beginning of a line
CLOSERS = ")]}>\"'`"  # that the editor wrote; they may have to give way


@dataclass(frozen=True, slots=True)
class Stop:
    """End the stream; `text[:keep]` stays. One that is not sure lets the model show first what becomes of it."""

    reason: Reason
    keep: int
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class Line:
    """A line with something on it, what stands left of the cursor included. `start` is its offset in the text."""

    start: int
    text: str

    @property
    def width(self) -> int:
        """Columns of its indentation."""
        return width(self.text)

    @property
    def code(self) -> str:
        return self.text.strip()


@dataclass(frozen=True)
class Written:
    """The text that the model wrote behind the cursor. `is_whole` once it ended by itself, so its last line counts."""

    context: CodeContext
    limits: Limits
    seam: Seam | None = None  # the syntax around the cursor, where there is a grammar
    text: str = ""
    n_tokens: int = 0
    elapsed_s: float = 0.0
    is_whole: bool = False
    probabilities: tuple[float, ...] = ()  # of the first tokens, where the backend tells
    ends_line: bool = True  # a line ended with the last piece, so rules for whole lines have something new to see

    def grown_by(self, piece: Piece, elapsed_s: float) -> Written:
        known = () if piece.probability is None else (piece.probability,)
        return Written(
            self.context,
            self.limits,
            self.seam,
            self.text + piece.text,
            self.n_tokens + 1,
            elapsed_s,
            probabilities=(self.probabilities + known)[:N_PROBABILITIES],
            ends_line="\n" in piece.text,
        )

    def ended(self) -> Written:
        return replace(self, is_whole=True, ends_line=True)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The lines that will not grow any more, without blank ones."""
        start, lines = 0, []
        parts = self.text.split("\n")
        for number, part in enumerate(parts if self.is_whole else parts[:-1]):
            full = self.context.line_prefix + part if not number else part
            if part.strip():
                lines.append(Line(start, full))
            start += len(part) + 1
        return tuple(lines)

    @cached_property
    def base(self) -> int:
        """Columns of indentation that everything has which belongs to the block at the cursor."""
        here, first = self.context.line_prefix, next(iter(self.lines), None)
        if here.strip():
            block = width(self.context.block_indent)
            if first is None or block <= width(here):
                return width(here)
            # Whatever the step is in the rest of the document, the first line of a block says how deep the block is.
            return min(block, first.width) if first.start and first.width > width(here) else width(here)
        return first.width if first else 0

    def n_errors(self, keep: int) -> int:
        """How many places of the document the grammar could not explain if `text[:keep]` were accepted."""
        if self.seam is None:
            return 0
        rest = self.context.line_suffix
        n_closers = len(rest) - len(rest.lstrip(CLOSERS))
        return min(self.seam.n_errors(self.text[:keep], n) for n in range(n_closers + 1))

    def harm(self, keep: int) -> int:
        """How much worse the document would be than one without errors if `text[:keep]` were accepted."""
        return self.leaves_orphan(keep) + self.n_errors(keep)

    def leaves_orphan(self, keep: int) -> bool:
        """Would the line below stand deeper than the line above it, though nothing opens there?"""
        below = lines_below(self.context.below)
        if not below or self.context.line_suffix.strip():
            return False
        above = next((line for line in reversed(self.lines) if line.start < keep), None)
        last = self.text[above.start : keep] if above and above.start else self.context.line_prefix + self.text[:keep]
        return bool(last.strip()) and width(below[0]) > width(last) and not _OPENS.search(last.rstrip())

    def n_lines_behind(self, keep: int) -> int:
        return sum(line.start >= keep for line in self.lines)

    def is_behind_blank_line(self, line: Line) -> bool:
        head = self.text[: line.start]
        return head.count("\n", len(head.rstrip())) > 1

    def added(self, line: Line) -> str:
        """The line without what stands left of the cursor."""
        return line.code if line.start else line.text[len(self.context.line_prefix) :].strip()

    def before(self, line: Line) -> int:
        """Where the text ends when this line, and blank lines above it, are left out."""
        return len(self.text[: line.start].rstrip()) if line.start else 0


@lru_cache(maxsize=8)
def lines_below(text: str) -> tuple[str, ...]:
    """The first lines of the suffix, blank ones left out."""
    return tuple(line for line in text.split("\n", 3 * N_LINES_BELOW) if line.strip())[:N_LINES_BELOW]


@lru_cache(maxsize=8)
def lines_above(text: str) -> tuple[str, ...]:
    """The last lines of the prefix, blank ones left out."""
    return tuple(line for line in text[-MAX_CHARS_ABOVE:].split("\n") if line.strip())[-N_LINES_ABOVE:]


@lru_cache(maxsize=16)
def codes(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The lines without their indentation."""
    return tuple(line.strip() for line in lines)


def width(line: str) -> int:
    """Columns of the line's indentation."""
    return len(indent_of(line).expandtabs(TAB_WIDTH))
