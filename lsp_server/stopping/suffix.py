"""The model came to what stands below the cursor already: word for word, in other words, or some lines further down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from lsp_server.stopping.likeness import likeness
from lsp_server.stopping.written import N_LINES_BELOW, Line, Stop, Written, codes, lines_above, lines_below, width
from lsp_server.values import Reason

NEXT_CHARS = 12  # of the very next line and the one after it, which need no more
SHORT_CHARS = 4  # of it and the one after it, at another indentation
SUPPORTING_CHARS = 12  # where there is other evidence
TELLING_CHARS = (
    18  # of other runs, beyond what they have in common with the lines above; of the very next line alone, 25
)
ALONE_CHARS = 25
MIN_LINES, MIN_CHARS = 3, 40
CHARS_AWAY = 20  # behind a run that was a chance
ALIKE = 0.65  # a line that has so much of another in it may be that line in other words
SAME = 0.8
LINE_CHARS = 30  # a longer line tells no more than one of this length
N_LAST = 17  # lines whose runs are looked for: those of which a stop may still be in doubt
STEPS = ((1, 1), (1, 2), (2, 1), (1, 3))  # back from a pair of lines to the pair before; lines may be left out

Pair: TypeAlias = tuple[str, str]  # a line of the text and one below the cursor that it is like, without indentation


@dataclass(frozen=True, slots=True)
class Run:
    """Lines of the text that follow lines below the cursor."""

    first: Line
    pairs: tuple[Pair, ...]
    skipped: int  # lines below the cursor that stand above the first of these
    is_unbroken: bool  # no line is left out on either side
    ends_document: bool

    @property
    def same(self) -> list[str]:
        return [code for code, other in self.pairs if code == other]

    @property
    def is_next(self) -> bool:
        """It begins with the very next line, word for word."""
        return not self.skipped and self.pairs[0][0] == self.pairs[0][1]


def suffix_is_reached(written: Written) -> Iterator[Stop]:
    """The runs of lines that end with one of the last lines written, each where it begins."""
    below, last = codes(lines_below(written.context.below)), len(written.lines) - 1
    partners = [_partners(line.code, below) for line in written.lines]
    for at in range(max(0, last + 1 - N_LAST), last + 1):
        for index in partners[at]:
            run = _run_back_from(written, partners, at, index)
            if not run.first.start and written.context.line_prefix.strip():
                continue
            if _is_certain(run, written, ends_here=at == last and written.is_whole):
                yield Stop(Reason.SUFFIX_REACHED, written.before(run.first))
            elif _is_likely(run, written):
                yield Stop(Reason.SUFFIX_REACHED, written.before(run.first), is_sure=False)


def suffix_above(written: Written, stop: Stop) -> Iterator[Stop]:
    """Another rule says that the text went too far with a line of the suffix: lines of it above that one go, too."""
    at = sum(line.start < stop.keep for line in written.lines)
    if stop.reason in (Reason.SUFFIX_REACHED, Reason.REPETITION) or not 0 < at < len(written.lines):
        return
    below = codes(lines_below(written.context.below))
    partners = [_partners(line.code, below) for line in written.lines[: at + 1]]
    for index in partners[at]:
        run = _run_back_from(written, partners, at, index)
        if len(run.pairs) > 1 and run.first.start and (not run.skipped or _supports(run)):
            yield Stop(Reason.SUFFIX_REACHED, written.before(run.first), stop.is_sure)


def leaves_the_suffix(written: Written, start: int, end: int) -> bool:
    """Lines of `text[start:end]` were like the suffix, but the last ones are not: it was a chance."""
    below = codes(lines_below(written.context.below))
    n_away = 0
    for line in reversed([line for line in written.lines if start <= line.start < end]):
        may_go_on = written.is_whole and line is written.lines[-1]
        if len(line.code) >= SHORT_CHARS:
            if _partners(line.code, below) or (may_go_on and _begins_one_of(line.code, below)):
                break
            n_away += _weight(line.code)
    return n_away >= CHARS_AWAY


def _run_back_from(written: Written, partners: Sequence[tuple[int, ...]], at: int, index: int) -> Run:
    steps = [(at, index)]
    while True:
        before = ((at - up, index - down) for up, down in STEPS if at >= up and index >= down)
        step = next(((a, i) for a, i in before if i in partners[a]), None)
        if step is None:
            break
        at, index = step
        steps.append(step)
    steps.reverse()
    below, (last_at, last_index) = codes(lines_below(written.context.below)), steps[-1]
    return Run(
        first=written.lines[at],
        pairs=tuple((written.lines[a].code, below[i]) for a, i in steps),
        skipped=index,
        is_unbroken=last_at - at == last_index - index == len(steps) - 1,
        ends_document=last_index == len(below) - 1 < N_LINES_BELOW - 1,
    )


def _is_certain(run: Run, written: Written, *, ends_here: bool) -> bool:
    """The very next lines tell much; and so does the end of the document, where the text ends with it."""
    if ends_here and run.ends_document and _supports(run) and likeness(*run.pairs[-1]) >= SAME:
        return True
    if not run.is_next:
        return False
    n_needed = NEXT_CHARS if len(run.same) > 1 else ALONE_CHARS
    if run.is_unbroken and _n_chars(run.same) >= n_needed and _is_rare(run, written):
        return True
    return ends_here and _is_in_place(run, written)


def _is_likely(run: Run, written: Written) -> bool:
    if run.is_next:
        n_same = _n_chars(run.same)
        is_alone = len(run.pairs) == 1 and not (n_same >= NEXT_CHARS and _is_rare(run, written))
        return not is_alone and (n_same >= SHORT_CHARS or _is_in_place(run, written))
    if len(run.pairs) < MIN_LINES or _n_chars(code for code, _ in run.pairs) < MIN_CHARS:
        return False
    return _n_telling(run.pairs, codes(lines_above(written.context.window.prefix))) >= TELLING_CHARS


def _supports(run: Run) -> bool:
    n_chars = _n_chars(code for code, _ in run.pairs)
    return _n_chars(run.same) >= SUPPORTING_CHARS or (len(run.pairs) > 1 and n_chars >= 2 * SUPPORTING_CHARS)


def _is_rare(run: Run, written: Written) -> bool:
    return run.first.code not in codes(lines_above(written.context.window.prefix))


def _is_in_place(run: Run, written: Written) -> bool:
    return run.first.width == width(lines_below(written.context.below)[0])


@lru_cache(maxsize=512)
def _n_telling(pairs: tuple[Pair, ...], usual: tuple[str, ...]) -> float:
    """Characters, each line counted as far as it is more like its partner than like any of the `usual` lines."""
    return sum(_weight(code) * max(0.0, likeness(code, other) - _most(code, usual)) for code, other in pairs)


@lru_cache(maxsize=512)
def _most(code: str, usual: tuple[str, ...]) -> float:
    return max((likeness(code, other) for other in usual), default=0.0)


@lru_cache(maxsize=512)
def _partners(code: str, below: tuple[str, ...]) -> tuple[int, ...]:
    """The lines below the cursor that it is like."""
    return tuple(index for index, other in enumerate(below) if likeness(code, other) >= ALIKE)


def _begins_one_of(code: str, below: Sequence[str]) -> bool:
    """A line that was not ended may be the beginning of another."""
    return any(likeness(code, other[: len(code)]) >= ALIKE for other in below)


def _n_chars(lines: Iterator[str] | Sequence[str]) -> int:
    return sum(map(_weight, lines))


def _weight(code: str) -> int:
    return min(len(code), LINE_CHARS)
