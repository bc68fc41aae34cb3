"""The dialects of servers that cannot be started here, against a FAKE that answers in their documented shapes."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from dataclasses import dataclass

import pytest

from lsp_server.backends.connect import connect
from lsp_server.backends.dialects import DIALECTS, NAMES, choose
from lsp_server.backends.endpoint import Endpoint
from lsp_server.errors import BackendGarbled, BackendUnavailable, SettingsError
from lsp_server.values import FimPrompt, Limits, PromptEvaluated
from tests.remote.asking import asked, events
from tests.remote.fake_server import LAST_CHUNK, FakeServer, chunk, event, head, says, streams

PROMPT = FimPrompt("x =", "\ny = 2\n", owed=" ")
LIMITS = Limits(8, 5)


@dataclass(frozen=True)
class Recorded:
    """What goes to a server, and what comes back, for the completion `1 + 2`."""

    settings: dict[str, str]
    path: str
    sent: dict[str, object]
    came: tuple[bytes, ...]


def openai_chunk(text, finish_reason=None):
    return event({"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [
        {"text": text, "index": 0, "logprobs": None, "finish_reason": finish_reason}]})  # fmt: skip


def chat_chunk(content, finish_reason=None, **more):
    choice = {"index": 0, "delta": {"role": "assistant", "content": content}, "finish_reason": finish_reason}
    return event(
        {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "codestral", "choices": [choice]} | more
    )


def tgi_chunk(id, text, special=False, generated_text=None):
    token = {"id": id, "text": text, "logprob": -0.25, "special": special}
    return event({"index": 1, "token": token, "generated_text": generated_text, "details": None})


def ollama_line(response, done=False, **more):
    value = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "response": response, "done": done} | more
    return chunk(json.dumps(value).encode() + b"\n")


DONE = event(b"[DONE]")
RECORDED = {
    "mistral": Recorded(
        {"dialect": "mistral", "model": "codestral-latest"},
        "/v1/fim/completions",
        {"model": "codestral-latest", "prompt": "x = ", "suffix": "\ny = 2\n", "max_tokens": 12, "stream": True},
        (head(), chat_chunk("1"), chat_chunk([{"type": "text", "text": " +"}]),
         chat_chunk(" 2", "stop", usage={"prompt_tokens": 9, "total_tokens": 12}), DONE, LAST_CHUNK),
    ),
    "deepseek": Recorded(
        {"dialect": "deepseek", "model": "deepseek-chat"},
        "/beta/completions",
        {"model": "deepseek-chat", "prompt": "x = ", "suffix": "\ny = 2\n", "max_tokens": 12, "temperature": 0},
        (head(), openai_chunk("1 +"), chunk(b": keep-alive\n\n"), openai_chunk(" 2"),
         openai_chunk("", "stop"), DONE, LAST_CHUNK),
    ),
    "tgi": Recorded(
        {"dialect": "tgi", "family": "starcoder", "order": "psm"},
        "/generate_stream",
        {"inputs": "<fim_prefix><fim_suffix>\ny = 2\n<fim_middle>x = "},
        (head(), tgi_chunk(5, "1"), tgi_chunk(6, " +"), tgi_chunk(7, " 2"),
         tgi_chunk(0, "<|endoftext|>", special=True, generated_text="1 + 2"), LAST_CHUNK),
    ),
    "ollama": Recorded(
        {"dialect": "ollama", "family": "qwen-coder", "model": "qwen2.5-coder:1.5b"},
        "/api/generate",
        {"model": "qwen2.5-coder:1.5b", "raw": True, "stream": True,
         "prompt": "<|fim_prefix|><|fim_suffix|>\ny = 2\n<|fim_middle|>x = "},
        (head(content_type="application/x-ndjson"), ollama_line("1"), ollama_line(" + 2"),
         ollama_line("", True, done_reason="stop", prompt_eval_count=9, prompt_eval_duration=130_000_000), LAST_CHUNK),
    ),
    "openai text": Recorded(
        {"dialect": "openai", "family": "codellama", "order": "psm", "model": "m"},
        "/v1/completions",
        {"prompt": "▁<PRE>▁<SUF>\ny = 2\n▁<MID>x = ", "stop": ["<|endoftext|>", "▁<PRE>", "▁<SUF>", "▁<MID>"]},
        (head(), openai_chunk("1 +"), openai_chunk(" 2"), openai_chunk("", "stop"), DONE, LAST_CHUNK),
    ),
}  # fmt: skip


@pytest.mark.parametrize("recorded", RECORDED.values(), ids=RECORDED.keys())
async def test_a_fake_of_each_dialect_is_asked_and_understood(recorded):
    async with FakeServer(says(*recorded.came)) as server:
        with closing(connect(Endpoint(server.url, **recorded.settings))) as backend:
            assert await asked(backend, PROMPT, LIMITS) == "1 + 2"
            (request,) = server.requests
            assert (request.method, request.path) == ("POST", recorded.path)
            assert recorded.sent.items() <= request.json.items()


@pytest.mark.parametrize("recorded", RECORDED.values(), ids=RECORDED.keys())
async def test_the_second_request_pays_no_handshake(recorded):
    async with FakeServer(says(*recorded.came)) as server:
        with closing(connect(Endpoint(server.url, **recorded.settings))) as backend:
            for _ in range(3):
                await asked(backend, PROMPT, LIMITS)
            assert (server.n_connections, len(server.requests)) == (1, 3)


async def test_an_end_that_comes_a_little_later_is_waited_for_so_that_the_connection_can_be_used_again(monkeypatch):
    monkeypatch.setattr("lsp_server.backends.remote.LINGER_S", 1.0)
    came = RECORDED["mistral"].came

    async def answer(request):
        for part in came[:-1]:
            yield part
        await asyncio.sleep(0.005)
        yield came[-1]

    async with FakeServer(answer) as server:
        with closing(connect(Endpoint(server.url, dialect="mistral"))) as backend:
            for _ in range(3):
                await asked(backend, PROMPT, LIMITS)
            assert server.n_connections == 1


@pytest.mark.parametrize("recorded", RECORDED.values(), ids=RECORDED.keys())
async def test_an_answer_that_breaks_off_is_an_error_and_no_suggestion(recorded):
    *beginning, _, _ = recorded.came
    async with FakeServer(says(*beginning[:3], LAST_CHUNK)) as server:
        with (
            closing(connect(Endpoint(server.url, **recorded.settings))) as backend,
            pytest.raises(BackendUnavailable, match="broke off in the middle"),
        ):
            await asked(backend, PROMPT, LIMITS)


@pytest.mark.parametrize("recorded", RECORDED.values(), ids=RECORDED.keys())
async def test_a_failure_in_the_middle_is_told_in_the_servers_words(recorded):
    content_type = RECORDED and (
        "application/x-ndjson" if recorded.settings["dialect"] == "ollama" else "text/event-stream"
    )
    failure = json.dumps({"error": {"message": "out of memory", "code": 500}}).encode()
    framed = failure + b"\n" if content_type.startswith("application") else b"data: " + failure + b"\n\n"
    async with FakeServer(says(head(content_type=content_type), chunk(framed), LAST_CHUNK)) as server:
        with (
            closing(connect(Endpoint(server.url, **recorded.settings))) as backend,
            pytest.raises(BackendUnavailable, match="out of memory"),
        ):
            await asked(backend, PROMPT, LIMITS)


@pytest.mark.parametrize(
    "value", [{}, {"choices": [1]}, {"choices": "x"}, {"choices": [{"text": 5}]}, [], 1, {"error": []}]
)
async def test_what_is_no_chunk_of_the_dialect_is_told_as_such(value):
    async with FakeServer(streams(value)) as server:
        with closing(connect(Endpoint(server.url, dialect="deepseek"))) as backend, pytest.raises(BackendGarbled):
            await asked(backend, PROMPT, LIMITS)


async def test_figures_of_the_server_are_believed_and_others_estimated():
    ollama = RECORDED["ollama"]
    first_has_figures = (
        ollama.came[0],
        ollama_line("1", prompt_eval_count=9, prompt_eval_duration=130_000_000),
        *ollama.came[2:],
    )
    for came, expected in (
        (first_has_figures, PromptEvaluated(9, 0, 130.0)),
        (ollama.came, PromptEvaluated(18, 0, 0.0)),
    ):
        async with FakeServer(says(*came)) as server:
            with closing(connect(Endpoint(server.url, **ollama.settings))) as backend:
                assert (await events(backend, PROMPT, LIMITS))[0] == expected


async def test_control_tokens_that_a_server_spells_out_end_the_text_wherever_they_are_cut():
    spelled = ("1", " + 2<fi", "m_pre", "fix>def", " f()")
    async with FakeServer(says(head(), *(openai_chunk(text) for text in spelled), DONE, LAST_CHUNK)) as server:
        with closing(connect(Endpoint(server.url, dialect="openai", family="starcoder"))) as backend:
            assert await asked(backend, PROMPT, LIMITS) == "1 + 2"


async def test_what_only_looks_like_the_beginning_of_one_is_kept():
    async with FakeServer(
        says(head(), openai_chunk("a <"), openai_chunk(" b"), openai_chunk(" <", "stop"), DONE, LAST_CHUNK)
    ) as server:
        with closing(connect(Endpoint(server.url, dialect="openai", family="starcoder"))) as backend:
            assert await asked(backend, PROMPT, LIMITS) == "a < b <"


async def test_the_users_sentinels_go_out_disarmed_and_come_back_as_they_were():
    answers = says(
        head(), openai_chunk("'<"), openai_chunk("\u2060fim_middle>'"), openai_chunk("", "stop"), DONE, LAST_CHUNK
    )
    async with FakeServer(answers) as server:
        with closing(connect(Endpoint(server.url, dialect="openai", family="starcoder", order="psm"))) as backend:
            text = await asked(backend, FimPrompt("x = '<fim_middle>'\ny =", "\n<|endoftext|>", owed=" "), LIMITS)
            sent = server.requests[0].json["prompt"]
    assert text == "'<fim_middle>'"
    assert sent == "<fim_prefix>x = '<\u2060fim_middle>'\n<fim_suffix>\n<\u2060|endoftext|><fim_middle>y = "


@pytest.mark.parametrize("order", ["psm", "spm2"])
def test_a_sentinel_in_the_line_being_typed_is_the_users_text(order):
    with closing(connect(Endpoint("http://gpu", dialect="openai", family="starcoder", order=order))) as backend:
        sent = backend.asked(FimPrompt("x = 1\ny = '<fim_middle>' + ", "\n"), LIMITS).prompt
    assert sent.count("<fim_middle>") == 1 and sent.endswith("y = '<\u2060fim_middle>' + ")


@pytest.mark.parametrize("url", ["http://gpu:8000", "http://gpu:8000/", "http://gpu:8000/v1", "http://gpu:8000/v1/"])
@pytest.mark.parametrize("path", ["/v1/completions", "/health", "/metrics"])
def test_an_address_may_end_as_documentation_shows_it(url, path):
    assert Endpoint(url).at(path) == f"http://gpu:8000{path}"


def test_every_row_of_the_table_is_chosen_for_somebody():
    chosen = {
        choose(name, has_vocabulary=vocabulary, has_family=True) for name in NAMES for vocabulary in (True, False)
    }
    assert chosen == set(DIALECTS)


@pytest.mark.parametrize(("dialect", "key"), [("tgi", "family"), ("openai", "vocabulary"), ("opnai", "no dialect")])
def test_a_server_that_cannot_be_asked_yet_says_what_is_missing(dialect, key):
    with pytest.raises(SettingsError, match=key):
        connect(Endpoint("http://127.0.0.1:1", dialect=dialect))
