"""How many bits each tensor gets, and what is lost by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize

from lsp_server.errors import EngineUnavailable
from lsp_server.inference.quantizer import quantizer
from lsp_server.models.convert import convert, encoding
from lsp_server.models.convert.mixtures import CODES, MIXTURES, tensor_types
from tests.small_checkpoints import (
    WIDTH,
    checkpoint,
    complaint,
    floats,
    tensor_in,
)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return checkpoint(tmp_path / "starcoder-small")


LEGACY = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
# Of numbers with a standard deviation of 1: the root of the mean squared error, measured.
ERRORS = {
    **dict(zip(LEGACY, (0.085, 0.077, 0.041, 0.038, 0.0052), strict=True)),
    **{"Q2_K": 0.29, "Q3_K": 0.15, "Q4_K": 0.070, "Q5_K": 0.036, "Q6_K": 0.018},
}


@pytest.mark.parametrize("type", ERRORS)
def test_what_was_quantized_is_nearly_what_it_was(type: str) -> None:
    rows = np.random.default_rng(0).standard_normal((5, 512)).astype(np.float32)
    stored = quantizer(CODES[type], n_threads=3)(rows)
    read = dequantize(stored, GGMLQuantizationType[type])
    assert float(np.sqrt(((read - rows) ** 2).mean())) == pytest.approx(ERRORS[type], rel=0.1)
    np.testing.assert_array_equal(quantizer(CODES[type], n_threads=1)(rows), stored)


@pytest.mark.parametrize("type", LEGACY)
def test_legacy_types_do_without_the_library(type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = floats(4, 256)
    with_it = dequantize(encoding.encoder(type)(rows), GGMLQuantizationType[type])
    _take_the_library_away(monkeypatch)
    without = dequantize(encoding.encoder(type)(rows), GGMLQuantizationType[type])
    assert np.abs(with_it - without).max() <= 0.3 and np.abs(without - rows).mean() < 0.1


def test_k_quants_without_the_library_are_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    _take_the_library_away(monkeypatch)
    assert "choose --quant q8_0" in complaint(lambda: encoding.encoder("Q4_K"))


def _take_the_library_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(code: int) -> None:
        raise EngineUnavailable("no C functions here")

    monkeypatch.setattr(encoding, "quantizer", missing)


def types_of(quant: str, width: int, n_layers: int, tied: bool = True) -> dict[str, str]:
    kinds = ("attn_qkv", "attn_output", "ffn_up", "ffn_down")
    shapes = {"token_embd.weight": (1000, width), "position_embd.weight": (100, width), "output_norm.weight": (width,)}
    shapes |= {} if tied else {"output.weight": (1000, width)}
    shapes |= {f"blk.{i}.{kind}.weight": (width, width) for i in range(n_layers) for kind in kinds}
    return tensor_types(shapes, MIXTURES[quant], n_layers, 16)


def test_q4_k_m_gives_more_bits_where_they_count() -> None:
    types = types_of("q4_k_m", 2048, 24)
    down = [types[f"blk.{i}.ffn_down.weight"] for i in range(24)]
    assert [i for i, type in enumerate(down) if type == "Q6_K"] == [0, 1, 2, 5, 8, 11, 14, 17, 20, 21, 22, 23]
    assert types["blk.3.attn_qkv.weight"] == "Q5_K" and types["blk.3.ffn_up.weight"] == "Q4_K"
    assert (
        types["token_embd.weight"] == "Q6_K" and types["position_embd.weight"] == types["output_norm.weight"] == "F32"
    )
    untied = types_of("q4_k_m", 2048, 24, tied=False)
    assert (untied["token_embd.weight"], untied["output.weight"]) == ("Q4_K", "Q6_K")


@pytest.mark.parametrize(
    ("quant", "width", "expected"),
    [
        ("q4_k_m", 288, "Q5_0"),
        ("q5_k_s", 288, "Q5_1"),
        ("q6_k", 288, "Q8_0"),
        ("q2_k", 288, "Q4_0"),
        ("q4_0", 288, "Q4_0"),
        ("q8_0", 40, "F16"),
    ],
)
def test_rows_that_no_block_fits_get_the_next_type(quant: str, width: int, expected: str) -> None:
    assert types_of(quant, width, 1)["blk.0.ffn_up.weight"] == expected


@pytest.mark.parametrize("quant", MIXTURES)
def test_every_mixture_can_be_written(quant: str, small: Path, tmp_path: Path) -> None:
    converted = convert(small, tmp_path / "out.gguf", quant)
    weight = tensor_in(tmp_path / "out.gguf", "blk.1.ffn_up.weight")
    assert converted.quantization == quant and weight.shape == (128, WIDTH)
