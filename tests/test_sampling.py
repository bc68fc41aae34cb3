"""Greedy choice under constraints."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest

from lsp_server.inference.sampling import best

LOGITS = np.array([1.0, 3.0, 2.0, 3.0, -1.0], dtype=np.float32)


def softmax(logits):
    exponentials = np.exp(np.asarray(logits, dtype=np.float64))
    return exponentials / exponentials.sum()


def chosen(logits=LOGITS, **constraints):
    token, probability = best(logits, **constraints)
    return token, pytest.approx(probability, rel=1e-5)


def test_the_largest_logit_wins_and_of_equals_the_lowest_id():
    assert chosen() == (1, softmax(LOGITS)[1])


def test_a_banned_token_is_not_chosen_and_its_probability_goes_to_the_others():
    assert chosen(banned=[1]) == (3, softmax([1, 2, 3, -1])[2])


def test_only_allowed_tokens_count():
    assert chosen(allowed=(4, 2, 0)) == (2, softmax([1, 2, -1])[1])


def test_a_token_that_is_allowed_twice_counts_once():
    assert chosen(allowed=[2, 0, 2]) == (2, softmax([1, 2])[1])


def test_a_ban_outweighs_a_permission():
    assert chosen(allowed=[1, 4], banned=[1, 3]) == (4, 1.0)


def test_no_bans_and_an_empty_list_of_bans_are_the_same():
    assert best(LOGITS, banned=[]) == best(LOGITS)


@pytest.mark.parametrize("constraints", [{"allowed": []}, {"allowed": [2], "banned": [2]}, {"banned": range(5)}])
def test_where_everything_is_ruled_out_there_is_no_choice(constraints):
    with pytest.raises(ValueError, match="every token is ruled out"):
        best(LOGITS, **constraints)


def test_where_nothing_is_known_of_the_allowed_tokens_the_lowest_is_taken_for_impossible():
    partly_known = np.array([-np.inf, 2.0, -np.inf, -np.inf], dtype=np.float32)
    assert best(partly_known, allowed=[3, 2]) == (2, 0.0)


@pytest.mark.parametrize("shift", [-1e5, 0, 1e5, 3e38])
def test_huge_logits_neither_overflow_nor_vanish(shift):
    assert chosen(np.full(4, shift, dtype=np.float32)) == (0, 0.25)


def test_the_logits_stay_as_they_are():
    logits = LOGITS.copy()
    best(logits, allowed=[1, 2], banned=[1])
    assert np.array_equal(logits, LOGITS)


def test_the_time_it_takes_is_printed(capsys):
    for n_vocab in (8_192, 49_152, 151_936):
        logits = np.random.default_rng(0).normal(size=n_vocab).astype(np.float32)
        times_ms = []
        for _ in range(50):
            start = perf_counter()
            best(logits, banned=range(30))
            times_ms.append((perf_counter() - start) * 1000)
        with capsys.disabled():
            print(f"\nbest() of {n_vocab:,} tokens: {np.median(times_ms):.3f} ms", end="")
