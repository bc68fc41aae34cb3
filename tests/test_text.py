"""Lines and columns, and a line index that must stay true through any edits."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.text import (
    Document,
    Encoding,
    dominant_eol,
    last_code,
    line_bounds,
    lines_above,
    lines_below,
    lines_of,
    next_line,
    with_plain_line_ends,
)

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
UNITS = {
    "utf-8": lambda char: len(char.encode("utf-8", "surrogatepass")),
    "utf-16": lambda char: len(char.encode("utf-16-le", "surrogatepass")) // 2,
    "utf-32": lambda char: 1,
}
# Line ends in every order, look-alikes that end no line, and characters of every width, surrogates without a partner
# and with one among them.
texts = st.text(st.sampled_from("\n\raé字😀\f\u2028\x85\ud83d\ude00"), max_size=12)
edits = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14), texts), max_size=12)


def document(text: str) -> Document:
    return Document("file:///a", "plaintext", 1, text)


def naive_lines(text: str) -> list[str]:
    """Every line with its line end; the last one has none."""
    return [*re.findall(r"[^\r\n]*(?:\r\n|\r|\n)", text), re.split(r"\r\n|\r|\n", text)[-1]]


def naive_offset(text: str, line: int, character: int, encoding: Encoding) -> int:
    lines = naive_lines(text)
    if line >= len(lines):
        return len(text)
    offset, left = sum(map(len, lines[:line])), character
    for char in lines[line].rstrip("\r\n"):
        left -= UNITS[encoding](char)
        if left < 0:
            break
        offset += 1
    return offset


def naive_position(text: str, offset: int, encoding: Encoding) -> tuple[int, int]:
    lines = naive_lines(text)
    for number, line in enumerate(lines):
        if offset < len(line) or number == len(lines) - 1:
            return number, sum(map(UNITS[encoding], line.rstrip("\r\n")[:offset]))
        offset -= len(line)
    raise AssertionError


def edited(text: str, changes: list[tuple[int, int, str]]) -> Document:
    result = document(text)
    for start, end, new_text in changes:
        result.replace(start, end, new_text)
    return result


@settings(deadline=None)
@given(texts, edits)
def test_the_index_is_the_same_as_one_built_from_the_edited_text(text, changes):
    naive = text
    for start, end, new_text in changes:
        start, end = sorted((min(start, len(naive)), min(end, len(naive))))
        naive = naive[:start] + new_text + naive[end:]
    result = edited(text, changes)
    assert result.text == naive
    assert result.n_lines == len(naive_lines(naive))
    starts = [result.offset_at(line, 0, "utf-16") for line in range(result.n_lines)]
    assert starts == [naive_offset(naive, line, 0, "utf-16") for line in range(result.n_lines)]


@settings(deadline=None)
@given(texts, edits, st.integers(0, 8), st.integers(0, 12), st.sampled_from(ENCODINGS))
def test_positions_become_offsets_as_by_counting(text, changes, line, character, encoding):
    result = edited(text, changes)
    assert result.offset_at(line, character, encoding) == naive_offset(result.text, line, character, encoding)


@settings(deadline=None)
@given(texts, edits, st.integers(0, 30), st.sampled_from(ENCODINGS))
def test_offsets_become_positions_as_by_counting(text, changes, offset, encoding):
    result = edited(text, changes)
    clamped = min(offset, len(result.text))
    assert result.position_at(offset, encoding) == naive_position(result.text, clamped, encoding)


@settings(deadline=None)
@given(texts, st.sampled_from(ENCODINGS))
def test_there_and_back_leads_to_the_same_place(text, encoding):
    whole = document(text)
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] != "\r\n":
            assert whole.offset_at(*whole.position_at(offset, encoding), encoding) == offset


@pytest.mark.parametrize(
    ("position", "encoding", "offset"),
    [
        ((0, 99), "utf-16", 2),  # past the line's end: before its line end
        ((99, 0), "utf-16", 7),  # past the last line: the document's end
        ((1, 1), "utf-16", 4),  # between the two halves of the emoji: before it
        ((1, 2), "utf-16", 5),
        ((1, 3), "utf-8", 4),  # within its four bytes
        ((1, 4), "utf-8", 5),
        ((1, 1), "utf-32", 5),
        ((1, 5), "utf-8", 5),  # within the two bytes of the é
        ((-1, -1), "utf-16", 0),
    ],
)
def test_a_position_that_is_none_becomes_the_nearest_before_it(position, encoding, offset):
    assert document("ab\r\n😀é\n").offset_at(*position, encoding) == offset


@pytest.mark.parametrize(("encoding", "offset"), [("utf-8", 0), ("utf-16", 1), ("utf-32", 3)])
def test_a_column_within_many_wide_characters_is_counted_in_the_units_asked_for(encoding, offset):
    assert document("😀😀😀😀").offset_at(0, 3, encoding) == offset


def test_form_feeds_and_line_separators_end_no_line():
    page = document("a\fb\u2028c\x85d\x0be\nf")
    assert page.n_lines == 2
    assert page.position_at(len(page.text), "utf-16") == (1, 1)


def test_typing_between_the_halves_of_a_line_end_makes_two():
    page = document("a\r\nb")
    page.replace(2, 2, "x")
    assert [page.position_at(offset, "utf-8")[0] for offset in range(6)] == [0, 0, 1, 1, 2, 2]


def test_a_line_end_whose_halves_meet_is_one():
    page = document("a\rx\nb")
    page.replace(2, 3, "")
    assert page.n_lines == 2


def test_edits_far_from_each_other_find_their_lines():
    page = document("line\n" * 1000)
    for line in (900, 3, 500, 999, 0, 501):
        page.replace(page.offset_at(line, 0, "utf-8"), page.offset_at(line, 4, "utf-8"), f"{line}\nnew")
    starts = [page.offset_at(line, 0, "utf-8") for line in range(page.n_lines)]
    assert starts == [0, *(found.end() for found in re.finditer("\n", page.text))]


@settings(deadline=None)
@given(texts)
def test_a_line_is_what_a_look_around_finds(text):
    page = document(text)
    for offset in range(len(text) + 1):
        line, _ = page.position_at(offset, "utf-32")
        start, end = line_bounds(text, offset)
        assert (start, end) == (page.offset_at(line, 0, "utf-32"), page.offset_at(line, 99, "utf-32"))
        assert next_line(text, offset) == page.offset_at(line + 1, 0, "utf-32")


@settings(deadline=None)
@given(texts, st.integers(0, 12))
def test_the_lines_above_and_below_are_the_document(text, offset):
    offset = min(offset, len(text))
    above, below = list(lines_above(text, offset)), list(lines_below(text, offset))
    here = (line_bounds(text, offset)[0], next_line(text, offset))
    pieces = [text[start:end] for start, end in [*reversed(above), here, *below]]
    assert "".join(pieces) == text
    lines = [line for line in naive_lines(text) if line]
    assert [piece for piece in pieces if piece] == lines
    assert [text[start:end] for start, end in lines_of(text, 0, len(text))] == lines


@pytest.mark.parametrize(
    ("text", "eol"),
    [("", "\n"), ("a", "\n"), ("a\nb\n", "\n"), ("a\r\nb\r\nc\n", "\r\n"), ("a\rb\r", "\r"), ("a\nb\n\r\n", "\n")],
)
def test_the_line_end_that_is_used_most(text, eol):
    assert dominant_eol(text) == eol


def test_line_ends_are_plain_for_the_model():
    assert with_plain_line_ends("a\r\nb\rc\n\n") == "a\nb\nc\n\n"


def test_the_last_code_is_found_behind_any_amount_of_white_space():
    assert last_code("ab" + " \n" * 1000, 1500) == 2
    assert last_code(" \n" * 1000, 1500) == 0
