"""From the settings of a checkpoint (config.json) to those of a GGUF file, one function for each architecture.

Keys are given without the architecture's name before them: "context_length" for "starcoder.context_length".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from lsp_server.errors import ModelFileError

Config: TypeAlias = Mapping[str, Any]
Values: TypeAlias = dict[str, Any]
Settings: TypeAlias = Callable[[Config], Values]


def one_of(config: Config, *keys: str, default: Any = None) -> Any:
    """The number under the first of `keys` that the settings have.

    Raises ModelFileError where they have none and there is no default, and where it is no positive number.
    """
    for key in keys:
        if (value := config.get(key)) is not None:
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
                raise ModelFileError(f"config.json is damaged ({key} is {value!r}); download it again")
            return value
    if default is None:
        raise ModelFileError(f"config.json does not say {keys[0]!r}; download the whole checkpoint")
    return default


def bigcode_settings(config: Config) -> Values:
    width, n_heads = one_of(config, "n_embd", "hidden_size"), one_of(config, "n_head", "num_attention_heads")
    one_for_all = config.get("multi_query", config.get("attention_head_type", "multiquery") == "multiquery")
    return {
        "context_length": one_of(config, "n_positions", "max_position_embeddings"),
        "embedding_length": width,
        "feed_forward_length": one_of(config, "n_inner", default=4 * width),
        "block_count": one_of(config, "n_layer", "num_hidden_layers"),
        "attention.head_count": n_heads,
        "attention.head_count_kv": 1 if one_for_all else n_heads,
        "attention.layer_norm_epsilon": float(one_of(config, "layer_norm_epsilon", default=1e-5)),
    }


def refact_settings(config: Config) -> Values:
    """The feed-forward width is two thirds of `n_inner`, rounded up to a multiple of 256 (Shazeer 2020, 2002.05202)."""
    values = bigcode_settings({**config, "multi_query": True})
    two_thirds = int(2 * values["feed_forward_length"] / 3)
    values["feed_forward_length"] = (two_thirds + 255) // 256 * 256
    values["attention.layer_norm_rms_epsilon"] = values.pop("attention.layer_norm_epsilon")
    return values


def neox_settings(config: Config) -> Values:
    width, n_heads = one_of(config, "hidden_size"), one_of(config, "num_attention_heads")
    rope = config.get("rope_parameters") or {}
    fraction = one_of({**rope, **config}, "rotary_pct", "partial_rotary_factor", default=0.25)
    return {
        "context_length": one_of(config, "max_position_embeddings"),
        "embedding_length": width,
        "feed_forward_length": one_of(config, "intermediate_size"),
        "block_count": one_of(config, "num_hidden_layers"),
        "attention.head_count": n_heads,
        "attention.layer_norm_epsilon": float(one_of(config, "layer_norm_eps", default=1e-5)),
        "rope.dimension_count": int(width // n_heads * fraction),
        "rope.freq_base": float(one_of({**rope, **config}, "rotary_emb_base", "rope_theta", default=10000)),
        "use_parallel_residual": bool(config.get("use_parallel_residual", True)),
    }


def llama_settings(config: Config) -> Values:
    width, n_heads = one_of(config, "hidden_size"), one_of(config, "num_attention_heads")
    head = one_of(config, "head_dim", default=width // n_heads)
    return {
        "context_length": one_of(config, "max_position_embeddings"),
        "embedding_length": width,
        "feed_forward_length": one_of(config, "intermediate_size"),
        "block_count": one_of(config, "num_hidden_layers"),
        "attention.head_count": n_heads,
        "attention.head_count_kv": one_of(config, "num_key_value_heads", default=n_heads),
        "attention.key_length": head,
        "attention.value_length": head,
        "attention.layer_norm_rms_epsilon": float(one_of(config, "rms_norm_eps", default=1e-6)),
        "rope.dimension_count": head,
        **_rope(config),
    }


def starcoder2_settings(config: Config) -> Values:
    values = llama_settings(config)
    values.pop("attention.layer_norm_rms_epsilon")
    return values | {"attention.layer_norm_epsilon": float(one_of(config, "norm_epsilon", default=1e-5))}


def _rope(config: Config) -> Values:
    """Where the angles start, and how they are stretched; `rope_parameters` since transformers 5, flat before."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    base = float(one_of({**config, **rope}, "rope_theta", default=10000))
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind == "default":
        return {"rope.freq_base": base}
    if kind != "linear":
        raise ModelFileError(f"its way to stretch positions, {kind!r}, is not known; look for the same model as GGUF")
    return {"rope.freq_base": base, "rope.scaling.type": "linear", "rope.scaling.factor": float(rope["factor"])}
