"""Typing in a suggestion, accepting it, moving about: what memory serves, and what is computed while nobody waits."""

from __future__ import annotations

import time

import pytest

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
