"""The vocabulary of a server's model, from a GGUF file or a tokenizer.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lsp_server.backends.connect import connect, read_vocabulary, token_counter
from lsp_server.backends.endpoint import Endpoint
from lsp_server.errors import ModelFileError, SettingsError
from lsp_server.formats.gguf import read_gguf

CONTROL = 3
TEXTS = ["def add(a, b):\n    return a + b\n", "x = '<fim_middle>'", "naïve 漢字 🙂\t12345", ""]


@pytest.fixture
def tokenizer_json(model_path, tmp_path):
    """The packaged model's vocabulary, as Hugging Face libraries write it."""
    metadata = read_gguf(Path(model_path)).metadata
    texts, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    pairs = list(zip(texts, kinds, strict=True))
    added = [{"id": i, "content": text, "special": True} for i, (text, kind) in enumerate(pairs) if kind == CONTROL]
    vocab = {text: i for i, (text, kind) in enumerate(pairs) if kind != CONTROL}
    model = {"type": "BPE", "vocab": vocab, "merges": list(metadata["tokenizer.ggml.merges"])}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({"model": model, "added_tokens": added}), "utf-8")
    return str(path)


def test_both_kinds_of_file_give_the_same_ids(model_path, tokenizer_json):
    from_gguf, template = read_vocabulary(Endpoint("", vocabulary=model_path, order="psm"))
    from_json, same_template = read_vocabulary(Endpoint("", vocabulary=tokenizer_json, family="starcoder", order="psm"))
    assert [from_json.encode(text) for text in TEXTS] == [from_gguf.encode(text) for text in TEXTS]
    assert same_template.render((), ()) == template.render((), ())


def test_a_tokenizer_json_needs_to_know_the_family(tokenizer_json):
    with pytest.raises(SettingsError, match="set family to one of starcoder"):
        connect(Endpoint("http://127.0.0.1:1", vocabulary=tokenizer_json))


@pytest.mark.parametrize("content", ["", "{}", '{"model": 1}', '{"model": {"vocab": {}}}', "[]"])
def test_another_json_file_is_told_as_such(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_text(content, "utf-8")
    with pytest.raises(ModelFileError, match=r"not the tokenizer\.json"):
        connect(Endpoint("http://127.0.0.1:1", vocabulary=str(path), family="starcoder"))


def test_without_a_vocabulary_three_characters_count_as_a_token():
    count = token_counter(Endpoint("http://127.0.0.1:1"))
    assert [count(text) for text in ("", "x", "abc", "abcd", "漢" * 9)] == [0, 1, 1, 2, 3]
