"""Hugging Face's text-generation-inference: `/generate_stream`."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from typing import Any

from lsp_server.backends.dialect import Asked, Dialect, Said, error_text

MAX_STOPS = 4  # what the server allows unless it was started with another --max-stop-sequences


def body(asked: Asked) -> dict[str, Any]:
    parameters = {"max_new_tokens": asked.max_tokens, "do_sample": False, "stop": list(asked.stops), "details": False}
    return {"inputs": asked.prompt, "parameters": parameters}


def read(chunk: Mapping[str, Any]) -> Said:
    if error := error_text(chunk):
        return Said(error=error)
    token = chunk["token"]
    # A control token's text is no text of the user's file; the model ends there.
    special = bool(token.get("special"))
    logprob = token.get("logprob")
    return Said(
        text="" if special else token["text"],
        probability=None if logprob is None else exp(min(0.0, logprob)),
        token_ids=(token["id"],) if "id" in token else (),
        ended=special or chunk.get("generated_text") is not None,
    )


STREAM = Dialect(
    name="tgi", prompt="text", path="/generate_stream", body=body, read=read, max_stops=MAX_STOPS, logprobs=True,
    health="/health", models="/info",
)  # fmt: skip
