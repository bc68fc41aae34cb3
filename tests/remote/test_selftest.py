"""The self-test: right fillings are counted, and wrong ones say what is wrong with the template."""

from __future__ import annotations

from contextlib import closing

import pytest

from lsp_server.backends.connect import connect
from lsp_server.backends.endpoint import Endpoint
from lsp_server.backends.scripted import Scripted
from lsp_server.backends.selftest import HOLES, examine


async def test_a_model_that_knows_the_answers_passes():
    answers = iter((" y", " first_name + ' ' + last_name", " file"))

    class Knowing(Scripted):
        def stream(self, prompt, limits):
            self.text = next(answers)
            return super().stream(prompt, limits)

    report = await examine(Knowing(""))
    assert (report.n_right, report.suspicions) == (len(HOLES), ())


@pytest.mark.parametrize(
    ("says", "betrays"),
    [
        ("<fim_middle> y", "control tokens came back"),
        ("```python\ny\n```", "chat model"),
        ("class Point:\n    def", "not control tokens to this model"),
        (HOLES[0][0].suffix, "appends `suffix`"),
        ("", "order of the segments"),
    ],
)
async def test_wrong_answers_betray_a_wrong_template(says, betrays):
    report = await examine(Scripted(says))
    assert report.n_right == 0 and [sentence for sentence in report.suspicions if betrays in sentence]


async def test_a_real_server_is_measured(llama_cpp, model_path):
    with closing(connect(Endpoint(llama_cpp, vocabulary=model_path, order="spm2"))) as backend:
        report = await examine(backend)
    assert report.n_right >= 1, [hole.text for hole in report.filled]
    assert all(hole.first_token_ms > 0 and hole.n_prompt_tokens > 10 for hole in report.filled)
