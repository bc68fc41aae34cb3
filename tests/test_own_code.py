"""The user's own files as ids: the same as if they were encoded whole, for the work that the last key left."""

from __future__ import annotations

import inspect
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.backends.own_code import MAX_KNOWN, OwnCode, common_ends
from lsp_server.values import OpenFiles
from tests.vocabularies import PACKAGED, VOCABULARIES, tokenizer

ALL = (*VOCABULARIES, PACKAGED)
SOURCE = inspect.getsource(textwrap)
CODE = st.text(st.sampled_from("aZ0_ \t\n({\"'):.,=é漢🎉"), max_size=40)


def encoded(own_code, text):
    return own_code.encode(text).ids.tolist()


class Watched:
    """A tokenizer that remembers what it was asked to encode."""

    def __init__(self, name=PACKAGED):
        self._inner = tokenizer(name)
        self.asked = []
        self.piece = self._inner.piece

    def encode(self, text):
        self.asked.append(text)
        return self._inner.encode(text)


@pytest.mark.parametrize("name", ALL)
def test_a_text_has_the_ids_of_the_whole(name):
    assert encoded(OwnCode(tokenizer(name)), SOURCE) == tokenizer(name).encode(SOURCE)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 30), CODE), max_size=6))
def test_a_text_that_is_edited_has_them_too(name, edits):
    own_code, text = OwnCode(tokenizer(name)), SOURCE[:600]
    encoded(own_code, text)
    for start, n, new in edits:
        text = text[:start] + new + text[start + n :]
        assert encoded(own_code, text) == tokenizer(name).encode(text)


def test_a_key_costs_the_lines_around_it():
    watched = Watched()
    own_code = OwnCode(watched)
    above, below = SOURCE.split("def shorten(")
    own_code.followers(OpenFiles(above + "def shorten(w", below), b"")
    watched.asked.clear()
    own_code.followers(OpenFiles(above + "def shorten(wi", below), b"")
    assert len("".join(watched.asked)) < len(SOURCE) / 20


def test_a_key_costs_as_little_while_other_files_are_open():
    watched, others = Watched(), tuple(f'"""The same header of them all."""\n\nx = {i}\n' + SOURCE for i in range(4))
    own_code = OwnCode(watched)
    for typed in ("a", "ab"):
        watched.asked.clear()
        own_code.followers(OpenFiles(others[0] + typed, SOURCE, others), b"")
    assert len("".join(watched.asked)) < len(SOURCE) / 20


def test_data_without_an_end_is_left_out():
    own_code = OwnCode(tokenizer(PACKAGED))
    assert encoded(own_code, "a = 1\n" + "x" * 200_000 + "\nb = 2\n") == tokenizer(PACKAGED).encode("a = 1\n\nb = 2\n")


def test_what_is_remembered_has_a_limit():
    own_code = OwnCode(tokenizer(PACKAGED))
    for i in range(3 * MAX_KNOWN):
        encoded(own_code, f"x = {i}\n" * 20)
    assert len(own_code._known) == MAX_KNOWN


def test_what_was_taken_back_at_the_cursor_is_still_to_come():
    """def total(self): … self.to┃"""
    own_code = OwnCode(tokenizer(PACKAGED))
    files = OpenFiles("self.total = 1\nprint(self.to", ")\n")
    said = own_code.followers(files, b"to").next()
    following = {tokenizer(PACKAGED).piece(int(id)) for id in said.ids}
    assert b"total" in following and b"to" not in following


def test_how_much_two_texts_have_in_common():
    assert common_ends("def a():", "def abc():") == (5, 3)
    assert common_ends("aaa", "aaaa") == (3, 0)
    assert common_ends("", "abc") == (0, 0)
