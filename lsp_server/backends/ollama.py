"""Ollama: `/api/generate`, raw, so that the prompt is this program's and not the template in its model file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lsp_server.backends.dialect import Asked, Dialect, Said, error_text


def body(asked: Asked) -> dict[str, Any]:
    # Its model files may punish repetition, and code repeats itself.
    exact = {"temperature": 0, "repeat_penalty": 1.0}
    options = {"num_predict": asked.max_tokens, "stop": list(asked.stops)} | exact
    return {"model": asked.model, "prompt": asked.prompt, "raw": True, "stream": True, "options": options}


def read(chunk: Mapping[str, Any]) -> Said:
    if error := error_text(chunk):
        return Said(error=error)
    prompt_ns = chunk.get("prompt_eval_duration")
    return Said(
        text=chunk["response"],
        ended=bool(chunk["done"]),
        n_prompt_tokens=chunk.get("prompt_eval_count"),
        prompt_ms=None if prompt_ns is None else prompt_ns / 1e6,
    )


RAW = Dialect(
    name="ollama", prompt="text", path="/api/generate", body=body, read=read, content_type="application/x-ndjson",
    health="/api/version", models="/api/tags",
)  # fmt: skip
