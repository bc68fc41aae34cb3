"""The benches of mixing and of drafting: they count what they say they count, and a fit goes the right way."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from lsp_server.inference.mixing import Mixing
from lsp_server.inference.ngram import Found
from tests.bench import drafting, fit_mixing, mixing


def ids(text):
    return np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int32)


def token(right, copied, logit=2.0):
    """One of eight that the author wrote, where the model wants the first, and the files say another."""
    logits = np.zeros(8, np.float16)
    logits[0] = logit
    found = Found(np.array([copied], np.int32), np.array([3]), np.array([5]))
    return fit_mixing.Token("a folder", 0, right, logits, found)


def test_mixing_is_measured_beside_the_model_alone_and_the_copying_completer(tmp_path, monkeypatch, capsys):
    case = {
        "id": 1, "language": "python", "package": "shop", "path": "cart.py", "kind": "rest-of-line",
        "prefix": "def first(cart):\n    return cart.quux_total\n\n\ndef second(cart):\n    return cart.quux",
        "middle": "_total", "suffix": "\n",
    }  # fmt: skip
    cases = tmp_path / "cases.jsonl.gz"
    cases.write_bytes(gzip.compress(json.dumps(case).encode()))
    monkeypatch.setattr("sys.argv", ["mixing.py", str(cases)])
    monkeypatch.setattr(mixing, "N_LINES", (40,))
    assert mixing.main() == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["exact"]["rest-of-line"]["mixing on"] == 100
    assert set(result["exact"]["single lines"]) == {"mixing off", "mixing on", "copying"}
    assert result["costs"][0]["key_us"] > 0


@pytest.mark.parametrize(("copied", "moves"), [(1, 1), (2, -1)])
def test_where_the_files_are_right_a_fit_lets_them_count_for_more_and_where_they_are_wrong_for_less(copied, moves):
    start = Mixing(bias=0.0)
    fitted = fit_mixing.fitted([token(right=1 if copied == 1 else 0, copied=copied)], [7], start)
    assert (fitted.bias - start.bias) * moves > 0


def test_a_hole_is_exact_where_each_of_its_tokens_is_the_most_probable():
    files_win = Mixing(bias=9.0)
    assert fit_mixing.exact([token(1, 1), token(2, 2)], files_win, [7]) == 100
    assert fit_mixing.exact([token(1, 1), token(1, 2)], files_win, [7]) == 0


def test_tokens_that_are_drafted_and_right_are_not_evaluated_alone():
    text = drafting.Written(ids("abcdef "), ids("abcdef").tolist(), ids(""))
    assert drafting.evaluations(text, min_run=1, most=3) == {4: 2}  # a and bcd, e and "f a", of which f is right
    assert drafting.evaluations(text, min_run=3, most=3) == {1: 2, 4: 1}  # a, b, c and def
    assert drafting.evaluations(text, min_run=9, most=3) == {1: 6}
