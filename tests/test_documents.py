"""The open files: the server and the editor hold the same text, in every encoding, whatever stands in it."""

from __future__ import annotations

import random

import pytest
from lsprotocol import types

from lsp_server.privacy import NEVER_SENT
from lsp_server.server.documents import MAX_OTHERS, Documents
from tests.wire import CURSOR, URI, Connection

QUICK = {"suggest": {"maxTokens": 1}}
ENCODINGS = ("utf-8", "utf-16", "utf-32")


def seen(editor: Connection, at: dict[str, int], uri: str = URI) -> str:
    """The document as the server sees it, its cursor marked."""
    editor.inline(at, uri, kind=1)
    window = editor.trace(uri)["window"]
    return str(window["prefix"] + CURSOR + window["suffix"])


class TestEveryEncoding:
    @pytest.mark.parametrize("encoding", ENCODINGS)
    def test_the_first_that_the_editor_names_is_used(self, editor, encoding):
        names = ["utf-7", encoding, *ENCODINGS]
        assert (
            editor.initialize(capabilities={"general": {"positionEncodings": names}})["capabilities"][
                "positionEncoding"
            ]
            == encoding
        )

    @pytest.mark.parametrize("encoding", ENCODINGS)
    @pytest.mark.parametrize(
        "drawn",
        [
            "smile = '😀😀┃'\n",
            "größe = 'é漢'┃",
            "a = 1\n😀 = ┃\n",
            "a\u2028b = 1  # é\x0c\x85\x1c\x0b\nc = ┃\n",
            "\ufefffirst = ┃",
            "┃",
            "😀\n┃",
        ],
    )
    def test_columns_count_its_units(self, editor, encoding, drawn):
        editor.initialize(capabilities={"general": {"positionEncodings": [encoding]}}, initializationOptions=QUICK)
        editor.open(drawn)
        assert seen(editor, in_units(drawn, encoding)) == drawn

    @pytest.mark.parametrize("encoding", ENCODINGS)
    def test_a_hundred_random_edits_leave_both_sides_with_the_same_text(self, editor, encoding):
        editor.initialize(capabilities={"general": {"positionEncodings": [encoding]}}, initializationOptions=QUICK)
        dice = random.Random(encoding)
        text = "one\r\ntwo 😀\nthree\rfour\x0cfive\u2028six\n"
        editor.open(text + CURSOR)
        pieces = ["x", "\n", "\r\n", "\r", "😀", "é\n", "漢\u2028", "\x0c\n\x85", "", "def f():\n    return 1\n"]
        for turn in range(100):
            start, end = sorted(dice.choices(place_offsets(text), k=2))
            new = dice.choice(pieces)
            editor.change(place(text, start, encoding), place(text, end, encoding), new)
            text = text[:start] + new + text[end:]
            if turn % 20 == 19:
                offset = dice.choice(place_offsets(text))
                line, character = place(text, offset, encoding)
                drawn = text[:offset] + CURSOR + text[offset:]
                assert seen(editor, {"line": line, "character": character}) == drawn.replace("\r\n", "\n").replace(
                    "\r", "\n"
                )


