"""A picture of a terminal's screen, as text in an SVG: small, sharp at any size, and readable in a diff."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from xml.sax.saxutils import escape

from screen import Cell, Screen, Style

CELL_WIDTH_PX, CELL_HEIGHT_PX, BASELINE_PX, MARGIN_PX = 8.43, 18, 13, 12
PICTURE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img">
<title>{title}</title>
<rect width="100%" height="100%" rx="8" fill="{background}"/>
<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" xml:space="preserve">
{body}
</g>
</svg>
"""


def picture(screen: Screen, title: str) -> str:
    """The screen as an SVG document; the cursor is a bar, as in insert mode."""
    body = [part for row, cells in enumerate(screen.rows) for part in _row(screen, row, cells)]
    row, column = screen.cursor
    body.append(_box(row, column, 2, _colour(screen.foreground)))
    return PICTURE.format(
        width=len(screen.rows[0]) * CELL_WIDTH_PX + 2 * MARGIN_PX,
        height=len(screen.rows) * CELL_HEIGHT_PX + 2 * MARGIN_PX,
        title=escape(title),
        background=_colour(screen.background),
        body="\n".join(body),
    )


def _row(screen: Screen, row: int, cells: list[Cell]) -> Iterator[str]:
    column = 0
    for number, group in groupby(cells, key=lambda cell: cell.style):
        run = list(group)
        style = screen.styles[number]
        if style.background is not None:
            yield _box(row, column, len(run) * CELL_WIDTH_PX, _colour(style.background))
        if any(cell.text != " " for cell in run):
            colour = _colour(screen.foreground if style.foreground is None else style.foreground)
            yield _text(row, column, run, colour, style)
        column += len(run)


def _text(row: int, column: int, run: list[Cell], colour: str, style: Style) -> str:
    """The run's width is given too, so that columns stand below each other in a reader's font of another width."""
    while run[-1].text == " ":
        run = run[:-1]
    while run[0].text == " ":
        run, column = run[1:], column + 1
    look = ' font-weight="bold"' * style.bold + ' font-style="italic"' * style.italic
    x, y = MARGIN_PX + column * CELL_WIDTH_PX, MARGIN_PX + row * CELL_HEIGHT_PX + BASELINE_PX
    text = escape("".join(cell.text for cell in run))
    return f'<text x="{x:.1f}" y="{y}" textLength="{len(run) * CELL_WIDTH_PX:.1f}" fill="{colour}"{look}>{text}</text>'


def _box(row: int, column: int, width_px: float, colour: str) -> str:
    x, y = MARGIN_PX + column * CELL_WIDTH_PX, MARGIN_PX + row * CELL_HEIGHT_PX
    return f'<rect x="{x:.1f}" y="{y}" width="{width_px:.1f}" height="{CELL_HEIGHT_PX}" fill="{colour}"/>'


def _colour(rgb: int) -> str:
    return f"#{rgb:06x}"
