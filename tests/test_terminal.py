"""What `complete` prints: the file as it would look, with the new part marked."""

from __future__ import annotations

import io

from lsp_server.terminal import Colours, ProgressBar, draw
from lsp_server.values import Completion
from tests.drawing import snapshot


def drawn(document: str, text: str | None, n_replaced: int = 0, colours: Colours = Colours()) -> str:  # noqa: B008
    asked = snapshot(document)
    completion = None if text is None else Completion(text, asked.offset + n_replaced)
    return draw(asked, completion, colours)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_progress_bar_is_seen_by_people_only_and_leaves_nothing():
    screen, file = Screen(), io.StringIO()
    for stream in (screen, file):
        with ProgressBar(stream) as bar:
            bar.show(3, 4)
    assert screen.getvalue().startswith(f"\r 75% {'━' * 30}{'┄' * 10} ") and screen.getvalue().endswith("\r\033[K")
    assert file.getvalue() == ""


def test_the_suggestion_stands_between_two_cursors_and_its_line_is_marked():
    assert drawn("a = 1\nb = ┃\nc = 3\n", "2") == "  1  a = 1\n+ 2  b = ┃2┃\n  3  c = 3\n  4"


def test_every_line_of_a_longer_suggestion_is_marked():
    assert drawn("def f():\n    ┃\nx", "y = 1\n    return y") == (
        "  1  def f():\n+ 2      ┃y = 1\n+ 3      return y┃\n  4  x"
    )


def test_what_is_replaced_is_gone():
    assert drawn("if check(┃)", "x):", n_replaced=1) == "+ 1  if check(┃x):┃"


def test_without_a_suggestion_only_the_cursor_is_marked():
    assert drawn("a = ┃", None) == "  1  a = ┃"


def test_in_colour_the_suggestion_needs_no_second_mark():
    assert drawn("a = ┃", "1", colours=Colours("<g>", "", "", "</g>")) == "+ 1</g>  a = ┃<g>1</g>"


def test_carriage_returns_do_not_show():
    assert drawn("a = 1\r\nb = ┃\r\nc", "2") == "  1  a = 1\n+ 2  b = ┃2┃\n  3  c"
