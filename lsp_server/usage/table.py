"""Figures as text for a terminal: a table by language and by model, and a bar for each day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lsp_server.usage.figures import Figures, Usage

HEADINGS = ("", "shown", "accepted", "", "in part", "kept", "p50", "p95")
BAR = 40
N_DAYS = 14
NOTHING = "Nothing was counted so far; it begins with the first suggestion in an editor."


def drawn(usage: Usage) -> str:
    """Empty figures are a sentence."""
    if not usage.days:
        return NOTHING
    return "\n".join([*_table(usage), "", *_legend(), "", *_chart(usage.days)])


def cells(name: str, figures: Figures) -> tuple[str, ...]:
    """One row; a dash where there is nothing to divide by."""
    return (
        name,
        f"{figures.shown:,}",
        f"{figures.accepted:,}",
        percent(figures.accepted_share),
        f"{figures.partly:,}",
        percent(figures.kept_share),
        ms(figures.percentile_ms(0.5)),
        ms(figures.percentile_ms(0.95)),
    )


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"


def _table(usage: Usage) -> Iterator[str]:
    groups = [usage.languages, usage.models, {"together": usage.total}]
    rows = [[cells(name, figures) for name, figures in group.items()] for group in groups]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *(row for group in rows for row in group), strict=True)]
    yield _row(HEADINGS, widths)
    for group in rows:
        yield from (_row(row, widths) for row in group)
        if group is not rows[-1]:
            yield ""


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers = zip(row, widths, strict=True)
    return "  ".join([f"{name[0]:<{name[1]}}", *(f"{cell:>{width}}" for cell, width in numbers)]).rstrip()


def _legend() -> Iterator[str]:
    yield "in part: a word or a line of it was accepted; kept: of what was accepted, in the file after 30 s;"
    yield "p50, p95: half of the suggestions, and 95 of 100, came in that time."


def _chart(days: Mapping[str, Figures]) -> Iterator[str]:
    """Shown, and accepted of these."""
    last = list(days.items())[-N_DAYS:]
    most = max(1, *(figures.shown for _, figures in last))
    for day, figures in last:
        n_shown = round(BAR * figures.shown / most)
        n_accepted = min(round(BAR * figures.accepted / most), n_shown)
        bar = "█" * n_accepted + "░" * (n_shown - n_accepted)
        yield f"{day}  {bar:<{BAR}}  {figures.accepted:,} of {figures.shown:,}"
