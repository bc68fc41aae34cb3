"""`infill-ls models inspect`: what a file tells of itself, at the true sizes of the models that people have.

The files have true headers and no weights: what a tensor would hold is a hole in the file, which takes no space.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lsp_server.errors import ModelFileError
from lsp_server.models.inspect import Inspection, inspect, printed
from lsp_server.models.packaged import packaged_model
from tests.ggml_files import gpt_neox, starcoder
from tests.test_gguf import file, tensor
from tests.vocabularies import VOCABULARIES, gguf, vocabulary_path

F32, Q4_0, Q8_0 = 0, 2, 8
BLOCK_BYTES = {Q4_0: 18, Q8_0: 34}
GB = 10**9


def model_file(
    path: Path, architecture, *, layers, width, heads, kv_heads, hidden, context, type=Q8_0, name="", **more
):
    """The matrices of one layer are written as one, so that the header stays small; only its size counts here."""
    vocabulary = gguf(more.pop("vocabulary", "starcoder")).metadata
    n_vocab = len(vocabulary["tokenizer.ggml.tokens"])
    head = width // heads
    per_layer = 2 * width + 2 * kv_heads * head + hidden * more.pop("n_ffn_matrices", 2)
    matrices = {"token_embd.weight": n_vocab, **{f"blk.{layer}.all": per_layer for layer in range(layers)}}
    tensors, offset = [], 0
    for title, n_rows in matrices.items():
        tensors.append(tensor(title, (width, n_rows), type, offset))
        offset += width * n_rows // 32 * BLOCK_BYTES[type]
        offset += -offset % 32
    metadata = {
        "general.architecture": architecture,
        "general.name": name,
        **{key: list(of) if isinstance(of, tuple) else of for key, of in vocabulary.items() if "tokenizer" in key},
        f"{architecture}.context_length": context,
        f"{architecture}.embedding_length": width,
        f"{architecture}.block_count": layers,
        f"{architecture}.attention.head_count": heads,
        f"{architecture}.attention.head_count_kv": kv_heads,
        **{f"{architecture}.{key}": of for key, of in more.items()},
    }
    content = file(metadata, tensors)
    path.write_bytes(content)
    os.truncate(path, len(content) + offset)
    return path


def starcoderbase_1b(folder: Path, type=Q8_0) -> Path:
    return model_file(folder / "starcoderbase-1b.gguf", "starcoder", layers=24, width=2048, heads=16, kv_heads=1,
                      hidden=8192, context=8192, name="starcoderbase-1b", type=type)  # fmt: skip


def rows(inspection: Inspection, n_context: int | None = None) -> dict[str, str]:
    return {line.split("  ")[0]: line.split("  ", 1)[1].strip() for line in printed(inspection, n_context).splitlines()}


# --- the models that people have ---


def test_starcoderbase_1b_at_its_true_size(tmp_path):
    found = inspect(starcoderbase_1b(tmp_path))
    assert found.architecture == "starcoder"
    assert found.bytes_by_type == (("Q8_0", found.n_weight_bytes),)
    assert found.bits_per_weight == 8.5
    assert found.n_weights == pytest.approx(1.11e9, rel=0.02)
    assert (found.context_length, found.n_vocab) == (8192, 49152)
    assert (found.template.family, found.template.order) == ("starcoder", "spm2")
    assert found.sentinels == (("<fim_prefix>", 1), ("<fim_suffix>", 3), ("<fim_middle>", 2))
    assert found.complaints == ()
    # One shared head of keys and values, 128 wide, in 24 layers, two bytes a number.
    assert found.kv_bytes_per_token == 2 * 128 * 24 * 2
    assert found.memory_bytes(8192) == found.n_weight_bytes + 8192 * 12288


def test_refact_has_its_own_family_and_order(tmp_path):
    path = model_file(tmp_path / "refact.gguf", "refact", layers=32, width=2048, heads=32, kv_heads=1, hidden=5632,
                      context=4096, name="Refact", vocabulary="refact", n_ffn_matrices=3)  # fmt: skip
    found = inspect(path)
    assert found.n_weights == pytest.approx(1.6e9 - 49216 * 2048, rel=0.02)  # less its output matrix
    assert (found.template.family, found.template.order) == ("refact", "spm")
    assert found.kv_bytes_per_token == 2 * 64 * 32 * 2


def test_fim_neox_keeps_keys_and_values_for_every_head(tmp_path):
    path = model_file(tmp_path / "fim-neox-1.3b.gguf", "gptneox", layers=24, width=2048, heads=16, kv_heads=16,
                      hidden=8192, context=2048, name="FIM-NeoX-1.3B", vocabulary="gpt-neox")  # fmt: skip
    found = inspect(path)
    assert (found.template.family, found.template.prefix_id) == ("fim-neox", 50278)
    assert found.memory_bytes(2048) - found.n_weight_bytes == pytest.approx(0.4 * GB, rel=0.01)
    assert "does not say how its vocabulary cuts words; 'gpt-2' is assumed" in rows(found)["note"]


def test_heads_of_a_stated_width_count_with_that_width(tmp_path):
    more = {"attention.key_length": 256, "attention.value_length": 128}
    path = model_file(tmp_path / "wide.gguf", "starcoder", layers=2, width=2048, heads=16, kv_heads=4, hidden=64,
                      context=2048, **more)  # fmt: skip
    assert inspect(path).kv_bytes_per_token == 2 * 4 * (256 + 128) * 2


def test_layers_may_have_different_numbers_of_heads(tmp_path):
    path = model_file(tmp_path / "mixed.gguf", "starcoder", layers=2, width=2048, heads=16, kv_heads=4, hidden=64,
                      context=2048, **{"attention.head_count_kv": [4, 1]})  # fmt: skip
    assert inspect(path).kv_bytes_per_token == (4 + 1) * 256 * 2


def test_the_packaged_model_is_trained_for_less_than_its_architecture_admits():
    assert "windows of 512 tokens" in rows(inspect(packaged_model()))["note"]


# --- legacy GGML, which ctransformers runs ---


@pytest.mark.parametrize(
    ("content", "architecture", "kv_bytes"),
    [(starcoder(), "starcoder", 2 * 32 * 2 * 4), (gpt_neox(), "gptneox", 2 * 32 * 2 * 2)],
)
def test_a_legacy_file_shows_what_ctransformers_will_take(tmp_path, content, architecture, kv_bytes):
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    found = inspect(path)
    assert (found.format, found.engine, found.architecture) == ("legacy GGML", "ctransformers", architecture)
    assert found.kv_bytes_per_token == kv_bytes
    assert dict(found.sentinels)["<fim_middle>"] == 2


# --- what is printed ---


def test_the_table_says_everything_in_a_line_each(tmp_path):
    table = rows(inspect(starcoderbase_1b(tmp_path)), 4096)
    assert table["file"].endswith("starcoderbase-1b.gguf (GGUF version 3, 1.19 GB)")
    assert table["architecture"] == "starcoder, run by llama.cpp"
    assert table["quantization"] == "Q8_0 100% of 1.19 GB: 1,120 M weights of 8.5 bits"
    assert table["context"] == "8,192 tokens"
    assert table["vocabulary"] == "49,152 tokens, byte-level BPE, words cut as by starcoder"
    assert table["prompts"] == "starcoder, order spm2: the suffix first, so that a keystroke costs a keystroke"
    assert table["memory"] == "1.24 GB at 4,096 tokens, 1.29 GB at all 8,192 (weights 1.19 GB, then 12.3 kB a token)"


def test_a_context_beyond_the_models_own_is_that_of_the_model(tmp_path):
    path = starcoderbase_1b(tmp_path, type=Q4_0)
    assert " at 8,192 tokens (" in rows(inspect(path), 100_000)["memory"]


# --- bad files ---


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty; download it again"),
        (b"<!DOCTYPE html>", "is a web page, not a model"),
        (b"version https://git-lfs", "is a Git LFS pointer"),
        (b"PK\x03\x04" + bytes(99), "is a zip archive"),
        (starcoder()[:-1], "cut off; download it again"),
        (packaged_model().read_bytes()[:-1], "cut off; download it again"),
    ],
)
def test_what_is_no_whole_model_file_is_said_in_one_sentence(tmp_path, content, says):
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        inspect(path)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", VOCABULARIES)
def test_a_file_with_a_vocabulary_only_still_shows_it(name):
    found = inspect(vocabulary_path(name))
    assert found.complaints[0] == "holds a vocabulary but no weights; choose a file with a whole model"
    assert found.n_vocab > 30000
    assert "memory" not in rows(found)


def test_a_model_that_cannot_fill_in_the_middle_is_shown_with_its_trouble(tmp_path):
    path = model_file(tmp_path / "pythia.gguf", "gptneox", layers=2, width=64, heads=4, kv_heads=4, hidden=64,
                      context=2048, name="pythia", vocabulary="gpt-neox")  # fmt: skip
    table = rows(inspect(path))
    assert "was not trained to fill in the middle" in table["trouble"]
    assert table["prompts"] == "none for filling in the middle"


def test_notes_that_cannot_be_used_are_named(tmp_path):
    path = starcoderbase_1b(tmp_path)
    path.with_suffix(".toml").write_text("window_tokens = 'many'")
    assert "window_tokens = 'many' cannot be used" in rows(inspect(path))["trouble"]
