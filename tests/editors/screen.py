"""A terminal's screen, kept from the events that Neovim sends to its user interfaces (`:help ui-linegrid`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Cell:
    text: str  # "" is the right half of a wide character
    style: int


@dataclass(frozen=True)
class Style:
    """Colours as 0xRRGGBB; None is the screen's own."""

    foreground: int | None = None
    background: int | None = None
    bold: bool = False
    italic: bool = False
    groups: frozenset[str] = frozenset()  # the names of Neovim's highlight groups


BLANK = Cell(" ", 0)


@dataclass
class Screen:
    rows: list[list[Cell]] = field(default_factory=list)
    styles: dict[int, Style] = field(default_factory=lambda: {0: Style()})
    cursor: tuple[int, int] = (0, 0)
    foreground: int = 0xFFFFFF
    background: int = 0x000000

    def draw(self, events: list[list[Any]]) -> None:
        """Take in the arguments of one `redraw` notification; events that do not draw are passed over."""
        for name, *calls in events:
            if handler := getattr(self, f"_on_{name}", None):
                for arguments in calls:
                    handler(*arguments)

    def lines(self) -> list[str]:
        """The text on the screen, without the blanks at the ends of lines."""
        return ["".join(cell.text for cell in row).rstrip() for row in self.rows]

    def drawn_with(self, group: str) -> list[str]:
        """Of each line, the part that is drawn in this highlight group; lines without any are left out."""
        parts = ("".join(cell.text for cell in row if group in self.styles[cell.style].groups) for row in self.rows)
        return [part for part in parts if part]

    def begin_of(self, group: str) -> tuple[int, int] | None:
        """The row and column of the first character that is drawn in this highlight group."""
        places = ((row, column) for row, cells in enumerate(self.rows) for column in range(len(cells)))
        return next((at for at in places if group in self.styles[self.rows[at[0]][at[1]].style].groups), None)

    def _on_grid_resize(self, grid: int, width: int, height: int) -> None:
        self.rows = [[BLANK] * width for _ in range(height)]

    def _on_grid_clear(self, grid: int) -> None:
        self.rows = [[BLANK] * len(row) for row in self.rows]

    def _on_grid_line(self, grid: int, row: int, column: int, cells: list[list[Any]], wrap: bool) -> None:
        style = 0
        for text, *rest in cells:
            style = rest[0] if rest else style
            for _ in range(rest[1] if len(rest) > 1 else 1):
                self.rows[row][column] = Cell(text, style)
                column += 1

    def _on_grid_scroll(self, grid: int, top: int, bottom: int, left: int, right: int, n_rows: int, _: int) -> None:
        moved = range(top, bottom - n_rows) if n_rows > 0 else range(bottom - 1, top - n_rows - 1, -1)
        for row in moved:
            self.rows[row][left:right] = self.rows[row + n_rows][left:right]

    def _on_grid_cursor_goto(self, grid: int, row: int, column: int) -> None:
        self.cursor = (row, column)

    def _on_default_colors_set(self, foreground: int, background: int, *_: Any) -> None:
        self.foreground, self.background = foreground, background

    def _on_hl_attr_define(self, style: int, colours: dict[str, Any], _: Any, info: list[dict[str, Any]]) -> None:
        foreground, background = colours.get("foreground"), colours.get("background")
        if colours.get("reverse"):
            foreground, background = background or self.background, foreground or self.foreground
        groups = frozenset(part["hi_name"] for part in info if "hi_name" in part)
        self.styles[style] = Style(
            foreground, background, colours.get("bold", False), colours.get("italic", False), groups
        )
