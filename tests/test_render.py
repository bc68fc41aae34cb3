"""A completion as each editor gets it: the document before, and after its user accepted."""

from __future__ import annotations

import pytest
from lsprotocol import types

from lsp_server.server.clients import client_named
from lsp_server.server.origins import is_local
from lsp_server.server.render import Cursor, Edit, inline_item, popup_item
from lsp_server.text import Document, Encoding, dominant_eol
from lsp_server.values import Completion, Snapshot
from tests.drawing import CURSOR, answered, snapshot

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")


def cursor_of(asked: Snapshot, encoding: Encoding = "utf-16") -> Cursor:
    line = asked.text[: asked.offset].replace("\r\n", "\n").count("\n")
    return Cursor.of(asked, line, encoding)


def inline(
    drawn: str,
    text: str,
    replaces: int = 0,
    *,
    editor: str = "",
    encoding: Encoding = "utf-16",
    selected: str | None = None,
) -> types.InlineCompletionItem | None:
    """The item for an editor; `selected` is an entry of its popup, for the word before the cursor."""
    asked = snapshot(drawn)
    cursor = cursor_of(asked, encoding)
    edit = Edit.of(Completion(text, asked.offset + replaces), asked, cursor)
    entry = selected and types.SelectedCompletionInfo(cursor.range(word_start(cursor), cursor.offset), selected)
    return inline_item(edit, cursor, dominant_eol(asked.text), client_named(editor), entry or None)


def popup(drawn: str, text: str, replaces: int = 0, *, markdown: bool = True) -> types.CompletionItem:
    asked = snapshot(drawn)
    cursor = cursor_of(asked)
    edit = Edit.of(Completion(text, asked.offset + replaces), asked, cursor)
    return popup_item(edit, cursor, dominant_eol(asked.text), asked.language_id, markdown)


def word_start(cursor: Cursor) -> int:
    before = cursor.text[: cursor.offset]
    return len(before) - len(before.split(" ")[-1].split("(")[-1])


def accepted(drawn: str, range_: types.Range, text: str, encoding: Encoding = "utf-16") -> str:
    """The document after the edit, the cursor behind the new text."""
    document = Document("", "", 0, drawn.replace(CURSOR, ""))
    start, end = (document.offset_at(at.line, at.character, encoding) for at in (range_.start, range_.end))
    return document.text[:start] + text + CURSOR + document.text[end:]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("drawn", "text", "replaces", "after"),
    [
        ("x = ┃\n", "1", 0, "x = 1┃\n"),
        ("print(┃)\n", "name)", 1, "print(name)┃\n"),
        ("a = '😀' + str(┃)\n", "n)", 1, "a = '😀' + str(n)┃\n"),
        ("größe = f('é漢', ┃'😀')\n", "x, '😀')", 5, "größe = f('é漢', x, '😀')┃\n"),
        ("if x:\r\n    ┃\r\n", "y\nz", 0, "if x:\r\n    y\r\nz┃\r\n"),
        ("a\u2028b = ┃\x0cc\n", "1", 0, "a\u2028b = 1┃\x0cc\n"),
    ],
)
def test_an_accepted_suggestion_stands_where_it_belongs(drawn, text, replaces, after, encoding):
    item = inline(drawn, text, replaces, encoding=encoding)
    assert item and isinstance(item.insert_text, str) and item.range
    assert item.range.start.line == item.range.end.line == drawn[: drawn.index(CURSOR)].count("\n")
    assert accepted(drawn, item.range, item.insert_text, encoding) == after


@pytest.mark.parametrize("says", ["\n\t\tb = 1  \n        return b\n", "\r\n\t\tb = 1  \r\n        return b\r\n"])
def test_in_a_document_with_windows_line_ends_every_line_has_them(says):
    drawn = "def f(a):\r\n\tif a:┃\r\n\r\n\r\ndef g():\r\n\tpass\r\n"
    completion = answered(drawn, says).completion
    item = inline(drawn, completion.text if completion else "")
    assert item and isinstance(item.insert_text, str) and item.range
    after = drawn.replace("┃", "\r\n\t\tb = 1\r\n\t\treturn b┃")
    assert accepted(drawn, item.range, item.insert_text) == after


