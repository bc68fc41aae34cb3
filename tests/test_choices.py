"""Several suggestions for the same place, for who asked by hand and turns from one to the next."""

from __future__ import annotations

from tests.wire import URI, position

DRAWN = "def area(width, height):\n    return width * height\n\n\ndef perimeter(width, height):\n    return┃\n"


def texts(items):
    return [item["insertText"] for item in items]


def test_by_hand_there_is_a_choice_and_while_typing_there_is_not(editor):
    editor.initialize()
    at = editor.open(DRAWN)
    [shown] = texts(editor.inline(at, kind=2))
    choice = texts(editor.inline(at, kind=1))
    assert choice[0] == shown
    assert len(choice) == len(set(choice)) > 1


def test_each_of_them_can_be_taken(editor):
    editor.initialize()
    items = editor.inline(editor.open(DRAWN), kind=1)
    ids = [item["command"]["arguments"][0] for item in items]
    assert len(set(ids)) == len(items)
    for offered in ids:
        command = {"command": "infill.accepted", "arguments": [offered]}
        assert editor.call("workspace/executeCommand", command) is None


def test_who_has_typed_some_of_it_is_offered_the_rest_first(editor):
    editor.initialize()
    at = editor.open(DRAWN)
    [shown] = texts(editor.inline(at, kind=2))
    line, column = at["line"], at["character"]
    editor.change((line, column), (line, column), shown[:3])
    assert texts(editor.inline({"line": line, "character": column + 3}, kind=1))[0] == shown[3:]


def test_the_popup_has_the_first_alone(editor):
    editor.initialize(capabilities={})
    editor.open(DRAWN)
    params = {"textDocument": {"uri": URI}, "position": position(DRAWN), "context": {"triggerKind": 1}}
    assert len(editor.call("textDocument/completion", params)["items"]) == 1
