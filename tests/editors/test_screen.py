"""The screen that the other tests look at, and its picture."""

from __future__ import annotations

from typing import Any

from screen import Screen
from svg import picture

GREY = ["hl_attr_define", [7, {"foreground": 0x8B949E, "italic": True}, {}, [{"hi_name": "ComplHint"}]]]


def drawn(*events: list[Any]) -> Screen:
    screen = Screen()
    screen.draw([["grid_resize", [1, 12, 4]], GREY, *events])
    return screen


def line(row: int, *cells: list[Any]) -> list[Any]:
    return ["grid_line", [1, row, 0, list(cells), False]]


def test_cells_are_text_style_and_how_often() -> None:
    screen = drawn(line(0, ["a", 0], ["-", 7, 3], [">"]), line(1, ["🎉"], [""], ["b"]))
    assert screen.lines() == ["a--->", "🎉b", "", ""]
    assert screen.drawn_with("ComplHint") == ["--->"]
    assert screen.begin_of("ComplHint") == (0, 1)


def test_scrolling_moves_the_rows_between_top_and_bottom() -> None:
    rows = [line(row, [letter]) for row, letter in enumerate("abcd")]
    assert drawn(*rows, ["grid_scroll", [1, 0, 3, 0, 12, 1, 0]]).lines() == ["b", "c", "c", "d"]
    assert drawn(*rows, ["grid_scroll", [1, 1, 4, 0, 12, -1, 0]]).lines() == ["a", "b", "b", "c"]


def test_the_picture_has_each_run_of_one_style_at_its_column() -> None:
    svg = picture(drawn(line(0, [" ", 0, 2], ["x"], ["<", 7], ["y"])), "A <title>")
    assert '<text x="28.9" y="25" textLength="8.4" fill="#ffffff">x</text>' in svg
    assert '<text x="37.3" y="25" textLength="16.9" fill="#8b949e" font-style="italic">&lt;y</text>' in svg
    assert "<title>A &lt;title&gt;</title>" in svg
