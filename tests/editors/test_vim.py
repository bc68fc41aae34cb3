"""Vim with our client, our server and the model in the package: keys in, screen and disk out.

What the model suggests is its own affair. What counts here is that a key makes exactly that true
which was on the screen.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from surroundings import SHAPES, missing, own_environment

if find_spec("pyte") is None:
    missing("pyte", "pip install -e '.[dev,editors]' brings it")

import vim
from vim import Vim

vim.program()

SERVERS = Path(__file__).parent
EQUAL = """\
class Point:
    def __eq__(self, other):
        if not isinstance(other, Point):
            return False
        return self.x == other.x and self.y == other.y

    def __ne__(self, other):
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vim]:
    """One Vim for all, so that its server loads the model once."""
    folder = tmp_path_factory.mktemp("vim")
    (folder / "first.py").write_text("")
    editor = Vim(folder / "first.py", env=own_environment(folder))
    editor.until_ready()
    yield editor
    editor.close()


@pytest.fixture
def editor(running: Vim, shapes: Path) -> Vim:
    running.open(shapes)
    return running


def ghost_of(editor: Vim) -> str:
    return str(editor.until("a suggestion", editor.ghost))


def accept(editor: Vim) -> str:
    """Press Tab on a suggestion: the buffer becomes what the screen has shown, the suggestion's grey included."""
    ghost_of(editor)
    editor.until("the cursor in front of it", lambda: editor.begin_of_ghost() == editor.cursor())
    shown = editor.page()
    editor.type("<Tab>")
    editor.until("the suggestion in the text", lambda: editor.text() == shown)
    return shown


def saved(editor: Vim, file: Path) -> str:
    editor.type("<Esc>:silent write<CR>")
    editor.until("the file to be written", lambda: not editor.eval("&modified"))
    return file.read_text("utf-8")


def test_what_is_typed_is_continued_and_tab_puts_it_into_the_file(editor: Vim, shapes: Path) -> None:
    editor.type("Goreturn 2 * (self.")
    ghost = ghost_of(editor)
    shown = accept(editor)
    assert shown == SHAPES + "        return 2 * (self." + ghost + "\n"
    assert saved(editor, shapes) == shown


def test_a_word_at_a_time_and_the_rest_stays(editor: Vim) -> None:
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


def test_a_line_at_a_time_and_the_rest_stays(editor: Vim, shapes: Path) -> None:
    shapes.write_text(EQUAL, "utf-8")
    editor.open(shapes)
    editor.type("Go")
    shown = editor.until("a suggestion of several lines", lambda: "\n" in editor.ghost() and editor.page())
    lines = shown.splitlines(keepends=True)
    for n_lines in range(EQUAL.count("\n") + 1, len(lines) + 1):
        if lines[n_lines - 1].strip():  # an empty line comes together with the one below it
            editor.type("<M-C-Right>")
            editor.until("one more line in the text", lambda n=n_lines: editor.text() == "".join(lines[:n]))
            editor.until("the rest below it", lambda: editor.page() == shown)


def test_undo_takes_back_the_suggestion_and_nothing_else(editor: Vim) -> None:
    editor.type("Goreturn 2 * (self.")
    accept(editor)
    editor.type("<Esc>u")
    editor.until("what was typed", lambda: editor.text() == SHAPES + "        return 2 * (self.\n")


def test_what_is_typed_through_stays_and_the_rest_is_still_offered(editor: Vim) -> None:
    editor.type("Goreturn 2 * (self.")
    ghost = ghost_of(editor)
    shown = editor.page()
    editor.type(ghost[0])
    editor.until("the rest of the suggestion", lambda: editor.ghost() == ghost[1:])
    assert editor.page() == shown


def test_tab_right_behind_a_typed_character_repeats_nothing(editor: Vim) -> None:
    editor.type("Goreturn 2 * (self.")
    ghost = ghost_of(editor)
    shown = editor.page()
    editor.type(ghost[0] + "<Tab>")
    editor.until("the suggestion in the text", lambda: editor.text() == shown)


def test_right_of_the_cursor_nothing_is_doubled_and_nothing_is_lost(editor: Vim, shapes: Path) -> None:
    editor.type("Goreturn sum()<Left>")  # as a plugin that closes brackets by itself leaves it
    accept(editor)
    line = saved(editor, shapes).splitlines()[9]
    assert line.startswith("        return sum(") and line.endswith(")")
    assert line.count("(") == line.count(")")


