"""What an answer is worth, compared with what the author wrote there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from holes import LEXEME

NOTHING_MISSING = "nothing-missing"
BLOCK = "block"
LENGTHS = ((1, 2), (3, 5), (6, 10), (11, 20), (21, 9_999))  # lexemes of the middle


@dataclass(frozen=True, slots=True)
class Outcome:
    kind: str
    package: str
    wanted: str
    said: str  # without the blanks at its end
    wall_ms: float
    cpu_ms: float
    ended: bool = False  # by the model itself

    @property
    def is_exact(self) -> bool:
        return self.said == self.wanted.rstrip()

    @property
    def is_right_so_far(self) -> bool:
        """All that was said is what the author wrote, or the beginning of it: it would be accepted."""
        return bool(self.said) and self.wanted.startswith(self.said)

    @property
    def has_first(self) -> bool:
        wanted, said = lexemes(self.wanted), lexemes(self.said)
        return bool(said) and said[:1] == wanted[:1]

    @property
    def similarity(self) -> float:
        """2 M / T of Ratcliff and Obershelp, as in difflib: 1 where both are the same."""
        return SequenceMatcher(None, self.wanted.rstrip(), self.said, autojunk=False).ratio()

    @property
    def n_saved(self) -> int:
        """Characters that one key, which accepts all of it, types in their stead."""
        return max(0, len(self.said) - 1) if self.is_right_so_far else 0


def lexemes(text: str) -> list[str]:
    """Without blanks and line ends."""
    return [found[0] for found in LEXEME.finditer(text) if found.lastgroup not in ("space", "newline")]


def first_lines(text: str, n_lines: int) -> str:
    return "\n".join(text.split("\n")[:n_lines])


def without_closers(text: str, line_suffix: str) -> str:
    """Less what stands right of the cursor already, where the answer wrote it once more."""
    return text.rstrip().removesuffix(line_suffix.strip()) if line_suffix.strip() else text.rstrip()


def applied(insert: str, replaced: str) -> str:
    """The middle that an insertion makes in place of `replaced`, which, written again, counts as left alone."""
    return insert.removesuffix(replaced)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, in percent; of holes where something is missing."""

    n: int
    exact: float
    first: float
    similarity: float
    silent: float


def row_of(outcomes: Sequence[Outcome]) -> Row:
    return Row(
        len(outcomes),
        percent(outcome.is_exact for outcome in outcomes),
        percent(outcome.has_first for outcome in outcomes),
        percent(outcome.similarity for outcome in outcomes),
        percent(not outcome.said for outcome in outcomes),
    )


@dataclass(frozen=True, slots=True)
class Summary:
    single_line: Row
    saved: float  # characters for each 100 that the author typed in all holes
    precision: float  # exact among all that was said, where nothing is missing too
    rightly_silent: float  # where nothing is missing


def summary_of(outcomes: Sequence[Outcome]) -> Summary:
    spoken = [outcome for outcome in outcomes if outcome.said]
    n_typed = sum(len(outcome.wanted) for outcome in outcomes)
    return Summary(
        row_of([outcome for outcome in outcomes if outcome.kind not in (NOTHING_MISSING, BLOCK)]),
        100 * sum(outcome.n_saved for outcome in outcomes) / max(1, n_typed),
        percent(outcome.is_exact for outcome in spoken),
        percent(not outcome.said for outcome in outcomes if outcome.kind == NOTHING_MISSING),
    )


def percent(values: Iterable[float]) -> float:
    """The mean of numbers or truths, times 100; 0 of none."""
    numbers = list(values)
    return 100 * sum(numbers) / len(numbers) if numbers else 0.0


def of_length(outcomes: Sequence[Outcome], low: int, high: int) -> list[Outcome]:
    """Single lines whose middle has so many lexemes."""
    return [
        outcome
        for outcome in outcomes
        if outcome.kind not in (NOTHING_MISSING, BLOCK) and low <= len(lexemes(outcome.wanted)) <= high
    ]
