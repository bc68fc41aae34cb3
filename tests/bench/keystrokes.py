"""An author at the keyboard: a change to a document becomes keystrokes, with the pauses, slips and detours of people.

A case is {id, language, prefix, middle, suffix, expected}: the document was prefix + suffix with the cursor between
them, and `expected` is what it became. Where the suffix begins with a closing bracket that `expected` does not have
there, the editor had put it behind the cursor.

The author writes what is missing, character by character in bursts. Enter brings the next line's indentation, an
opening bracket brings its closing one, and typing that only steps over it, as in editors. Now and then a finger slips
and the wrong characters are taken back, or a word is; the author looks at another place of the file and comes back; or
a line below changes (as when a formatter runs); and a suggestion that is what the author was about to write is
accepted when it is noticed.
"""

from __future__ import annotations

import random
import re
import string
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

OPEN, TYPE, DELETE, JUMP, BELOW, ACCEPT, SWITCH = "open", "type", "delete", "jump", "below", "accept", "switch"
AFTER_A_LOOK = ", after a look"  # where the author looked around before asking

KEY_S = (0.1, 0.4)  # between the keys of a burst
BURST_KEYS = (4, 16)
THOUGHT_S = (0.6, 2.5)  # between bursts
LOOK_S = (0.5, 2.0)
LOOKS_FIRST = 0.5  # of the times that the cursor comes to another place
# Before each key that is right, what may come in between, and how often it does.
SLIPS, WORDS_TAKEN_BACK, JUMPS, CHANGES_BELOW = 0.03, 0.015, 0.012, 0.02
NOTICED_IN_A_BURST = 0.3  # of the suggestions; in a pause it is all of them
NEAR_LINES, FAR_LINES = 8, 60  # how far below: half of the changes, and the others

CLOSERS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Change:
    """`text[start:end]` gives way to `new`."""

    start: int
    end: int
    new: str


@dataclass(frozen=True, slots=True)
class Stroke:
    """One thing that the author does, and how long it takes until the next."""

    kind: str
    cursor: int  # behind the change
    pause_s: float
    change: Change | None = None
    look_s: float = 0.0  # at the place, before anything is asked


