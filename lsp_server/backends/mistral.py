"""Hosted fill-in-the-middle: Mistral's `/v1/fim/completions` and DeepSeek's beta of `/completions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lsp_server.backends import openai
from lsp_server.backends.dialect import Asked, Dialect, Said, error_text


def read(chunk: Mapping[str, Any]) -> Said:
    """Mistral's chunks are those of a chat, and its `content` may be a list of parts."""
    if error := error_text(chunk):
        return Said(error=error)
    if not chunk["choices"]:
        return Said()
    choice = chunk["choices"][0]
    content = (choice.get("delta") or {}).get("content") or ""
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content)
    n_prompt = (chunk.get("usage") or {}).get("prompt_tokens")
    return Said(text=content, ended=choice.get("finish_reason") is not None, n_prompt_tokens=n_prompt)


def deepseek_body(asked: Asked) -> dict[str, Any]:
    return openai.suffix_body(asked)


FIM = Dialect(
    name="mistral", prompt="segments", path="/v1/fim/completions", body=openai.suffix_body, read=read,
)  # fmt: skip
DEEPSEEK = Dialect(
    name="deepseek", prompt="segments", path="/beta/completions", body=deepseek_body, read=openai.read, max_stops=16,
    models="/models",
)  # fmt: skip
