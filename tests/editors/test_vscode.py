"""VS Code with our extension, our server and the model in the package: keys in, screen and disk out.

What the model suggests is its own affair. What counts here is that Tab makes exactly that true which was on the screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from surroundings import own_environment

pytest.importorskip("playwright", reason="playwright is missing; pip install playwright brings it")

import vscode
from vscode import CodeServer, Window, until

TOOLS = vscode.find() or pytest.skip(
    "code-server, Chromium or the packaged extension is missing; INFILL_CODE_SERVER and INFILL_VSIX say where they are",
    allow_module_level=True,
)

Open = Callable[[Path], Window]

SHAPES = """\
class Rectangle:
    def __init__(self, width, height):
        self.width = width
        self.height = height

    def area(self):
        return self.width * self.height

    def perimeter(self):
"""


@pytest.fixture(scope="module")
def code_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodeServer]:
    folder = tmp_path_factory.mktemp("vscode")
    program, extension, _ = TOOLS
    with CodeServer(program, extension, folder, own_environment(folder)).running() as running:
        yield running


@pytest.fixture
def open_window(code_server: CodeServer) -> Iterator[Open]:
    """Opens a file in a window of its own."""
    with vscode.browser(TOOLS[2]) as new_page:
        yield lambda file: Window(new_page(), code_server.address, file)


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    file = tmp_path / "shapes.py"
    file.write_text(SHAPES, "utf-8")
    return file


def accept(window: Window) -> str:
    """Press Tab on a suggestion: the line becomes what the screen has shown, the suggestion's grey included."""
    shown = until("a suggestion", lambda: window.ghost() and window.line())
    window.press("Tab")
    until("the suggestion in the text", lambda: not window.ghost() and window.line() == shown)
    return str(shown)


def test_what_is_typed_is_continued_and_tab_puts_it_into_the_file(open_window: Open, shapes: Path) -> None:
    window = open_window(shapes)
    window.until_ready()
    window.press("Control+End")
    window.type("        return 2 * (")  # VS Code closes the bracket by itself
    line = accept(window)
    assert line.startswith("        return 2 * (") and line.endswith(")") and line.count("(") == line.count(")")
    assert len(line) > len("        return 2 * ()")
    assert window.saved() == SHAPES + line


def test_a_missing_program_is_named_and_used_as_soon_as_the_setting_says_where_it_is(
    code_server: CodeServer, open_window: Open, shapes: Path
) -> None:
    code_server.set(**{"infill.command": "/nowhere/infill-ls"})
    window = open_window(shapes)
    message = until("a message", window.message)
    assert message.startswith("/nowhere/infill-ls was not found")
    code_server.set(**{"infill.command": str(code_server.folder / "bin" / "infill-ls")})
    window.until_ready()
