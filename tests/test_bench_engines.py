"""The engines' benchmark: its models are sound, and what it compares computes the same."""

from __future__ import annotations

import pytest

from lsp_server.models.files import read_model
from tests.bench.engines import measure_pairs, measure_speed
from tests.bench.weights import STARCODERBASE_1B, Size, cached

TINY = Size("tiny", n_layers=1, width=256, n_heads=2, n_context=512)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize(("quant", "legacy"), [("q8_0", False), ("q4_0", False), ("q4_k", False), ("q4_0", True)])
def test_the_files_are_what_they_say(folder, quant, legacy):
    file = read_model(cached(folder, TINY, quant, legacy=legacy))
    assert file.architecture == "starcoder"
    assert file.metadata["starcoder.embedding_length"] == 256
    assert len(file.metadata["tokenizer.ggml.tokens"]) == 49152
    assert {tensor.type.name for tensor in file.tensors} == {"F32", quant.upper()}


def test_a_file_that_is_there_is_not_written_again(folder):
    first = cached(folder, TINY, "q8_0")
    written_at = first.stat().st_mtime_ns
    assert cached(folder, TINY, "q8_0").stat().st_mtime_ns == written_at
    assert not list(folder.glob("*.part"))


def test_ours_and_llama_cpp_alone_find_the_same_tokens(folder):
    found = measure_pairs("llama.cpp", cached(folder, TINY, "q8_0"), 3, 4)
    assert found["same_tokens"]
    assert found["request"]["lower_quartile"] <= found["request"]["median"] <= found["request"]["upper_quartile"]


@pytest.mark.parametrize("name", ["llama.cpp", "llama.cpp bare", "llama.cpp at its best"])
def test_every_speed_is_measured(folder, name):
    speed = measure_speed(name, cached(folder, TINY, "q8_0"), 32, 4)
    assert all(figure > 0 for figure in speed.values())


def test_the_model_has_the_real_ones_size():
    one = STARCODERBASE_1B
    assert (one.n_layers, one.width, one.n_heads, one.kv_width, one.n_vocab) == (24, 2048, 16, 128, 49152)