def test_one_key_hides_the_suggestion_and_the_next_one_typed_brings_another(editor: Vim) -> None:
    editor.type("Goreturn 2 * (self")
    ghost_of(editor)
    editor.type("<C-]>")
    editor.until("the suggestion to be gone", lambda: not editor.ghost())
    editor.type(".")
    ghost_of(editor)
    editor.type("<Esc>")
    editor.until("the suggestion to be gone", lambda: not editor.ghost())
    assert editor.text() == SHAPES + "        return 2 * (self.\n"


def test_typing_fast_ends_with_a_suggestion_for_what_was_typed_last(editor: Vim) -> None:
    for letter in "Goreturn 2 * (self.width + self.":
        editor.type(letter)
    editor.until("all of it", lambda: "self.width + self." in editor.text())
    shown = accept(editor)
    assert shown.startswith(SHAPES + "        return 2 * (self.width + self.")


def test_columns_are_right_behind_tabs_and_characters_of_every_width(editor: Vim, shapes: Path) -> None:
    with_tabs = SHAPES.replace("    ", "\t")
    shapes.write_text(with_tabs, "utf-8")
    editor.open(shapes)
    editor.type(":setlocal noexpandtab tabstop=4<CR>")
    editor.type('Golabel = "<C-v><Tab>🎉é" + str(self.)<Left>')
    ghost = ghost_of(editor)
    editor.type("<Tab>")
    before = with_tabs + '\t\tlabel = "\t🎉é" + str(self.'
    editor.until("it in the text", lambda: editor.text() == f"{before}{ghost})\n")


def test_the_server_has_the_text_that_was_pasted_deleted_undone_and_loaded_again(editor: Vim, shapes: Path) -> None:
    editor.type("ggyGGpggdd3ddu:%substitute/width/🎉wide/g<CR>Gdggopass # é<Esc>uu:edit!<CR>ggOimport os<Esc>")
    editor.until("the new first line", lambda: editor.text() == "import os\n" + SHAPES)
    editor.type("Goreturn 2 * (self.")
    ghost_of(editor)
    editor.type("<Esc>:Infill explain<CR>")
    page = str(editor.until("the page", lambda: editor.eval("&filetype") == "infill" and editor.text()))
    for line in ["import os", *SHAPES.splitlines(), "        return 2 * (self."]:
        assert line in page
    assert page.count("class Rectangle:") == 1
    assert "wide" not in page and "pass" not in page
    editor.type("q")
    editor.until("the file again", lambda: SHAPES in editor.text())


def test_status_and_toggle_say_how_it_is(editor: Vim) -> None:
    editor.type(":Infill<CR>")
    editor.until("the status", lambda: "is ready" in editor.messages())
    for wanted in ("infill: off for python", "infill: on for python"):
        editor.type(":Infill toggle python<CR>")
        editor.until(wanted, lambda wanted=wanted: wanted in editor.messages())


def test_two_files_share_one_server(editor: Vim, shapes: Path) -> None:
    other = shapes.with_name("circle.py")
    other.write_text("import math\n\n\ndef area(radius):\n", "utf-8")
    editor.type("Goreturn 2 * (self.")
    first = accept(editor)
    assert saved(editor, shapes) == first
    editor.type(f":edit {other}<CR>Goreturn math.")
    second = accept(editor)
    assert saved(editor, other) == second
    assert len(editor.servers()) == 1


def test_a_killed_server_is_started_again(editor: Vim) -> None:
    (before,) = editor.servers()
    before.send_signal(signal.SIGKILL)
    editor.until("another one", lambda: [server for server in editor.servers() if server != before])
    editor.until_ready()
    editor.type("Goreturn 2 * (self.")
    accept(editor)


def test_coming_back_to_the_end_of_a_line_brings_a_suggestion(editor: Vim) -> None:
    editor.type("Goreturn 2 * (self.<Esc>")
    editor.until("no suggestion", lambda: not editor.ghost())
    editor.type("A")
    accept(editor)


