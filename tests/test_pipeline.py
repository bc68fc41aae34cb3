"""From a document to a document, through every stage; a scripted backend says what the model would."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from lsp_server.backends.scripted import Scripted
from lsp_server.pipeline import complete
from lsp_server.syntax import Syntax
from lsp_server.values import Limits, Reason
from tests.drawing import LIMITS, answered, completed, scripted_engine, snapshot


def test_the_rest_of_a_line_may_be_several():
    assert completed("x = ┃\ny = 2\n", model_says="sum(\n    z\n)\ny = 2\n") == "x = sum(\n    z\n)┃\ny = 2\n"


def test_the_rest_of_a_line_is_one_line_where_the_model_does_not_end_by_itself():
    engine = replace(scripted_engine("compute(1)\nz = 3\n"), ends_by_itself=False)
    asked = snapshot("x = ┃\ny = 2\n")
    answer = asyncio.run(complete(engine, asked, Syntax("python").parse(asked.text), None))
    assert answer.completion is not None and answer.completion.text == "compute(1)"
    assert answer.trace.reason is Reason.LINE_COMPLETE


def test_a_body_ends_where_the_indentation_falls():
    document = "def double(x):\n    ┃\n\n\nprint(double(2))\n"
    says = "y = 2 * x\n    return y\n\n\ndef triple(x):\n    return 3 * x\n"
    assert completed(document, says) == "def double(x):\n    y = 2 * x\n    return y┃\n\n\nprint(double(2))\n"


def test_the_suffix_is_not_repeated():
    document = "items = [\n    1,\n    ┃\n    2,\n]\n"
    assert completed(document, "1.5,\n    2,\n]\n") == "items = [\n    1,\n    1.5,┃\n    2,\n]\n"


def test_a_bracket_that_the_editor_closed_is_not_doubled():
    assert completed("print(┃)\n", "name)\n") == "print(name┃)\n"


def test_the_stream_is_closed_the_moment_a_rule_fires():
    engine = scripted_engine("compute(1)\n" + "more = 1\n" * 50)
    asked = snapshot("x = ┃\n")
    asyncio.run(complete(engine, asked, Syntax("python").parse(asked.text), None))
    assert isinstance(engine.backend, Scripted)
    assert engine.backend.n_given < 20


def test_a_trailing_space_is_taken_back_for_the_model_to_bring():
    engine = scripted_engine("1\n")
    asked = snapshot("x = ┃\n")
    asyncio.run(complete(engine, asked, None, None))
    assert isinstance(engine.backend, Scripted)
    assert (engine.backend.prompts[0].prefix, engine.backend.prompts[0].owed) == ("x =", " ")


@pytest.mark.parametrize(
    ("document", "says", "reason"),
    [
        ("x = ┃\ny = compute(1)\n", "1\ny = compute(1)\n", Reason.SUFFIX_REACHED),
        ("x = ┃\n", "1", Reason.END_OF_TEXT),
        ("x = ┃\n", "   ", Reason.NOTHING_TO_ADD),
        ("┃\nreturn total\n", "return total", Reason.SUFFIX_REACHED),
        ("ret┃\nreturn total\n", "urn total", Reason.ALREADY_THERE),
    ],
)
def test_every_answer_says_why_it_ends_or_is_empty(document, says, reason):
    assert answered(document, says).trace.reason is reason


def test_a_token_limit_leaves_whole_lines():
    document = "def f():\n    ┃\n"
    says = "a = 1\n    b = 2\n    c = 3\n    d = 4\n"
    assert completed(document, says, limits=Limits(8, 60)).startswith("def f():\n    a = 1")
    assert answered(document, says, limits=Limits(8, 60)).trace.reason is Reason.TOKEN_LIMIT


def test_who_asks_by_hand_gets_what_the_model_is_not_sure_of():
    engine = scripted_engine("compute(1)\n", replace(LIMITS, min_confidence=0.5), probability=0.1)
    by_hand, typing = snapshot("x = ┃\n"), snapshot("x = ┃\n", invoked=False)
    assert asyncio.run(complete(engine, by_hand, None, None)).completion is not None
    answer = asyncio.run(complete(engine, typing, None, None))
    assert answer.completion is None and answer.trace.reason is Reason.UNSURE


def test_inside_a_word_nothing_is_asked_of_the_model():
    engine = scripted_engine("x")
    asked = snapshot("pri┃nt(1)\n", invoked=False)
    answer = asyncio.run(complete(engine, asked, Syntax("python").parse(asked.text), None))
    assert answer.completion is None and answer.trace.reason is Reason.INSIDE_WORD
    assert isinstance(engine.backend, Scripted) and not engine.backend.prompts


def test_the_trace_times_every_stage():
    assert set(answered("x = ┃\n", "1\n").trace.stage_ms) == {"context", "prompt", "generation", "postprocess"}


def test_a_line_that_ends_at_once_is_nothing_to_add():
    engine = replace(scripted_engine("\n    y = 2\n"), ends_by_itself=False)
    asked = snapshot("x = compute(1)┃\n\n")
    answer = asyncio.run(complete(engine, asked, Syntax("python").parse(asked.text), None))
    assert answer.completion is None and answer.trace.reason is Reason.NOTHING_TO_ADD


@pytest.mark.parametrize(
    ("document", "suffix"),
    [
        ("x = f(┃)\ny\n", "\ny\n"),
        ("x = f([{'┃'}])  \ny\n", "\ny\n"),
        ("x = f(┃)", ""),
        ("x = f(┃).y\n", ").y\n"),
        ("x = f(┃, 1)\n", ", 1)\n"),
    ],
)
def test_closers_that_an_editor_added_are_not_shown_to_the_model(document, suffix):
    engine = scripted_engine("1")
    asked = replace(snapshot(document), invoked=True)
    asyncio.run(complete(engine, asked, None, None))
    assert engine.backend.prompts[0].suffix == suffix
