"""VS Code with our extension, our server and the model in the package: keys in, screen and disk out.

What the model suggests is its own affair. What counts here is that Tab makes exactly that true which was on the screen.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from bad_server import SUGGESTION
from code_server import CodeServer, find, until
from surroundings import SHAPES, missing, own_environment

if find_spec("playwright") is None:
    missing("playwright", "pip install -e '.[dev,editors]' brings it")

import vscode
from vscode import Window

TOOLS = find() or missing("VS Code", "INFILL_CODE_SERVER=$(bash .ci/install-vscode.sh) brings it")

RECTANGLE = f"{SHAPES}        ┃\n"
PYTHON_EXTENSION = """\
const selected = { id: "PYTHON", path: "PYTHON" };
exports.activate = () => ({
  environments: {
    getActiveEnvironmentPath: () => selected,
    resolveEnvironment: async ({ path }) => ({ executable: { uri: require("vscode").Uri.file(path) } }),
  },
});
"""
HEARD = re.compile(r"heard (\S+)")
LEAF = """\
class Node:
    def __init__(self, value, left, right):
        self.value = value
        self.left = left
        self.right = right

class Leaf:
    def __init__(self, value, left, right):
        ┃
"""


@pytest.fixture(scope="module")
def code_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodeServer]:
    folder = tmp_path_factory.mktemp("vscode")
    (folder / "project").mkdir()
    extensions = TOOLS.extension, python_extension(folder)
    with CodeServer(TOOLS.code_server, extensions, folder, own_environment(folder)).running() as running:
        yield running


def python_extension(folder: Path) -> Path:
    """As much of Microsoft's extension for Python as ours asks: the environment in `folder` is the selected one."""
    manifest = {
        **{"publisher": "ms-python", "name": "python", "version": "2025.0.0", "engines": {"vscode": "^1.91.0"}},
        **{"main": "extension.js", "activationEvents": ["onStartupFinished"]},
    }
    with zipfile.ZipFile(folder / "python.vsix", "w") as archive:
        archive.writestr("extension/package.json", json.dumps(manifest))
        archive.writestr("extension/extension.js", PYTHON_EXTENSION.replace("PYTHON", str(folder / "env/bin/python")))
    return folder / "python.vsix"


@pytest.fixture(scope="module")
def browser() -> Iterator[vscode.NewPage]:
    with vscode.browser(TOOLS.chromium) as new_page:
        yield new_page


@pytest.fixture(scope="module")
def shared_window(code_server: CodeServer, browser: vscode.NewPage) -> Window:
    return Window(browser(), code_server.address, code_server.folder / "project")


@pytest.fixture
def window(code_server: CodeServer, shared_window: Window) -> Iterator[Window]:
    """The window, with the server ready and as the user has it by default."""
    shared_window.until_ready()
    yield shared_window
    shared_window.tidy_up()
    code_server.set()


@pytest.fixture
def program(code_server: CodeServer) -> Path:
    return code_server.folder / "bin" / "infill-ls"


def type_and_accept(window: Window, typed: str, key: str = "Tab") -> tuple[str, str]:
    """The text as it was drawn with the suggestion, and as it stands in the file after the key."""
    window.type(typed)
    window.until_ghost()
    drawn = window.drawn()
    window.press(key)
    return drawn, window.saved()


def test_a_half_written_function_is_continued_and_tab_puts_what_was_drawn_into_the_file(window: Window) -> None:
    window.edit("rectangle.py", RECTANGLE)
    drawn, saved = type_and_accept(window, "return 2 * (self.")
    assert saved == f"{drawn}\n"
    assert len(saved) > len(RECTANGLE.replace("┃", "return 2 * (self.)"))


def test_the_picture_in_the_readme_is_what_is_seen(window: Window, tmp_path: Path) -> None:
    """INFILL_PICTURE is where it is put, such as editor-clients/vscode/screenshot.png."""
    sample = (Path(__file__).parents[1] / "samples" / "cart.py").read_text("utf-8")
    window.edit("cart.py", sample.replace("if item.\n", "if item.┃\n"))
    window.press("Alt+\\")
    ghost = window.until_ghost()
    picture = Path(os.environ.get("INFILL_PICTURE", tmp_path / "vscode.png"))
    window.screenshot(picture, width=820, height=420)
    assert ghost and picture.stat().st_size < 100_000


