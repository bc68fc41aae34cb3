"""llama.cpp's own server: `/completion` with token ids, or `/infill` where the server knows the template itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import exp
from typing import Any

from lsp_server.backends.dialect import Asked, Dialect, Said, error_text

COMMON = {"stream": True, "temperature": 0, "cache_prompt": True, "n_probs": 1, "timings_per_token": True}


def completion_body(asked: Asked) -> dict[str, Any]:
    # A grammar holds the first tokens to what was taken back for healing, as the mask in this process does.
    grammar = {"grammar": f"root ::= {json.dumps(asked.owed)} .*"} if asked.owed else {}
    stops = list(asked.stops)
    return {
        **COMMON,
        "prompt": asked.prompt,
        "n_predict": asked.max_tokens,
        "stop": stops,
        "return_tokens": True,
    } | grammar


def infill_body(asked: Asked) -> dict[str, Any]:
    extra = [{"text": text} for text in asked.extra]  # names may be left out, and say who somebody is
    segments: dict[str, Any] = {"input_prefix": asked.prompt, "input_suffix": asked.suffix, "input_extra": extra}
    return {**COMMON, **segments, "n_predict": asked.max_tokens, "stop": list(asked.stops)}


def read(chunk: Mapping[str, Any]) -> Said:
    if error := error_text(chunk):
        return Said(error=error)
    timings = chunk.get("timings") or {}
    probabilities = chunk.get("completion_probabilities") or [{}]
    logprob = probabilities[0].get("logprob")
    return Said(
        text=chunk["content"],
        probability=None if logprob is None else exp(logprob),
        token_ids=tuple(chunk.get("tokens") or ()),
        ended=bool(chunk["stop"]),
        n_prompt_tokens=chunk.get("tokens_evaluated"),
        n_reused_tokens=timings.get("cache_n"),
        prompt_ms=timings.get("prompt_ms"),
    )


IDS = Dialect(
    name="llama.cpp", prompt="ids", path="/completion", body=completion_body, read=read,
    logprobs=True, heals=True, health="/health", cancels="yes", tested="real server",
)  # fmt: skip
INFILL = Dialect(
    name="llama.cpp", prompt="segments", path="/infill", body=infill_body, read=read,
    logprobs=True, health="/health", cancels="yes", tested="real server",
)  # fmt: skip
