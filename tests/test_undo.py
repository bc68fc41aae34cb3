"""Edits as an editor sends them: which take back what was there before?"""

from __future__ import annotations

from lsp_server.server.undo import Undo


def undone(*edits):
    """Whether the last of the edits (start, removed, inserted) is taken for an undo."""
    undo = Undo()
    for edit in edits:
        undo.edited(*edit)
    return undo.is_undone


def test_typing_takes_nothing_back():
    assert not undone((0, "", "f"), (1, "", "o"), (2, "", "o"))


def test_a_suggestion_that_goes_away_again_was_taken_back():
    assert undone((4, "", "sum(items)"), (4, "sum(items)", ""))


def test_what_was_typed_in_a_row_is_taken_back_at_once():
    assert undone((0, "", "f"), (1, "", "o"), (2, "", "o"), (0, "foo", ""))
    assert undone((0, "", "f"), (1, "", "o"), (2, "", "o"), (1, "oo", ""))


def test_one_undo_after_the_other():
    assert undone((0, "", "one"), (8, "", "two"), (8, "two", ""), (0, "one", ""))


def test_what_was_deleted_comes_back():
    assert undone((3, "old name", ""), (3, "", "old name"))
    assert undone((3, "old", "newer"), (3, "newer", "old"))


def test_a_key_that_slipped_is_no_undo():
    assert not undone((0, "", "f"), (1, "", "o"), (1, "o", ""))


def test_deleting_what_stood_there_before_is_no_undo():
    assert not undone((0, "", "x"), (5, "total", ""))
    assert not undone((5, "total", ""))


def test_typing_on_ends_it():
    assert not undone((4, "", "sum(items)"), (4, "sum(items)", ""), (4, "", "m"))
