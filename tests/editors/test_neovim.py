"""Neovim with our client, our server and the model in the package: keys in, screen and disk out.

What the model suggests is its own affair. What counts here is that a key makes exactly that true
which was on the screen.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from surroundings import SHAPES, missing

if find_spec("msgpack") is None:
    missing("msgpack", "pip install -e '.[dev,editors]' brings it")

import nvim
from nvim import Neovim

pytestmark = nvim.in_each_setup()


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


def test_what_is_typed_is_continued_and_tab_puts_it_into_the_file(editor: Neovim, shapes: Path) -> None:
    editor.type("Goreturn 2 * (self.")
    ghost = ghost_of(editor)
    shown = accept(editor)
    assert shown == SHAPES + "        return 2 * (self." + ghost + "\n"
    assert saved(editor, shapes) == shown


def test_a_suggestion_is_offered_on_a_blank_line_of_a_block(editor: Neovim, shapes: Path) -> None:
    editor.type("Go")
    shown = accept(editor)
    assert shown.startswith(SHAPES + "        ")
    assert saved(editor, shapes) == shown


def test_a_word_at_a_time_and_the_rest_stays(editor: Neovim) -> None:
    editor.type("Goreturn 2 * (self.")
    ghost = ghost_of(editor)
    shown = editor.page()
    word = "".join(letter for letter in ghost.partition(" ")[0] if letter.isidentifier())
    editor.type("<M-Right>")
    editor.until("the word in the text", lambda: editor.text() == SHAPES + "        return 2 * (self." + word + "\n")
    editor.until("the rest in grey", lambda: editor.ghost() == ghost.removeprefix(word))
    assert editor.page() == shown
    editor.type("<Tab>")
    editor.until("the suggestion in the text", lambda: editor.text() == shown)


EQUAL = """\
class Point:
    def __eq__(self, other):
        if not isinstance(other, Point):
            return False
        return self.x == other.x and self.y == other.y

    def __ne__(self, other):
"""


def test_a_line_at_a_time_and_the_rest_stays(editor: Neovim, shapes: Path) -> None:
    shapes.write_text(EQUAL, "utf-8")
    editor.open(shapes)
    editor.type("Go")
    shown = editor.until("a suggestion of several lines", lambda: "\n" in editor.ghost() and editor.page())
    lines = shown.splitlines(keepends=True)
    for n_lines in range(EQUAL.count("\n") + 1, len(lines) + 1):
        if lines[n_lines - 1].strip():  # an empty line comes together with the one below it
            editor.type("<M-C-Right>")
            editor.until("one more line in the text", lambda n=n_lines: editor.text() == "".join(lines[:n]))
            assert editor.page() == shown


def test_undo_takes_back_the_suggestion_and_nothing_else(editor: Neovim) -> None:
    editor.type("Goreturn 2 * (self.")
    accept(editor)
    editor.type("<Esc>u")
    editor.until("what was typed", lambda: editor.text() == SHAPES + "        return 2 * (self.\n")


def test_what_is_typed_through_stays_and_the_rest_is_still_offered(editor: Neovim) -> None:
    editor.type("Goreturn 2 * (self.")
    ghost = ghost_of(editor)
    shown = editor.page()
    editor.type(typed(ghost[0]))
    editor.until("the rest of the suggestion", lambda: editor.ghost() == ghost[1:])
    assert editor.page() == shown


def test_tab_right_behind_a_typed_character_repeats_nothing(editor: Neovim) -> None:
    editor.type("Goreturn 2 * (self.")
    ghost = ghost_of(editor)
    shown = editor.page()
    editor.type(typed(ghost[0]) + "<Tab>")
    editor.until("the suggestion in the text", lambda: editor.text() == shown)


def test_right_of_the_cursor_nothing_is_doubled_and_nothing_is_lost(editor: Neovim, shapes: Path) -> None:
    editor.type("Goreturn sum()<Left>")  # as an editor that closes brackets by itself leaves it
    accept(editor)
    line = saved(editor, shapes).splitlines()[9]
    assert line.startswith("        return sum(") and line.endswith(")")
    assert line.count("(") == line.count(")")


def test_the_suggestion_goes_where_there_is_none(editor: Neovim) -> None:
    editor.type("Goreturn 2 * (self.")
    ghost_of(editor)
    editor.type("<Left><Left>")  # inside the word: the server's answer is empty
    editor.until("the suggestion to be gone", lambda: not editor.ghost())
    editor.type("<End>")
    ghost_of(editor)
    editor.type("<Esc>")
    editor.until("the suggestion to be gone", lambda: not editor.ghost())
    assert editor.text() == SHAPES + "        return 2 * (self.\n"


def test_one_key_hides_the_suggestion_and_the_next_one_typed_brings_another(editor: Neovim) -> None:
    editor.type("Goreturn 2 * (self")
    ghost_of(editor)
    editor.type("<C-]>")
    editor.until("the suggestion to be gone", lambda: not editor.ghost())
    editor.type(".")
    ghost_of(editor)
    assert editor.text() == SHAPES + "        return 2 * (self.\n"


def test_typing_fast_ends_with_a_suggestion_for_what_was_typed_last(editor: Neovim) -> None:
    for letter in "Goreturn 2 * (self.width + self.":
        editor.type(letter)
    shown = accept(editor)
    assert shown.startswith(SHAPES + "        return 2 * (self.width + self.")


def test_columns_are_right_behind_tabs_and_characters_of_every_width(editor: Neovim, shapes: Path) -> None:
    with_tabs = SHAPES.replace("    ", "\t")
    shapes.write_text(with_tabs, "utf-8")
    editor.open(shapes)
    editor.type(":setlocal noexpandtab tabstop=4<CR>")
    editor.type('Golabel = "<C-v><Tab>🎉é👩‍🚀" + str(self.)<Left>')
    ghost = ghost_of(editor)
    editor.type("<Tab>")
    before = with_tabs + '\t\tlabel = "\t🎉é👩‍🚀" + str(self.'
    # Neovim draws what stands right of the cursor as a part of the suggestion; we do not.
    editor.until("it in the text", lambda: editor.text() in (f"{before}{ghost}\n", f"{before}{ghost})\n"))


def test_two_files_share_one_server(editor: Neovim, shapes: Path) -> None:
    project = shapes.with_name("project")
    (project / ".git").mkdir(parents=True)
    other = project / "circle.py"
    other.write_text("import math\n\n\ndef area(radius):\n", "utf-8")
    editor.type("Goreturn 2 * (self.")
    first = accept(editor)
    assert saved(editor, shapes) == first
    editor.type(f":edit {other}<CR>")
    editor.until_attached()
    editor.type("Goreturn math.")
    second = accept(editor)
    assert saved(editor, other) == second
    assert editor.lua("return #vim.lsp.get_clients()") == 1


def test_without_a_suggestion_tab_is_tab(editor: Neovim, shapes: Path) -> None:
    editor.type(f":edit {shapes.with_name('notes.txt')}<CR>i<Tab>x")
    editor.until("a tab", lambda: editor.text() == "\tx\n")
