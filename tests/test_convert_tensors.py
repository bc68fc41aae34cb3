"""How the tensors of checkpoints are rearranged on their way into a model file, and how GPTQ becomes numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import quantize

from lsp_server.models.convert import convert, encoding
from lsp_server.models.convert.gptq import dequantized
from lsp_server.models.convert.settings import llama_settings, neox_settings
from lsp_server.models.convert.stored import read_safetensors
from lsp_server.models.convert.tensors import CenteredColumns, CenteredRows
from tests.small_checkpoints import (
    N_LAYERS,
    WIDTH,
    bigcode_tensors,
    checkpoint,
    complaint,
    floats,
    tensor_in,
    write_safetensors,
)

# --- tensors ----------------------------------------------------------------------------------------------------------


def test_santacoder_s_queries_and_keys_are_turned_and_joined(tmp_path: Path) -> None:
    tensors = bigcode_tensors()
    for i in range(N_LAYERS):
        for name in ("attn.c_proj", "mlp.c_fc", "mlp.c_proj"):
            key = f"transformer.h.{i}.{name}.weight"
            tensors[key] = np.ascontiguousarray(tensors[key].T)
        for kind in ("weight", "bias"):
            fused = tensors.pop(f"transformer.h.{i}.attn.c_attn.{kind}").T
            tensors[f"transformer.h.{i}.attn.q_attn.{kind}"] = np.ascontiguousarray(fused[..., :WIDTH])
            tensors[f"transformer.h.{i}.attn.kv_attn.{kind}"] = np.ascontiguousarray(fused[..., WIDTH:])
    folder = checkpoint(tmp_path / "santacoder", tensors, architectures=["GPT2LMHeadCustomModel"])
    convert(folder, tmp_path / "out.gguf", "f32")
    q, kv = (tensors[f"transformer.h.1.attn.{name}.weight"] for name in ("q_attn", "kv_attn"))
    np.testing.assert_array_equal(tensor_in(tmp_path / "out.gguf", "blk.1.attn_qkv.weight"), np.vstack([q.T, kv.T]))
    np.testing.assert_array_equal(
        tensor_in(tmp_path / "out.gguf", "blk.0.ffn_down.weight"), tensors["transformer.h.0.mlp.c_proj.weight"].T
    )


def test_heads_that_hold_query_key_and_value_are_sorted_by_these(tmp_path: Path) -> None:
    tensors = bigcode_tensors()
    for i in range(N_LAYERS):  # four heads of 16: q q q … k k k … v v v …, and so for the next head
        rows = np.arange(3 * WIDTH, dtype=np.float32)
        tensors[f"transformer.h.{i}.attn.c_attn.bias"] = rows
        tensors[f"transformer.h.{i}.attn.c_attn.weight"] = np.repeat(rows[:, None], WIDTH, axis=1)
    convert(checkpoint(tmp_path / "mha", tensors, multi_query=False), tmp_path / "out.gguf", "f32")
    bias = tensor_in(tmp_path / "out.gguf", "blk.0.attn_qkv.bias")
    assert bias[:16].tolist() == list(range(16)) and bias[16:32].tolist() == list(range(48, 64))
    assert bias[64:80].tolist() == list(range(16, 32)) and bias[128:144].tolist() == list(range(32, 48))
    np.testing.assert_array_equal(tensor_in(tmp_path / "out.gguf", "blk.0.attn_qkv.weight")[:, 0], bias)


class InMemory:
    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape = array.shape

    def raw(self) -> Any:
        return self._array

    def read(self, start: int, stop: int) -> Any:
        return self._array[start:stop].astype(np.float32)


def test_centred_numbers_have_the_same_rms_norm_as_layer_norm() -> None:
    embedding, matrix = InMemory(floats(10, 8) + 3), InMemory(floats(8, 5) + 1)
    stream = embedding.read(0, 10) + floats(10, 5) @ np.zeros((5, 8)) + 1
    centred = CenteredRows(InMemory(stream)).read(2, 7)
    layer_norm = (stream - stream.mean(axis=1, keepdims=True)) / stream.std(axis=1, keepdims=True)
    rms_norm = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True))
    np.testing.assert_allclose(rms_norm, layer_norm[2:7], rtol=1e-5, atol=1e-6)
    inputs = floats(6, 5)
    outputs = inputs @ CenteredColumns(matrix).read(0, 8).T
    np.testing.assert_allclose(outputs.mean(axis=1), 0, atol=1e-6)


def test_bfloat16_is_read_to_the_bit_and_written_to_the_nearest(tmp_path: Path) -> None:
    numbers = floats(7, 5)
    halves = (numbers.view(np.uint32) >> 16).astype(np.uint16)
    write_safetensors(tmp_path / "x.safetensors", {"x": halves})
    read = read_safetensors(tmp_path / "x.safetensors")["x"].read(2, 6)
    np.testing.assert_array_equal(read.view(np.uint32), halves[2:6].astype(np.uint32) << 16)
    np.testing.assert_array_equal(
        encoding.encoder("BF16")(numbers), quantize(numbers, GGMLQuantizationType.BF16).view(np.uint16)
    )


# --- settings ---------------------------------------------------------------------------------------------------------

LLAMA = {
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 4096,
}


@pytest.mark.parametrize(
    ("rope", "expected"),
    [
        ({}, {"rope.freq_base": 10000.0}),
        ({"rope_theta": 1e6, "rope_scaling": None}, {"rope.freq_base": 1e6}),
        ({"rope_theta": 1e5, "rope_scaling": {"type": "linear", "factor": 4}}, {"rope.scaling.factor": 4.0}),
        ({"rope_parameters": {"rope_theta": 1e5, "rope_type": "linear", "factor": 4}}, {"rope.freq_base": 1e5}),
    ],
)
def test_settings_of_old_and_new_checkpoints_are_read(rope: dict[str, Any], expected: dict[str, float]) -> None:
    settings = llama_settings(LLAMA | rope)
    assert expected.items() <= settings.items() and settings["attention.head_count_kv"] == 4


def test_a_way_to_stretch_positions_that_is_not_known_is_refused() -> None:
    config = LLAMA | {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}
    assert "'llama3', is not known" in complaint(lambda: llama_settings(config))


@pytest.mark.parametrize(
    "rope",
    [
        {"rotary_pct": 0.5, "rotary_emb_base": 500},
        {"rope_parameters": {"partial_rotary_factor": 0.5, "rope_theta": 500}},
    ],
)
def test_a_part_of_each_head_is_rotated(rope: dict[str, Any]) -> None:
    settings = neox_settings(LLAMA | rope)
    assert (settings["rope.dimension_count"], settings["rope.freq_base"]) == (8, 500.0)


# --- GPTQ -------------------------------------------------------------------------------------------------------------


def packed(numbers: list[int]) -> int:
    """Eight numbers of 4 bits in an int32, the first in the lowest bits."""
    return sum(number << 4 * i for i, number in enumerate(numbers)) - (1 << 32) * (numbers[7] >= 8)


def gptq_layer(n_groups: int, groups: list[int]) -> dict[str, Any]:
    """Eight inputs and eight outputs: output o has o for each input, a zero point of 8 and the scale 0.5 or 2."""
    qweight = np.array([[packed([o] * 8) for o in range(8)]], dtype=np.int32)
    qzeros = np.array([[packed([7] * 8)]] * n_groups, dtype=np.int32)
    scales = np.array([[0.5] * 8, [2.0] * 8][:n_groups], dtype=np.float16)
    return {"qweight": qweight, "qzeros": qzeros, "scales": scales, "g_idx": np.array(groups, dtype=np.int32)}


def weight_of(parts: dict[str, Any], **settings: Any) -> Any:
    stored = {f"layer.{name}": InMemory(part) for name, part in parts.items()}
    tensor = dequantized(stored, {"bits": 4} | settings)["layer.weight"]
    return np.concatenate([tensor.read(0, 3), tensor.read(3, 8)])


def test_four_bits_become_numbers_with_the_zero_point_one_above_what_is_stored() -> None:
    weight = weight_of(gptq_layer(1, [0] * 8))
    assert weight[:, 0].tolist() == [-4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5]
    assert weight_of(gptq_layer(1, [0] * 8), checkpoint_format="gptq_v2")[0].tolist() == [-3.5] * 8


def test_columns_find_their_group_where_they_were_sorted_by_importance() -> None:
    assert weight_of(gptq_layer(2, [1, 0, 1, 0, 0, 0, 1, 1]))[7].tolist() == [-2, -0.5, -2, -0.5, -0.5, -0.5, -2, -2]


def test_without_an_order_groups_follow_each_other() -> None:
    parts = gptq_layer(2, [])
    del parts["g_idx"]
    assert weight_of(parts)[7].tolist() == [-0.5] * 4 + [-2] * 4


def test_inputs_are_taken_from_the_lowest_bits_up() -> None:
    parts = gptq_layer(1, [0] * 8) | {"qweight": np.array([[packed([1, 2, 3, 4, 5, 6, 7, 9])] * 8], dtype=np.int32)}
    assert weight_of(parts)[5].tolist() == [-3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.5]


def test_a_gptq_layer_whose_parts_do_not_fit_is_refused() -> None:
    assert "quantized layer layer is damaged" in complaint(lambda: weight_of(gptq_layer(1, [0] * 7 + [1])))
    assert "3 bits" in complaint(lambda: weight_of(gptq_layer(1, [0] * 8), bits=3))
    assert "awq" in complaint(lambda: weight_of(gptq_layer(1, [0] * 8), quant_method="awq"))