def test_one_undo_takes_back_what_was_accepted_and_nothing_else(window: Window) -> None:
    window.edit("undo.py", RECTANGLE)
    type_and_accept(window, "return 2 * (self.")
    window.press("Control+Z")
    assert window.saved() == RECTANGLE.replace("┃", "return 2 * (self.)")


def test_a_suggestion_is_accepted_word_by_word_and_its_rest_stays(window: Window) -> None:
    window.edit("word.py", RECTANGLE)
    drawn, saved = type_and_accept(window, "return 2 * (self.", "Control+ArrowRight")
    written, typed = saved.rstrip(")\n"), RECTANGLE.replace("┃\n", "return 2 * (self.")
    assert drawn.startswith(written) and len(written) > len(typed)
    assert window.until_ghost() and window.drawn() == drawn


def test_a_suggestion_of_several_lines_is_accepted_line_by_line(window: Window) -> None:
    window.edit("leaf.py", LEAF)
    window.press("Alt+\\")
    window.until_ghost()
    drawn, n_lines = window.drawn().splitlines(), LEAF.count("\n")
    assert len(drawn) > n_lines, "the model in the package suggests several lines here"
    window.press("Control+ArrowDown")
    assert window.saved().rstrip().splitlines() == drawn[:n_lines]


def test_typing_what_is_suggested_keeps_the_suggestion(window: Window) -> None:
    window.edit("through.py", "apples_in_the_basket = 3\nprint(┃)\n")
    window.type("app")
    ghost, drawn = window.until_ghost(), window.drawn()
    window.type(ghost[:3])
    assert window.until_ghost() == ghost[3:] and window.drawn() == drawn


def test_what_is_accepted_is_counted_by_the_server(window: Window, code_server: CodeServer) -> None:
    window.edit("counted.lua", "apples_in_the_basket = 3\nprint(┃)\n")
    type_and_accept(window, "app")
    window.command("Infill: Restart the Server")  # it writes when it ends
    until("the count", lambda: n_accepted(code_server, "lua") == 1)
    window.until_ready()


def n_accepted(code_server: CodeServer, language: str) -> int:
    command = [sys.executable, "-m", "lsp_server", "stats", "--json"]
    printed = subprocess.run(command, env=code_server.env, capture_output=True, check=True).stdout
    return int(json.loads(printed)["languages"].get(language, {"accepted": 0})["accepted"])


def test_escape_dismisses_and_the_command_asks_again(window: Window) -> None:
    window.edit("escape.py", RECTANGLE)
    window.type("return 2 * (self.")
    ghost = window.until_ghost()
    window.press("Escape")
    window.until_no_ghost()
    window.command("Infill: Trigger Suggestion")
    assert window.until_ghost()
    window.press("Escape", "Alt+\\")
    assert window.until_ghost() == ghost


def test_before_a_bracket_that_vs_code_has_closed_the_suggestion_does_not_close_it_again(window: Window) -> None:
    window.edit("bracket.py", RECTANGLE)
    drawn, saved = type_and_accept(window, "return 2 * (")
    line = saved.splitlines()[9]
    assert saved == f"{drawn}\n"
    assert line.endswith(")") and line.count("(") == line.count(")") and len(line) > len("        return 2 * ()")


def test_emoji_and_tabs_in_the_line_move_nothing(window: Window) -> None:
    window.edit("emoji.py", RECTANGLE.replace("    ", "\t").replace("┃", "return '🎉é', 2 * (┃)"))
    drawn, saved = type_and_accept(window, "self.")
    assert saved.expandtabs(4) == f"{drawn}\n"
    assert "\t\treturn '🎉é', 2 * (self." in saved


def test_two_files_are_completed_each_from_its_own_text(window: Window) -> None:
    window.edit("apples.py", "apples_in_the_basket = 3\nprint(┃)\n")
    drawn, saved = type_and_accept(window, "app")
    window.edit("pears.py", "pears_on_the_tree = 3\nprint(┃)\n")
    drawn_elsewhere, saved_elsewhere = type_and_accept(window, "pea")
    assert (saved, saved_elsewhere) == (f"{drawn}\n", f"{drawn_elsewhere}\n")
    assert "print(apple" in saved and "print(pear" in saved_elsewhere


