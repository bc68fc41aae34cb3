"""`/v1/completions` as OpenAI shaped it: vLLM, SGLang, llama.cpp, `transformers serve`, llama_cpp.server and more.

They differ in what they make of `suffix`: llama.cpp's server ignores it without a word, `transformers serve` appends it
to the answer, llama_cpp.server 0.3.36 puts token 0 where the sentinels belong. So it is sent only where somebody said
that it works, and a whole prompt everywhere else. And some refuse fields that they do not know, so others get none.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from typing import Any

from lsp_server.backends.dialect import Asked, Dialect, Said, error_text

MAX_STOPS = 4  # OpenAI's own limit, and vLLM's; some servers allow more


def plain_body(asked: Asked) -> dict[str, Any]:
    body: dict[str, Any] = {"prompt": asked.prompt, "max_tokens": asked.max_tokens, "temperature": 0, "stream": True}
    if asked.model:
        body["model"] = asked.model
    if asked.stops:
        body["stop"] = list(asked.stops)
    return body


def ids_body(asked: Asked) -> dict[str, Any]:
    # OpenAI has no `stop_token_ids`, and no token ids for others' models either; vLLM and SGLang have both.
    return plain_body(asked) | {"logprobs": 1, "stop_token_ids": list(asked.stop_ids)}


def penalty_free_body(asked: Asked) -> dict[str, Any]:
    # llama_cpp.server punishes repetition by default, and code repeats itself: brackets, names, indentation.
    return plain_body(asked) | {"repeat_penalty": 1.0}


def suffix_body(asked: Asked) -> dict[str, Any]:
    return plain_body(asked) | {"suffix": asked.suffix}


def read(chunk: Mapping[str, Any]) -> Said:
    if error := error_text(chunk):
        return Said(error=error)
    usage = chunk.get("usage") or {}
    counts: dict[str, Any] = {
        "n_prompt_tokens": usage.get("prompt_tokens"),
        "n_reused_tokens": (usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
    }
    if not chunk["choices"]:  # the last chunk may hold nothing but the usage
        return Said(**counts)
    choice = chunk["choices"][0]
    logprobs = choice.get("logprobs") or {}
    logprob = _first_logprob(logprobs)
    return Said(
        text=choice.get("text") or "",
        probability=None if logprob is None else exp(min(0.0, logprob)),
        token_ids=tuple(item["id"] for item in logprobs.get("content") or () if "id" in item),
        ended=choice.get("finish_reason") is not None,
        **counts,
    )


def _first_logprob(logprobs: Mapping[str, Any]) -> float | None:
    """OpenAI has lists side by side, llama.cpp a list of records."""
    values = logprobs.get("token_logprobs") or [item.get("logprob") for item in logprobs.get("content") or ()]
    return values[0] if values else None


IDS = Dialect(
    name="openai", prompt="ids", path="/v1/completions", body=ids_body, read=read,
    max_stops=MAX_STOPS, logprobs=True, health="/health", cancels="yes", tested="real server",
)  # fmt: skip
TEXT = Dialect(
    name="openai", prompt="text", path="/v1/completions", body=plain_body, read=read,
    max_stops=MAX_STOPS, health="/health", cancels="yes", tested="real server",
)  # fmt: skip
LLAMA_CPP_PYTHON = Dialect(
    name="llama_cpp.server",
    prompt="text",
    path="/v1/completions",
    body=penalty_free_body,
    read=read,
    max_stops=MAX_STOPS,
    cancels="yes",
    tested="real server",
)
SUFFIX = Dialect(
    name="openai-suffix", prompt="segments", path="/v1/completions", body=suffix_body, read=read, max_stops=MAX_STOPS,
)  # fmt: skip
