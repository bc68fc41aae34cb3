"""How fast a model is on this machine, and what that leaves room for within the time that somebody waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from lsp_server.values import FimPrompt, Plan, Window

NEWER = 0.2  # the weight of the newest measurement
MIN_MEASURED = 8  # tokens of a prompt; fewer at a time say little of many
COLD = 2.0  # times the target: a prompt that takes longer is asked of a smaller window first
SMALLEST_WINDOW = 192  # tokens; less says too little
FEWEST_NEW = 16  # tokens; shorter suggestions would rarely reach the end of a line
FIRST_NEW = 8  # tokens, until there is something to show


@dataclass(frozen=True, slots=True)
class Haste:
    """What a suggestion asked for while typing may take. Zero: as long as it likes."""

    target_s: float
    next_key_s: float = 0.0  # when the next key is to be expected, going by the last ones
    max_hold_s: float = 0.0
    small_window: Window | None = None  # the last one that was smaller for the sake of time


class Pace:
    """Milliseconds a token, as measured: exponentially weighted means."""

    def __init__(self) -> None:
        self.prompt_ms: float | None = None
        self.new_ms: float | None = None

    def evaluated(self, n_tokens: int, ms: float) -> None:
        if n_tokens >= MIN_MEASURED:
            self.prompt_ms = _moved(self.prompt_ms, ms / n_tokens)

    def wrote(self, ms: float) -> None:
        self.new_ms = _moved(self.new_ms, ms)

    def plan(self, n_fresh: int, n_most: int, haste: Haste) -> Plan | None:
        """For a prompt of which `n_fresh` tokens are to be evaluated; at most `n_most` new ones. None: not measured."""
        if self.prompt_ms is None or self.new_ms is None or haste.target_s <= 0:
            return None
        target_ms = haste.target_s * 1000
        prompt_ms = n_fresh * self.prompt_ms
        n_window = max(SMALLEST_WINDOW, int(target_ms / 2 / self.prompt_ms))
        is_cold = prompt_ms > COLD * target_ms and n_window < n_fresh
        left_ms = target_ms - min(prompt_ms, target_ms / 2)
        first_s = (prompt_ms + FIRST_NEW * self.new_ms) / 1000
        return Plan(
            n_fresh=n_fresh,
            n_new=min(n_most, max(FEWEST_NEW, int(left_ms / self.new_ms))),
            n_window=n_window if is_cold else None,
            hold_s=min(haste.next_key_s, haste.max_hold_s) if first_s > haste.next_key_s else 0.0,
        )


@runtime_checkable
class Paced(Protocol):
    """What a backend is, too, where it can say beforehand what a prompt costs."""

    pace: Pace

    async def n_fresh(self, prompt: FimPrompt) -> int:
        """How many tokens of the prompt would have to be evaluated."""

    def measure(self) -> None:
        """Find out how fast this is; blocks for about as long as one short suggestion takes."""


def _moved(mean: float | None, newest: float) -> float:
    return newest if mean is None else mean + NEWER * (newest - mean)
