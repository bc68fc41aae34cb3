"""Counts → figures: how many of the suggestions were taken, what of them stayed, how long they took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import log2
from typing import Any

from lsp_server.usage.store import Key

LATENCY = "ms:"
STEPS = 4  # buckets for each doubling of the time, so that a percentile is right to a tenth


def latency(ms: float) -> str:
    """The name under which an answer that took so long is counted."""
    return f"{LATENCY}{round(STEPS * log2(max(ms, 1.0)))}"


@dataclass(frozen=True, slots=True)
class Figures:
    shown: int = 0
    accepted: int = 0
    partly: int = 0  # a word or a line of it was taken, whatever came then
    taken_chars: int = 0  # of those that could be followed
    kept_chars: int = 0  # of these, there after 30 s, or when the document was closed
    times: Mapping[int, int] = field(default_factory=dict)  # bucket → answers

    @property
    def accepted_share(self) -> float | None:
        return self.accepted / self.shown if self.shown else None

    @property
    def kept_share(self) -> float | None:
        return self.kept_chars / self.taken_chars if self.taken_chars else None

    def percentile_ms(self, share: float) -> float | None:
        """From a request to its suggestion."""
        missing = share * sum(self.times.values())
        for bucket, n in sorted(self.times.items()):
            missing -= n
            if missing <= 0:
                return float(2 ** (bucket / STEPS))
        return None

    def as_json(self) -> dict[str, Any]:
        p50, p95 = self.percentile_ms(0.5), self.percentile_ms(0.95)
        return {
            "shown": self.shown,
            "accepted": self.accepted,
            "partly_accepted": self.partly,
            "taken_chars": self.taken_chars,
            "kept_chars": self.kept_chars,
            "latency_ms": {"p50": p50 and round(p50), "p95": p95 and round(p95)},
        }


@dataclass(frozen=True, slots=True)
class Usage:
    """Figures of a period; days and names in order."""

    total: Figures
    days: Mapping[str, Figures]
    languages: Mapping[str, Figures]  # the one with the most suggestions first
    models: Mapping[str, Figures]

    def as_json(self) -> dict[str, Any]:
        groups = {"days": self.days, "languages": self.languages, "models": self.models}
        named = {group: {name: one.as_json() for name, one in of.items()} for group, of in groups.items()}
        return {"total": self.total.as_json(), **named}


def summed_up(counts: Mapping[Key, int], since: str = "") -> Usage:
    """`since`: the first day, as 2026-11-21."""
    recent = {key: n for key, n in counts.items() if key.day >= since}
    days = _by(recent, "day")
    return Usage(
        total=_figures(recent.items()),
        days={day: days[day] for day in sorted(days)},
        languages=_most_first(_by(recent, "language")),
        models=_most_first(_by(recent, "model")),
    )


def _by(counts: Mapping[Key, int], part: str) -> dict[str, Figures]:
    groups = defaultdict[str, list[tuple[Key, int]]](list)
    for key, n in counts.items():
        groups[getattr(key, part)].append((key, n))
    return {name: _figures(group) for name, group in groups.items()}


def _figures(counts: Iterable[tuple[Key, int]]) -> Figures:
    sums, times = Counter[str](), Counter[int]()
    for key, n in counts:
        if key.what.startswith(LATENCY):
            times[int(key.what.removeprefix(LATENCY))] += n
        else:
            sums[key.what] += n
    return Figures(
        sums["shown"], sums["accepted"], sums["partly"], sums["taken_chars"], sums["kept_chars"], dict(times)
    )


def _most_first(groups: Mapping[str, Figures]) -> dict[str, Figures]:
    return dict(sorted(groups.items(), key=lambda item: (-item[1].shown, item[0])))
