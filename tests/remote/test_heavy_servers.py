"""Real servers that are too heavy to be everywhere: `llama_cpp.server`, `transformers serve` and vLLM."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import httpx
import pytest

from lsp_server.backends.abilities import measure
from lsp_server.backends.connect import connect, read_vocabulary
from lsp_server.backends.endpoint import Endpoint
from lsp_server.errors import BackendError
from lsp_server.values import FimPrompt, Limits, Piece, PromptEvaluated
from tests.remote.asking import LIMITS, PROMPT, SUFFIX, asked, asked_in_process, events

SLOW = Limits(16, 240)  # what a server does for its first request takes a while
PROMPTS = [
    PROMPT,
    FimPrompt("for i in range(10):\n\tprint(i)\n\nwhile True:\n", "\n"),
    FimPrompt("text = 'naïve 漢字 🙂'\nprint(text", ")\n"),
]


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: repr(prompt.prefix[-12:]))
async def test_llama_cpp_server_fills_in_what_this_process_would(engine, llama_cpp_server, prompt):
    expected = await asked_in_process(engine, prompt, heals=False)
    with closing(
        connect(Endpoint(llama_cpp_server, dialect="llama_cpp.server", family="starcoder", order="spm2"))
    ) as backend:
        assert await asked(backend, prompt) == expected


async def test_llama_cpp_server_has_wrong_sentinels_of_its_own_which_is_why_no_suffix_is_sent(engine, llama_cpp_server):
    """Release 0.3.36 puts token 0 where the sentinels belong; should this fail one day, `suffix` works."""
    with (
        closing(connect(Endpoint(llama_cpp_server, dialect="openai-suffix"))) as backend,
        closing(
            connect(Endpoint(llama_cpp_server, dialect="llama_cpp.server", family="starcoder", order="psm"))
        ) as exact,
    ):
        assert await asked(backend) != await asked(exact)


async def test_llama_cpp_server_has_no_health_to_tell_of(llama_cpp_server):
    with closing(connect(Endpoint(llama_cpp_server, dialect="llama_cpp.server", family="starcoder"))) as backend:
        assert await backend.is_ready(5.0) is None


def asked_by_text(url: str, folder: Path) -> Endpoint:
    return Endpoint(url, dialect="openai", model=str(folder), family="starcoder", order="spm2")


def asked_by_ids(url: str, folder: Path, model_path: str) -> Endpoint:
    return Endpoint(url, dialect="openai", model=str(folder), vocabulary=model_path, order="spm2")


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: repr(prompt.prefix[-12:]))
async def test_transformers_serve_fills_in_what_this_process_would_with_the_same_checkpoint(
    transformers_serve, gpt_bigcode, gpt_bigcode_here, prompt
):
    expected = await asked_in_process(gpt_bigcode_here, prompt, heals=False)
    with closing(connect(asked_by_text(transformers_serve, gpt_bigcode))) as backend:
        assert await asked(backend, prompt) == expected != ""


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: repr(prompt.prefix[-12:]))
async def test_transformers_serve_fills_in_what_this_process_would_with_the_same_gptq_weights(
    transformers_serve_gptq, gptq, gptq_here, prompt
):
    expected = await asked_in_process(gptq_here, prompt, heals=False)
    with closing(connect(asked_by_text(transformers_serve_gptq, gptq))) as backend:
        assert await asked(backend, prompt, SLOW) == expected != ""


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: repr(prompt.prefix[-12:]))
async def test_vllm_fills_in_what_this_process_would_with_the_same_checkpoint(
    vllm, gpt_bigcode, gpt_bigcode_here, model_path, prompt
):
    expected = await asked_in_process(gpt_bigcode_here, prompt, heals=False)
    for endpoint in (asked_by_ids(vllm, gpt_bigcode, model_path), asked_by_text(vllm, gpt_bigcode)):
        with closing(connect(endpoint)) as backend:
            assert await asked(backend, prompt, SLOW) == expected != ""


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: repr(prompt.prefix[-12:]))
async def test_vllm_fills_in_what_this_process_would_with_the_same_gptq_weights(
    vllm_gptq, gptq, gptq_here, model_path, prompt
):
    expected = await asked_in_process(gptq_here, prompt, heals=False)
    with closing(connect(asked_by_ids(vllm_gptq, gptq, model_path))) as backend:
        assert await asked(backend, prompt, SLOW) == expected != ""


async def test_vllm_takes_the_users_sentinels_as_text(vllm, gpt_bigcode, gpt_bigcode_here, model_path):
    prompt = FimPrompt("x = '<fim_middle>'\nprint(", SUFFIX)
    expected = await asked_in_process(gpt_bigcode_here, prompt, heals=False)
    with closing(connect(asked_by_ids(vllm, gpt_bigcode, model_path))) as backend:
        assert await asked(backend, prompt, SLOW) == expected


async def test_vllm_is_ready_and_says_how_probable_its_tokens_are(vllm, gpt_bigcode, model_path):
    with closing(connect(asked_by_ids(vllm, gpt_bigcode, model_path))) as backend:
        assert await backend.is_ready(5.0)
        _, *pieces = await events(backend, limits=SLOW)
        assert all(isinstance(piece, Piece) and piece.probability for piece in pieces)


async def test_transformers_serve_gets_sentinels_as_control_tokens_and_the_users_as_text(
    transformers_serve, gpt_bigcode, model_path
):
    tokenizer, template = read_vocabulary(Endpoint("", vocabulary=model_path, order="spm2"))
    prompt = FimPrompt("x = '<fim_middle>'\nprint(", SUFFIX)
    with closing(connect(asked_by_text(transformers_serve, gpt_bigcode))) as backend:
        body = httpx.Response(200, content=backend.body(prompt, Limits(2, 20))).json()
    answer = httpx.post(
        f"{transformers_serve}/v1/completions", json={**body, "stream": False}, trust_env=False, timeout=30
    )
    disarmed = tokenizer.encode("x = '<\u2060fim_middle>'\nprint(")
    assert answer.json()["usage"]["prompt_tokens"] == len(template.render(disarmed, tokenizer.encode(SUFFIX)))


async def test_transformers_serve_streams_the_same_twice(transformers_serve, gpt_bigcode):
    with closing(connect(asked_by_text(transformers_serve, gpt_bigcode))) as backend:
        first, *pieces = await events(backend)
        assert isinstance(first, PromptEvaluated) and pieces
        assert await asked(backend) == await asked(backend) != ""


async def test_transformers_serve_appends_a_suffix_which_is_why_none_is_sent(transformers_serve, gpt_bigcode):
    endpoint = Endpoint(transformers_serve, dialect="openai-suffix", model=str(gpt_bigcode))
    with closing(connect(endpoint)) as backend:
        assert (await asked(backend, FimPrompt("def f(", "SUFFIX"), Limits(2, 20))).endswith("SUFFIX")


async def test_transformers_serve_says_when_it_does_not_know_the_model(transformers_serve):
    with (
        closing(connect(asked_by_text(transformers_serve, Path("no/such-model")))) as backend,
        pytest.raises(BackendError, match="HTTP"),
    ):
        await asked(backend, limits=LIMITS)


async def can_do(endpoint: Endpoint) -> dict[str, str]:
    with closing(connect(endpoint)) as backend:
        return {ability.name: ability.finding for ability in await measure(backend)}


async def test_what_vllm_can_do_is_what_the_table_says(vllm, gpt_bigcode, model_path):
    assert await can_do(asked_by_ids(vllm, gpt_bigcode, model_path)) == {
        "token ids": "taken",
        "logprobs": "sent along",
        "stops": "honoured, 4 at a time",
        "cancel": "stops when the connection is closed (/metrics says so)",
    }


async def test_what_transformers_serve_can_do_is_what_the_table_says(transformers_serve, gpt_bigcode):
    found = await can_do(asked_by_text(transformers_serve, gpt_bigcode))
    assert (found["logprobs"], found["stops"]) == ("none", "honoured, 64 at a time")
    assert not found["cancel"].startswith("goes on"), "it stops; a busy machine hides that"


async def test_what_llama_cpp_server_can_do_is_what_the_table_says(llama_cpp_server):
    found = await can_do(Endpoint(llama_cpp_server, dialect="llama_cpp.server", family="starcoder", order="spm2"))
    assert (found["logprobs"], found["stops"]) == ("none", "honoured, 64 at a time")
    assert not found["cancel"].startswith("goes on"), "it stops; a busy machine hides that"
