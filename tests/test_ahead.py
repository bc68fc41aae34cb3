"""Typing in a suggestion, accepting it, moving about: what memory serves, and what is computed while nobody waits."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest
from lsprotocol import types

from lsp_server.server.ahead import AFTER_MOVE_S, Ahead
from lsp_server.server.documents import Documents
from lsp_server.settings import Settings, merge
from lsp_server.syntax import Syntax
from tests.wire import URI, position

BEFORE = "import os\n\n\ndef area(width, height):\n    return width * height\n\n\n"
DRAWN = BEFORE + "def perimeter(width, height):\n    return┃\n\n\nprint(perimeter(1, 2))\n"
LINE = DRAWN[: DRAWN.index("┃")].count("\n")


@pytest.fixture
def typist(editor):
    """An editor with a suggestion on its screen; what it says stands in `shown`."""
    editor.initialize()
    editor.column = editor.open(DRAWN)["character"]
    [item] = editor.inline(position(DRAWN), kind=2)
    editor.shown = item["insertText"]
    assert len(editor.shown) > 6 and editor.trace()["source"] == "model"
    return editor


def insert(editor, text, uri=URI):
    """At once, as acceptance does, at the end of what was typed so far."""
    editor.change((LINE, editor.column), (LINE, editor.column), text, uri)
    editor.column += len(text)


def type_(editor, text, uri=URI):
    """Key by key, each with its request."""
    for char in text:
        insert(editor, char, uri)
        ask(editor, uri)


def ask(editor, uri=URI):
    """What is suggested at the cursor ("" for nothing), and where it came from."""
    items = editor.inline({"line": LINE, "character": editor.column}, uri, kind=2)
    return (items[0]["insertText"] if items else ""), editor.trace(uri)["source"]


def test_who_types_what_is_shown_sees_the_rest_of_it_without_the_model(typist):
    for n_typed in range(1, len(typist.shown) - 1):
        insert(typist, typist.shown[n_typed - 1])
        assert ask(typist) == (typist.shown[n_typed:], "typed-through")


def test_a_wrong_letter_asks_the_model_and_deleting_it_brings_the_suggestion_back(typist):
    insert(typist, typist.shown[:3])
    insert(typist, "q")
    assert ask(typist)[1] == "model"
    typist.change((LINE, typist.column - 1), (LINE, typist.column), "")
    typist.column -= 1
    assert ask(typist) == (typist.shown[3:], "typed-through")


def test_an_edit_below_makes_what_was_remembered_worthless(typist):
    typist.change((LINE + 3, 0), (LINE + 3, 5), "assert ")
    assert ask(typist)[1] == "model"


def test_asked_twice_at_the_same_place_the_model_works_once(typist):
    assert ask(typist) == (typist.shown, "remembered")


def test_an_answer_is_remembered_with_the_settings_that_it_was_made_with(editor):
    editor.initialize()
    asked = editor.ask_inline(editor.open(DRAWN))
    editor.call("infill/status")  # by then it has been begun
    settings = {"infill": {"suggest": {"maxTokens": 4}}}
    editor.notify("workspace/didChangeConfiguration", {"settings": settings})
    assert editor.answer(asked)["result"]["items"]
    editor.column = position(DRAWN)["character"]
    assert ask(editor)[1] == "model"


@pytest.mark.parametrize("accept", [insert, type_])
def test_what_follows_an_accepted_suggestion_is_there_already(editor, accept):
    editor.initialize()
    for patience_s in (0.4, 2.0, 8.0):  # on a busy machine it takes longer to find
        uri = f"file:///patience/{patience_s}.py"
        editor.column = editor.open(DRAWN, uri)["character"]
        [item] = editor.inline(position(DRAWN), uri, kind=2)
        time.sleep(patience_s)
        accept(editor, item["insertText"], uri)
        if ask(editor, uri)[1] == "prefetched":
            return
    raise AssertionError("it was never found ahead")


def test_a_cursor_that_has_moved_finds_its_window_evaluated(editor):
    editor.initialize()
    place = editor.open(DRAWN)
    editor.notify("infill/didMoveCursor", {"textDocument": {"uri": URI}, "position": place})
    time.sleep(0.6)
    editor.inline(place, kind=2)
    tokens = editor.trace()["tokens"]
    assert tokens["prompt"] - tokens["reused"] == 2


def test_a_cursor_that_moves_nowhere_known_is_nobodys_trouble(editor):
    editor.initialize()
    editor.notify("infill/didMoveCursor", {"textDocument": {"uri": "file:///other.py"}, "position": position("┃")})
    editor.notify("infill/didMoveCursor", {"where": "nowhere"})
    assert editor.call("infill/status")["state"] == "ready"


def test_nothing_is_computed_ahead_where_the_user_does_not_want_it(editor):
    editor.initialize(initializationOptions={"suggest.ahead": False})
    editor.column = editor.open(DRAWN)["character"]
    editor.shown = editor.inline(position(DRAWN), kind=2)[0]["insertText"]
    time.sleep(0.5)
    insert(editor, editor.shown)
    assert ask(editor)[1] == "model"


# --- seen from the model, which several editors share ---


START = types.Range(types.Position(0, 0), types.Position(0, 0))


class Desk:
    """One editor's document, and what is computed ahead for it with the real model."""

    def __init__(self, engine, settings=None, drawn=DRAWN):
        self.engine = engine
        self.model = SimpleNamespace(idle_work=set(), n_working=0)
        self.model.interrupt_idle_work = self.interrupted
        session = SimpleNamespace(
            engine=engine,
            model=self.model,
            settings=merge(Settings(), settings or {})[0],
            made_with=1,
            is_on_for=lambda language_id: True,
            protocol=SimpleNamespace(start=lambda job: asyncio.ensure_future(job())),
        )
        self.ahead = Ahead(session)
        self.document = Documents().open(types.TextDocumentItem(URI, "python", 1, drawn.replace("┃", "")))

    def interrupted(self):
        """By whatever editor."""
        for task in self.model.idle_work:
            task.cancel()

    async def n_computed(self, n_times=1):
        """How many tokens were evaluated since the last look, some time after the cursor has moved."""
        before = self.engine.backend.n_computed
        await asyncio.sleep(n_times * AFTER_MOVE_S + 0.1)
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*(task for task in self.model.idle_work if not self.model.n_working))
        return self.engine.backend.n_computed - before


