"""Neovim 0.12 with our client, our server and the model in the package: keys in, screen and disk out.

What the model suggests is its own affair. What counts here is that Tab makes exactly that true which was on the screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from surroundings import missing

if find_spec("msgpack") is None:
    missing("msgpack", "pip install -e '.[dev,editors]' brings it")

import nvim
from nvim import Neovim

PROGRAM = nvim.find() or missing("Neovim 0.12", "INFILL_NVIM=$(bash .ci/install-neovim.sh) brings it")

Open = Callable[..., Neovim]

SHAPES = """\
class Rectangle:
    def __init__(self, width, height):
        self.width = width
        self.height = height

    def area(self):
        return self.width * self.height

    def perimeter(self):
"""


@pytest.fixture
def open_neovim(editor_env: dict[str, str]) -> Iterator[Open]:
    """Opens files in a Neovim of its own and waits until the model is loaded."""
    running: list[Neovim] = []

    def open_files(*files: Path, commands: tuple[str, ...] = ()) -> Neovim:
        editor = Neovim(PROGRAM, *files, env=editor_env, commands=commands)
        running.append(editor)
        editor.until_ready()
        return editor

    yield open_files
    complaints = [editor.close() for editor in running]
    assert not any(complaints), complaints


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    file = tmp_path / "shapes.py"
    file.write_text(SHAPES, "utf-8")
    return file


def ghost_of(editor: Neovim) -> str:
    return str(editor.until("a suggestion", editor.ghost))


def accept(editor: Neovim) -> str:
    """Press Tab on a suggestion: the buffer becomes what the screen has shown, the suggestion's grey included."""
    ghost, shown = ghost_of(editor), editor.page()
    assert editor.screen().begin_of("ComplHint") == editor.screen().cursor
    editor.type("<Tab>")
    editor.until("the suggestion in the text", lambda: editor.text() == shown)
    assert ghost.splitlines()[0].strip() in shown
    return shown


def saved(editor: Neovim, file: Path) -> str:
    editor.type("<Esc>:w<CR>")
    editor.until("the file to be written", lambda: not editor.eval("&modified"))
    return file.read_text("utf-8")


def typed(text: str) -> str:
    """The keys that type this text."""
    return text.replace("<", "<lt>").replace("\n", "<CR>")


def test_what_is_typed_is_continued_and_tab_puts_it_into_the_file(open_neovim: Open, shapes: Path) -> None:
    editor = open_neovim(shapes)
    editor.type("Goreturn 2 * (self.")
    ghost = ghost_of(editor)
    shown = accept(editor)
    assert shown == SHAPES + "        return 2 * (self." + ghost + "\n"
    assert saved(editor, shapes) == shown


def test_a_suggestion_is_offered_on_a_blank_line_of_a_block(open_neovim: Open, shapes: Path) -> None:
    editor = open_neovim(shapes)
    editor.type("Go")
    shown = accept(editor)
    assert shown.startswith(SHAPES + "        ")
    assert saved(editor, shapes) == shown


def test_what_is_typed_through_stays_and_the_rest_is_still_offered(open_neovim: Open, shapes: Path) -> None:
    editor = open_neovim(shapes)
    editor.type("Goreturn 2 * (self.")
    ghost = ghost_of(editor)
    shown = editor.page()
    editor.type(typed(ghost[0]))
    editor.until("the rest of the suggestion", lambda: editor.ghost() == ghost[1:])
    assert editor.page() == shown


def test_tab_right_behind_a_typed_character_repeats_nothing(open_neovim: Open, shapes: Path) -> None:
    editor = open_neovim(shapes)
    editor.type("Goreturn 2 * (self.")
    ghost = ghost_of(editor)
    shown = editor.page()
    editor.type(typed(ghost[0]) + "<Tab>")
    editor.until("the suggestion in the text", lambda: editor.text() == shown)


def test_right_of_the_cursor_nothing_is_doubled_and_nothing_is_lost(open_neovim: Open, shapes: Path) -> None:
    editor = open_neovim(shapes)
    editor.type("Goreturn sum()<Left>")  # as an editor that closes brackets by itself leaves it
    accept(editor)
    line = saved(editor, shapes).splitlines()[9]
    assert line.startswith("        return sum(") and line.endswith(")")
    assert line.count("(") == line.count(")")


def test_the_suggestion_goes_where_there_is_none(open_neovim: Open, shapes: Path) -> None:
    editor = open_neovim(shapes)
    editor.type("Goreturn 2 * (self.")
    ghost_of(editor)
    editor.type("<Left><Left>")  # inside the word: the server's answer is empty
    editor.until("the suggestion to be gone", lambda: not editor.ghost())
    editor.type("<End>")
    ghost_of(editor)
    editor.type("<Esc>")
    editor.until("the suggestion to be gone", lambda: not editor.ghost())
    assert editor.text() == SHAPES + "        return 2 * (self.\n"


def test_columns_are_right_behind_characters_of_every_width(open_neovim: Open, shapes: Path) -> None:
    editor = open_neovim(shapes)
    before = '        label = "🎉é👩‍🚀" + str(self.'
    editor.type(f"Go{before.strip()})<Left>")
    shown = accept(editor)
    assert shown.startswith(SHAPES + before)
    assert saved(editor, shapes) == shown


def test_two_files_share_one_server(open_neovim: Open, shapes: Path) -> None:
    other = shapes.with_name("circle.py")
    other.write_text("import math\n\n\ndef area(radius):\n", "utf-8")
    editor = open_neovim(shapes, other)
    editor.type("Goreturn 2 * (self.")
    first = accept(editor)
    assert saved(editor, shapes) == first
    editor.type(":next<CR>")
    editor.until("the server to know the file", lambda: editor.eval("luaeval('#vim.lsp.get_clients({bufnr = 0})')"))
    # Inline completion is switched on in a callback of its own, after that; one scheduled now comes behind it.
    editor.eval("luaeval('vim.schedule(function() vim.g.is_idle = true end)')")
    editor.until("its callbacks", lambda: editor.eval("get(g:, 'is_idle', v:false)"))
    editor.type("Goreturn math.")
    second = accept(editor)
    assert saved(editor, other) == second
    assert editor.eval("luaeval('#vim.lsp.get_clients()')") == 1


def test_without_a_suggestion_tab_is_tab(open_neovim: Open, shapes: Path) -> None:
    editor = open_neovim(shapes)
    editor.type(":edit notes.txt<CR>i<Tab>x")
    editor.until("a tab", lambda: editor.text() == "\tx\n")


def test_a_tab_of_the_users_own_is_left_alone(open_neovim: Open, shapes: Path) -> None:
    editor = open_neovim(shapes, commands=("inoremap <Tab> mine",))
    editor.type("Goreturn 2 * (self.")
    ghost_of(editor)
    editor.type("<Tab>")
    editor.until("the user's own", lambda: editor.text().endswith("self.mine\n"))