class TestDocuments:
    @pytest.fixture(autouse=True)
    def session(self, editor):
        editor.initialize(initializationOptions=QUICK)

    @pytest.mark.parametrize(
        ("text", "line", "character", "drawn"),
        [
            ("abc", 0, 99, "abc┃"),
            ("abc\ndef\n", 0, 99, "abc┃\ndef\n"),
            ("abc\r\ndef", 0, 4, "abc┃\ndef"),
            ("abc\n", 1, 0, "abc\n┃"),
            ("abc\n", 7, 3, "abc\n┃"),
            ("😀😀\n", 1, 0, "😀😀\n┃"),
            ("😀😀", 0, 99, "😀😀┃"),
            ("a😀b", 0, 2, "a┃😀b"),
            ("", 0, 0, "┃"),
            ("", 3, 3, "┃"),
        ],
    )
    def test_positions_at_and_past_the_end(self, editor, text, line, character, drawn):
        editor.open(text + CURSOR)
        assert seen(editor, {"line": line, "character": character}) == drawn

    def test_a_form_feed_does_not_shift_the_lines_below(self, editor):
        editor.open("import os\n\x0c\nx = 1\nX\n┃")
        editor.change((3, 0), (3, 1), "y = ")
        assert seen(editor, {"line": 3, "character": 4}) == "import os\n\x0c\nx = 1\ny = ┃\n"

    def test_several_changes_in_one_message_apply_in_order(self, editor):
        editor.open("ac\n┃")
        changes = [
            {"range": {"start": {"line": 0, "character": 1}, "end": {"line": 0, "character": 1}}, "text": "b"},
            {"range": {"start": {"line": 0, "character": 3}, "end": {"line": 0, "character": 3}}, "text": "d"},
        ]
        editor.notify("textDocument/didChange", {"textDocument": {"uri": URI, "version": 2}, "contentChanges": changes})
        assert seen(editor, {"line": 0, "character": 4}) == "abcd┃\n"

    def test_a_whole_new_text(self, editor):
        editor.open("old\n┃")
        changes = [{"text": "new = \n"}]
        editor.notify("textDocument/didChange", {"textDocument": {"uri": URI, "version": 2}, "contentChanges": changes})
        assert seen(editor, {"line": 0, "character": 6}) == "new = ┃\n"

    def test_after_an_edit_that_cannot_be_read_nothing_is_guessed(self, editor):
        at = editor.open("x = ┃\n")
        assert seen(editor, at) == "x = ┃\n"
        document = {"uri": URI, "version": 2}
        editor.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": 5}]})
        assert editor.inline(at) == [] and editor.trace() is None
        editor.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": "y = "}]})
        assert seen(editor, {"line": 0, "character": 4}) == "y = ┃"

    def test_closing_forgets(self, editor):
        at = editor.open("x = ┃\n")
        seen(editor, at)
        editor.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        assert editor.trace() is None and editor.inline(at) == []
        editor.open("z = ┃")
        assert seen(editor, {"line": 0, "character": 4}) == "z = ┃"

    @pytest.mark.parametrize(
        ("drawn", "language_id"),
        [
            ("x = '\ud83d'\ny = ┃\n", "python"),
            ("<fim_middle><|endoftext|>\n┃", "python"),
            ("\x00\x01\x02┃\n", "python"),
            ("text in no language┃\n", "klingon"),
            ("text in none┃\n", ""),
            ("(" * 20_000 + "┃", "python"),
            ("x" * 1_000_000 + "┃", "python"),
            ("x = 1\n" * 850_000 + "y = ┃\n", "python"),
        ],
        ids=[
            "lone surrogate",
            "control tokens",
            "binary",
            "unknown language",
            "no language",
            "nested",
            "one line",
            "5 MB",
        ],
    )
    def test_odd_documents_are_answered(self, editor, drawn, language_id):
        at = editor.open(drawn, language_id=language_id)
        assert isinstance(editor.inline(at, kind=1), list)
        assert editor.trace()["reason"]["code"]


class TestOthers:
    """Which of the documents that are open may be looked at while one of them is edited."""

    async def test_those_in_the_same_language_the_same_folder_first(self):
        opened = open_all({"shop/far/a.py": "python", "shop/c.py": "python", "shop/b.py": "python", "shop/d.js": "js"})
        assert others(opened, "shop/b.py") == ["shop/c.py", "shop/far/a.py"]

    async def test_no_more_than_a_few(self):
        opened = open_all({f"{number}.py": "python" for number in range(20)})
        assert len(others(opened, "0.py")) == MAX_OTHERS

    @pytest.mark.parametrize("path", [".env", "credentials.py", "secrets/keys.py", "vault/a.py"])
    async def test_never_one_that_is_private(self, path):
        opened = open_all({"a.py": "python", path: "python"}, private=(*NEVER_SENT, "vault/**"))
        assert others(opened, "a.py") == []

    async def test_none_whose_text_is_not_known_any_more_or_that_was_closed(self):
        opened = open_all({"a.py": "python", "b.py": "python", "c.py": "python"})
        opened.lose("file:///b.py")
        opened.close("file:///c.py")
        assert others(opened, "a.py") == []


def open_all(languages: dict[str, str], private: tuple[str, ...] = NEVER_SENT) -> Documents:
    """Documents whose texts are their paths."""
    opened = Documents(lambda: private)
    for path, language_id in languages.items():
        opened.open(types.TextDocumentItem(uri=f"file:///{path}", language_id=language_id, version=1, text=path))
    return opened


def others(opened: Documents, path: str) -> list[str]:
    document = opened.get(f"file:///{path}")
    assert document
    found = document.snapshot(0, invoked=False).others
    opened.close_all()
    return list(found)


def place_offsets(text: str) -> list[int]:
    """Offsets where an editor's cursor can be: not inside a line end."""
    return [offset for offset in range(len(text) + 1) if text[offset - 1 : offset + 1] != "\r\n"]


def place(text: str, offset: int, encoding: str) -> tuple[int, int]:
    """Line and column, counted anew from the beginning."""
    lines = text[:offset].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    codec, n_bytes = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}[encoding]
    return len(lines) - 1, len(lines[-1].encode(codec)) // n_bytes


def in_units(drawn: str, encoding: str) -> dict[str, int]:
    line, character = place(drawn.replace(CURSOR, ""), drawn.index(CURSOR), encoding)
    return {"line": line, "character": character}