def test_who_types_fast_loses_no_key_and_gets_what_fits_the_last_one(window: Window) -> None:
    window.edit("fast.py", RECTANGLE)
    window.type("return 2 * self.width + 2 * self.hei", delay_ms=0)
    window.until_ghost()
    drawn = window.drawn()
    window.press("Tab")
    assert window.saved() == f"{drawn}\n"
    assert "return 2 * self.width + 2 * self.height" in drawn


def test_beside_an_entry_selected_in_the_popup_the_suggestion_begins_with_it(window: Window) -> None:
    window.edit("popup.py", RECTANGLE.replace("2 * ", ""))
    window.type("return self.wi")
    window.press("Control+Space")
    until("the popup", window.popup_entry)
    window.until_ghost()
    assert f"return self.{window.popup_entry()}" in window.drawn()


def test_switched_off_nothing_comes_unless_it_is_asked_for(code_server: CodeServer, window: Window) -> None:
    window.edit("off.py", RECTANGLE)
    code_server.set(**{"infill.suggest.enabled": False})
    until("off", lambda: window.status() == "circle-slash infill")
    window.type("return 2 * (self.")
    window.until_no_ghost()
    window.press("Alt+\\")
    assert window.until_ghost()


def test_the_menu_says_how_it_is_and_switches_one_language_off_and_on(window: Window) -> None:
    window.edit("menu.py", RECTANGLE)
    window.click(vscode.STATUS)
    until("the menu", lambda: any("Suggest in python" in entry for entry in window.entries()))
    assert any("fim-4m-python" in entry for entry in window.entries())
    window.choose("Suggest in python")
    until("off here", lambda: window.status() == "circle-slash infill")
    window.type("return 2 * (self.")
    window.until_no_ghost()
    assert "off in python" in window.sentence()
    window.command("Infill: Turn On or Off in This Language")
    window.until_ready()


def test_what_was_asked_is_shown_beside_the_file(window: Window) -> None:
    window.edit("asked.py", RECTANGLE.replace("┃", "return 2 * (self.┃)"))
    window.press("Alt+\\")
    window.until_ghost()
    window.command("Infill: Show What Was Asked")
    text = until("the document", lambda: window.text_of("asked.py: what was asked"))
    assert "fim-4m-python" in text and "def perimeter(self):" in text


def test_a_model_on_this_machine_is_switched_to_and_kept_if_the_user_says_so(
    window: Window, code_server: CodeServer
) -> None:
    window.command("Infill: Switch the Model")
    until("the models", lambda: any("fim-4m-python-q8_0" in entry for entry in window.entries()))
    window.choose("fim-4m-python-q8_0")
    window.answer("Keep It")
    until("the setting", lambda: str(code_server.setting("infill.model.path")).endswith("fim-4m-python-q8_0.gguf"))
    window.until_ready()


def test_a_server_that_is_killed_is_started_again_and_suggests(window: Window, code_server: CodeServer) -> None:
    window.edit("killed.py", RECTANGLE)
    (server,) = servers(code_server)
    os.kill(server.pid, signal.SIGKILL)
    until_another(code_server, server)
    window.until_ready()
    assert "infill-ls ended by itself: SIGKILL" in code_server.log()
    drawn, saved = type_and_accept(window, "return 2 * (self.")
    assert saved == f"{drawn}\n"


def servers(code_server: CodeServer) -> list[psutil.Process]:
    children = code_server.process.children(recursive=True)
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE and "lsp_server" in child.cmdline()]


def until_another(code_server: CodeServer, server: psutil.Process) -> None:
    until("another server", lambda: servers(code_server) not in ([], [server]))


def bad_server(folder: Path, mode: str) -> Path:
    file = folder / mode
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("bad_server.py")}" {mode}\n')
    file.chmod(0o755)
    return file


@pytest.mark.parametrize(
    "mode, sentence",
    [
        ("ending", "infill-ls ended by itself: nothing to serve with"),
        ("crashing", "infill-ls ended by itself: the model fell over"),
        ("silent", "infill-ls has not answered for 10 s"),
    ],
)
def test_a_server_that_fails_is_said_in_a_sentence_and_nobody_who_types_has_to_wait(
    window: Window, code_server: CodeServer, tmp_path: Path, mode: str, sentence: str
) -> None:
    window.edit(f"{mode}.py", "┃\n")
    code_server.set(**{"infill.command": str(bad_server(tmp_path, mode))})
    until("the other server", lambda: window.status() != "check infill" or mode == "crashing")
    window.type("abc")
    assert window.saved() == "abc\n"
    until("the sentence", lambda: window.type("x") or window.sentence().startswith(f"infill: {sentence}"))
    assert window.status() == "error infill"


