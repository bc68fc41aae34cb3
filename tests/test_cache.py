"""A suggestion while its user types what it says: the rest of it is served, and only where it is still right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lsp_server import cache
from lsp_server.cache import Answers, Given
from lsp_server.values import Completion, Snapshot

MODEL = "a model and its limits"


def snapshot(drawn):
    """A document with its cursor: ┃."""
    offset = drawn.index("┃")
    return Snapshot("file:///a.py", "/a.py", "python", 1, drawn.replace("┃", ""), offset, False)


def answers(drawn, text, n_replaced=0, made_with=MODEL):
    """What is remembered once `text` was suggested at the cursor, in place of so many characters right of it."""
    shown = snapshot(drawn)
    remembered = Answers()
    remembered.remember(Given(shown, made_with, Completion(text, shown.offset + n_replaced)))
    return remembered


def served(remembered, drawn, made_with=MODEL):
    """The document that acceptance would lead to; None where the model has to be asked."""
    now = snapshot(drawn)
    found = remembered.find(now, made_with)
    if found is None:
        return None
    rest = found.completion
    return now.text[: now.offset] + rest.text + "┃" + now.text[rest.replace_until :]


@pytest.mark.parametrize("typed", ["", "r", "return", "return total / ", "return total / le"])
def test_typing_what_a_suggestion_says_leaves_the_rest_of_it(typed):
    shown = answers("def mean(items):\n    ┃\n", "return total / len(items)")
    assert served(shown, f"def mean(items):\n    {typed}┃\n") == "def mean(items):\n    return total / len(items)┃\n"


@pytest.mark.parametrize("typed", ["x", "returns", "return total / len(items)", "return total / len(items)\n"])
def test_typing_something_else_or_all_of_it_asks_the_model(typed):
    shown = answers("def mean(items):\n    ┃\n", "return total / len(items)")
    assert served(shown, f"def mean(items):\n    {typed}┃\n") is None


def test_an_edit_in_another_open_document_asks_the_model():
    shown = snapshot("x = ┃\n")
    remembered = Answers()
    remembered.remember(Given(replace(shown, others=("y = 1\n",)), MODEL, Completion("compute(1)", shown.offset)))
    assert remembered.find(replace(shown, others=("y = 1\n",)), MODEL)
    assert remembered.find(replace(shown, others=("y = 2\n",)), MODEL) is None


def test_deleting_brings_back_what_was_typed_through():
    shown = answers("x = ┃\n", "compute(1)")
    assert served(shown, "x = comq┃\n") is None
    assert served(shown, "x = com┃\n") == "x = compute(1)┃\n"


def test_lines_and_their_indentation_may_be_typed_through():
    shown = answers("if a:\n    ┃\n", "b()\n    c()")
    assert served(shown, "if a:\n    b()\n    ┃\n") == "if a:\n    b()\n    c()┃\n"


def test_the_line_ends_of_the_document_do_not_matter():
    shown = answers("if a:\r\n    ┃\r\n", "b()\n    c()")
    assert served(shown, "if a:\r\n    b()\r\n    ┃\r\n") == "if a:\r\n    b()\r\n    c()┃\r\n"


@pytest.mark.parametrize(
    ("now", "accepted"),
    [
        ("x = f(┃)\n", "x = f(a, [1])┃\n"),
        ("x = f(a, [┃])\n", "x = f(a, [1])┃\n"),
        ("x = f(a, [1]┃)\n", "x = f(a, [1])┃\n"),
    ],
)
def test_closers_that_the_editor_added_give_way(now, accepted):
    assert served(answers("x = ┃\n", "f(a, [1])"), now) == accepted


def test_a_quote_that_the_editor_added_gives_way():
    assert served(answers("x = ┃\n", "f('a')"), "x = f('┃')\n") == "x = f('a')┃\n"


def test_closers_typed_over_are_not_replaced_twice():
    shown = answers("if f(┃):\n    pass\n", "a) and g(b", n_replaced=0)
    assert served(shown, "if f(a┃):\n    pass\n") == "if f(a) and g(b┃):\n    pass\n"
    shown = answers("f(┃)\n", "a):\n    b", n_replaced=1)
    assert served(shown, "f(a)┃\n") == "f(a):\n    b┃\n"


def test_a_closer_that_the_suggestion_does_not_hold_stays_and_the_model_is_asked():
    assert served(answers("x = ┃\n", "f(a,\n"), "x = f(┃)\n") is None


@pytest.mark.parametrize(
    "now",
    [
        "x = ret┃\ny = 2\n",   # the line below has changed
        "z = ret┃\ny = 1\n",   # the line itself, left of the suggestion
        "x = ret┃z\ny = 1\n",  # and right of it
    ],
)  # fmt: skip
def test_what_else_changed_in_the_document_asks_the_model(now):
    assert served(answers("x = ┃\ny = 1\n", "return_value"), now) is None


def test_another_model_is_asked():
    assert served(answers("x = ┃\n", "compute(1)"), "x = com┃\n", made_with="another") is None


def test_that_nothing_was_to_be_said_is_remembered_for_the_very_same_place_only():
    remembered = Answers()
    remembered.remember(Given(snapshot("x = 1┃\n"), MODEL, None))
    assert remembered.find(snapshot("x = 1┃\n"), MODEL).completion is None
    assert remembered.find(snapshot("x = 12┃\n"), MODEL) is None


def test_of_two_that_fit_the_later_one_is_served():
    remembered = answers("x = ┃\n", "compute(1)")
    later = snapshot("x = com┃\n")
    remembered.remember(Given(later, MODEL, Completion("pare(2)", later.offset)))
    assert served(remembered, "x = comp┃\n") == "x = compare(2)┃\n"
    assert served(remembered, "x = co┃\n") == "x = compute(1)┃\n"


def test_only_so_much_is_remembered():
    remembered = Answers()
    for n in range(20):
        remembered.remember(Given(snapshot(f"{n}┃" + " " * 1_000_000), MODEL, Completion("x", 3)))
    assert remembered.find(snapshot("1┃" + " " * 1_000_000), MODEL) is None
    assert remembered.find(snapshot("19┃" + " " * 1_000_000), MODEL)


def test_the_texts_of_other_documents_count_when_memory_is_short(monkeypatch):
    monkeypatch.setattr(cache, "MAX_CHARS", 100)
    remembered, unchanged = Answers(), "y" * 1000
    for n in range(8):
        now = snapshot("x = " + "a" * n + "┃")
        now = replace(now, others=(unchanged, f"{n} " * 30))
        remembered.remember(Given(now, MODEL, Completion("compute(1)", now.offset)))
    assert len(remembered._given) == 2
