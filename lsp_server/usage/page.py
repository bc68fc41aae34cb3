"""Figures as one page of HTML that loads nothing: no script, no font, no picture of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from lsp_server.usage.figures import STEPS, Figures, Usage
from lsp_server.usage.table import NOTHING, cells, ms, percent

HEADINGS = ("", "shown", "accepted", "of those shown", "in part", "kept after 30 s", "p50", "p95")
WIDTH, HEIGHT, GAP = 720, 160, 2
STYLE = """
:root { color-scheme: light dark; --accent: #2f6f4f; --quiet: #8885 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem }
th, td { text-align: right; padding: .3rem .4rem; border-bottom: 1px solid var(--quiet) }
td { white-space: nowrap }
th:first-child, td:first-child { text-align: left }
svg { width: 100%; height: auto } .shown { fill: var(--quiet) } .accepted { fill: var(--accent) }
text { font: 12px system-ui, sans-serif; fill: currentColor }
dl { display: flex; gap: 2.5rem; flex-wrap: wrap } dt { opacity: .7 } dd { margin: 0; font-size: 2rem }
"""


def page(usage: Usage) -> str:
    body = "".join(_body(usage)) if usage.days else f"<p>{NOTHING}</p>"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>infill-ls: usage</title>'
        f"<style>{STYLE}</style><h1>infill-ls on this machine</h1>{body}"
        "<p>Counted on this machine and sent nowhere. In part: a word or a line of a suggestion was accepted. Kept: of"
        " the accepted characters, those in the file after 30 seconds.</p></html>\n"
    )


def _body(usage: Usage) -> Iterator[str]:
    total = usage.total
    yield f"<p>{min(usage.days)} to {max(usage.days)}</p><dl>"
    yield _figure("shown", f"{total.shown:,}") + _figure("accepted", percent(total.accepted_share))
    yield _figure("kept after 30 s", percent(total.kept_share)) + _figure("half came in", ms(total.percentile_ms(0.5)))
    yield "</dl><h2>By day</h2>" + _days(usage.days)
    yield "<h2>By language</h2>" + _table(usage.languages)
    yield "<h2>By model</h2>" + _table(usage.models)
    yield "<h2>How long they took</h2>" + _times(total.times)


def _figure(name: str, value: str) -> str:
    return f"<div><dt>{name}</dt><dd>{value}</dd></div>"


def _table(groups: Mapping[str, Figures]) -> str:
    head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    rows = ("".join(f"<td>{escape(cell)}</td>" for cell in cells(name, figures)) for name, figures in groups.items())
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


def _days(days: Mapping[str, Figures]) -> str:
    most = max(1, *(figures.shown for figures in days.values()))
    step = WIDTH / len(days)
    bars = []
    for i, (day, figures) in enumerate(days.items()):
        title = f"<title>{day}: {figures.accepted:,} of {figures.shown:,} accepted</title>"
        shown = _bar("shown", i * step, step, figures.shown / most)
        bars.append(f"<g>{title}{shown}{_bar('accepted', i * step, step, figures.accepted / most)}</g>")
    return _svg("".join(bars), min(days), max(days))


def _times(times: Mapping[int, int]) -> str:
    if not times:
        return "<p>–</p>"
    first, last = min(times), max(times)
    most, step = max(times.values()), WIDTH / (last - first + 1)
    bars = (
        f"<g><title>{n:,} in about {2 ** (bucket / STEPS):.0f} ms</title>"
        f"{_bar('accepted', (bucket - first) * step, step, n / most)}</g>"
        for bucket, n in sorted(times.items())
    )
    return _svg("".join(bars), ms(2 ** (first / STEPS)), ms(2 ** (last / STEPS)))


def _bar(kind: str, x: float, step: float, share: float) -> str:
    height = HEIGHT * min(share, 1.0)
    width = max(step - GAP, 1)
    return f'<rect class="{kind}" x="{x:.1f}" y="{HEIGHT - height:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _svg(bars: str, left: str, right: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 20}" role="img">{bars}<text y="{HEIGHT + 15}">{left}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT + 15}" text-anchor="end">{right}</text></svg>'
    )
