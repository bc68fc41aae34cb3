"""What the converters of legacy GGML files wrote, one row for each: the sizes in the header, and the tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """How one converter wrote its files; E, V, C in a shape are the widths, the vocabulary and the context."""

    architecture: str
    sizes: tuple[str, ...]
    counts_vocabulary_again: bool
    tensors: Mapping[str, tuple[str, ...]]  # name → shape, innermost dimension first
    layer_tensors: Mapping[str, tuple[str, ...]]  # the same, for every layer
    optional: frozenset[str]
    kv_number_bytes: int
    pre: str


STARCODER = Family(
    "starcoder",
    ("V", "C", "E", "heads", "layers", "ftype"),
    True,
    {"model/ln_f/g": ("E",), "model/ln_f/b": ("E",), "model/wte": ("E", "V"), "model/wpe": ("E", "C"),
     "model/lm_head": ("E", "V")},
    {f"model/h{{}}/{name}": shape for name, shape in (
        ("ln_1/g", ("E",)), ("ln_1/b", ("E",)), ("ln_2/g", ("E",)), ("ln_2/b", ("E",)),
        ("attn/c_attn/w", ("E", "3E")), ("attn/c_attn/b", ("3E",)),
        ("attn/c_proj/w", ("E", "E")), ("attn/c_proj/b", ("E",)),
        ("mlp/c_fc/w", ("E", "4E")), ("mlp/c_fc/b", ("4E",)),
        ("mlp/c_proj/w", ("4E", "E")), ("mlp/c_proj/b", ("E",)))},
    frozenset({"model/lm_head"}),
    4,
    "starcoder",
)  # fmt: skip
GPT_NEOX = Family(
    "gptneox",
    ("V", "C", "E", "heads", "layers", "rotary", "parallel", "ftype"),
    False,
    {"gpt_neox.embed_in.weight": ("E", "V"), "gpt_neox.final_layer_norm.weight": ("E",),
     "gpt_neox.final_layer_norm.bias": ("E",), "embed_out.weight": ("E", "V")},
    {f"gpt_neox.layers.{{}}.{name}": shape for name, shape in (
        ("input_layernorm.weight", ("E",)), ("input_layernorm.bias", ("E",)),
        ("post_attention_layernorm.weight", ("E",)), ("post_attention_layernorm.bias", ("E",)),
        ("attention.query_key_value.weight", ("E", "3E")), ("attention.query_key_value.bias", ("3E",)),
        ("attention.dense.weight", ("E", "E")), ("attention.dense.bias", ("E",)),
        ("mlp.dense_h_to_4h.weight", ("E", "4E")), ("mlp.dense_h_to_4h.bias", ("4E",)),
        ("mlp.dense_4h_to_h.weight", ("4E", "E")), ("mlp.dense_4h_to_h.bias", ("E",)))},
    frozenset(),
    2,
    "gpt-2",
)  # fmt: skip


def shapes_of(family: Family, sizes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Every tensor that a file of the family has, optional ones too: name → shape, innermost dimension first."""
    dimensions = {**sizes, "3E": 3 * sizes["E"], "4E": 4 * sizes["E"]}
    layers = {
        name.format(layer): shape for layer in range(sizes["layers"]) for name, shape in family.layer_tensors.items()
    }
    return {name: tuple(dimensions[d] for d in shape) for name, shape in {**family.tensors, **layers}.items()}
