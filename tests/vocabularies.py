"""The vocabularies in vendor/vocab and the model in the package, each read once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lsp_server.formats.gguf import GgufFile, read_gguf
from lsp_server.models.packaged import packaged_model
from lsp_server.tokenization import Tokenizer

FOLDER = Path(__file__).parent.parent / "vendor" / "vocab"
VOCABULARIES = ("starcoder", "refact", "deepseek-coder", "qwen2", "gpt-neox", "llama-spm")
PACKAGED = "packaged model"
BYTE_LEVEL = (*VOCABULARIES[:-1], PACKAGED)


def vocabulary_path(name: str) -> Path:
    return packaged_model() if name == PACKAGED else FOLDER / f"ggml-vocab-{name}.gguf"


@cache
def gguf(name: str) -> GgufFile:
    return read_gguf(vocabulary_path(name))


@cache
def tokenizer(name: str) -> Tokenizer:
    return Tokenizer.from_gguf(gguf(name).metadata)


def expected_ids(name: str) -> list[tuple[str, list[int]]]:
    """Texts and the ids that the model's own tokenizer gives for them; none for vocabularies that came without."""
    texts, ids = (vocabulary_path(name).with_suffix(f".gguf{ending}") for ending in (".inp", ".out"))
    if not texts.exists():
        return []
    cases = texts.read_bytes().decode().split("\n__ggml_vocab_test__\n")[:-1]
    lines = ids.read_text().splitlines()
    return [(text, [int(id) for id in line.split()]) for text, line in zip(cases, lines, strict=True)]
