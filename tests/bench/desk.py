"""Two files open in an editor, and an author who writes in one, then in the other."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.keystrokes import OPEN, SWITCH, Author, Change, Stroke, can_be_typed

OWN_CASES = Path(__file__).parent / "cases" / "typing.jsonl"
N_OPEN = 2
SWITCHES = 0.015  # of the strokes go to the other file


@dataclass(slots=True)
class Tab:
    author: Author
    uri: str
    is_new: bool = True


class Desk:
    """Case after case in a random order, again and again; the same for the same seed and the same suggestions."""

    def __init__(self, cases: Sequence[Mapping[str, Any]], seed: int) -> None:
        self._dice = random.Random(seed)
        self._files = self._all_files(cases)
        self._tabs = [next(self._files) for _ in range(N_OPEN)]

    def next(self, shown: Change | None) -> tuple[Tab, Stroke | None]:
        """What the author does next, with this suggestion in sight; no stroke: the file is done, and closed."""
        tab = self._tabs[0]
        if tab.is_new:
            return self._turn_to(tab)
        if not tab.author.is_busy and self._dice.random() < SWITCHES:
            self._tabs.reverse()
            return self._turn_to(self._tabs[0])
        stroke = tab.author.next(shown)
        if stroke is None:
            self._tabs[0] = next(self._files)
        return tab, stroke

    def _turn_to(self, tab: Tab) -> tuple[Tab, Stroke]:
        kind, tab.is_new = OPEN if tab.is_new else SWITCH, False
        return tab, tab.author.begins(kind)

    def _all_files(self, cases: Sequence[Mapping[str, Any]]) -> Iterator[Tab]:
        number = 0
        while True:
            for case in self._dice.sample(cases, len(cases)):
                number += 1
                yield Tab(Author(case, self._dice), f"file:///typing/{number}")


def load_cases(path: Path) -> list[dict[str, Any]]:
    """Those of a file, one in a line of JSON, perhaps zipped, in which something is to be typed."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", newline="\n") as file:
        cases = [json.loads(line) for line in file]
    return [case for case in cases if can_be_typed(case)]