def test_without_a_suggestion_tab_is_tab(editor: Vim, shapes: Path) -> None:
    editor.open(shapes.with_name("notes.txt"))
    editor.type(":setlocal noexpandtab<CR>i<Tab>x")
    editor.until("a tab", lambda: editor.text() == "\tx\n")


def with_server(folder: Path, script: str, *arguments: str, **env: str) -> Vim:
    """A Vim whose `infill-ls` is one of the servers for tests, with a file of one line."""
    own = own_environment(folder)
    command = " ".join(f'"{word}"' for word in (sys.executable, str(SERVERS / script), *arguments))
    (folder / "bin" / "infill-ls").write_text(f"#!/bin/sh\nexec {command}\n")
    file = folder / "a.py"
    file.write_text("x = 1\n")
    return Vim(file, env={**own, **env})


def test_a_missing_program_is_said_once_and_typing_goes_on(tmp_path: Path) -> None:
    env = own_environment(tmp_path)
    (tmp_path / "bin" / "infill-ls").unlink()
    env["PATH"] = os.pathsep.join([f"{tmp_path}/bin", "/usr/bin", "/bin"])
    (tmp_path / "a.py").write_text("x = 1\n")
    editor = Vim(tmp_path / "a.py", env=env)
    editor.until("the message", lambda: "infill-ls is not on the path" in editor.screen())
    editor.type("Goy = 2<Tab><Esc>:setfiletype python<CR>")
    editor.until("what was typed", lambda: editor.text().startswith("x = 1\ny = 2 "))
    assert editor.eval("len(popup_list())") == 1
    editor.type(":Infill<CR>")
    editor.until("the same for who asks", lambda: "pipx install infill-ls" in editor.messages())
    editor.close()


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("ending", "infill-ls ended with exit code 1 (nothing to serve with)"),
        ("crashing", "infill-ls ended with exit code 1 (the model fell over)"),
        ("refusing", "infill: the model cannot be read"),
    ],
)
def test_a_server_that_ends_or_refuses_is_told_of_and_typing_goes_on(tmp_path: Path, mode: str, sentence: str) -> None:
    editor = with_server(tmp_path, "bad_server.py", mode)
    editor.type("Goabc")
    editor.until("the message", lambda: sentence in editor.screen())
    editor.type("def<Tab>")
    editor.until("what was typed", lambda: editor.text() == "x = 1\nabcdef  \n")
    editor.close()


def test_an_accepted_suggestion_is_reported_and_a_late_one_taken_back(tmp_path: Path) -> None:
    log = tmp_path / "log"
    how = {"texts": ["two()"], "commands": {"infill.accepted": None}, "late_s": 0.5}
    editor = with_server(tmp_path, "fake_server.py", FAKE_SERVER=json.dumps(how), FAKE_SERVER_LOG=str(log))

    def received(method: str) -> list[dict[str, object]]:
        messages = map(json.loads, log.read_text("utf-8").splitlines() if log.exists() else [])
        return [message for message in messages if message.get("method") == method]

    editor.until("the file to be known", lambda: received("textDocument/didOpen"))
    editor.type("Goy =")
    editor.until("the first request", lambda: received("textDocument/inlineCompletion"))
    editor.type(" ")
    editor.until("it to be taken back", lambda: received("$/cancelRequest"))
    assert received("$/cancelRequest")[0]["params"] == {"id": received("textDocument/inlineCompletion")[0]["id"]}
    accept(editor)
    editor.until("the report", lambda: received("workspace/executeCommand"))
    params = received("workspace/executeCommand")[0]["params"]
    assert params == {"command": "infill.accepted", "arguments": ["two()"]}
    editor.close()


def test_what_gives_way_to_the_suggestion_is_struck_through(tmp_path: Path) -> None:
    how = {"texts": ["1], key=2)"], "replace_to_end": True}
    editor = with_server(tmp_path, "fake_server.py", FAKE_SERVER=json.dumps(how), FAKE_SERVER_LOG=str(tmp_path / "log"))
    editor.until("the server", lambda: (tmp_path / "log").exists() and "didOpen" in (tmp_path / "log").read_text())
    editor.type("Gof(x[])<Left><Left>")
    accept(editor)
    assert editor.text() == "x = 1\nf(x[1], key=2)\n"
    editor.close()