class Author:
    """Writes one case. `text` and `cursor` are the document as it stands; `next` gives one stroke after the other."""

    def __init__(self, case: Mapping[str, Any], dice: random.Random) -> None:
        self.language: str = case["language"]
        self._dice = dice
        self._goal, self._tail, self._closers = _goal_of(case)
        self._typed = len(case["prefix"])  # of the goal
        self._slip = ""  # what stands behind it and should not
        self._errands: deque[Callable[[], Stroke]] = deque()
        self._burst = 0  # keys left in it
        self._was_quick = False  # the last pause

    @property
    def text(self) -> str:
        return self._goal[: self._typed] + self._slip + self._behind(self._typed)

    @property
    def cursor(self) -> int:
        return self._typed + len(self._slip)

    @property
    def is_busy(self) -> bool:
        """In the middle of something that nobody leaves for another file."""
        return bool(self._errands)

    def begins(self, kind: str) -> Stroke:
        """Opens the file, or returns to it."""
        return self._arrives(kind, self.cursor)

    def next(self, shown: Change | None) -> Stroke | None:
        """What the author does next, with this suggestion in sight; None where everything is written."""
        if self._errands:
            return self._errands.popleft()()
        if self._typed == len(self._goal):
            return None
        if shown and self._is_wanted(shown) and self._notices():
            return self._accept(shown)
        self._plan_detour()
        return self._errands.popleft()() if self._errands else self._key()

    def _behind(self, typed: int) -> str:
        """What stands right of the cursor when so much is written."""
        return "".join(self._goal[at] for at in self._closers if at >= typed) + self._tail

    def _is_wanted(self, shown: Change) -> bool:
        text = self.text
        left, right = text[: shown.start] + shown.new, text[shown.end :]
        return len(left) > self._typed + 1 and self._goal.startswith(left) and right == self._behind(len(left))

    def _notices(self) -> bool:
        return not self._was_quick or self._dice.random() < NOTICED_IN_A_BURST

    def _accept(self, shown: Change) -> Stroke:
        self._write_until(shown.start + len(shown.new))
        return Stroke(ACCEPT, self.cursor, self._pause_s(LOOK_S), shown)

    def _plan_detour(self) -> None:
        detours: tuple[tuple[float, Callable[[], Iterator[Callable[[], Stroke]]]], ...] = (
            (SLIPS, self._slips),
            (WORDS_TAKEN_BACK, self._takes_word_back),
            (JUMPS, self._looks_around),
            (CHANGES_BELOW, lambda: iter([self._change_below])),
        )
        for chance, detour in detours:
            if self._dice.random() < chance:
                self._errands.extend(detour())
                return

    def _key(self) -> Stroke:
        at = self.cursor
        rest = self._goal[self._typed :]
        if self._closers[:1] == (self._typed,):
            self._write_until(self._typed + 1)
            return self._stroke(TYPE)  # over the closing bracket that stands there
        new = written = match[0] if (match := re.match(r"\n[ \t]*", rest)) else rest[0]
        closer = _closing_place(self._goal, self._typed)
        if closer is not None and all(closer < other for other in self._closers):
            self._closers = (closer, *self._closers)
            new += self._goal[closer]
        self._write_until(self._typed + len(written))
        return self._stroke(TYPE, Change(at, at, new))

    def _write_until(self, place: int) -> None:
        self._typed = place
        self._closers = tuple(at for at in self._closers if at >= place)

    def _slips(self) -> Iterator[Callable[[], Stroke]]:
        n = self._dice.choice((1, 1, 2, 3))
        yield from [self._wrong_key] * n
        yield from [lambda: self._take_back(1)] * n

    def _wrong_key(self) -> Stroke:
        at, wrong = self.cursor, self._dice.choice(string.ascii_lowercase)
        self._slip += wrong
        return self._stroke(TYPE, Change(at, at, wrong))

    def _takes_word_back(self) -> Iterator[Callable[[], Stroke]]:
        word = re.search(r"\w*\Z", self._goal[: self._typed])
        n = min(len(word[0]) if word else 0, self._dice.randint(2, 8))
        at_once = self._dice.random() < 0.3
        if n:
            yield from [lambda: self._take_back(n)] if at_once else [lambda: self._take_back(1)] * n

    def _take_back(self, n_chars: int) -> Stroke:
        """Deletes left of the cursor: what is wrong, or else what is right."""
        end = self.cursor
        if self._slip:
            self._slip = self._slip[:-n_chars]
        else:
            self._typed -= n_chars
        return self._stroke(DELETE, Change(end - n_chars, end, ""))

    def _looks_around(self) -> Iterator[Callable[[], Stroke]]:
        yield from [self._look_elsewhere] * self._dice.choice((1, 1, 2))
        yield lambda: self._arrives(JUMP, self.cursor)

    def _look_elsewhere(self) -> Stroke:
        """At the end of a line: one close by, or any."""
        ends = [match.start() for match in re.finditer(r"\n|\Z", self.text)]
        here = next(n for n, end in enumerate(ends) if end >= self.cursor)
        is_close = self._dice.random() < 0.5
        first, last = (max(0, here - 15), min(len(ends), here + 16)) if is_close else (0, len(ends))
        return self._arrives(JUMP, ends[self._dice.randrange(first, last)])

    def _arrives(self, kind: str, place: int) -> Stroke:
        if self._dice.random() < LOOKS_FIRST:
            return Stroke(kind + AFTER_A_LOOK, place, self._pause_s(LOOK_S), look_s=self._dice.uniform(*LOOK_S))
        return Stroke(kind, place, self._pause_s(LOOK_S))

    def _change_below(self) -> Stroke:
        """One of the next lines is doubled, or moved down, or loses its last character."""
        n_lines = self._dice.choice((NEAR_LINES, FAR_LINES))
        starts = [match.end() for match in re.finditer(r"\n(?=[^\n]*\S)", self._tail)][:n_lines]
        if not starts:
            return self._key()
        start = self._dice.choice(starts)
        end = self._tail.find("\n", start)
        end = len(self._tail) if end < 0 else end
        line = self._tail[start:end]
        at, until, new = self._dice.choice(((start, start, f"{line}\n"), (start, start, "\n"), (end - 1, end, "")))
        base = len(self.text) - len(self._tail)
        self._tail = self._tail[:at] + new + self._tail[until:]
        return Stroke(BELOW, self.cursor, self._pause_s(LOOK_S), Change(base + at, base + until, new))

    def _stroke(self, kind: str, change: Change | None = None) -> Stroke:
        if self._burst:
            self._burst -= 1
            return Stroke(kind, self.cursor, self._pause_s(KEY_S), change)
        self._burst = self._dice.randint(*BURST_KEYS)
        return Stroke(kind, self.cursor, self._pause_s(THOUGHT_S), change)

    def _pause_s(self, between: tuple[float, float]) -> float:
        self._was_quick = between is KEY_S
        return self._dice.uniform(*between)


def can_be_typed(case: Mapping[str, Any]) -> bool:
    """Is something missing, and nothing in the way of writing it?"""
    try:
        goal, _, _ = _goal_of(case)
    except ValueError:
        return False
    return len(goal) > len(case["prefix"]) and "\r" not in case["expected"]


def _goal_of(case: Mapping[str, Any]) -> tuple[str, str, tuple[int, ...]]:
    """What will stand left of the cursor at the end; what stands right of it; the former's characters that are there.

    Raises ValueError for what is no hunk.
    """
    prefix, middle, suffix, expected = (case[name] for name in ("prefix", "middle", "suffix", "expected"))
    if expected == prefix + middle + suffix:
        return prefix + middle, suffix, ()
    tail = suffix[1:]
    goal = expected.removesuffix(tail)
    closer = _closing_place(goal, len(prefix) - 1)
    if not expected.startswith(prefix) or not expected.endswith(tail) or closer is None or goal[closer] != suffix[:1]:
        raise ValueError("the document did not become that at one place")
    return goal, tail, (closer,)


def _closing_place(text: str, opener: int) -> int | None:
    """Where the bracket is closed that stands there; None for another character, and where it is not."""
    closing = CLOSERS.get(text[opener : opener + 1])
    depth = 0
    for at in range(opener, len(text)) if closing else ():
        depth += (text[at] == text[opener]) - (text[at] == closing)
        if not depth:
            return at
    return None
