"""What an engine has evaluated, as far as it is known, where the engine fails on the way."""

from __future__ import annotations

import pytest

from lsp_server.backends.sequence import EvaluatedSequence
from lsp_server.errors import EngineError

ONE, OTHER = list(range(200)), list(range(50, 250))


class Engine:
    """Remembers ids, and saves them as they are. `breaks`: what is saved cannot be restored."""

    n_context = 512
    breaks = False

    def __init__(self):
        self.ids = []

    @property
    def n_evaluated(self):
        return len(self.ids)

    def evaluate(self, ids, aborted):
        self.ids += ids

    def rewind(self, n_tokens):
        if not 0 <= n_tokens <= len(self.ids):
            raise ValueError("cannot rewind")
        del self.ids[n_tokens:]

    def save(self):
        return bytes(self.ids)

    def restore(self, state):
        self.ids = []
        if self.breaks:
            raise EngineError("a saved sequence could not be restored")
        self.ids = list(state)


def evaluate(sequence, ids):
    n_reused = sequence.go_back_to(ids)
    sequence.evaluate(ids[n_reused:], lambda: False)
    return n_reused


def test_what_was_put_aside_is_taken_out_again():
    engine = Engine()
    sequence = EvaluatedSequence(engine)
    assert [evaluate(sequence, ids) for ids in (ONE, OTHER, ONE)] == [0, 0, len(ONE) - 2]
    assert engine.ids == sequence.ids == ONE


def test_after_one_that_could_not_be_taken_out_nothing_is_taken_for_evaluated_that_is_not():
    engine = Engine()
    sequence = EvaluatedSequence(engine)
    evaluate(sequence, ONE)
    evaluate(sequence, OTHER)
    engine.breaks = True
    with pytest.raises(EngineError):
        evaluate(sequence, ONE)
    engine.breaks = False
    assert evaluate(sequence, ONE) == 0
    assert evaluate(sequence, OTHER) == len(OTHER) - 2
    assert engine.ids == sequence.ids == OTHER