def test_an_older_server_suggests_and_what_it_cannot_do_is_said(
    window: Window, code_server: CodeServer, tmp_path: Path
) -> None:
    window.edit("old.py", "┃\n")
    code_server.set(**{"infill.command": str(bad_server(tmp_path, "old"))})
    until("the other server", lambda: "infill-ls 0.0.1 is running" in window.sentence())
    drawn, saved = type_and_accept(window, "abc")
    assert saved == f"{drawn}\n" == f"abc{SUGGESTION}\n"
    window.command("Infill: Show What Was Asked")
    assert until("a message", window.message) == "infill-ls 0.0.1 is too old for that; update it."


def test_the_server_hears_where_the_cursor_moves_to_and_of_edits_only_as_such(
    window: Window, code_server: CodeServer, tmp_path: Path
) -> None:
    code_server.set(**{"infill.command": str(bad_server(tmp_path, "listening"))})
    until("the other server", lambda: "infill-ls 0.0.1 is running" in window.sentence())
    window.edit("cursor.py", "first┃\n\n")
    window.type("abc")
    window.press("ArrowDown")
    wanted = [*["textDocument/didChange"] * 3, "infill/didMoveCursor"]
    until("three edits and a move", lambda: HEARD.findall(code_server.log())[-4:] == wanted)


def test_a_missing_program_is_named_and_another_used_as_soon_as_the_setting_says_so(
    window: Window, code_server: CodeServer
) -> None:
    code_server.set(**{"infill.command": "/nowhere/infill-ls"})
    assert until("a message", window.message).startswith("/nowhere/infill-ls was not found")
    assert window.status() == "error infill"
    code_server.set(**{"infill.command": "infill-ls"})
    window.until_ready()


def test_a_program_in_the_selected_python_environment_is_used(
    window: Window, code_server: CodeServer, program: Path
) -> None:
    in_environment = code_server.folder / "env" / "bin" / "infill-ls"
    in_environment.parent.mkdir(parents=True)
    shutil.move(program, in_environment)
    (before,) = servers(code_server)
    try:
        window.command("Infill: Restart the Server")
        until_another(code_server, before)
        window.until_ready()
    finally:
        shutil.move(in_environment, program)


def test_without_a_server_its_installation_is_typed_into_a_terminal_and_then_it_is_used(
    window: Window, code_server: CodeServer, program: Path
) -> None:
    hidden = program.with_name("hidden")
    program.rename(hidden)
    pipx = program.with_name("pipx")
    pipx.write_text(f'#!/bin/sh\n[ "$*" = "install infill-ls" ] && mv "{hidden}" "{program}"\n')
    pipx.chmod(0o755)
    window.command("Infill: Restart the Server")
    assert until("a message", window.message).startswith("infill-ls was not found")
    window.answer("Install with pipx")
    until("the line", lambda: "pipx install infill-ls" in window.terminal())
    assert hidden.exists()
    window.press("Enter")
    window.until_ready()


def test_nothing_of_a_workspace_is_run_until_it_is_trusted(
    code_server: CodeServer, browser: vscode.NewPage, program: Path
) -> None:
    in_workspace = code_server.folder / "untrusted" / ".venv" / "bin" / "infill-ls"
    in_workspace.parent.mkdir(parents=True)
    shutil.move(program, in_workspace)
    code_server.set_users(**{"security.workspace.trust.enabled": True})
    try:
        window = Window(browser(), code_server.address, code_server.folder / "untrusted")
        assert until("a message", window.message).startswith("infill-ls was not found")
        window.command("Workspaces: Manage Workspace Trust")
        window.click('.workspace-trust-editor .monaco-button:text-is("Trust")')
        window.until_ready()
    finally:
        code_server.set_users()
        shutil.move(in_workspace, program)


def test_the_first_start_shows_the_way(code_server: CodeServer, browser: vscode.NewPage) -> None:
    code_server.set(**{"workbench.welcomePage.walkthroughs.openOnInstall": True})
    window = Window(browser(), code_server.address, code_server.folder / "project")
    until("the walkthrough", lambda: "Get Started with infill" in window.page_text(".getting-started-category"))
    code_server.set()