def test_neovim_draws_over_the_line_so_it_gets_all_of_it():
    drawn = "    print(┃)  # say it\n"
    item = inline(drawn, "name)\nprint(x)", 1, editor="Neovim")
    assert item and item.range
    assert item.insert_text == "    print(name)\nprint(x)  # say it"
    assert (item.range.start.character, item.range.end.character) == (0, 21)


def test_neovim_gets_an_insertion_where_nothing_stands_on_the_right():
    item = inline("    return ┃\n", "x", editor="Neovim")
    assert item and item.range and item.insert_text == "x"
    assert item.range.start == item.range.end == types.Position(0, 11)


@pytest.mark.parametrize(
    ("editor", "text"), [("", "a\r\nb"), ("Visual Studio Code", "a\r\nb"), ("Neovim", "a\nb"), ("emacs", "a\nb")]
)
def test_line_ends_are_the_documents_where_the_editor_wants_them(editor, text):
    item = inline("if x:\r\n    ┃\r\n", "a\nb", editor=editor)
    assert item and item.insert_text == text


@pytest.mark.parametrize(
    ("drawn", "selected", "text", "sent"),
    [
        ("x = fo┃\n", "format", "rmat(1)", "format(1)"),
        ("x = fo┃\n", "format", "rmat", "format"),
        ("x = fo┃\n", "format", "o()", None),
        ("x = fo┃\n", "format", "rm", None),
        ("x = ┃\n", "format", "format(1)", "format(1)"),
        ("f(fo┃)\n", "format", "rmat)", "format)"),
    ],
)
def test_beside_the_popup_a_suggestion_begins_with_its_selected_entry(drawn, selected, text, sent):
    item = inline(drawn, text, 1 if text.endswith(")") and drawn.startswith("f(") else 0, selected=selected)
    assert (item and item.insert_text) == sent


@pytest.mark.parametrize(
    ("drawn", "text", "replaces", "after", "label"),
    [
        ("x = num┃\n", "bers[0]", 0, "x = numbers[0]┃\n", "numbers[0]"),
        ("sum(num┃)\n", "bers)", 1, "sum(numbers)┃\n", "numbers)"),
        ("def f():┃\r\n", "\n    return 1\n", 0, "def f():\r\n    return 1\r\n┃\r\n", "return 1"),
        ("x = größe┃\n", "_in_m", 0, "x = größe_in_m┃\n", "größe_in_m"),
    ],
)
def test_a_popup_entry_begins_with_the_word_before_the_cursor(drawn, text, replaces, after, label):
    item = popup(drawn, text, replaces)
    edit = item.text_edit
    assert isinstance(edit, types.TextEdit)
    assert accepted(drawn, edit.range, edit.new_text) == after
    assert item.label == label and item.filter_text
    before_cursor = drawn[: drawn.index(CURSOR)].rpartition("\n")[2]
    assert item.filter_text.startswith(before_cursor[edit.range.start.character :])
    assert (
        item.insert_text_format is types.InsertTextFormat.PlainText
        and item.insert_text_mode is types.InsertTextMode.AsIs
    )


def test_the_whole_suggestion_is_shown_beside_the_popup():
    documentation = popup("x = ┃\n", '"""\n```\nfence\n```\n"""').documentation
    assert isinstance(documentation, types.MarkupContent)
    assert documentation.value == '````python\n"""\n```\nfence\n```\n"""\n````'
    plain = popup("x = ┃\n", "1", markdown=False).documentation
    assert plain == types.MarkupContent(types.MarkupKind.PlainText, "1")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://localhost:8080", True),
        ("https://127.0.0.1", True),
        ("http://[::1]:3000", True),
        ("vscode-webview://1a2b", True),
        ("https://example.com", False),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com:80", False),
        ("null", False),
        ("", False),
        ("file://", False),
        ("http://[", False),
    ],
)
def test_pages_of_other_machines_may_not_connect(origin, allowed):
    assert is_local(origin) is allowed
