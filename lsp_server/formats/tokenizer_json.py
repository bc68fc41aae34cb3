"""A byte-level vocabulary from a tokenizer.json file, as Hugging Face libraries write it, under the keys of GGUF."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lsp_server.errors import ModelFileError

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5


def metadata_of(path: Path, n_vocab: int, pre: str) -> dict[str, object]:
    """`n_vocab`: how many tokens the model has, which is often more than the file names. Raises ModelFileError."""
    try:
        content = json.loads(path.read_text("utf-8"))
        return _metadata(content["model"], content.get("added_tokens", []), n_vocab, pre)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path} is not the tokenizer.json of a byte-level model; download it again") from error


def _metadata(model: dict[str, Any], added: list[dict[str, Any]], n_vocab: int, pre: str) -> dict[str, object]:
    texts = [f"[PAD{id}]" for id in range(n_vocab)]
    kinds = [UNUSED] * n_vocab
    for text, id in model["vocab"].items():
        texts[id], kinds[id] = text, NORMAL
    for token in added:
        texts[token["id"]], kinds[token["id"]] = token["content"], CONTROL if token["special"] else USER_DEFINED
    # Newer files write a merge as a pair, older ones as one text.
    merges = (merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"])
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tuple(texts),
        "tokenizer.ggml.token_type": tuple(kinds),
        "tokenizer.ggml.merges": tuple(merges),
    }
