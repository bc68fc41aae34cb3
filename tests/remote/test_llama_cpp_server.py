"""llama.cpp's own server, for real: the same model file in this process and behind HTTP."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from dataclasses import replace

import httpx
import pytest

from lsp_server.assemble import load_engine
from lsp_server.backends.connect import connect
from lsp_server.backends.endpoint import Endpoint
from lsp_server.backends.remote import RemoteBackend
from lsp_server.settings import ModelSettings, Settings
from lsp_server.values import FimPrompt, Limits, Piece, PromptEvaluated
from tests.remote.asking import LIMITS, PREFIX, PROMPT, SUFFIX, asked, asked_in_process, events

PROMPTS = [
    PROMPT,
    FimPrompt("", "\n"),
    FimPrompt("import os\n\n\ndef names(folder):\n    ", "\n    return result\n"),
    FimPrompt("text = 'naïve 漢字 🙂'\nprint(text", ")\n"),
    FimPrompt("x = '<fim_middle>'\nprint(", ")\n"),
    FimPrompt("for i in range(10):\n\tprint(i)\n\nwhile True:\n", "\n"),
]
HEALED = [
    FimPrompt("total = 0\nprint(", ")\n", owed=" "),  # the model alone would begin without the space
    FimPrompt("def area(width, height):\n    return width *", "\n", owed=" "),
    FimPrompt("if __name__ ==", ":\n    main()\n", owed=" "),
]


def remote(url: str, model_path: str, **settings: object) -> RemoteBackend:
    return connect(Endpoint(url, vocabulary=model_path, order="spm2", **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("prompt", [*PROMPTS, *HEALED], ids=lambda prompt: repr(prompt.prefix[-12:] + prompt.owed))
async def test_in_process_and_behind_http_the_same_text(engine, llama_cpp, model_path, prompt):
    expected = await asked_in_process(engine, prompt)
    with closing(remote(llama_cpp, model_path)) as backend:
        assert await asked(backend, prompt) == expected


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: repr(prompt.prefix[-12:]))
async def test_token_ids_through_the_openai_dialect_give_the_same_text(engine, llama_cpp, model_path, prompt):
    expected = await asked_in_process(engine, prompt, heals=False)
    with closing(remote(llama_cpp, model_path, dialect="openai")) as backend:
        assert await asked(backend, prompt) == expected


async def test_a_text_with_sentinels_gives_the_same_text(engine, llama_cpp):
    expected = await asked_in_process(engine, heals=False)
    endpoint = Endpoint(llama_cpp, dialect="openai", family="starcoder", order="spm2")
    with closing(connect(endpoint)) as backend:
        assert backend.dialect.prompt == "text"
        assert await asked(backend) == expected


@pytest.mark.parametrize("prompt", PROMPTS[:4], ids=lambda prompt: repr(prompt.prefix[-12:]))
@pytest.mark.parametrize("order", ["psm", "spm2"])
def test_a_text_is_cut_into_the_same_tokens_as_are_sent_as_ids(llama_cpp, model_path, order, prompt):
    endpoint = Endpoint(llama_cpp, dialect="openai", order=order)
    with (
        closing(connect(replace(endpoint, vocabulary=model_path))) as by_ids,
        closing(connect(replace(endpoint, family="starcoder"))) as by_text,
    ):
        ids, text = (backend.asked(prompt, LIMITS).prompt for backend in (by_ids, by_text))
    content = {"content": text, "parse_special": True, "add_special": False}
    cut = httpx.post(f"{llama_cpp}/tokenize", json=content, trust_env=False).json()["tokens"]
    assert tuple(cut) == ids


async def test_infill_is_asked_where_the_vocabulary_is_not_known(llama_cpp):
    with closing(connect(Endpoint(llama_cpp))) as backend:
        assert backend.dialect.path == "/infill"
        first, *pieces = await events(backend)
    assert isinstance(first, PromptEvaluated) and first.n_tokens > 20
    assert pieces and all(isinstance(piece, Piece) and piece.probability is not None for piece in pieces)


AT_THE_LINES_START = [
    FimPrompt("import os\n\n\ndef names(folder):\n", "\n    return result\n"),
    FimPrompt("for i in range(10):\n\tprint(i)\n\nwhile True:\n", "\n"),
    FimPrompt("total = 0\nfor price in prices:\n", "print(total)\n"),
]


@pytest.mark.parametrize("prompt", AT_THE_LINES_START, ids=lambda prompt: repr(prompt.prefix[-12:]))
async def test_infill_has_the_template_that_this_process_has(llama_cpp, model_path, prompt):
    """At a line's start; else, with the prefix first, this process puts the line being typed behind the middle."""
    engine = load_engine(Settings(ModelSettings(order="psm")))
    expected = await asked_in_process(engine, prompt, heals=False)
    engine.backend.close()
    with closing(connect(Endpoint(llama_cpp))) as backend:
        assert await asked(backend, prompt) == expected


async def test_infill_reads_other_files_where_they_are_sent_along(llama_cpp):
    with closing(connect(Endpoint(llama_cpp))) as backend:
        prompts = (PROMPT, replace(PROMPT, extra=("RATE = 0.19\n" * 20,)))
        alone, beside = [(await events(backend, prompt))[0] for prompt in prompts]
    assert beside.n_tokens > alone.n_tokens + 20


async def test_what_the_server_has_evaluated_already_is_told(llama_cpp, model_path):
    with closing(remote(llama_cpp, model_path)) as backend:
        await events(backend)
        again = (await events(backend))[0]
    assert isinstance(again, PromptEvaluated)
    assert again.n_reused > again.n_tokens // 2


async def test_closing_the_stream_frees_the_server_at_once(llama_cpp, model_path):
    with closing(remote(llama_cpp, model_path)) as backend:
        endless = FimPrompt("numbers = [\n" + "    1,\n" * 40, "\n]\n")
        await events(backend, endless, Limits(1000, 30), n_pieces=2)
        for _ in range(100):
            if not is_busy(llama_cpp):
                return
            await asyncio.sleep(0.02)
        raise AssertionError("the server went on writing")


async def test_the_packaged_self_description_of_what_is_sent_is_what_is_sent(llama_cpp, model_path):
    with closing(remote(llama_cpp, model_path)) as backend:
        body = json.loads(backend.body(PROMPT, LIMITS))
    assert body["n_predict"] == LIMITS.hard_max_tokens and isinstance(body["prompt"][0], int)


async def test_a_prompt_that_is_too_large_is_refused_in_the_servers_words(llama_cpp, model_path):
    with (
        closing(remote(llama_cpp, model_path)) as backend,
        pytest.raises(Exception, match=r"HTTP 400: request \(\d+ tokens\) exceeds"),
    ):
        await asked(backend, FimPrompt(PREFIX * 200, SUFFIX))


def test_a_backend_serves_one_event_loop_after_another(llama_cpp, model_path):
    with closing(remote(llama_cpp, model_path)) as backend:
        assert asyncio.run(asked(backend)) == asyncio.run(asked(backend)) != ""


def is_busy(url: str) -> bool:
    return any(slot["is_processing"] for slot in httpx.get(f"{url}/slots", trust_env=False).json())
