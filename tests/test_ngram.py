"""What the user's own files say about the next token, and how much that counts beside what the model says."""

from __future__ import annotations

import numpy as np
import pytest

from lsp_server.inference.mixing import Mixing
from lsp_server.inference.ngram import FAR, MAX_RUN, MAX_TOKENS, ROOM, Followers

# One letter is one token, so that a text can be read.
N_VOCAB = 128
EVEN = np.zeros(N_VOCAB, np.float32)


def ids(text):
    return np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int32)


def found(drawing, *others):
    """What may come next at the cursor: (token, run, distance) for each place."""
    above, below = drawing.split("┃")
    return listed(Followers(ids(above), ids(below), [ids(other) for other in others]))


def listed(followers):
    said = followers.next()
    return [(chr(id), run, far) for id, run, far in zip(said.ids, said.runs, said.distances, strict=True)]


def mixed(drawing, logits=EVEN, ends=(), **weights):
    """The probabilities of each token, as a dictionary of letters."""
    above, below = drawing.split("┃")
    changed = logits.copy()
    Mixing(**weights).into(changed, Followers(ids(above), ids(below)), ends)
    return {chr(id): float(value) for id, value in enumerate(np.exp(changed))}


def logits_for(**probabilities):
    """A model that is sure of these, and shares the rest evenly among all other letters."""
    rest = (1 - sum(probabilities.values())) / (N_VOCAB - len(probabilities))
    return np.log([probabilities.get(chr(id), rest) for id in range(N_VOCAB)]).astype(np.float32)


# --- where the last tokens stand elsewhere ---


def test_what_followed_the_last_tokens_above():
    assert found("abcd abc┃") == [("d", 3, 6)]


def test_what_followed_them_below():
    assert found("abc┃ xyz bcd") == [("d", 2, 7)]


def test_the_place_that_shares_more_has_the_longer_run():
    assert found("xyzA  yzB  zC  xyz┃") == [("A", 3, 16), ("B", 2, 11), ("C", 1, 7)]


def test_other_files_are_far_away():
    assert found("abc┃", "abcd") == [("d", 3, FAR)]


def test_nothing_is_found_across_the_cursor_nor_across_two_files():
    assert found("xab┃c") == []
    assert found("ab┃", "ab", "c") == []


def test_no_run_goes_beyond_the_beginning_of_a_file():
    assert found("ab┃b1", "b2") == [("2", 1, FAR), ("1", 1, 1)]


def test_an_empty_file_has_nothing_to_say():
    assert found("┃") == found("┃abc", "abc") == []


def test_runs_are_counted_up_to_a_length():
    text = "abcdefghijklmnopqrstuvwxyz0123"
    assert [run for _, run, _ in found(f"{text}!{text}┃")] == [MAX_RUN]


def test_what_was_written_since_counts_too():
    followers = Followers(ids("a1b2"), ids(""))
    followers.append(ord("a"))
    assert listed(followers) == [("1", 1, 5)]
    followers.append(ord("1"))
    assert listed(followers) == [("b", 2, 5)]


def test_it_says_the_same_of_a_text_however_much_of_it_was_written_since():
    text = "if a:\n    b = a\nif b:\n    c = b\n" * 20
    whole, grown = Followers(ids(text), ids("b = c")), Followers(ids(text[:40]), ids("b = c"))
    for letter in text[40:]:
        grown.append(ord(letter))
    assert len(text) > 40 + ROOM
    assert listed(whole) == listed(grown)


def test_no_more_is_searched_than_a_number_of_tokens_those_nearest_to_the_cursor():
    above, below = ids("a" * MAX_TOKENS + "b"), ids("c" * MAX_TOKENS)
    followers = Followers(above, below, [ids("d" * MAX_TOKENS), ids("e" * MAX_TOKENS)])
    assert MAX_TOKENS <= followers.n_tokens <= MAX_TOKENS + 8
    followers.append(ord("a"))
    assert listed(followers)[-1][0] == "b"


# --- a guess at what is written next ---


@pytest.mark.parametrize(
    ("drawn", "drafted"),
    [
        ("if a: return b\nif a: ┃", "return"),
        ("abX12 ___ abY34 ab┃", "Y34 ab"),  # the nearer of two
        ("xabX12 ___ bY34 xab┃", "X12 __"),  # the longer run
        ("ab┃ xabcd", "cd"),  # up to the end of the file
        ("xyb1 ab┃", ""),  # too short a run
        ("┃", ""),
    ],
)
def test_what_followed_the_longest_run_is_drafted(drawn, drafted):
    above, below = drawn.split("┃")
    assert "".join(map(chr, Followers(ids(above), ids(below)).draft(2, 6))) == drafted


# --- mixed with the model ---


def test_where_the_model_has_no_idea_the_files_decide():
    chances = mixed("abcd abc┃")
    assert max(chances, key=chances.__getitem__) == "d"


def test_where_the_model_is_sure_one_short_run_does_not_change_its_mind():
    chances = mixed("c1 d2 e3 c┃", logits_for(x=0.95))
    assert max(chances, key=chances.__getitem__) == "x"


def test_the_longer_the_run_the_more_it_counts():
    short, long = mixed("cd abc┃"), mixed("abcd abc┃")
    assert short["d"] < long["d"]


def test_the_nearer_the_more_it_counts():
    chances = mixed("aX    aY a┃")
    assert chances["X"] < chances["Y"]


def test_places_that_agree_count_more_than_those_that_do_not():
    assert mixed("abX abX ab┃")["X"] > mixed("abX abY ab┃")["X"]


def test_what_the_model_finds_absurd_counts_for_less():
    """A closer without its opener, where a list is copied from above."""
    absurd, possible = logits_for(**{":": 0.5, "]": 1e-9}), logits_for(**{":": 0.5, "]": 1e-2})
    assert mixed("if b]if b┃", absurd)["]"] < mixed("if b]if b┃", possible)["]"] / 2


def test_probabilities_remain_probabilities():
    assert sum(mixed("abcd abc┃", logits_for(x=0.5, d=0.1), ends=[0]).values()) == pytest.approx(1, abs=1e-4)


def test_what_is_ruled_out_the_files_cannot_bring_back():
    only_x = np.full(N_VOCAB, -np.inf, np.float32)
    only_x[ord("x")] = 3.0
    assert mixed("abcd abc┃", only_x)["d"] == 0
    assert mixed("abcd abc┃", only_x)["x"] == pytest.approx(np.exp(3), rel=1e-3)  # not even looked at


def test_only_the_model_says_that_the_text_is_over():
    ends = [ord("$")]
    assert mixed("abcd abc┃", logits_for(**{"$": 0.4}), ends)["$"] == pytest.approx(0.4, abs=1e-3)
    assert mixed("abc$ abc┃", logits_for(**{"$": 0.4}), ends)["$"] == pytest.approx(0.4, abs=1e-3)


def test_files_that_say_nothing_leave_the_logits_as_they_are():
    logits = logits_for(x=0.5)
    changed = logits.copy()
    Mixing().into(changed, Followers(ids("abc"), ids("")), ())
    assert np.array_equal(changed, logits)
