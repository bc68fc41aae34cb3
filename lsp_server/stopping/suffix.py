"""The model came to what stands below the cursor already: word for word, in other words, or some lines further down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lsp_server.stopping.likeness import likeness
from lsp_server.stopping.written import N_LINES_BELOW, Line, Stop, Written, lines_above, lines_below, width
from lsp_server.values import Reason

NEXT_CHARS = 12  # of the very next line, which need no more after it
SHORT_CHARS = 4  # of it and the one after it, at another indentation
SUPPORTING_CHARS = 12  # where there is other evidence
MIN_LINES, MIN_CHARS, TELLING_CHARS = 3, 50, 25  # of other runs
ALIKE = 0.6  # a line that has so much of another in it may be that line in other words
LINE_CHARS = 30  # a longer line tells no more than one of this length
STEPS = ((1, 1), (1, 2), (2, 1), (1, 3))  # back from a pair of lines to the pair before; lines may be left out


@dataclass(frozen=True, slots=True)
class Run:
    """Lines of the text that follow lines below the cursor, the first pair first."""

    lines: tuple[Line, ...]
    below: tuple[str, ...]
    skipped: int  # lines below the cursor that stand above the first of these
    reaches_end: bool  # of the document

    @property
    def n_same(self) -> int:
        """Characters of lines that are the same."""
        return sum(_weight(line) for line, other in self._pairs if line.code == other.strip())

    def n_telling(self, usual: Sequence[str]) -> float:
        """Characters, each line counted as far as it is more like its partner than like any of the `usual` lines."""
        return sum(_weight(line) * max(0.0, _share(line, other) - _most(line, usual)) for line, other in self._pairs)

    @property
    def _pairs(self) -> Iterator[tuple[Line, str]]:
        return zip(self.lines, self.below, strict=True)


def suffix_is_reached(written: Written) -> Iterator[Stop]:
    """The run of lines that ends with the last line written, for each line below that it may have come to."""
    below = lines_below(written.context.below)
    for index, line in enumerate(below if written.lines else ()):
        if _alike(written.lines[-1], line):
            run = _run_back_from(written.lines, below, len(written.lines) - 1, index)
            if _tells(run, written):
                yield Stop(Reason.SUFFIX_REACHED, written.before(run.lines[0]))


def suffix_above(written: Written, stop: Stop) -> Iterator[Stop]:
    """Another rule says that the text went too far with a line of the suffix: lines of it above that one go, too."""
    if stop.reason in (Reason.SUFFIX_REACHED, Reason.REPETITION):
        return
    below = lines_below(written.context.below)
    at = sum(line.start < stop.keep for line in written.lines)
    for index, line in enumerate(below if 0 < at < len(written.lines) else ()):
        if _alike(written.lines[at], line):
            run = _run_back_from(written.lines, below, at, index)
            if len(run.lines) > 1 and run.lines[0].start and (not run.skipped or _supports(run, written)):
                yield Stop(Reason.SUFFIX_REACHED, written.before(run.lines[0]))


def _run_back_from(lines: Sequence[Line], below: Sequence[str], at: int, index: int) -> Run:
    pairs = [(at, index)]
    while True:
        before = ((at - up, index - down) for up, down in STEPS if at >= up and index >= down)
        step = next(((a, i) for a, i in before if _alike(lines[a], below[i])), None)
        if step is None:
            break
        at, index = step
        pairs.insert(0, step)
    return Run(
        tuple(lines[a] for a, _ in pairs),
        tuple(below[i] for _, i in pairs),
        index,
        pairs[-1][1] == len(below) - 1 < N_LINES_BELOW - 1,
    )


def _supports(run: Run, written: Written) -> bool:
    if not run.lines[0].start and written.context.line_prefix.strip():
        return False
    return run.n_same >= SUPPORTING_CHARS or (
        len(run.lines) > 1 and sum(map(_weight, run.lines)) >= 2 * SUPPORTING_CHARS
    )


def _tells(run: Run, written: Written) -> bool:
    """Is the run long enough to be no chance? The very next line tells much, lines further down tell less."""
    first, usual = run.lines[0], lines_above(written.context.window.prefix)
    if not first.start and written.context.line_prefix.strip():
        return False
    if not run.skipped and first.code == run.below[0].strip():
        is_rare = run.n_same >= NEXT_CHARS and first.code not in {line.strip() for line in usual}
        in_place = first.width == width(run.below[0])
        return (
            is_rare
            or (len(run.lines) > 1 and (in_place or run.n_same >= SHORT_CHARS))
            or (in_place and written.is_whole)
        )
    if written.is_whole and run.reaches_end and _supports(run, written):
        return True
    if len(run.lines) < MIN_LINES or sum(map(_weight, run.lines)) < MIN_CHARS:
        return False
    return run.n_telling(usual) >= TELLING_CHARS


def _weight(line: Line) -> int:
    return min(len(line.code), LINE_CHARS)


def _share(line: Line, other: str) -> float:
    return likeness(line.code, other.strip())


def _most(line: Line, usual: Sequence[str]) -> float:
    return max((_share(line, other) for other in usual), default=0.0)


def _alike(line: Line, other: str) -> bool:
    return _share(line, other) >= ALIKE