async def test_while_a_request_is_computed_nothing_comes_between_its_steps(engine):
    desk = Desk(engine)
    desk.model.n_working = 1
    desk.ahead.moved(desk.document, DRAWN.index("┃"))
    assert await desk.n_computed() == 0
    desk.model.n_working = 0
    assert await desk.n_computed() > 0


async def test_what_another_editor_interrupted_is_begun_again(engine):
    desk = Desk(engine)
    desk.ahead.moved(desk.document, DRAWN.index("┃"))
    desk.interrupted()
    assert await desk.n_computed() == 0
    desk.ahead.moved(desk.document, DRAWN.index("┃"))
    assert await desk.n_computed() > 0


async def test_nothing_is_computed_for_a_document_that_is_closed(engine):
    desk = Desk(engine)
    desk.ahead.moved(desk.document, DRAWN.index("┃"))
    desk.ahead.closed("file:///another.py")
    assert len(desk.model.idle_work) == 1
    desk.ahead.closed(URI)
    assert await desk.n_computed() == 0


async def test_the_window_is_not_evaluated_ahead_where_the_user_does_not_want_it(engine):
    desk = Desk(engine, {"suggest": {"ahead": False}})
    desk.ahead.moved(desk.document, DRAWN.index("┃"))
    assert await desk.n_computed() == 0
    desk.document.change(2, [types.TextDocumentContentChangePartial(START, "x")], "utf-16")
    desk.ahead.edited(desk.document)
    assert await desk.n_computed(n_times=3) == 0


async def test_who_takes_something_back_meanwhile_has_a_sound_tree_of_what_would_follow(engine):
    desk = Desk(engine, drawn='if a:\n    print("one two┃\n\n\nprint(1)\n')
    then = 'if a:\n    print("one two", a)\n    return 2\n\n\nprint(1)\n'
    desk.document.tree()
    taken_back = types.Range(types.Position(1, 9), types.Position(1, 18))
    desk.document.change(2, [types.TextDocumentContentChangePartial(taken_back, "")], "utf-16")
    desk.document.tree()
    assert str(desk.document.tree_of(then).parsed.root_node) == str(Syntax("python").parse(then).parsed.root_node)
