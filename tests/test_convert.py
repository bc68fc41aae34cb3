"""From a checkpoint to a model file: what comes along, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from lsp_server.formats.gguf import read_gguf
from lsp_server.inference.llama_cpp import LlamaCpp
from lsp_server.models.convert import convert
from lsp_server.tokenization import Tokenizer as OurTokenizer
from tests import vocabularies
from tests.conversion.vocabularies import write_sentence_piece_tokenizer, write_tokenizer
from tests.small_checkpoints import (
    N_VOCAB,
    WIDTH,
    bigcode_tensors,
    checkpoint,
    complaint,
    floats,
)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return checkpoint(tmp_path / "starcoder-small")


# --- a whole conversion -----------------------------------------------------------------------------------------------


def test_a_checkpoint_becomes_a_file_that_the_engine_runs(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "small.gguf"
    seen: list[tuple[int, int]] = []
    converted = convert(small, out, "q8_0", lambda done, total: seen.append((done, total)))
    assert converted.n_bytes == out.stat().st_size and converted.family == "starcoder" and converted.notes == ()
    assert seen[-1] == (converted.n_weights, converted.n_weights)
    engine = LlamaCpp.load(out, n_context=64, n_threads=1)
    engine.evaluate([1, 70, 3, 71, 2], lambda: False)
    assert engine.logits().shape == (N_VOCAB,) and np.isfinite(engine.logits()).all()
    engine.close()


def test_the_vocabulary_comes_along(small: Path, tmp_path: Path) -> None:
    convert(small, tmp_path / "small.gguf", "f32")
    metadata = read_gguf(tmp_path / "small.gguf").metadata
    original = Tokenizer.from_file(str(small / "tokenizer.json"))
    text = "return  int(12)\n"
    assert OurTokenizer.from_gguf(metadata).encode(text) == original.encode(text).ids
    assert metadata["tokenizer.ggml.pre"] == "starcoder" and metadata["tokenizer.ggml.tokens"][-1] == "[PAD299]"
    ids = [metadata[f"tokenizer.ggml.fim_{name}_token_id"] for name in ("pre", "suf", "mid", "pad")]
    assert ids == [1, 3, 2, 4] and metadata["tokenizer.ggml.eos_token_id"] == 0


# The others are converted with whole models of their own in tests/conversion.
@pytest.mark.parametrize("name", ["starcoder", "gpt-neox", "deepseek-coder"])
def test_a_real_vocabulary_keeps_its_ids(name: str, tmp_path: Path) -> None:
    header = vocabularies.gguf(name)
    n_vocab = len(header.metadata["tokenizer.ggml.tokens"])
    folder = checkpoint(tmp_path / "model", bigcode_tensors(n_vocab=n_vocab), vocab_size=n_vocab)
    write_tokenizer(name, folder / "tokenizer.json")
    assert convert(folder, tmp_path / "out.gguf", "q8_0").notes[1:] == ()
    metadata = read_gguf(tmp_path / "out.gguf").metadata
    assert metadata["tokenizer.ggml.pre"] in (header.metadata.get("tokenizer.ggml.pre"), "starcoder", "gpt-2")
    ours = OurTokenizer.from_gguf(metadata)
    assert [ours.encode(text) for text, _ in vocabularies.expected_ids(name)] == [
        ids for _, ids in vocabularies.expected_ids(name)
    ]


def test_sentence_piece_keeps_its_ids(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model", bigcode_tensors(n_vocab=32000), vocab_size=32000)
    write_sentence_piece_tokenizer(folder / "tokenizer.json")
    convert(folder, tmp_path / "out.gguf", "q8_0")
    ours = OurTokenizer.from_gguf(read_gguf(tmp_path / "out.gguf").metadata)
    for text, ids in vocabularies.expected_ids("llama-spm"):
        assert ours.encode(text, opens=True) == ids


@pytest.mark.parametrize(
    ("place", "config", "name"),
    [
        ("models--CarperAI--FIM-NeoX-1.3B/snapshots/0a1b2c", {}, "FIM-NeoX-1.3B"),
        ("CarperAI--FIM-NeoX-1.3B", {}, "FIM-NeoX-1.3B"),
        ("downloads", {"_name_or_path": "bigcode/starcoderbase-1b"}, "starcoderbase-1b"),
        ("starcoder-mine", {"_name_or_path": "/home/somebody/checkpoint-12"}, "starcoder-mine"),
    ],
)
def test_the_model_s_name_is_found(place: str, config: dict[str, str], name: str, tmp_path: Path) -> None:
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    folder = checkpoint(tmp_path / place, **config)
    assert convert(folder, tmp_path / "out.gguf").name == name
    assert convert(folder, tmp_path / "out.gguf", name="Mine").name == "Mine"


# --- what cannot be converted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "change", "sentence"),
    [
        ({"architectures": ["BloomForCausalLM"]}, {}, "is a BloomForCausalLM, and only"),
        ({}, {"transformer.h.1.mlp.c_fc.weight": None}, "lacks transformer.h.1.mlp.c_fc.weight"),
        ({}, {"transformer.h.0.attn.q_norm.weight": floats(4)}, "holds transformer.h.0.attn.q_norm.weight, which"),
        ({}, {"transformer.ln_f.bias": np.full(WIDTH, np.nan, np.float32)}, "output_norm.bias is not made of numbers"),
        ({"n_head": None}, {}, "does not say 'n_head'"),
        ({"n_head": "four"}, {}, "config.json is damaged (n_head is 'four')"),
        ({"n_head": 5, "multi_query": False}, {}, "attn.c_attn.weight of model has not the shape"),
    ],
)
def test_a_checkpoint_that_cannot_be_converted_is_refused_in_a_sentence(
    settings: dict[str, Any], change: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    tensors = {name: of for name, of in (bigcode_tensors() | change).items() if of is not None}
    folder = checkpoint(tmp_path / "model", tensors, **settings)
    assert sentence in complaint(lambda: convert(folder, tmp_path / "out.gguf"))
    assert not list(tmp_path.glob("out*"))


def test_settings_that_are_no_object_are_damaged(small: Path, tmp_path: Path) -> None:
    (small / "config.json").write_text("[]")
    assert "config.json is damaged" in complaint(lambda: convert(small, tmp_path / "out.gguf"))


def test_numbers_too_large_for_f16_are_refused(tmp_path: Path) -> None:
    large = {"transformer.h.0.mlp.c_fc.weight": np.full((128, WIDTH), 1e5, np.float32)}
    folder = checkpoint(tmp_path / "model", bigcode_tensors() | large)
    assert "too large for f16; choose --quant bf16" in complaint(lambda: convert(folder, tmp_path / "out.gguf", "f16"))


def test_a_shard_that_is_missing_is_named(small: Path, tmp_path: Path) -> None:
    (small / "model.safetensors").rename(small / "model-00001-of-00002.safetensors")
    weights = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (small / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    sentence = complaint(lambda: convert(small, tmp_path / "out.gguf"))
    assert "model-00002-of-00002.safetensors is missing" in sentence


def test_an_index_cannot_name_files_elsewhere(small: Path, tmp_path: Path) -> None:
    index = {"weight_map": {"a": "../starcoder-small/model.safetensors"}}
    (small / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "is not a file of weights" in complaint(lambda: convert(small, tmp_path / "out.gguf"))


def test_a_folder_with_several_models_asks_which(small: Path, tmp_path: Path) -> None:
    (small / "model.safetensors").rename(small / "gptq_model-4bit--1g.safetensors")
    (small / "gptq_model-4bit-128g.safetensors").write_bytes(b"")
    assert "several models; name one of gptq_model-4bit--1g" in complaint(lambda: convert(small, tmp_path / "o.gguf"))
    assert convert(small / "gptq_model-4bit--1g.safetensors", tmp_path / "o.gguf").n_bytes


@pytest.mark.parametrize("n_bytes", [0, 7, 8, 100, -1])
def test_a_file_that_was_cut_off_is_noticed(n_bytes: int, small: Path, tmp_path: Path) -> None:
    weights = small / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:n_bytes])
    assert "cut off or damaged; download it again" in complaint(lambda: convert(small, tmp_path / "out.gguf"))


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"dtype": "F32", "shape": [4], "data_offsets": [0, 15]}, "cut off or damaged"),
        ({"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}, "lacks"),
        ({"dtype": "F32", "shape": [1 << 62], "data_offsets": [0, 1 << 64]}, "cut off or damaged"),
        ({"dtype": "F32", "shape": "four", "data_offsets": [0, 16]}, "cut off or damaged"),
        ({"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}, "stores numbers as F8_E4M3"),
        ("nothing", "cut off or damaged"),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(entry: Any, sentence: str, small: Path, tmp_path: Path) -> None:
    text = json.dumps({"x": entry}).encode()
    (small / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(16))
    assert sentence in complaint(lambda: convert(small, tmp_path / "out.gguf"))


def test_pytorch_files_without_pytorch_say_what_to_install(small: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (small / "model.safetensors").rename(small / "pytorch_model.bin")
    assert "pip install 'infill-ls[torch]'" in complaint(lambda: convert(small, tmp_path / "out.gguf"))


def test_wrong_uses_are_explained(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    assert "there is no 'q9'; choose one of f32" in complaint(lambda: convert(small, out, "q9"))
    assert "does not exist" in complaint(lambda: convert(tmp_path / "nowhere", out))
    assert "does not end in .gguf" in complaint(lambda: convert(small, small / "config.json"))
    assert "is a GGUF file already" in complaint(lambda: convert(_touched(small / "model.gguf"), out))
    assert "no folder" in complaint(lambda: convert(small, tmp_path / "no" / "out.gguf"))
    assert "has no tokenizer.json" in complaint(lambda: convert(_without(small, "tokenizer.json"), out))
    assert "has no config.json" in complaint(lambda: convert(_without(small, "config.json"), out))


def _touched(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def _without(folder: Path, name: str) -> Path:
    (folder / name).unlink()
    return folder
