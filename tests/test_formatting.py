"""What editors and projects say of indentation, and where suggestions follow it."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path

import pytest

from lsp_server.cli import main
from lsp_server.formatting import MAX_BYTES, project_unit
from tests.wire import CURSOR, Editor, position

FLAT = "def mean(numbers):┃\n"


def project(folder: Path, **files: str) -> str:
    """A project with these .editorconfig files (`__` stands for the folder's own); the path of a file in lib/deep."""
    for name, text in {"__": "root = true\n", **files}.items():
        path = folder / name.strip("_").replace("__", "/") / ".editorconfig"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return str(folder / "lib" / "deep" / "sums.py")


@pytest.mark.parametrize(
    ("says", "unit"),
    [
        ("indent_style = tab\nindent_size = 8", "\t"),
        ("indent_style = space\nindent_size = 2", "  "),
        ("indent_style = SPACE\ntab_width = 3\nindent_size = tab", "   "),
        ("indent_style = space", ""),
        ("indent_size = 2", ""),
        ("indent_style = space\nindent_size = many", ""),
        ("indent_style = space\nindent_size = 4000", ""),
        ("indent_style = unset\nindent_size = 2", ""),
    ],
)
def test_a_step_of_indentation_is_read(says, unit, tmp_path):
    assert project_unit(project(tmp_path, __=f"root = true\n[*.py]\n{says}\n")) == unit


def test_the_nearest_file_decides_and_sections_name_their_files(tmp_path):
    files = {
        "__": "root = true\n[*]\nindent_style = tab\n",
        "lib": "[*.py]\nindent_style = space\nindent_size = 2\n[*.go]\nindent_style = tab\n",
    }
    path = project(tmp_path, **files)
    assert project_unit(path) == "  "
    assert project_unit(path.replace(".py", ".go")) == "\t"
    assert project_unit(str(tmp_path / "sums.py")) == "\t"


def test_nothing_is_read_above_the_root(tmp_path):
    path = project(tmp_path, __="root = true\n[*]\nindent_style = tab\n", lib="root = true\n[*.py]\ncharset = utf-8\n")
    assert project_unit(path) == ""


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the library's, of a file with errors
@pytest.mark.parametrize("says", ["[*.py]\nno such thing\n", "[*.{py\n[{9..1}\n", "x" * MAX_BYTES + "=1\n"])
def test_a_file_that_cannot_be_read_says_nothing(says, tmp_path):
    assert project_unit(project(tmp_path, lib=says)) == ""
    gc.collect()


@pytest.mark.parametrize("pattern", ["*a" * 11 + "*b", "{a,aa}" * 40 + "b", "{*a,*a}" * 6 + "b"])
def test_nobody_waits_for_a_pattern_that_takes_ages(pattern, tmp_path):
    project(tmp_path, __=f"root = true\n[{pattern}]\nindent_style = tab\n")
    assert project_unit(str(tmp_path / ("a" * 60))) == ""


@pytest.mark.parametrize(
    "pattern",
    ["*", "*.py", "*.{js,py}", "{*.json,*.yml,*.yaml,*.md,*.js,*.py}", "lib/**.py", "{lib,bin}/**/*.{py,pyi}"],
)
def test_patterns_as_people_write_them_are_followed(pattern, tmp_path):
    assert project_unit(project(tmp_path, __=f"root = true\n[{pattern}]\nindent_style = tab\n")) == "\t"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_nobody_waits_for_a_file_that_is_none(tmp_path):
    path = project(tmp_path)
    os.mkfifo(tmp_path / ".editorconfig.pipe")
    os.replace(tmp_path / ".editorconfig.pipe", tmp_path / ".editorconfig")
    assert project_unit(path) == ""


@pytest.mark.parametrize("path", ["", "sums.py", "untitled:Untitled-1"])
def test_a_document_without_a_file_has_no_project(path):
    assert project_unit(path) == ""


def flat_file(folder: Path, says: str) -> Path:
    path = Path(project(folder, __=f"root = true\n[*.py]\n{says}\n"))
    path.parent.mkdir(parents=True)
    path.write_text(FLAT.replace(CURSOR, ""), "utf-8")
    return path


def drawn(editor: Editor, path: Path, **params: object) -> str:
    """The document once the first suggestion is accepted."""
    editor.open(FLAT, uri=path.as_uri())
    asked = {"textDocument": {"uri": path.as_uri()}, "position": position(FLAT), "context": {"triggerKind": 2}}
    items = editor.call("textDocument/inlineCompletion", {**asked, **params})["items"]
    return FLAT.replace(CURSOR, items[0]["insertText"])


TWO, TAB = "indent_style = space\nindent_size = 2", "indent_style = tab"


def test_in_a_flat_file_suggestions_are_indented_as_the_project_wants(editor, tmp_path):
    editor.initialize()
    assert drawn(editor, flat_file(tmp_path / "two", TWO)).startswith("def mean(numbers):\n  return ")
    assert drawn(editor, flat_file(tmp_path / "tab", TAB)).startswith("def mean(numbers):\n\treturn ")


def test_what_the_editor_says_with_a_request_goes_before_the_project(editor, tmp_path):
    editor.initialize()
    path = flat_file(tmp_path, TAB)
    three = {"tabSize": 3, "insertSpaces": True}
    assert drawn(editor, path, formattingOptions=three).startswith("def mean(numbers):\n   return ")


@pytest.mark.parametrize("options", [None, [], {}, {"tabSize": 3}, {"tabSize": "3", "insertSpaces": True}])
def test_formatting_options_that_say_nothing_are_ignored(options, editor, tmp_path):
    editor.initialize()
    path = flat_file(tmp_path, TAB)
    assert drawn(editor, path, formattingOptions=options).startswith("def mean(numbers):\n\treturn ")


def test_the_command_asks_the_project_too(tmp_path, capsys):
    path = flat_file(tmp_path, TAB)
    assert main(["complete", f"{path}:1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["suggestion"].startswith("\n\treturn ")
