"""How long a suggestion may take while somebody types, and what is given up so that it comes in time."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

import pytest

from lsp_server.backends.pace import Haste, Pace
from lsp_server.pipeline import complete
from lsp_server.server import rhythm
from lsp_server.server.rhythm import Rhythm
from lsp_server.values import Snapshot

HASTE = Haste(target_s=0.6)
FUNCTIONS = "".join(f"def add_{n}(a, b):\n    return a + b + {n}\n\n\n" for n in range(60))
DRAWN = FUNCTIONS + "def total(items):\n    return ┃\n"


def pace(prompt_ms, new_ms):
    """A machine that takes so long for each token of a prompt, and for each one that it writes."""
    measured = Pace()
    measured.evaluated(100, 100 * prompt_ms)
    measured.wrote(new_ms)
    return measured


def test_nothing_is_planned_before_anything_was_measured():
    assert Pace().plan(500, 96, HASTE) is None


def test_nothing_is_planned_where_the_user_sets_no_target():
    assert pace(1, 1).plan(500, 96, Haste(0.0)) is None


def test_a_fast_machine_gives_up_nothing():
    plan = pace(0.15, 2).plan(448, 96, HASTE)
    assert (plan.n_new, plan.n_window, plan.hold_s) == (96, None, 0.0)


def test_a_slow_one_writes_as_much_as_fits_behind_the_tokens_just_typed():
    assert pace(10, 25).plan(4, 96, HASTE).n_new == (600 - 40) // 25


def test_and_never_so_little_that_no_line_would_end():
    assert pace(32, 77).plan(4, 96, HASTE).n_new == 16


def test_a_prompt_that_would_take_far_too_long_is_smaller_for_once():
    assert pace(1, 10).plan(2048, 96, HASTE).n_window == 300
    assert pace(32, 77).plan(2048, 96, HASTE).n_window == 192
    assert pace(32, 77).plan(100, 96, HASTE).n_window is None  # hardly more would be left of it


@pytest.mark.parametrize(("next_key_s", "hold_s"), [(0.0, 0.0), (0.1, 0.1), (0.2, 0.15), (0.9, 0.0)])
def test_writing_waits_for_the_next_key_only_where_it_would_be_too_late_for_that_one(next_key_s, hold_s):
    assert pace(32, 77).plan(4, 96, Haste(0.6, next_key_s, max_hold_s=0.15)).hold_s == hold_s


def test_what_was_measured_last_counts_and_one_outlier_does_not():
    measured = pace(1, 10)
    measured.wrote(1000)
    assert measured.new_ms == 208
    for _ in range(20):
        measured.wrote(10)
    assert measured.new_ms < 15


# --- with the real model, on a machine that says it is slow ---


@contextmanager
def as_slow_as(backend, prompt_ms, new_ms):
    known, backend.pace = backend.pace, pace(prompt_ms, new_ms)
    try:
        yield
    finally:
        backend.pace = known


def asked(engine, drawn, previous, haste):
    offset = drawn.index("┃")
    snapshot = Snapshot("file:///a.py", "/a.py", "python", 1, drawn.replace("┃", ""), offset, False)
    return asyncio.run(complete(engine, snapshot, None, previous, haste))


def test_a_first_answer_sees_less_and_the_next_key_in_a_window_that_was_evaluated_sees_it_all(engine):
    with as_slow_as(engine.backend, prompt_ms=5, new_ms=1):
        quick = asked(engine, DRAWN, None, HASTE).trace
    whole = asked(engine, DRAWN, None, None).trace
    with as_slow_as(engine.backend, prompt_ms=5, new_ms=1):
        warm = asked(engine, DRAWN, whole.context.window, HASTE).trace
    n_quick, n_whole, n_warm = (trace.context.window.n_prefix_tokens for trace in (quick, whole, warm))
    assert n_quick < 200 < n_whole == n_warm
    assert warm.plan.n_window is None


def test_a_small_window_keeps_its_cut_points_too(engine):
    never_seen = DRAWN.replace("add", "subtract")
    with as_slow_as(engine.backend, prompt_ms=5, new_ms=1):
        first = asked(engine, never_seen, None, HASTE).trace
        small = Haste(0.6, small_window=first.context.window)
        second = asked(engine, never_seen.replace("┃", "su┃"), None, small).trace
    assert second.plan.n_window and not second.context.window.recut


# --- the rhythm of typing ---


@pytest.fixture
def clock(monkeypatch):
    times = [100.0]
    monkeypatch.setattr(rhythm, "perf_counter", lambda: times[0])
    return times


def typed(clock, *gaps_s):
    keys = Rhythm()
    keys.edited()
    for gap_s in gaps_s:
        clock[0] += gap_s
        keys.edited()
    return keys


def test_the_next_key_is_expected_after_the_usual_gap(clock):
    keys = typed(clock, 0.2, 0.2, 0.2)
    clock[0] += 0.05
    assert keys.next_key_s == pytest.approx(0.15)
    clock[0] += 0.3
    assert keys.next_key_s == 0.0  # overdue: this is a pause


def test_nothing_is_known_of_the_first_key_after_a_pause(clock):
    assert typed(clock).next_key_s == 0.0
    assert typed(clock, 0.2, 0.2, 5.0).next_key_s == 0.0
