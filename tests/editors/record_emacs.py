"""Make the picture of Emacs from a real run: python tests/editors/record_emacs.py [OUT.svg]"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from emacs import CLIENT, EGLOT, Emacs
from screen import BLANK, Cell, Screen, Style
from surroundings import own_environment
from svg import picture

SAMPLE = Path(__file__).parents[1] / "samples" / "cart.py"
TITLE = "Emacs: a half-written function, and the rest of the line in grey"
WIDTH, HEIGHT = 72, 20
LEVELS = (0, 95, 135, 175, 215, 255)
BASIC = (0x000000, 0xCD3131, 0x0DBC79, 0xE5E510, 0x2472C8, 0xBC3FBC, 0x11A8CD, 0xE5E5E5)


def palette(number: int) -> int:
    """The usual colours of a terminal with 256 of them: 16 basic ones, a cube, greys."""
    if number < 16:
        return BASIC[number % 8]
    if number >= 232:
        return (8 + 10 * (number - 232)) * 0x010101
    red, green, blue = ((number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6)
    return LEVELS[red] << 16 | LEVELS[green] << 8 | LEVELS[blue]


def restyled(style: Style, code: str) -> Style:
    """The style after an escape sequence (Select Graphic Rendition)."""
    numbers = iter([int(number or 0) for number in code.split(";")])
    for number in numbers:
        if number in (38, 48):
            colour = palette([next(numbers), next(numbers)][1])
            style = replace(style, foreground=colour) if number == 38 else replace(style, background=colour)
        elif 30 <= number <= 37 or 90 <= number <= 97:
            style = replace(style, foreground=BASIC[number % 10])
        else:
            style = {
                0: Style(),
                1: replace(style, bold=True),
                3: replace(style, italic=True),
                7: replace(style, foreground=0x1E1E1E, background=0xC0C0C0),
                39: replace(style, foreground=None),
                49: replace(style, background=None),
            }.get(number, style)
    return style


def cells(captured: str, styles: dict[Style, int]) -> Iterator[list[Cell]]:
    """The rows of a screen, with numbers for their styles."""
    style = Style()
    for line in captured.split("\n")[:HEIGHT]:
        row = []
        for code, text in re.findall(r"\x1b\[([\d;]*)m|([^\x1b]+)", line):
            if text:
                row += [Cell(char, styles.setdefault(style, len(styles))) for char in text]
            else:
                style = restyled(style, code)
        yield (row + [BLANK] * WIDTH)[:WIDTH]


def main(target: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        env = own_environment(Path(folder))
        editor = Emacs(EGLOT, env, Path(folder) / "project", width=WIDTH, height=HEIGHT)
        document = SAMPLE.read_text("utf-8")
        try:
            editor.edit("cart.py", document.replace("if item.\n", "if item.┃\n"))
            editor.until_ready()
            editor.press("BSpace", ".")
            editor.until_ghost()
            styles: dict[Style, int] = {Style(): 0}
            rows = list(cells(editor.captured(), styles))
            numbered = {number: style for style, number in styles.items()}
            screen = Screen(rows, numbered, editor.cursor(), foreground=0xD4D4D4, background=0x1E1E1E)
            target.write_text(picture(screen, TITLE), "utf-8")
        finally:
            editor.close()
    print(f"{target}: {target.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else CLIENT / "screenshot.svg"))
