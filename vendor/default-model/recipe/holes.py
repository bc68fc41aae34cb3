"""Holes as people leave them while they type: cursors in whole code, and what is missing there.

The cursor is put where a token begins, or inside a name for a half-typed one, never into a comment or a string, and on
lines that are code alone. The lexer is our own, so that the same seed gives the same holes under every Python.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

LEXEME = re.compile(
    r"""(?P<string>(?i:[rbfu]{0,2})(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}
        |"(?:\\.|[^\\\n"])*"|'(?:\\.|[^\\\n'])*'))
    |(?P<comment>\#[^\n]*)|(?P<name>[^\W\d]\w*)|(?P<number>\d[\w.]*)|(?P<space>[ \t]+|\\\n)|(?P<newline>\n)
    |(?P<operator>->|:=|\*\*|//|[-+*/%&|^=<>!]=|\.\.\.|.)""",
    re.VERBOSE | re.DOTALL,
)
OPENERS = {"(": ")", "[": "]", "{": "}"}
CLOSERS = frozenset(OPENERS.values())
UNFINISHED = re.compile(r"([-+*/%&|^=<>!,.(\[{:\\@]|\b(and|or|not|in|is|if|else|lambda|return|import|from|as))\s*$")
BLOCK_HEADER = re.compile(
    r"\s*(async |def |class |if |elif |else|for |while |with |try|except|finally|match |case ).*:$"
)
MAX_MIDDLE_CHARS = 120  # on one line
MIN_LINE_CHARS = 4
BLOCK_LINES = range(2, 9)
MIN_WORD_CHARS = 4
N_TRIES = 40


@dataclass(frozen=True, slots=True)
class Hole:
    """`text[start:end]` is missing, and the cursor stands at `start`."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Lexeme:
    kind: str
    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of code, without its line end and without blanks among its lexemes."""

    start: int
    end: int
    lexemes: tuple[Lexeme, ...]
    depth: int  # brackets that are open at its end

    @property
    def first(self) -> int:
        return self.lexemes[0].start


class Code:
    """The lines of a text; `None` for those that are blank, or have a comment or part of a longer string."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def lines(self) -> list[Line | None]:
        return list(_lines(self.text))


def _lines(text: str) -> Iterator[Line | None]:
    start, depth, lexemes, is_code = 0, 0, [], True
    for found in (*LEXEME.finditer(text), None):
        if found is None or found.lastgroup == "newline":
            end = found.start() if found else len(text)
            yield Line(start, end, tuple(lexemes), depth) if lexemes and is_code else None
            start, lexemes, is_code = end + 1, [], True
        elif "\n" in found[0]:
            # A longer string, or a line that goes on: neither the first nor the last of its lines is one to cut.
            yield from [None] * found[0].count("\n")
            start, lexemes, is_code = found.start() + found[0].rfind("\n") + 1, [], False
        elif found.lastgroup == "comment":
            is_code = False
        elif found.lastgroup != "space":
            lexemes.append(Lexeme(found.lastgroup or "", found.start(), found[0]))
            depth += (found[0] in OPENERS) - (found[0] in CLOSERS)


def rest_of_line(code: Code, rng: random.Random) -> Hole | None:
    line = _some_line(code, rng)
    return line and Hole("rest-of-line", rng.choice(line.lexemes).start, line.end)


def whole_line(code: Code, rng: random.Random) -> Hole | None:
    line = _some_line(code, rng)
    return line and Hole("whole-line", line.first, line.end)


def half_word(code: Code, rng: random.Random) -> Hole | None:
    line = _some_line(code, rng)
    names = [lexeme for lexeme in line.lexemes if _is_long_name(lexeme)] if line else []
    if line is None or not names:
        return None
    name = rng.choice(names)
    return Hole("half-word", name.start + rng.randrange(1, len(name.text)), line.end)


def brackets(code: Code, rng: random.Random) -> Hole | None:
    """The editor closed the brackets that were typed, so that only closers stand right of the cursor."""
    line = _some_line(code, rng)
    inner = _inner_brackets(line) if line else ()
    if not inner:
        return None
    return Hole("brackets", rng.choice(_outermost(inner[:-1])).start, inner[-1].start)


def block(code: Code, rng: random.Random) -> Hole | None:
    """The cursor stands behind a block's header, or on its first line."""
    number = rng.randrange(len(code.lines))
    body = _block_below(code, number)
    header = code.lines[number]
    if header is None or not body:
        return None
    start = header.end if rng.random() < 0.5 else body[0].first
    return Hole("block", start, body[-1].end)


def nothing_missing(code: Code, rng: random.Random) -> Hole | None:
    """The end of a statement that is whole, or the place before the closers of one."""
    line = _some_line(code, rng)
    if line is None or line.depth or UNFINISHED.search(code.text[line.start : line.end]):
        return None
    inner = _inner_brackets(line)
    at = inner[-1].start if len(inner) > 1 and inner[-2].text != "," and rng.random() < 0.3 else line.end
    return Hole("nothing-missing", at, at)


Cut = Callable[[Code, random.Random], "Hole | None"]
SINGLE_LINE: dict[str, Cut] = {
    "rest-of-line": rest_of_line,
    "whole-line": whole_line,
    "brackets": brackets,
    "half-word": half_word,
}
KINDS: dict[str, Cut] = {**SINGLE_LINE, "block": block, "nothing-missing": nothing_missing}


def hole_of(kind: str, code: Code, rng: random.Random) -> Hole | None:
    """A hole of that kind somewhere in the code; None where a few dozen tries found no place for one."""
    return next(filter(None, (KINDS[kind](code, rng) for _ in range(N_TRIES))), None)


def _some_line(code: Code, rng: random.Random) -> Line | None:
    line = rng.choice(code.lines)
    return line if line and MIN_LINE_CHARS <= line.end - line.first <= MAX_MIDDLE_CHARS else None


def _inner_brackets(line: Line) -> tuple[Lexeme, ...]:
    """What the innermost brackets that the line ends with hold, and their closer; nothing where it ends otherwise."""
    n_closers = 0
    while n_closers < len(line.lexemes) and line.lexemes[-1 - n_closers].text in CLOSERS:
        n_closers += 1
    opened: list[int] = []
    for i, lexeme in enumerate(line.lexemes[: len(line.lexemes) - n_closers]):
        if lexeme.text in OPENERS:
            opened.append(i)
        elif lexeme.text in CLOSERS and opened:
            opened.pop()
    if not n_closers or len(opened) < n_closers:
        return ()
    inner = line.lexemes[opened[-1] + 1 : len(line.lexemes) - n_closers + 1]
    return inner if len(inner) > 1 else ()


def _outermost(lexemes: tuple[Lexeme, ...]) -> list[Lexeme]:
    """Those in no brackets of their own: inside of them the editor would have put one more closer."""
    found, depth = [], 0
    for lexeme in lexemes:
        if depth == 0:
            found.append(lexeme)
        depth += (lexeme.text in OPENERS) - (lexeme.text in CLOSERS)
    return found


def _block_below(code: Code, number: int) -> list[Line]:
    header = code.lines[number]
    if header is None or header.depth or not BLOCK_HEADER.match(code.text[header.start : header.end]):
        return []
    body: list[Line] = []
    for line in code.lines[number + 1 :]:
        if line is None:
            return []
        if line.first - line.start <= header.first - header.start:
            break
        body.append(line)
        if len(body) not in range(BLOCK_LINES.stop):
            return []
    return body if len(body) in BLOCK_LINES else []


def _is_long_name(lexeme: Lexeme) -> bool:
    return lexeme.kind == "name" and len(lexeme.text) >= MIN_WORD_CHARS
