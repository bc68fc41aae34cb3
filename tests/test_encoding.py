"""From segments to ids while somebody types: the same ids for less work, and words healed where they were cut."""

from __future__ import annotations

import inspect
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.backends.encoding import LONG_PART, MAX_CACHED_LONG_PARTS, SEAMS, PromptEncoder
from lsp_server.fim import FimTemplate
from lsp_server.values import FimPrompt
from tests.vocabularies import PACKAGED, VOCABULARIES, tokenizer

ALL = (*VOCABULARIES, PACKAGED)
SOURCE = inspect.getsource(textwrap) + 'def area(r):\n\t"""π·r² – 漢字 🎉"""\n\n\n@x\n\n    a1\n   \n\tb)\n}\n  \nc'
PRE, SUF, MID = -1, -2, -3
CODE = st.text(st.sampled_from("aZ0_ \t\n\r({\"'):;.,=@#-é漢🎉\u00a0"), max_size=60)


def encoder(name, order="spm2", **options):
    return PromptEncoder(tokenizer(name), FimTemplate("a family", order, PRE, SUF, MID), **options)


def healed(line, name="starcoder", order="spm2", **options):
    """What is left of a line for the prompt, and what the first new tokens must begin with."""
    ids, owed = encoder(name, order, **options).encode(FimPrompt(line, ""))
    kept = [id for id in ids if id not in (PRE, SUF, MID)]
    return b"".join(map(tokenizer(name).piece, kept)).decode(), owed.decode()


# --- encoded in parts ---


@pytest.mark.parametrize("name", ALL)
def test_a_text_that_grows_has_the_ids_of_the_whole_text(name):
    growing = encoder(name).growing
    assert len(SEAMS.split(SOURCE)) > 100
    for end in range(0, len(SOURCE), 397):
        assert growing(SOURCE[:end], opens=True) == tokenizer(name).encode(SOURCE[:end], opens=True)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=300, deadline=None)
@given(text=CODE)
def test_so_has_any_other_text(name, text):
    assert encoder(name).growing(text) == tokenizer(name).encode(text)


def test_of_long_lines_that_grow_few_are_kept_in_memory():
    growing = encoder("starcoder")
    for n in range(200):
        growing.growing("x = [" + "1, " * (LONG_PART + n))
    kept = growing._long_part.cache_info().currsize + growing._short_part.cache_info().currsize
    assert kept == MAX_CACHED_LONG_PARTS


# --- healing ---


@pytest.mark.parametrize(
    ("line", "kept", "owed"),
    [
        ("x = ret", "x =", " ret"),
        ("x = retu", "x =", " retu"),      # two tokens, which "return" does not begin with
        ("x = foo.ba", "x = foo.", "ba"),
        ("get_configuration_pa", "get_configuration_", "pa"),
        ("x = ", "x =", " "),
        ("if a =", "if a", " ="),
        ('open("htt', 'open("', "htt"),
    ],
)  # fmt: skip
def test_what_more_text_could_join_with_is_taken_back(line, kept, owed):
    assert healed(line) == (kept, owed)


def test_an_indentation_is_taken_back_since_its_last_space_belongs_to_the_word_behind_it():
    assert healed("def f():\n    ") == ("def f():", "\n    ")


def test_nothing_is_taken_back_where_healing_is_off():
    assert healed("x = ret", heals=False) == ("x = ret", "")


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=200, deadline=None)
@given(text=CODE)
def test_nothing_is_lost_between_what_is_kept_and_what_is_owed(name, text):
    ids, owed = encoder(name).encode(FimPrompt(text, ""))
    kept = [id for id in ids if id not in (PRE, SUF, MID)]
    whole = tokenizer(name).encode(text, opens=True)
    assert b"".join(map(tokenizer(name).piece, kept)) + owed == b"".join(map(tokenizer(name).piece, whole))


# --- the line being typed, where the suffix stands behind the prefix ---


def test_typing_changes_only_the_end_of_a_prompt_whose_prefix_stands_first():
    of = encoder("starcoder", "psm")
    suffix = "\n\nprint(f(1))\n"
    before, _ = of.encode(FimPrompt("def f(a):\n    x =", suffix))
    after, _ = of.encode(FimPrompt("def f(a):\n    x = other(a", suffix))
    assert before[: before.index(MID) + 1] == after[: after.index(MID) + 1]
    assert tokenizer("starcoder").encode("    x = other(") == list(after[after.index(MID) + 1 :])


def test_at_the_start_of_a_line_there_is_nothing_to_take_back_from_before_the_suffix():
    assert healed("def f():\n", order="psm") == ("def f():\n", "")
