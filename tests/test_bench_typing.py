"""The author of the typing bench writes what the case says, as an editor would have it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench import keystrokes
from tests.bench.desk import OWN_CASES, load_cases
from tests.bench.keystrokes import AFTER_A_LOOK, BELOW, DELETE, JUMP, TYPE, Author, Change
from tests.drawing import CURSOR

ROOT = Path(__file__).parents[1]
OWN = load_cases(OWN_CASES)


def case(before: str, after: str) -> dict[str, str]:
    """Two drawings; what the second has more, left of its cursor, is what is written."""
    prefix, suffix = before.split(CURSOR)
    goal, tail = after.split(CURSOR)
    middle = goal.removeprefix(prefix)
    return {"language": "python", "prefix": prefix, "middle": middle, "suffix": suffix, "expected": goal + tail}


def screens(author: Author, shown: Change | None = None) -> list[str]:
    """What stands there after each stroke."""
    seen = []
    while stroke := author.next(shown):
        seen.append(author.text[: stroke.cursor] + CURSOR + author.text[stroke.cursor :])
    return seen


@pytest.fixture
def steady(monkeypatch):
    """An author whose fingers never slip, and who never looks up."""
    for habit in ("SLIPS", "WORDS_TAKEN_BACK", "JUMPS", "CHANGES_BELOW"):
        monkeypatch.setattr(keystrokes, habit, 0)


def test_enter_brings_the_indentation_along(steady):
    author = Author(case("if a:\n    b┃\n", "if a:\n    b\n    c┃\n"), random.Random(1))
    assert screens(author) == ["if a:\n    b\n    ┃\n", "if a:\n    b\n    c┃\n"]


def test_a_bracket_brings_its_closing_one_which_is_then_stepped_over(steady):
    author = Author(case("x = f┃\n", "x = f(a)┃\n"), random.Random(1))
    assert screens(author) == ["x = f(┃)\n", "x = f(a┃)\n", "x = f(a)┃\n"]


def test_a_closing_bracket_that_stood_there_is_stepped_over_too(steady):
    author = Author(case("x = f(┃)\n", "x = f(a)  # b┃\n"), random.Random(1))
    assert screens(author)[:2] == ["x = f(a┃)\n", "x = f(a)┃\n"]


def test_a_suggestion_is_accepted_where_it_says_what_the_author_wants(steady):
    author = Author(case("x = f┃\n", "x = f(a, b)┃\n"), random.Random(1))
    assert screens(author, Change(5, 5, "(a, b)")) == ["x = f(a, b)┃\n"]
    author = Author(case("x = f┃\n", "x = f(a, b)┃\n"), random.Random(1))
    assert screens(author, Change(5, 5, "(a, c)"))[-1] == "x = f(a, b)┃\n"


@pytest.mark.parametrize("own", OWN, ids=lambda own: own["id"])
def test_whatever_the_author_does_the_changes_make_the_document_and_it_becomes_what_was_meant(own, monkeypatch):
    monkeypatch.setattr(keystrokes, "CHANGES_BELOW", 0)
    author = Author(own, random.Random(3))
    text = own["prefix"] + own["suffix"]
    while stroke := author.next(None):
        if change := stroke.change:
            text = text[: change.start] + change.new + text[change.end :]
        assert text == author.text
    assert text == own["expected"]


def test_every_kind_of_stroke_occurs():
    author = Author(max(OWN, key=lambda own: len(own["middle"])), random.Random(3))
    kinds = set()
    while stroke := author.next(None):
        kinds.add(stroke.kind)
    assert kinds == {TYPE, DELETE, BELOW, JUMP, JUMP + AFTER_A_LOOK}


def test_the_own_cases_are_of_five_languages():
    assert len({own["language"] for own in OWN}) == 5


def printed(*command: str) -> dict[str, Any]:
    """What a program says on its last line."""
    ended = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_a_short_replay_prints_what_each_kind_of_stroke_cost():
    found = printed("tests/bench/typing.py", "--requests", "12", "--speed", "50", "--waits")["servers"][0]["all"]
    assert found["requests"] == 12
    assert found["answered"] and found["computed_tokens"] > found["prompt_tokens"] > 0


def test_programs_beside_it_still_find_the_module_of_that_name():
    command = [sys.executable, "tests/bench/latency.py", "--help"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(("order", "mixing"), [("spm2", "on"), ("spm2", "off"), ("psm", "on")])
def test_what_was_evaluated_before_changes_no_answer(order, mixing):
    settings = ("--set", f"model.order={order}", "--set", f"model.mixing={mixing}")
    found = printed("-m", "tests.bench.equality", "--requests", "30", *settings)
    assert found["prompt tokens reused"] > found["prompt tokens"] / 2
    assert found["tokens compared"] > 100 and found["differences"] == 0
    assert found["largest_change_of_a_gap"] < 0.01


def test_llama_cpps_own_server_is_asked_the_same_questions():
    found = printed("-m", "tests.bench.side_by_side", "--requests", "5")["results"]["all strokes"]
    assert {who: of["strokes"] for who, of in found.items()} == dict.fromkeys(found, 5) and len(found) == 4
    assert found["as llama.vim"]["prompt_tokens"] > 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads the threads' states from /proc")
def test_the_time_until_all_is_quiet_is_measured():
    found = printed("-m", "tests.bench.cancel", "--times", "2")
    assert found["deadline, writing"]["times"] > 0 and "superseded, prompt" in found
